#!/usr/bin/env python3
"""Every subcommand of the program: the shape of what it prints, exit statuses, JSON, refusals.

usage: check_cli.py LIMBECK SOURCE_FOLDER
Standard library only."""
import json
import math
import os
import re
import subprocess
import sys
import tempfile

LIMBECK, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
COMMANDS = ["run", "reproduce", "check", "eval", "devices", "list", "describe", "bench", "tune", "kernels", "docs", "version", "help"]
KINDS = ["ops", "methods", "models", "datasets", "augmentations", "mixes", "optimizers", "schedules", "presets", "tables"]
FILES = {"models": "models", "presets": "experiments/presets", "tables": "experiments/tables"}  # kinds whose entries are files, and where
EXPERIMENT = """[experiment]
name = little
seed = 5
[data]
dataset = digits
batch = 128
labels = 0.3
[teacher]
model = mlp-wide
epochs = 2
[student]
model = mlp-tiny
epochs = 3
[distill]
methods = kd
"""


def need(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


def limbeck(*words, status=0, folder=None):
    """(standard output, standard error)"""
    done = subprocess.run([LIMBECK, *words], capture_output=True, text=True, timeout=900, cwd=folder)
    need(done.returncode == status,
         f"limbeck {' '.join(words)}: exit status {done.returncode}, expected {status}: {done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def refused(message, *words, status=2):
    out, errors = limbeck(*words, status=status)
    need(message in errors, f"limbeck {' '.join(words)}: expected '{message}', got '{errors}'")
    need(errors.startswith("limbeck: ") and errors.count("limbeck: ") == 1, f"one message expected: {errors}")
    need(out == "", f"limbeck {' '.join(words)} failed and printed: {out}")


def check_help():
    version, _ = limbeck("version")
    need(re.fullmatch(r"limbeck \d+\.\d+\.\d+\n", version), version)
    need(limbeck("--version")[0] == version, "--version")
    text, errors = limbeck("help")
    need(errors == "" and text == limbeck("--help")[0] == limbeck("-h")[0] == limbeck()[0], "help, --help, -h, nothing")
    for command in COMMANDS:
        need(re.search(rf"^  limbeck {command} +\S", text, re.M), f"help does not name {command}")
        own, _ = limbeck("help", command)
        need(own.startswith(f"limbeck {command}"), own)
        need(limbeck(command, "--help")[0] == own, f"{command} --help")
    refused("there is no command 'rum', did you mean 'run'?; see `limbeck help`", "rum")
    refused("there is no command 'nonsense'; see `limbeck help`", "nonsense")
    refused("there is no command 'nonsense'", "help", "nonsense")


def check_unknown_options():
    """A word for every command's own words, then an option none of them knows."""
    words = {"run": ["x.ini"], "reproduce": ["digits"], "check": ["x.ini"], "eval": ["x.ini"], "tune": ["x.ini"], "bench": ["ops"], "describe": ["op", "relu"],
             "kernels": ["build", "--device", "cpu", "--out", "k"]}
    for command in COMMANDS:
        refused("unknown option '--nonsense'; usage: limbeck " + command, command, *words.get(command, []), "--nonsense")
        refused("too many words; usage: limbeck " + command, command, *(["ops"] if command == "bench" else ["a"]), "b", "c", "d")
    for command in ("run", "reproduce", "check", "eval", "bench", "tune", "describe", "kernels"):
        refused("usage: limbeck " + command, command)
    refused("--max-steps: '0' is no integer in [1, ", "run", "x.ini", "--max-steps", "0")
    refused("--max-steps: 'ten' is no integer in [1, ", "run", "x.ini", "--max-steps=ten")
    refused("--out is given twice", "run", "x.ini", "--out", "a", "--out", "b")
    refused("--set needs a value", "run", "x.ini", "--set")
    refused("cannot read \"x.ini\"", "run", "x.ini", status=3)


def check_lists():
    everything, _ = limbeck("list")
    for kind in KINDS:
        singular = "mix" if kind == "mixes" else kind[:-1]
        lines = limbeck("list", kind)[0].splitlines()
        need(lines and all(re.match(r"[a-z0-9_-]+ +\S", line) for line in lines), f"list {kind}: {lines}")
        need(f"\n{kind}\n" in "\n" + everything, f"list does not have {kind}")
        for name in (line.split()[0] for line in lines):
            need(f"\n  {name} " in everything, f"list does not have {kind} {name}")
            text, _ = limbeck("describe", kind, name)
            need(text.startswith(f"{singular} {name}: "), f"describe {kind} {name}: {text}")
    registered = sum(len(re.findall(r"^LBK_[A-Z]+\(", open(os.path.join(SOURCE, "host", folder, "registry.def")).read(), re.M))
                     for folder in ("optim", "data", "distill"))
    listed = sum(len(limbeck("list", kind)[0].splitlines()) for kind in KINDS[1:] if kind not in FILES)
    need(registered == listed, f"{registered} entries in the registries, {listed} listed")
    for kind, place in FILES.items():
        shipped = sorted(name[:-4] for name in os.listdir(os.path.join(SOURCE, place)) if name.endswith(".ini"))
        need([line.split()[0] for line in limbeck("list", kind)[0].splitlines()] == shipped, f"list {kind}")
    need("temperature" in limbeck("describe", "method", "kd")[0], "describe method kd")
    need("278324 parameters, 82.5 M FLOPs: 32x32x3, 100 classes" in limbeck("describe", "model", "resnet20")[0], "describe model resnet20")
    text, _ = limbeck("describe", "preset", "repdistiller")
    for part in ("github.com/HobbitLong/RepDistiller", "\n[student]\nepochs = 240\n", "\nmilestones = 150, 180, 210\n", "\nweight = 0.9\n"):
        need(part in text, f"describe preset repdistiller lacks '{part}': {text}")
    refused("there is no preset 'repdistilller', did you mean 'repdistiller'?; see `limbeck list presets`", "describe", "preset", "repdistilller")
    refused("nothing is listed as 'method5'; expected one of ops, methods,", "list", "method5")
    refused("there is no method 'kdd', did you mean 'dkd'?; see `limbeck list methods`", "describe", "method", "kdd")


def check_devices():
    devices = json.loads(limbeck("devices", "--json")[0])
    text, _ = limbeck("devices")
    need(devices, "no device")
    for device in devices:
        for key in ("id", "name", "type", "kernels", "platform", "driver", "compute_units", "vector_width", "global_bytes",
                    "local_bytes", "unified_memory", "compiler", "fp64", "fp16", "max_sub_devices"):
            need(key in device, f"devices --json lacks {key}")
        need(f"{device['id']}  {device['name']}" in text, f"devices lacks {device['id']}")
        need(device["compute_units"] >= 1 and device["global_bytes"] > 0, f"{device}")


def check_check():
    text, _ = limbeck("check", "little.ini")
    for part in ("little: seed 5, concurrent schedule", "data: digits, 8x8x1, 10 classes, 1437 training, 0 validation, 360 test",
                 "teacher: mlp-wide, 85.0 k parameters", "student: mlp-tiny, 610 parameters", "control: mlp-tiny",
                 "of device memory", "2 epochs of 11 steps, batch 128, sgd, lr 0.05, cosine", "methods: kd",
                 "flatten view", "  runs dense ", "files: experiment.ini metrics.jsonl log.txt result.json teacher.safetensors student.safetensors control"):
        need(part in text, f"check lacks '{part}': {text}")
    text, _ = limbeck("check", "little.ini", "--set", "experiment.control=no", "--set", "data.validation=0.2")
    need("control" not in text and "validation, 360 test" in text, text)
    need(not os.path.exists("runs"), "check wrote something")
    refused("little.ini: [teacher] device: no device 7.7; there is:", "check", "little.ini", "--set", "teacher.device=7.7")
    refused('--set: [distill.kd] weight: expected number or "from -> to [cosine]", each in [0, 1000000]; "warmup EPOCHS" may follow, got "much"', "check",
            "little.ini", "--set", "distill.kd.weight=much")


def numbers_below(value):
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers_below(inner)]
    return [value] if isinstance(value, (int, float)) else []


def check_result(result, control=True):
    for key in ("name", "seed", "agreement", "distillation_error", "devices", "time", "overlap"):
        need(key in result, f"result.json lacks {key}")
    need(set(result["devices"]) == {"teacher", "student"}, "devices")
    for role in ("teacher", "student", "control")[:3 if control else 2]:
        for key in ("params", "flops"):
            need(result[role][key] > 0, f"{role}.{key}")
        need(set(result[role]["test"]) == {"accuracy", "loss", "macro_f1"}, f"{role}.test")
    for key in ("total_s", "compile_s"):
        need(result["time"][key] > 0, f"time.{key}")
    for key in ("teacher_busy_s", "student_busy_s", "wall_s"):
        need(result["overlap"][key] > 0, f"overlap.{key}")
    overlap = result["overlap"]
    busy = (overlap["teacher_busy_s"], overlap["student_busy_s"])
    need(abs(overlap["efficiency"] - (sum(busy) - overlap["wall_s"]) / min(busy)) < 1e-9, "overlap.efficiency")
    need(result["overlap"]["bytes_moved"] > 0, "overlap.bytes_moved")
    need(all(math.isfinite(number) for number in numbers_below(result)), "a figure is not finite")


def check_metrics(path, steps):
    """One line for every step of every phase, in order."""
    lines = [json.loads(line) for line in open(path)]
    expected = [(phase, step) for phase in ("teacher", "student", "control") for step in range(steps[phase])]
    need([(line["phase"], line["step"]) for line in lines] == expected, f"{path}: {len(lines)} lines, {len(expected)} steps")
    for line in lines:
        need(line["epoch"] == line["step"] // 11, f"epoch: {line}")
        keys = ["phase", "epoch", "step", "total", "hard", "lr"] + (["kd"] if line["phase"] == "student" else [])
        need(list(line) == keys, f"keys: {line}")
        weighted = 0.1 * line["hard"] + 0.9 * line["kd"] if "kd" in line else line["hard"]
        need(abs(line["total"] - weighted) <= 1e-5 * abs(weighted), f"total: {line}")


def check_run():
    out, errors = limbeck("run", "little.ini", "--out", "first", "--json")
    result = json.loads(out)
    check_result(result)
    need(result == json.load(open("first/result.json")), "--json and result.json differ")
    need(result["name"] == "little" and result["seed"] == 5, "name, seed")
    need(result["teacher"]["test"]["accuracy"] > 0.7, f"the teacher learned nothing: {result['teacher']}")
    for part in ("teacher: training, 22 steps", "epoch 2/2, step 22/22, loss ", " samples/s", "student: trained in ", "measuring"):
        need(part in errors, f"progress lacks '{part}': {errors}")
    need("\r" not in errors and "\033" not in errors, "terminal codes where there is no terminal")
    check_metrics("first/metrics.jsonl", {"teacher": 22, "student": 33, "control": 33})
    names = set(os.listdir("first"))
    need(names == {"checkpoint", "experiment.ini", "metrics.jsonl", "log.txt", "result.json", "teacher.safetensors",
                   "student.safetensors", "control.safetensors"}, f"run folder: {names}")
    with open("first/log.txt") as file:
        log = file.read()
    for part in ("Z teacher: training from step 0 to 22\n", "Z student: trained, ", "Z done: accuracy of teacher "):
        need(part in log, f"log.txt lacks '{part}': {log}")
    need(os.listdir("first/checkpoint") == [], "a checkpoint of a finished run")

    out, _ = limbeck("run", "little.ini")
    table = [line.split() for line in out.splitlines()]
    need(["teacher", "student", "control"] in table, f"no table: {out}")
    for title in ("parameters", "FLOPs per sample", "test accuracy", "macro F1", "agreement with teacher",
                  "distillation error (KL)", "time per sample"):
        need(title in out, f"the table lacks {title}")
    accuracy = f"{100 * result['student']['test']['accuracy']:.2f} %"
    need(accuracy in out, f"the table lacks {accuracy}: {out}")
    need("run folder: runs/little\n" in out and os.path.exists("runs/little/result.json"), "runs/little")
    need(limbeck("run", "little.ini", "--quiet", "--max-steps", "1", "--set", "experiment.control=no")[0] == "", "--quiet")
    check_result(json.load(open("runs/little-2/result.json")), control=False)
    need("control" not in json.load(open("runs/little-2/result.json")), "a control that was not asked for")
    return result


def check_dump():
    limbeck("run", "little.ini", "--out", "dumped", "--quiet", "--max-steps", "3", "--dump", "dump", "--profile")
    need(set(os.listdir("dump")) == {"teacher-initial.safetensors", "student-initial.safetensors", "control-initial.safetensors",
                                     "student-gradients.safetensors"}, f"{os.listdir('dump')}")
    read = lambda name: open("dump/" + name, "rb").read()
    need(read("student-initial.safetensors") == read("control-initial.safetensors"), "student and control start apart")

    def header(name):
        data = read(name)
        return json.loads(data[8:8 + int.from_bytes(data[:8], "little")])

    weights, gradients = header("student-initial.safetensors"), header("student-gradients.safetensors")
    for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"):
        need(weights[name]["shape"] == gradients[name]["shape"], f"{name}")
    need(weights["fc1.weight"]["shape"] == [8, 64], "the ecosystem's layout is [out, in]")


def check_eval(result):
    for role in ("teacher", "student"):
        figures = json.loads(limbeck("eval", "first", "--role", role, "--json")[0])
        need(figures["count"] == 360 and figures["role"] == role and figures["part"] == "test", f"{figures}")
        for key in ("accuracy", "loss", "macro_f1"):
            need(figures[key] == result[role]["test"][key], f"eval's {key} of the {role} is not the run's")
    text, _ = limbeck("eval", "first")
    need(text.startswith("student, test part, 360 samples: accuracy "), text)
    control = json.loads(limbeck("eval", "little.ini", "--weights", "first/control.safetensors", "--json", "--part", "train",
                                 "--logits", "logits.safetensors")[0])
    need(control["count"] == 1437, "all training samples are measured")
    data = open("logits.safetensors", "rb").read()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    need(header["logits"]["shape"] == [1437, 10] and header["labels"]["shape"] == [1437], f"{header}")
    refused("--weights is needed with an experiment file", "eval", "little.ini")
    refused('there is no run folder and no experiment file "frist"', "eval", "frist", status=3)
    refused("the validation part is empty", "eval", "first", "--part", "validation")
    refused("--part: 'tset' is none of train, validation, test", "eval", "first", "--part", "tset")
    refused("--role: 'control' is neither teacher nor student", "eval", "first", "--role", "control")
    refused("teacher.safetensors", "eval", "first", "--weights", "first/teacher.safetensors")
    refused("nowhere.safetensors", "eval", "first", "--weights", "nowhere.safetensors", status=3)


def check_bench():
    lines = limbeck("bench", "ops", "--op", "relu", "--repeat", "2", "--json")[0].splitlines()
    need(len(lines) >= 2, "bench of relu's examples")
    for line in map(json.loads, lines):
        need(line["op"] == "relu" and 0 < line["min_ms"] <= line["median_ms"] <= line["max_ms"], f"{line}")
    line = json.loads(limbeck("bench", "ops", "--op", "matmul", "--shape", "64x32", "--shape", "32x48", "--repeat", "1",
                              "--json")[0])
    need(line["shape"] == "64x32" or "64x32" in line["shape"], f"{line}")
    need(re.match(r"relu +\S", limbeck("bench", "ops", "--op", "relu", "--repeat", "1")[0]), "bench as text")
    line = json.loads(limbeck("bench", "train", "--model", "cnn-tiny", "--image", "8x8x1", "--batch", "16", "--steps", "3",
                              "--json")[0])
    need(line["batch"] == 16 and 0 < line["step_min_ms"] <= line["step_ms"] <= line["step_max_ms"] and
         line["student_bytes"] > 0 and line["student_gflops"] > 0, f"bench train: {line}")
    line = json.loads(limbeck("bench", "kd", "--teacher", "cnn-wide", "--student", "cnn-tiny", "--image", "8x8x1", "--batch",
                              "16", "--steps", "3", "--schedule", "serial", "--json")[0])
    need(line["teacher_ms"] > 0 and line["student_ms"] > 0 and line["samples_per_s"] > 0, f"bench kd: {line}")
    for one in lines + [json.dumps(line)]:
        need(json.loads(one)["cpu_ms"] > 0, f"processor time: {one}")
    line = json.loads(limbeck("bench", "peak", "--json")[0])
    need(line["gflops"] > 0 and line["gbytes_per_s"] > 0, f"bench peak: {line}")
    need(re.search(r"[\d.]+ GFLOP/s of fused multiply-adds, [\d.]+ GB/s copied", limbeck("bench", "peak")[0]), "bench peak as text")
    text = limbeck("bench", "train", "--model", "cnn-tiny", "--image", "8x8x1", "--batch", "16", "--steps", "2", "--explain")[0]
    need(re.search(r"\nhost: [\d.]+ [um]?s a step, [\d.]+ % of it\n", text), text)
    need(re.search(r"network, a step on .*\n +time .*roofline.*\n( +[\d.]+ [um]?s .* %  \w+ .*\n){10,}", text) and
         re.search(r"%  conv2d \w+/\S+ 16x8x8x1, conv1\n", text) and re.search(r"all: [\d.]+ ms, \d+ % of the roofline", text), text)
    line = json.loads(limbeck("bench", "train", "--model", "bert-tiny", "--set", "student.parameters=layers=1 length=6 vocabulary=20",
                              "--batch", "3", "--steps", "2", "--json")[0])
    need(0 < line["host_ms"] and line["samples_per_s"] > 0, f"bench train of a network that reads tokens: {line}")
    refused("--image: bert-tiny reads no image", "bench", "train", "--model", "bert-tiny", "--image", "8x8x1")
    refused("usage: limbeck bench peak", "bench", "peak", "--repeat", "3")
    refused("usage: limbeck bench kd --teacher M", "bench", "kd", "--teacher", "cnn-wide")
    refused("bench: expected ops, train, kd or peak", "bench", "oops")
    refused("there is no op 'rleu'", "bench", "ops", "--op", "rleu")
    refused("--shape: expected sizes like 128x32x32x16", "bench", "ops", "--op", "relu", "--shape", "3x")
    refused("usage: limbeck bench", "bench", "nothing")
    refused("usage: limbeck bench", "bench", "ops", "--shape", "3")


TUNE = ["tune", "--model", "cnn-tiny", "--image", "8x8x1", "--batch", "16", "--device", "cpu"]


def check_tune():
    """In a cache of its own; the second run finds what the first one found."""
    shared = os.environ.get("LIMBECK_CACHE")
    os.environ["LIMBECK_CACHE"] = os.path.abspath("tuned")
    for kept, more in ((False, []), (True, []), (False, ["--again"])):
        found = json.loads(limbeck(*TUNE, "--budget", "600", "--json", *more)[0])
        choices = found["choices"]
        need(len(choices) >= 3 and found["left"] == 0 and found["seconds"] > 0, f"{found}")
        need((found["kept"], found["measured"]) == ((len(choices), 0) if kept else (0, len(choices))), f"{found}")
        for choice in choices:
            times = choice["ms"]
            need(len(times) >= 2 and min(times.values()) > 0 and choice["winner"] in times and
                 times[choice["winner"]] < 1.06 * min(times.values()), f"{choice}")
    path, = (os.path.join("tuned", "tune", name) for name in os.listdir("tuned/tune"))
    entries = json.load(open(path))
    need(len(entries) == len(choices) and all(set(entry) == {"winner", "ms"} for entry in entries.values()), f"{entries}")
    text, _ = limbeck(*TUNE)
    need(re.search(r"^  dense 16x8 8x10 10, out=10\n    [* ] cpu/\S+ +[\d.]+ [um]s\n    [* ] ", text, re.M), text)
    need(text.count(" * ") == len(choices) and f"0 measured, {len(choices)} known from before, 0 left, " in text, text)
    # What is kept is what a run takes.
    key = next(key for key in entries if key.startswith("dense "))
    for variant in entries[key]["ms"]:
        entries[key]["winner"] = variant
        json.dump(entries, open(path, "w"))
        text, _ = limbeck("bench", "train", *TUNE[1:], "--steps", "1", "--explain")
        need(re.search(rf"%  dense {variant} ", text), f"{variant} was kept and is not what runs: {text}")
    found = json.loads(limbeck("tune", os.path.join(SOURCE, "experiments", "quickstart.ini"), "--budget", "1", "--json")[0])
    need(found["left"] + found["measured"] == len(found["choices"]) > 0 and {c["device"] for c in found["choices"]}, f"{found}")
    if shared is None:
        del os.environ["LIMBECK_CACHE"]
    else:
        os.environ["LIMBECK_CACHE"] = shared
    refused('there is no model "cnn-tinny"; did you mean', "tune", "--model", "cnn-tinny")
    refused("unknown option '--batch'; usage: limbeck tune FILE", "tune", "little.ini", "--batch", "3")
    refused("too many words; usage: limbeck tune", "tune", "little.ini", "--model", "cnn-tiny")
    refused("--budget: '0' is no integer in [1, ", "tune", "little.ini", "--budget", "0")
    refused("usage: limbeck tune", "tune")


def check_kernels():
    text, _ = limbeck("kernels", "build", "--device", "cpu", "--out", "binaries", "little.ini")
    count = sum(name.endswith(".bin") for name in os.listdir("binaries"))
    need(re.fullmatch(rf"{count} programs for \S+ .* written to binaries\n", text), text)
    need(json.load(open("binaries/index.json")), "index.json")
    refused("usage: limbeck kernels build", "kernels", "make", "--device", "cpu", "--out", "x")
    refused("usage: limbeck kernels build", "kernels", "build", "--device", "cpu")
    refused("no device 8.8; there is:", "kernels", "build", "--device", "8.8", "--out", "x", "little.ini")


def check_docs():
    text, _ = limbeck("docs")
    for part in ("## [experiment]", "## [data]", "## [teacher]", "## [student]", "## [distill]", "### kd", "| `temperature` |"):
        need(part in text, f"docs lack {part}")
    path = os.path.join(SOURCE, "docs", "experiments.md")
    if os.path.exists(path):
        need(open(path).read() == text, "docs/experiments.md is not what `limbeck docs` prints")


def main():
    check_help()
    check_unknown_options()
    check_lists()
    check_devices()
    check_check()
    result = check_run()
    check_dump()
    check_eval(result)
    check_bench()
    check_tune()
    check_kernels()
    check_docs()
    print("every subcommand does what it says")


os.environ.setdefault("LIMBECK_HOME", SOURCE)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("little.ini", "w") as file:
        file.write(EXPERIMENT)
    main()
    os.chdir("/")
