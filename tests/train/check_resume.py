#!/usr/bin/env python3
"""Runs killed at any moment (kill -9) and resumed until they are done leave the same bytes as a run left alone.

usage: check_resume.py LIMBECK SOURCE_FOLDER
Interrupts (SIGINT) too: exit status 130, the hint how to go on, and the same bytes after --resume from the middle of an epoch.
Standard library only."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMBECK, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PHASES = ["teacher", "teacher.second", "assistant.ta", "student.1", "student", "control"]
FILES = [phase + ".safetensors" for phase in PHASES] + ["metrics.jsonl"]
# Two teachers with methods of their own, an assistant, two generations, methods with modules, memory banks and numbers of the host, a
# temperature that is learned: every kind of phase;
# activations in 16 bits, products of rounded operands, scaled losses, of which the assistant's overflows at first.
EXPERIMENT = """
[experiment]
name = resume
seed = 11
checkpoint = 0
[data]
dataset = digits
batch = 64
labels = 0.2
validation = 0.1
augment = crop
[augment.crop]
padding = 1
[teacher]
model = mlp-wide
storage = float16
epochs = 5
methods = gradient_penalty, cs_kd
[teacher.second]
model = mlp-wide
storage = bfloat16
epochs = 5
methods = ema, dml
[teacher.second/ema]
weight = 1
[assistant.ta]
model = mlp-tiny
arithmetic = bfloat16
loss_scale = 8e37
epochs = 5
[student]
model = mlp-tiny
epochs = 8
optimizer = adam
lr = 0.005
arithmetic = float16
generations = 2
[distill]
methods = kd, fitnet, crd
teacher_weights = learned
meta = temperature
meta_every = 3
[distill.kd]
temperature = 8 -> 2
[distill.fitnet]
weight = 0.1
layers = last
[distill.crd]
weight = 0.1
negatives = 64
"""
ROUNDS, KILLS = 3, 5
STAGES = 4  # at least so many must have seen a kill; rounds are added until they have
LIMIT = 900  # seconds; what has not ended by then never will
TRIES = 30  # a signal that came too late, on a machine that does other things first, is sent to another run


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def start(out, *more):
    return subprocess.Popen([LIMBECK, "run", "resume.ini", "--out", out, "--quiet", *more], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process, out, expected=0):
    output, errors = process.communicate(timeout=LIMIT)
    if process.returncode != expected:
        fail(f"{out}: exit status {process.returncode}, expected {expected}: {errors}")
    return output + errors


def resume_flag(out):
    return ["--resume"] if os.path.exists(os.path.join(out, "experiment.ini")) else []


def content(out, name):
    with open(os.path.join(out, name), "rb") as file:
        return file.read()


def compare(out):
    for name in FILES:
        if content(out, name) != content("alone", name):
            fail(f"{out}/{name} differs from the uninterrupted run's")


def stage(out):
    """How far a killed run had come."""
    for name in reversed(PHASES):
        if os.path.exists(os.path.join(out, name + ".safetensors")):
            return "after " + name
        if os.path.exists(os.path.join(out, "checkpoint", name + ".safetensors")):
            return "in " + name
    return "before any checkpoint"


def traces(out):
    """Changes with everything a run writes."""
    found = []
    for folder, _, names in os.walk(out):
        for name in names:
            try:
                info = os.stat(os.path.join(folder, name))
                found.append((name, info.st_ino, info.st_size, info.st_mtime_ns))
            except FileNotFoundError:  # renamed meanwhile
                found.append((name,))
    return sorted(found)


def live_for_a_while(process, out, rng):
    """Until the process has written some times, and one to thirty milliseconds more. How far it comes by then depends on what
    else the machine does; what is to hold, holds wherever it has come."""
    before, changes = traces(out), rng.choice((0, 1, 3, 10, 20, 40))
    while changes and process.poll() is None:
        time.sleep(0.002)
        now = traces(out)
        changes, before = changes - (now != before), now
    time.sleep(rng.uniform(0.001, 0.03))


def killed_round(number):
    rng = random.Random(number)
    out, stages = f"killed{number}", []
    while len(stages) < KILLS:
        process = start(out, *resume_flag(out))
        live_for_a_while(process, out, rng)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode != -signal.SIGKILL:
            break  # it was faster
        stages.append(stage(out))
    if process.returncode not in (0, -signal.SIGKILL):
        fail(f"{out}: exit status {process.returncode} when resumed: {errors}")
    finish(start(out, *resume_flag(out)), out)
    compare(out)
    print(f"{out}: killed {len(stages)} times ({', '.join(stages)}), the same bytes")
    return stages


def wait_for_phase(process, out, phase):
    """Until metrics.jsonl shows the phase, or the process has ended."""
    path = os.path.join(out, "metrics.jsonl")
    while process.poll() is None and not (os.path.exists(path) and f'"phase":"{phase}"'.encode() in content(out, "metrics.jsonl")):
        time.sleep(0.002)


def interrupted_in(phase, number, out, options):
    """Whether the signal came within the phase, and not after it; what the program said."""
    shutil.rmtree(out, ignore_errors=True)
    process = start(out, *options)
    wait_for_phase(process, out, phase)
    process.send_signal(number)
    output, errors = process.communicate(timeout=LIMIT)
    if process.returncode == 0:
        return False, output + errors
    hint = f"go on with --resume --out {out}"
    if process.returncode != 130 or hint not in errors or not re.search(r"interrupted in the \S+ phase after step", errors):
        fail(f"{out}: exit status {process.returncode}, expected 130 and the hint '{hint}': {output}{errors}")
    if os.path.exists(os.path.join(out, "result.json")):
        fail(f"{out}: result.json of an unfinished run")
    return f"interrupted in the {phase} phase after step" in errors, errors


def interrupted(phase, number):
    """SIGINT or SIGTERM within an epoch; checkpoints of their own accord are far apart, so this one is the signal's."""
    out, seldom = f"interrupted-{phase}", ["--set", "experiment.checkpoint=1000"]
    for _ in range(TRIES):
        there, text = interrupted_in(phase, number, out, seldom)
        if there:
            break
    else:
        fail(f"{out}: of {TRIES} signals none came in time: {text}")
    finish(start(out, "--resume", *seldom), out)
    compare(out)
    print(f"{out}: {text.strip().splitlines()[-1]}: the same bytes")


def refusals():
    if "holds no run" not in finish(start("nothing", "--resume"), "nothing", 2):
        fail("--resume without a run")
    text = finish(start("alone", "--resume", "--set", "experiment.seed=12"), "alone", 2)
    if 'alone/experiment.ini:3: the run was started with other settings ("seed = 11", now "seed = 12")' not in text:
        fail("--resume with another seed: " + text)
    if "holds a run already" not in finish(start("alone"), "alone", 2):
        fail("a run over another one")


def main():
    finish(start("alone"), "alone")
    finish(start("again"), "again")
    compare("again")
    stages = set()
    for number in range(TRIES):
        if number >= ROUNDS and len(stages) >= STAGES:
            break
        stages.update(killed_round(number))
    if len(stages) < STAGES:
        fail(f"kills came at few stages only: {stages}")
    interrupted("teacher", signal.SIGINT)
    interrupted("student", signal.SIGTERM)
    interrupted("control", signal.SIGINT)
    refusals()


os.environ.setdefault("LIMBECK_HOME", SOURCE)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("resume.ini", "w") as file:
        file.write(EXPERIMENT)
    main()
    os.chdir("/")
