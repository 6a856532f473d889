#!/usr/bin/env python3
"""How the time of a step grows.

  bench/scaling.sh [--quick] [batch|depth|width|cores|schedule ...] [--device D] [--seconds S] [--rounds N] [--cpu-time] [--json FILE]

  batch     resnet20, 1 to 1024 images a step
  depth     resnet20 to resnet110, 128 images
  width     wide residual networks of depth 16, 1 to 4 times as wide, 128 images
  cores     resnet20, 128 images, on parts of the device: 1 compute unit, 2, ... and all
  schedule  resnet56 -> resnet20, 128 images: serial and concurrent

CIFAR's shapes, a training step with SGD. The time is the median step; of --rounds turns through a table's rows the fastest counts, so
that a slow spell of the machine meets all rows. "off linear": how much longer a step takes than the reference row's time times
the ratio of the FLOPs (marked ! beyond 10 %, from the reference row on). References: batch 16, the shallowest, the narrowest
network. Negative: faster than linear. --cpu-time holds processor time (all threads, user and system) against the FLOPs instead, which other
work on the machine disturbs less."""

import argparse
import json
import subprocess
import sys

GOAL = 0.10


class Limbeck:
    def __init__(self, options):
        self.program, self.device, self.seconds = options.limbeck, options.device, options.seconds
        self.time = "cpu_ms" if options.cpu_time else "step_ms"
        self.counts = {}

    def ask(self, *arguments):
        done = subprocess.run([self.program, *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"limbeck {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def steps(self, *arguments):
        """As many steps as take --seconds, at least three; how many that is, the first turn finds out."""
        if arguments not in self.counts:
            first = self.ask("bench", *arguments, "--steps", "1")
            self.counts[arguments] = max(3, min(500, int(self.seconds * 1e3 / first["step_ms"])))
        return self.ask("bench", *arguments, "--steps", str(self.counts[arguments]))

    def train(self, model, batch=128, device=None, parameters=None):
        device = device or self.device
        result = self.steps("train", "--model", model, "--batch", str(batch), *(["--device", device] if device else []),
                            *(["--set", f"student.parameters={parameters}"] if parameters else []))
        return {"ms": result[self.time], "gflop": result["student_gflops"] * result["student_ms"] * 1e-3}

    def distil(self, schedule):
        result = self.steps("kd", "--teacher", "resnet56", "--student", "resnet20", "--schedule", schedule)
        return {"ms": result["step_ms"], "overlap": result["overlap"],
                "teacher_ms": result["teacher_ms"], "student_ms": result["student_ms"]}

    def parts(self):
        """Device texts with their compute units: parts of equal size, and the whole."""
        device = self.device or "cpu"
        found = [d for d in self.ask("devices") if device in (d["id"], d["type"])]
        if not found:
            sys.exit(f"scaling.py: cores: --device {device} is no device of `limbeck devices`")
        units, most = found[0]["compute_units"], found[0]["max_sub_devices"]
        sizes = [n for n in range(1, units) if units % n == 0 and most > 1]
        return [(f"{found[0]['id']}/1 of {units // n}", n) for n in sizes] + [(found[0]["id"], units)]


def fastest(rows, rounds, measure):
    """{row: the turn with the least time}"""
    best = {}
    for _ in range(rounds):
        for row in rows:
            turn = measure(row)
            if row not in best or turn["ms"] < best[row]["ms"]:
                best[row] = turn
    return best


def print_growth(title, rows, found, reference):
    """Rows in order; from the reference on they should be linear."""
    base = found[reference]
    print(f"\n{title:24} {'FLOPs':>9} {'step':>12} {'GFLOP/s':>9}  off linear")
    for row in rows:
        turn = found[row]
        turn["off"] = turn["ms"] / base["ms"] / (turn["gflop"] / base["gflop"]) - 1
        late = rows.index(row) >= rows.index(reference) and turn["off"] > GOAL
        print(f"{str(row):24} {turn['gflop']:7.2f} G {turn['ms']:9.3f} ms {turn['gflop'] / turn['ms'] * 1e3:9.1f} {100 * turn['off']:+8.1f} %{' !' if late else ''}")


def batch(limbeck, options):
    rows = [1, 4, 16, 64, 256] if options.quick else [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    found = fastest(rows, options.rounds, lambda size: limbeck.train("resnet20", size))
    print_growth("resnet20, batch", rows, found, 16)
    return found


def depth(limbeck, options):
    rows = ["resnet20", "resnet56"] if options.quick else ["resnet20", "resnet32", "resnet44", "resnet56", "resnet110"]
    found = fastest(rows, options.rounds, limbeck.train)
    print_growth("depth, batch 128", rows, found, rows[0])
    return found


def width(limbeck, options):
    rows = ["k=1", "k=2"] if options.quick else ["k=1", "k=2", "k=3", "k=4"]
    found = fastest(rows, options.rounds, lambda k: limbeck.train("wrn", parameters=k))
    print_growth("wrn-16-k, batch 128", rows, found, rows[0])
    return found


def cores(limbeck, options):
    rows = limbeck.parts()
    found = fastest(rows, options.rounds, lambda part: limbeck.train("resnet20", device=part[0]))
    one = found[rows[0]]["ms"] * rows[0][1]
    print(f"\n{'resnet20, batch 128, on':24} {'units':>9} {'step':>12} {'speed-up':>9}  efficiency")
    for text, units in rows:
        ms = found[text, units]["ms"]
        print(f"{text:24} {units:9d} {ms:9.3f} ms {one / ms:9.2f} {100 * one / ms / units:9.0f} %")
    return {text: turn for (text, _), turn in found.items()}


def schedule(limbeck, options):
    found = fastest(["serial", "concurrent"], options.rounds, limbeck.distil)
    print(f"\n{'resnet56 -> resnet20':24} {'step':>12} {'teacher busy':>14} {'student busy':>14}  overlap efficiency")
    for name, turn in found.items():
        print(f"{name:24} {turn['ms']:9.3f} ms {turn['teacher_ms']:11.3f} ms {turn['student_ms']:11.3f} ms {turn['overlap']:8.2f}")
    print(f"serial takes {found['serial']['ms'] / found['concurrent']['ms']:.2f} times as long as concurrent")
    return found


TABLES = {f.__name__: f for f in (batch, depth, width, cores, schedule)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="|".join(TABLES), help="default: all of them")
    parser.add_argument("--quick", action="store_true", help="fewer rows, one round, short turns")
    parser.add_argument("--device", default="", help="P.D or a type, as in `limbeck devices`; default: Limbeck's own choice")
    parser.add_argument("--seconds", type=float, help="of steps in a turn; default: 2, or 0.5 with --quick")
    parser.add_argument("--rounds", type=int, help="default: 2, or 1 with --quick")
    parser.add_argument("--cpu-time", action="store_true", help="processor time, but for the table of schedules")
    parser.add_argument("--limbeck", default="build/limbeck")
    parser.add_argument("--json", default="", metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    for name in options.tables:
        if name not in TABLES:
            parser.error(f"there is no '{name}'; there are {', '.join(TABLES)}")
    options.rounds = options.rounds or (1 if options.quick else 2)
    options.seconds = options.seconds or (0.5 if options.quick else 2)
    limbeck, results = Limbeck(options), {}
    for name in options.tables or TABLES:
        results[name] = TABLES[name](limbeck, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
