#!/usr/bin/env python3
"""Runs the same distillation in Limbeck and in PyTorch and compares every step.

A ResNet-56 teacher, written by PyTorch and loaded by Limbeck, teaches a ResNet-20 student, whose initial weights Limbeck
wrote and PyTorch loads, on the same batches in the same order: SGD with momentum and weight decay, knowledge
distillation as in Hinton, Vinyals, Dean 2015. Compared: the losses of every step; in a run of one step, gradients and
weight updates; the teacher's logits on the test part.

A ReLU has no derivative at 0. Where one of its inputs lies within rounding of 0, two correct programs may take different
sides, and with random signs one such element moves a bias's gradient by 1e-3 of its norm or more (single against
double precision in PyTorch: 3.6e-3 in one step, 1e-1 after 20). So gradients are compared on the batch, of many, whose
ReLU inputs stay farthest from 0, and the losses, which are continuous, on all of them.

  kd_parity.py --limbeck build/limbeck [--classes cpu,gpu,generic] [--work DIR]
  kd_parity.py --self-test        PyTorch alone: single against double precision, which tells what rounding alone does
Exit status 0: agrees, 1: differs, 77: skipped."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

SKIP = 77
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin take the cores from other tests
try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error} (Debian, Ubuntu: apt-get install python3-torch)")
    sys.exit(SKIP)

import cifar_data
import safetensors_file
from resnet import ResNet

TEACHER, STUDENT = 56, 20
MOMENTUM, DECAY = 0.9, 5e-4
LR = 0.001  # of the run: rounding alone then moves losses by 1e-4 in 20 steps (at 0.02 by 6e-3)
LR_ONCE = 0.1  # of the single step: the update stands well above the rounding of the weights
TEMPERATURE, HARD, SOFT = 4.0, 0.1, 0.9
TRAIN, TEST = 320, 100
GRADIENT_BATCH, CANDIDATES = 4, 48

# What must agree, relative: losses of the first 5 steps, of all of them, each gradient tensor by its norm.
FIRST, ALL, GRADIENT, LOGITS = 1e-4, 1e-3, 1e-3, 1e-4

# The generic kernels, one output at a time, set the batch: a step of 32 takes 7 s on two cores.
CLASSES = ("cpu", "gpu", "generic")
BATCH, STEPS = 16, 20

EXPERIMENT = """[experiment]
name = parity
seed = 3
control = no
[data]
dataset = cifar10
path = {data}
batch = {batch}
shuffle = no
augment = none
[teacher]
model = resnet56
weights = {teacher}
[student]
model = resnet20
epochs = 1000
optimizer = sgd
lr = {lr}
momentum = {momentum}
weight_decay = {decay}
schedule = constant
[distill]
methods = kd
hard_weight = {hard}
[distill.kd]
weight = {soft}
temperature = {temperature}
"""


def numpy_state(model):
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def load_state(model, path):
    tensors = {name: torch.from_numpy(array.copy()) for name, array in safetensors_file.read(path).items()}
    model.load_state_dict(tensors, strict=True)
    return model


def make_teacher(images, labels, batch=64, steps=10):
    """A teacher with some opinion of the classes and running statistics that fit it: a few steps of training, then the
    statistics averaged over a pass with the weights left as they are."""
    torch.manual_seed(11)
    teacher = ResNet(TEACHER)
    optimizer = torch.optim.SGD(teacher.parameters(), lr=0.02, momentum=MOMENTUM)
    teacher.train()
    for step in range(steps):
        at = step * batch % (len(images) - batch + 1)
        optimizer.zero_grad()
        F.cross_entropy(teacher(images[at : at + batch]), labels[at : at + batch]).backward()
        optimizer.step()
    norms = [module for module in teacher.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    with torch.no_grad():
        for part in images.split(batch):
            teacher(part)
    return teacher.eval()


def logits_of(teacher, images):
    with torch.no_grad():
        return torch.cat([teacher(part) for part in images.split(64)])


def distil(student, images, labels, teacher_logits, batch, steps, lr):
    """PyTorch's side: (losses per step as {total, hard, kd}, gradients of the last step). A teacher in evaluation mode
    treats every image by itself, so its logits are made once, for all images."""
    optimizer = torch.optim.SGD(student.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=DECAY)
    student.train()
    per_epoch, losses = len(images) // batch, []
    for step in range(steps):
        at = step % per_epoch * batch
        x, y = images[at : at + batch], labels[at : at + batch]
        soft = F.softmax(teacher_logits[at : at + batch] / TEMPERATURE, dim=1)
        logits = student(x)
        hard = F.cross_entropy(logits, y)
        kd = F.kl_div(F.log_softmax(logits / TEMPERATURE, dim=1), soft, reduction="sum") * TEMPERATURE**2 / batch
        total = HARD * hard + SOFT * kd
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append({"total": total.item(), "hard": hard.item(), "kd": kd.item()})
    return losses, {name: p.grad.numpy().copy() for name, p in student.named_parameters()}


def relu_margin(student, images):
    """The distance from 0 of the nearest ReLU input in a training pass: outputs of bn1 layers and of the residual sums."""
    import resnet

    nearest, plain = [], resnet.F.relu

    def watched(x):
        nearest.append(x.abs().min().item())
        return plain(x)

    resnet.F.relu = watched
    try:
        with torch.no_grad():
            student.train()(images)
    finally:
        resnet.F.relu = plain
    return min(nearest)


def pick_batch(path, images):
    """Index of the first image of the candidate batch with the largest margin, found in double precision."""
    margins = []
    for i in range(CANDIDATES):
        # A training pass changes the running statistics but uses none of them: one copy serves all candidates.
        student = student if i else load_state(ResNet(STUDENT), path).double()
        at = i * GRADIENT_BATCH
        margins.append(relu_margin(student, images[at : at + GRADIENT_BATCH].double()))
    best = int(np.argmax(margins))
    print(f"  gradients on images {best * GRADIENT_BATCH} to {(best + 1) * GRADIENT_BATCH - 1}: ReLU inputs at least {margins[best]:.1e} from 0")
    return best * GRADIENT_BATCH


class Report:
    """Collects comparisons; prints the worst of each kind beside its limit."""

    def __init__(self, title):
        self.title, self.failures = title, 0

    def compare(self, what, difference, limit):
        good = difference <= limit  # False for NaN
        self.failures += not good
        print(f"  {self.title:8} {what:44} {difference:9.2e}  limit {limit:.0e}  {'ok' if good else 'FAILED'}")


def norm_difference(ours, theirs):
    theirs = np.asarray(theirs, np.float64)
    return float(np.linalg.norm(np.asarray(ours, np.float64) - theirs) / max(np.linalg.norm(theirs), 1e-30))


def compare_losses(report, ours, theirs):
    def worst(key, steps):
        return max(abs(a[key] - b[key]) / abs(b[key]) for a, b in list(zip(ours, theirs))[:steps])

    if len(ours) != len(theirs):
        report.compare(f"steps: {len(ours)} logged, {len(theirs)} expected", float("nan"), 0)
        return
    for key in ("total", "hard", "kd"):
        report.compare(f"{key} loss, first 5 steps", worst(key, 5), FIRST)
        report.compare(f"{key} loss, all {len(theirs)} steps", worst(key, len(theirs)), ALL)


def compare_tensors(report, what, ours, theirs, limit):
    if set(ours) != set(theirs):
        print(f"  names differ: {sorted(set(ours) ^ set(theirs))}")
        report.compare(f"{what}: same names", float("nan"), limit)
        return
    worst = max(theirs, key=lambda name: norm_difference(ours[name], theirs[name]))
    report.compare(f"{what}, worst: {worst}", norm_difference(ours[worst], theirs[worst]), limit)


def run_limbeck(arguments, device_class, work):
    environment = dict(os.environ, LIMBECK_CLASS=device_class)
    done = subprocess.run(arguments, env=environment, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout[-4000:])
        raise SystemExit(f"{' '.join(arguments)}: exit status {done.returncode}")
    return done.stdout


def read_losses(path):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line.get("phase") == "student" and "total" in line]


def write_experiment(folder, data, batch, lr, work):
    path = os.path.join(folder, "parity.ini")
    with open(path, "w") as file:
        file.write(EXPERIMENT.format(data=data, teacher=os.path.join(work, "teacher.safetensors"), batch=batch, lr=lr,
                                     momentum=MOMENTUM, decay=DECAY, hard=HARD, soft=SOFT, temperature=TEMPERATURE))
    return path


def run_experiment(limbeck, device_class, folder, data, batch, steps, lr, work):
    os.makedirs(folder, exist_ok=True)
    ini = write_experiment(folder, data, batch, lr, work)
    shutil.rmtree(os.path.join(folder, "run"), ignore_errors=True)  # of an earlier run with --work
    begin = time.monotonic()
    run_limbeck([limbeck, "run", ini, "--out", os.path.join(folder, "run"), "--dump", os.path.join(folder, "dump"),
                 "--max-steps", str(steps), "--quiet"], device_class, work)
    print(f"{device_class}: batch {batch}, {steps} steps in {time.monotonic() - begin:.1f} s, compiling included")
    return os.path.join(folder, "dump", "student-initial.safetensors")


class Reference:
    """PyTorch's side, computed once: the initial weights are a function of the seed and so the same for every class."""

    def __init__(self, setting, initial):
        images, labels, soft = setting
        self.initial = initial
        self.losses, _ = distil(load_state(ResNet(STUDENT), initial), images, labels, soft, BATCH, STEPS, LR)
        self.first = pick_batch(initial, images)
        part = slice(self.first, self.first + GRADIENT_BATCH)
        student = load_state(ResNet(STUDENT), initial)
        _, self.gradients = distil(student, images[part], labels[part], soft[part], GRADIENT_BATCH, 1, LR_ONCE)
        self.after = {name: array.copy() for name, array in numpy_state(student).items()}


