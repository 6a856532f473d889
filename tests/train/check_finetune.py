#!/usr/bin/env python3
"""A student that starts from a file and keeps part of itself as it was: [student] init, init_map, init_except, freeze.

usage: check_finetune.py LIMBECK SOURCE_FOLDER
Weights are compared byte by byte. Standard library only."""
import json
import os
import struct
import subprocess
import sys
import tempfile

LIMBECK, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
EXPERIMENT = """
[experiment]
name = finetune
seed = 5
[data]
dataset = digits
batch = 64
[teacher]
model = mlp-wide
epochs = 2
[student]
model = mlp-tiny
epochs = 2
weight_decay = 0.01
[distill]
methods = kd
"""
# mlp-wide under other names.
RENAMED = """
[model]
summary = the layers of mlp-wide under other names
[parameters]
classes = data
[network]
flatten = flatten
body = layer
top.fc2 = dense out=256
relu2 = relu
head = dense out=classes
[block layer]
first = dense out=256
relu = relu
"""
# Networks that are no classifiers of images.
TOKENS = "[model]\nsummary = x\ninputs = a:3 b:3\n[network]\nc = add from=a,b\nd = dense out=10\n"
PIXELS = "[model]\nsummary = x\noutputs = a\n[network]\na = relu\n"


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def limbeck(*arguments, expected=0):
    done = subprocess.run([LIMBECK, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != expected:
        fail(f"{arguments}: exit status {done.returncode}, expected {expected}: {done.stdout}")
    return done.stdout


def run(out, **student):
    sets = [word for key, value in student.items() for word in ("--set", f"student.{key}={value}")]
    limbeck("run", "finetune.ini", "--quiet", "--out", out, "--dump", out + "-dump", *sets)


def tensors(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    return {name: body[entry["data_offsets"][0] : entry["data_offsets"][1]] for name, entry in header.items()}


def expect_same(what, have, want, names):
    """`names`: {ours: theirs}; every other tensor of `have` must differ from the one of its name."""
    for name, bytes_ in have.items():
        if name in names and bytes_ != want[names[name]]:
            fail(f"{what}: {name} is not the file's {names[name]}")
        if name not in names and bytes_ == want.get(name):
            fail(f"{what}: {name} is the file's, and should not be")


def own(*names):
    return {name: name for name in names}


def freezing(teacher):
    """fc3 starts afresh; fc1 and one bias stay what they are, in the student and in its control, weight decay or not."""
    run("frozen", model="mlp-wide", init="first/teacher.safetensors", init_except="fc3", freeze="fc1,fc2.bias")
    loaded, kept = own("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"), own("fc1.weight", "fc1.bias", "fc2.bias")
    for role in ("student", "control"):
        expect_same(role + "'s start", tensors(f"frozen-dump/{role}-initial.safetensors"), teacher, loaded)
        expect_same(role + "'s end", tensors(f"frozen/{role}.safetensors"), teacher, kept)
    gradients = set(tensors("frozen-dump/student-gradients.safetensors"))
    if gradients != {"fc2.weight", "fc3.weight", "fc3.bias"}:
        fail(f"gradients of {gradients}")
    with open("frozen/log.txt", encoding="utf-8") as file:
        log = file.read()
    if "student: from first/teacher.safetensors: 4 of 6 weights; not loaded: fc3.weight, fc3.bias; not used: fc3.bias, fc3.weight" not in log:
        fail(f"log.txt does not say what was loaded: {log}")


def from_the_runs_teacher():
    """[student] init = teacher: what the same run's teacher ended with; the check before knows its shapes."""
    refused("tensor 'fc1.weight' is F32 256x64, expected F32 8x64", init="teacher")
    run("grown", model="mlp-wide", init="teacher", init_except="fc3")
    teacher, start = tensors("grown/teacher.safetensors"), tensors("grown-dump/student-initial.safetensors")
    expect_same("grown", start, teacher, own("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"))
    limbeck("check", "finetune.ini", "--set", "teacher.init=teacher", expected=2)


def evaluating():
    """The same numbers whether the frozen weights are a student's in training or were read from its file."""
    with open("frozen/result.json", encoding="utf-8") as file:
        test = json.load(file)["student"]["test"]
    text = limbeck("eval", "frozen/experiment.ini", "--role", "student", "--weights", "frozen/student.safetensors")
    if f"{test['loss']:.4f}" not in text:
        fail(f"loss {test['loss']} in training, afterwards: {text}")


def renaming(teacher):
    run("renamed", model="./renamed.ini", init="first/teacher.safetensors", init_map="fc1:body.first,fc2:top.fc2",
        freeze="body,top.fc2")
    names = {"body.first.weight": "fc1.weight", "body.first.bias": "fc1.bias", "top.fc2.weight": "fc2.weight",
             "top.fc2.bias": "fc2.bias"}
    expect_same("renamed", tensors("renamed/student.safetensors"), teacher, names)


def refused(message, status=2, **student):
    sets = [word for key, value in student.items() for word in ("--set", f"student.{key}={value}")]
    text = limbeck("check", "finetune.ini", *sets, expected=status)
    if message not in text:
        fail(f"{student}: {text.strip()}\n   expected {message}")


def refusals():
    file = {"init": "first/teacher.safetensors"}
    refused('[student]: freeze: no weight of the network is called "fc" or lies under it; did you mean "fc1"?', freeze="fc")
    refused("[student]: freeze leaves nothing to train", freeze="fc1 fc2")
    refused('[student]: init: cannot read "./nowhere.safetensors"', status=3, init="nowhere.safetensors")
    refused("tensor 'fc1.weight' is F32 256x64, expected F32 8x64; init_except = fc1.weight leaves it at its initial values",
            **file)
    refused('init_map: no weight of ./first/teacher.safetensors is called "fc4" or lies under it; did you mean "fc1"?',
            init_map="fc4:fc1", **file)
    refused('init_map: no weight of the network is called "fc3" or lies under it; did you mean "fc1"?', init_map="fc1:fc3",
            **file)
    refused('init_except: no weight of the network is called "fc3" or lies under it; did you mean "fc1"?', init_except="fc3",
            **file)
    refused("has no tensor for any weight of the network", init_except="fc1 fc2", **file)
    refused('[student] init_map: expected from:to, found "fc1"', init_map="fc1", **file)
    refused("[student] init_map: has no effect without init", init_map="fc1:fc1")
    refused("[student] init_except: has no effect without init", init_except="fc1")
    refused('[student]: model tokens reads a 3 F32; a sample of the data is image 8x8x1 F32', model="./tokens.ini")
    refused('[student]: model pixels: the output "a" is 64x8x8x1, expected batch x classes, 64x10', model="./pixels.ini")


def main():
    run("first")
    teacher = tensors("first/teacher.safetensors")
    freezing(teacher)
    from_the_runs_teacher()
    evaluating()
    renaming(teacher)
    refusals()
    print("fine-tuning does what it says")


os.environ.setdefault("LIMBECK_HOME", SOURCE)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, text in (("finetune.ini", EXPERIMENT), ("renamed.ini", RENAMED), ("tokens.ini", TOKENS), ("pixels.ini", PIXELS)):
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    main()
    os.chdir("/")
