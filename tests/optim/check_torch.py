#!/usr/bin/env python3
"""Compares host/optim's float64 references with torch.optim, and its schedules with torch.optim.lr_scheduler.

usage: check_torch.py PATH/TO/tool_reference

The kernels are compared with the references by test_optimizer.c. Exit status 77 (skipped) without PyTorch.
"""
import math
import subprocess
import sys

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

STEPS, COUNT, LR = 20, 50, 0.05
SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
OPTIMIZERS = [
    ("sgd", "", SGD, dict(momentum=0.9)),
    ("sgd", "momentum=0", SGD, dict(momentum=0)),
    ("sgd", "momentum=0.5 weight_decay=0.01", SGD, dict(momentum=0.5, weight_decay=0.01)),
    ("sgd", "nesterov=yes weight_decay=0.0005", SGD, dict(momentum=0.9, nesterov=True, weight_decay=0.0005)),
    ("adam", "", ADAM, {}),
    ("adam", "beta1=0.8 beta2=0.95 eps=0.0001 weight_decay=0.1", ADAM,
     dict(betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    ("adamw", "", ADAMW, {}),
    ("adamw", "beta1=0.8 beta2=0.95 eps=0.0001 weight_decay=0.1", ADAMW,
     dict(betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
]
EPOCHS = 12
SCHEDULER = torch.optim.lr_scheduler
SCHEDULES = [
    ("constant", "", lambda o: SCHEDULER.LambdaLR(o, lambda epoch: 1.0)),
    ("step", "size=3 gamma=0.5", lambda o: SCHEDULER.StepLR(o, 3, 0.5)),
    ("multistep", "milestones=2,7,9", lambda o: SCHEDULER.MultiStepLR(o, [2, 7, 9], 0.1)),
    ("cosine", "min_factor=0.1", lambda o: SCHEDULER.CosineAnnealingLR(o, EPOCHS, eta_min=0.1)),
]


def run(*arguments):
    out = subprocess.run([sys.argv[1], *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    return [[float(word) for word in line.split()] for line in out.splitlines()]


def compare(what, ours, theirs):
    if [len(row) for row in ours] != [len(row) for row in theirs]:
        sys.exit(f"FAILED: {what}: {len(ours)} rows instead of {len(theirs)}")
    worst = max(abs(a - b) / max(1, abs(b)) for x, y in zip(ours, theirs) for a, b in zip(x, y))
    print(f"{what}: differs by at most {worst:.1e}")
    if not worst <= 1e-13:
        sys.exit(f"FAILED: {what}")


def torch_weights(kind, settings):
    index = torch.arange(COUNT, dtype=torch.float64)
    weights = torch.nn.Parameter(torch.tensor([math.cos(i) for i in range(COUNT)], dtype=torch.float64))
    optimizer = kind([weights], lr=LR, **settings)
    rows = []
    for step in range(1, STEPS + 1):
        weights.grad = torch.sin(index + 1.7 * step) + weights.detach() / 2
        optimizer.step()
        rows.append(weights.tolist())
    return rows


def torch_factors(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    rows = []
    for _ in range(EPOCHS):
        rows.append([optimizer.param_groups[0]["lr"]])
        optimizer.step()
        schedule.step()
    return rows


for name, settings, kind, theirs in OPTIMIZERS:
    compare(f"{name} {settings}", run("optimizer", name, settings, LR, STEPS, COUNT), torch_weights(kind, theirs))
for name, settings, make in SCHEDULES:
    compare(f"{name} {settings}", run("schedule", name, settings, EPOCHS), torch_factors(make))
