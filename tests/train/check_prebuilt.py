#!/usr/bin/env python3
"""A device without a compiler: kernels built beforehand run an experiment to the same bytes; without them a clear error.

usage: check_prebuilt.py LIMBECK SOURCE_FOLDER
Standard library only."""
import os
import subprocess
import sys
import tempfile

LIMBECK, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
EXPERIMENT = """
[experiment]
name = prebuilt
seed = 7
[data]
dataset = digits
batch = 128
[teacher]
model = cnn-wide
parameters = width=8
epochs = 1
[student]
model = mlp-tiny
epochs = 1
optimizer = adamw
lr = 0.01
[distill]
methods = kd
"""


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def limbeck(*words, status=0, **environment):
    done = subprocess.run([LIMBECK, *words], env={**os.environ, **environment}, capture_output=True, text=True, timeout=900)
    if done.returncode != status:
        fail(f"{' '.join(words)}: exit status {done.returncode}, expected {status}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def same(a, b):
    for name in ("teacher.safetensors", "student.safetensors", "control.safetensors", "metrics.jsonl"):
        with open(f"{a}/{name}", "rb") as first, open(f"{b}/{name}", "rb") as second:
            if first.read() != second.read():
                fail(f"{a}/{name} and {b}/{name} differ")


def forbidden(name):
    """Environment of a device that cannot compile, with a program cache of its own, empty."""
    return {"LIMBECK_NO_COMPILER": "1", "LIMBECK_CACHE": os.path.abspath("cache-" + name)}


def damage_one(folder):
    name = sorted(n for n in os.listdir(folder) if n.endswith(".bin"))[0]
    with open(os.path.join(folder, name), "r+b") as file:
        file.truncate(os.path.getsize(os.path.join(folder, name)) // 2)


def main():
    limbeck("run", "prebuilt.ini", "--out", "compiled", "--quiet")
    text = limbeck("kernels", "build", "--device", "cpu", "--out", "kernels", "prebuilt.ini")
    count = sum(name.endswith(".bin") for name in os.listdir("kernels"))
    if count < 10 or not text.startswith(f"{count} programs for "):
        fail(f"kernels build: {count} files: {text}")

    use = ("--set", "experiment.kernels=kernels", "--quiet")
    limbeck("run", "prebuilt.ini", "--out", "loaded", *use, **forbidden("loaded"))
    same("compiled", "loaded")
    os.mkdir("elsewhere")
    os.chdir("elsewhere")  # the path counts from the experiment's folder
    limbeck("run", "../prebuilt.ini", "--out", "../moved", *use, **forbidden("moved"))
    os.chdir("..")
    same("compiled", "moved")

    text = limbeck("run", "prebuilt.ini", "--out", "without", "--quiet", status=6, **forbidden("without"))
    if "kernel file " not in text or "the device has no compiler: prebuilt programs are needed" not in text:
        fail("without binaries: " + text)
    print("without binaries:", text.strip())

    damage_one("kernels")
    text = limbeck("run", "prebuilt.ini", "--out", "damaged", *use, status=3, **forbidden("damaged"))
    if "damaged" not in text or "no compiler" not in text:
        fail("damaged binary: " + text)
    print("with a damaged one:", text.strip())
    limbeck("run", "prebuilt.ini", "--out", "rebuilt", *use)  # with a compiler a damaged one is no matter
    same("compiled", "rebuilt")


os.environ.setdefault("LIMBECK_HOME", SOURCE)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("prebuilt.ini", "w") as file:
        file.write(EXPERIMENT)
    main()
    os.chdir("/")
