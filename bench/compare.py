#!/usr/bin/env python3
"""Limbeck against PyTorch, on the same device: ops (forward and backward), training steps, distillation steps and the memory they
take.

  bench/run.sh [--quick] [ops|train|kd|memory ...] [--only TEXT] [--rounds N] [--json FILE] [--cpu-time] [--arithmetic A]

The two take turns, --rounds times, so that a slow spell of the machine meets both. A round is the median of many
repetitions; the table gives the median round of each, with the fastest and the slowest, and the ratio of the medians: above 1,
Limbeck is faster. --cpu-time compares processor time instead (all threads, user and system), which other work on the
machine disturbs less. "of peak": the rate at which Limbeck's time has the FLOPs done, over what `limbeck bench peak` measures;
for ops of the roofline (that rate, or the bytes', whichever is closer to its bound). Convolutions by Winograd's algorithm do
fewer FLOPs than are counted, and what stays in caches moves faster than the copy that measures the bandwidth: both may be
above 100 %. Without PyTorch only Limbeck's columns are filled."""

import argparse
import json
import os
import statistics
import subprocess
import sys

import pytorch
from cases import GROUPS, Op

SPELL = 0.4  # seconds of one side's turn


class Limbeck:
    def __init__(self, options):
        self.program, self.device, self.peak = options.limbeck, options.device, None
        self.arithmetic = options.arithmetic
        self.peak = self.run(["bench", "peak"])

    def run(self, arguments, *devices):
        """devices: the options that say where. A teacher and its student share the device, as they do in PyTorch."""
        where = [word for option in devices or ["--device"] for word in (option, self.device)] if self.device else []
        command = [self.program, *arguments, "--json", *where]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    @staticmethod
    def places(case):
        return ("--teacher-device", "--student-device") if case.teacher else ("--device",)

    def measure(self, case, repeat):
        """{ms, cpu_ms, share: of the peak}"""
        if isinstance(case, Op):
            result = self.run([*case.command(repeat), "--arithmetic", self.arithmetic])
            share = max(result[rate] / self.peak[rate] for rate in ("gflops", "gbytes_per_s"))
            return {"ms": result["median_ms"], "cpu_ms": result["cpu_ms"], "share": share}
        roles = ("student", "teacher") if case.teacher else ("student",)
        rounded = {f"{role}.arithmetic": self.arithmetic for role in roles if self.arithmetic != "float32"}
        result = self.run(case.command(repeat, **rounded), *self.places(case))
        work = sum(result[f"{role}_gflops"] * result[f"{role}_ms"] for role in ("student", "teacher") if f"{role}_ms" in result)
        return {"ms": result["step_ms"], "cpu_ms": result["cpu_ms"], "share": work / result["step_ms"] / self.peak["gflops"]}

    def memory(self, case, **settings):
        result = self.run(case.command(1, **settings), *self.places(case))
        return result["student_bytes"] + result.get("teacher_bytes", 0)


def warn_of_slow_blas():
    """Debian's PyTorch multiplies with whatever libblas.so.3 is installed; the reference one makes no fair comparison."""
    pytorch.torch.matmul(pytorch.torch.ones(64, 64), pytorch.torch.ones(64, 64))
    with open("/proc/self/maps") as file:
        loaded = {line.split()[-1] for line in file if "libblas.so" in line}
    if any("/blas/" in os.path.realpath(path) for path in loaded):
        print("note: PyTorch uses the reference BLAS here, which is slow: apt-get install libopenblas0-pthread")


def cell(times):
    if not times:
        return f"{'-':>28}"
    return f"{statistics.median(times):9.3f} ({min(times):.3f}-{max(times):.3f})".rjust(28)


def compare(case, limbeck, options):
    """Prints the case's row and returns all its rounds."""
    first = limbeck.measure(case, 3)  # compiles, and says how much fits into a turn
    repeat = max(3, min(300, int(SPELL * 1e3 / first["ms"])))
    autocast = options.arithmetic == "bfloat16"  # which single ops, backward ones above all, do not take part in
    compared = pytorch.available() and not (autocast and isinstance(case, Op))
    work = pytorch.prepare(case, options.torch_device) if compared else None
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(limbeck.measure(case, repeat))
        if work:
            theirs.append(dict(zip(("ms", "cpu_ms"), pytorch.measure(work, repeat, options.torch_device))))
    key = "cpu_ms" if options.cpu_time else "ms"
    a, b = [turn[key] for turn in ours], [turn[key] for turn in theirs]
    ratio = f"{statistics.median(b) / statistics.median(a):6.2f}" if b else "     -"
    share = statistics.median(turn["share"] for turn in ours)
    print(f"{case.name:44} {cell(a)} {cell(b)} {ratio} {100 * share:7.0f} %", flush=True)
    return {"name": case.name, "limbeck": ours, "pytorch": theirs}