def check_losses(report, limbeck, device_class, reference, setting, teacher, work):
    """Losses of a run; a student of ours loads into PyTorch, the teacher it had is PyTorch's to the bit. Returns the
    reference, made here when there is none yet."""
    folder = os.path.join(work, device_class)
    initial = run_experiment(limbeck, device_class, folder, os.path.join(work, "data"), BATCH, STEPS, LR, work)
    reference = reference or Reference(setting, initial)
    compare_tensors(report, "initial weights", safetensors_file.read(initial), safetensors_file.read(reference.initial), 0.0)
    compare_losses(report, read_losses(os.path.join(folder, "run", "metrics.jsonl")), reference.losses)
    trained = load_state(ResNet(STUDENT), os.path.join(folder, "run", "student.safetensors"))
    counted = {int(m.num_batches_tracked) for m in trained.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    report.compare(f"num_batches_tracked {counted}, expected {STEPS}", float(counted != {STEPS}), 0)
    compare_tensors(report, "teacher as loaded", safetensors_file.read(os.path.join(folder, "dump", "teacher-initial.safetensors")),
                    numpy_state(teacher), 0.0)
    return reference


def check_gradients(report, limbeck, device_class, reference, work):
    folder = os.path.join(work, device_class + "-once")
    data = os.path.join(folder, "data")
    cifar_data.cut(os.path.join(work, "data"), data, reference.first, GRADIENT_BATCH)
    again = run_experiment(limbeck, device_class, folder, data, GRADIENT_BATCH, 1, LR_ONCE, work)
    before = safetensors_file.read(reference.initial)
    compare_tensors(report, "initial weights again", safetensors_file.read(again), before, 0.0)
    ours = safetensors_file.read(os.path.join(folder, "dump", "student-gradients.safetensors"))
    compare_tensors(report, "gradients", ours, reference.gradients, GRADIENT)
    ours = safetensors_file.read(os.path.join(folder, "run", "student.safetensors"))
    floats = [name for name in reference.after if reference.after[name].dtype == np.float32]
    compare_tensors(report, "updates", {name: ours[name] - before[name] for name in floats},
                    {name: reference.after[name] - before[name] for name in floats}, GRADIENT)


def check_eval(report, limbeck, device_class, teacher, test_images, work):
    """PyTorch's weights, Limbeck's forward pass in evaluation mode."""
    folder = os.path.join(work, device_class)
    logits = os.path.join(folder, "logits.safetensors")
    run_limbeck([limbeck, "eval", os.path.join(folder, "parity.ini"), "--role", "teacher", "--weights",
                 os.path.join(work, "teacher.safetensors"), "--logits", logits], device_class, work)
    ours, theirs = safetensors_file.read(logits)["logits"], logits_of(teacher, test_images).numpy()
    report.compare("teacher's logits on the test part", norm_difference(ours, theirs), LOGITS)


def load_data(work):
    folder = os.path.join(work, "data")
    cifar_data.make(folder, TRAIN, TEST)
    images, labels = (torch.from_numpy(array) for array in cifar_data.load(folder, "train"))
    return images, labels, torch.from_numpy(cifar_data.load(folder, "test")[0])


def self_test(work):
    """How far single precision strays from double by itself: the limits must be well above that, and the data learnable."""
    images, labels, _ = load_data(work)
    soft = logits_of(make_teacher(images, labels), images)
    path = os.path.join(work, "state.safetensors")
    torch.manual_seed(5)
    safetensors_file.write(path, numpy_state(ResNet(STUDENT)))

    def both(part, batch, steps, lr):
        single, double = load_state(ResNet(STUDENT), path), load_state(ResNet(STUDENT), path).double()
        return (single, *distil(single, images[part], labels[part], soft[part], batch, steps, lr)), (
            double, *distil(double, images[part].double(), labels[part], soft[part].double(), batch, steps, lr))

    report = Report("float32")
    (_, losses, _), (_, exact, _) = both(slice(None), BATCH, STEPS, LR)
    compare_losses(report, losses, exact)
    at = pick_batch(path, images)
    (single, _, gradients), (double, _, exact_gradients) = both(slice(at, at + GRADIENT_BATCH), GRADIENT_BATCH, 1, LR_ONCE)
    compare_tensors(report, "gradients", gradients, exact_gradients, GRADIENT)
    before = safetensors_file.read(path)
    compare_tensors(report, "updates", {name: array - before[name] for name, array in numpy_state(single).items()},
                    {name: array - before[name] for name, array in numpy_state(double).items()}, GRADIENT)
    right = (soft.argmax(1) == labels).float().mean().item()
    print(f"  teacher: logits' deviation {soft.std().item():.2f}, accuracy {right:.2f}; total loss: step 1 "
          f"{exact[0]['total']:.4f}, step 5 {exact[4]['total']:.4f}, step {STEPS} {exact[-1]['total']:.4f}")
    return report.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limbeck", default="build/limbeck")
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--work", help="folder for data and runs; default: a temporary one")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as temporary:
        work = os.path.abspath(options.work or temporary)
        os.makedirs(work, exist_ok=True)
        if options.self_test:
            return 1 if self_test(work) else 0
        images, labels, test_images = load_data(work)
        teacher = make_teacher(images, labels)
        safetensors_file.write(os.path.join(work, "teacher.safetensors"), numpy_state(teacher))
        setting = images, labels, logits_of(teacher, images)
        failures, reference, limbeck = 0, None, os.path.abspath(options.limbeck)
        for device_class in options.classes.split(","):
            report = Report(device_class)
            reference = check_losses(report, limbeck, device_class, reference, setting, teacher, work)
            check_gradients(report, limbeck, device_class, reference, work)
            check_eval(report, limbeck, device_class, teacher, test_images, work)
            failures += report.failures
    print(f"{failures} differences beyond their limits" if failures else "Limbeck and PyTorch agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
