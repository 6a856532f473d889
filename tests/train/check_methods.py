#!/usr/bin/env python3
"""All distillation methods at once on two devices: what must not move a bit of the student.

usage: check_methods.py LIMBECK
Every method of `limbeck list methods` stands in one of the experiments below, all of an experiment in one sum with small
weights. Run concurrently on two sub-devices, they leave the same bytes when run one after the other through the host, when
interrupted and resumed, and when the teacher's outputs come from its cache. Standard library only."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMBECK = os.path.abspath(sys.argv[1])
FILES = ["student.safetensors", "metrics.jsonl"]
LIMIT = 900  # seconds; what has not ended by then never will
TRIES = 30
IMAGES = """[experiment]
name = methods
seed = 4
control = no
checkpoint = 0
[data]
dataset = digits
batch = 32
labels = 0.5
subset = 0.12
[teacher]
model = resnet8
parameters = width=6
epochs = 1
[student]
model = resnet8
parameters = width=4
epochs = 4
lr = 0.02
[distill]
methods = {methods}
hard_weight = 1
{sections}"""
# What the two networks must be for methods that no pair of ResNets can have; {name: lines of [teacher], [student]}
SEQUENCES = {"hidden", "cosine", "pkd", "attention_map"}
TRANSFORMER = "model = vit\nparameters = patch=4 width={width} depth=2 heads=2"
KEYS = {"crd": "negatives = 64\n", "dafl": "width = 8\n", "data_free": "width = 8\n", "discriminator": "width = 8\n"}


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def run(out, *sets, wait=True):
    arguments = [LIMBECK, "run", "methods.ini", "--out", out, "--quiet"]
    process = subprocess.Popen(arguments + list(sets), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not wait:
        return process
    output, errors = process.communicate(timeout=LIMIT)
    if process.returncode:
        fail(f"{out}: exit status {process.returncode}: {output}{errors}")
    return process


def content(out, name):
    with open(os.path.join(out, name), "rb") as file:
        return file.read()


def same(out):
    for name in FILES:
        if content(out, name) != content("concurrent", name):
            fail(f"{out}/{name} differs from that of the concurrent run")


def interrupted(out):
    """Within the student's phase. On a machine that does other things first the run may be over before the signal: another one then."""
    path = os.path.join(out, "metrics.jsonl")
    for _ in range(TRIES):
        shutil.rmtree(out, ignore_errors=True)
        process = run(out, wait=False)
        while process.poll() is None and not (os.path.exists(path) and content(out, "metrics.jsonl").count(b'"phase":"student"') > 4):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
        if process.returncode == 130:
            break
        if process.returncode:
            fail(f"{out}: exit status {process.returncode} when interrupted: {errors}")
    else:
        fail(f"{out}: of {TRIES} signals none came in time")
    run(out, "--resume")


def tensor(out, file, name):
    """The bytes of one tensor of a safetensors file."""
    data = content(out, file)
    start = 8 + int.from_bytes(data[:8], "little")
    first, end = json.loads(data[8:start])[name]["data_offsets"]
    return data[start + first : start + end]


def accuracy(*arguments):
    process = subprocess.run([LIMBECK, "eval", *arguments, "--json"], capture_output=True, text=True)
    if process.returncode:
        fail(f"eval {arguments}: {process.stderr}")
    return json.loads(process.stdout)["accuracy"]


def deployed():
    """SimKD's student: with the teacher's classifier in its file, measured as such, and a model like any other elsewhere."""
    for name in ("weight", "bias"):
        if tensor("concurrent", "student.safetensors", f"simkd.classifier.{name}") != tensor("concurrent", "teacher.safetensors", f"fc.{name}"):
            fail(f"the deployed student's classifier is not the teacher's: {name}")
    if b'"fc.weight"' in content("concurrent", "student.safetensors"):
        fail("a classifier that is not deployed is in the student's file")
    result = json.loads(content("concurrent", "result.json"))["student"]["test"]["accuracy"]
    with open("reuse.ini", "w") as file:
        folder = os.path.abspath("concurrent")
        file.write(f"[data]\ndataset = digits\n[teacher]\nmodel = {folder}/student.ini\nweights = {folder}/student.safetensors\n")
        file.write("[student]\nmodel = mlp-tiny\n")
    again = accuracy("concurrent"), accuracy("reuse.ini", "--role", "teacher", "--weights", "concurrent/student.safetensors")
    if any(abs(value - result) > 1e-9 for value in again):
        fail(f"the deployed student has accuracy {result}, evaluated again {again}")


def check(methods, text):
    sections = "".join(f"[distill.{m}]\nweight = 0.001\n{KEYS.get(m, '')}" for m in methods)
    with open("methods.ini", "w") as file:
        file.write(text.format(methods=", ".join(methods), sections=sections))
    cache = ["--set", "teacher.cache=taps", "--set", "teacher.cache_file=outputs"]
    run("concurrent")
    run("serial", "--set", "experiment.schedule=serial", "--set", "experiment.bridge=host")
    same("serial")
    interrupted("resumed")
    same("resumed")
    run("filled", *cache)
    same("filled")
    run("found", *cache)
    same("found")
    if "simkd" in methods:
        deployed()
    print(f"{len(methods)} methods: serial, resumed and cached runs leave the same bytes")


def main():
    listed = subprocess.run([LIMBECK, "list", "methods"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split()[0] for line in listed]
    transformers = IMAGES
    transformers = transformers.replace("epochs = 4", "epochs = 30")  # their steps are short
    for role, old, width in (("teacher", "width=6", 12), ("student", "width=4", 8)):
        transformers = transformers.replace(f"model = resnet8\nparameters = {old}", TRANSFORMER.format(width=width))
    for methods, text in (
        ([name for name in names if name not in SEQUENCES], IMAGES),
        (["kd"] + [name for name in names if name in SEQUENCES], transformers),
    ):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            check(methods, text)
            os.chdir("/")


if __name__ == "__main__":
    main()