def torch_memory(case):
    command = [sys.executable, pytorch.__file__, "memory", case.student, str(case.batch), case.image]
    done = subprocess.run(command + ([case.teacher] if case.teacher else []), stdout=subprocess.PIPE, text=True)
    return int(done.stdout) if done.returncode == 0 else None


def compare_memory(case, limbeck, _):
    """Limbeck: the bytes its plans allocate (weights, gradients, optimiser state, activations). PyTorch: growth of the peak
    resident memory of a process of its own."""
    ours, again = limbeck.memory(case), limbeck.memory(case, **{"student.recompute": "yes"})
    packed = limbeck.memory(case, **{"student.storage": "float16"})
    theirs = torch_memory(case) if pytorch.available() else None
    other, ratio = (f"{theirs / 1e6:9.0f} MB", f"{theirs / ours:6.2f}") if theirs else ("-", "     -")
    print(f"{case.name:44} {ours / 1e6:9.0f} MB {packed / 1e6:9.0f} MB {again / 1e6:9.0f} MB {other:>24} {ratio}", flush=True)
    return {"name": case.name, "limbeck_bytes": ours, "limbeck_float16_bytes": packed, "limbeck_recompute_bytes": again, "pytorch_bytes": theirs}


def head(group, options):
    if group == "memory":
        return f"\n{'memory of a step':44} {'Limbeck':>12} {'float16':>12} {'recompute':>12} {'PyTorch, growth of peak':>24}  ratio"
    unit = "CPU ms" if options.cpu_time else "ms"
    return f"\n{group:44} {f'Limbeck: {unit} (range)':>28} {f'PyTorch: {unit} (range)':>28}  ratio  of peak"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="|".join(GROUPS), help="default: all of them")
    parser.add_argument("--quick", action="store_true", help="fewer cases, three rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains this")
    parser.add_argument("--cpu-time", action="store_true", help="compare processor time")
    parser.add_argument("--rounds", type=int, help="default: 5, or 3 with --quick")
    parser.add_argument("--limbeck", default="build/limbeck")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch; default: all cores, as OpenCL has")
    parser.add_argument("--device", default="", help="of Limbeck, as in an experiment; default: its own choice")
    parser.add_argument("--torch-device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--arithmetic", default="float32", choices=("float32", "tf32", "bfloat16"),
                        help="of matrix products and convolutions: PyTorch's allow_tf32, autocast (steps only)")
    parser.add_argument("--json", default="", metavar="FILE", help="write all rounds there too")
    options = parser.parse_args()
    for group in options.groups:
        if group not in GROUPS:
            parser.error(f"there is no '{group}'; there are {', '.join(GROUPS)}")
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def main():
    options = parse()
    limbeck = Limbeck(options)
    if pytorch.available():
        pytorch.torch.set_num_threads(options.threads)
        pytorch.set_arithmetic(options.arithmetic)
        print(f"Limbeck against PyTorch {pytorch.torch.__version__} ({options.torch_device}, {options.threads} threads, channels last), products in {options.arithmetic}")
        warn_of_slow_blas()
    else:
        print("Limbeck alone: PyTorch cannot be imported (Debian, Ubuntu: apt-get install python3-torch)")
    print(f"device {limbeck.peak['device']}: peak {limbeck.peak['gflops']:.0f} GFLOP/s, copies {limbeck.peak['gbytes_per_s']:.1f} GB/s")
    results = {"peak": limbeck.peak}
    for group in options.groups or GROUPS:
        cases = [case for case in GROUPS[group] if options.only in case.name and (case.quick or not options.quick or group == "memory")]
        print(head(group, options))
        results[group] = [(compare_memory if group == "memory" else compare)(case, limbeck, options) for case in cases]
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
