#!/usr/bin/env python3
"""PyTorch's side of compare.py: the same work, channels last, the teacher in inference mode. The networks are those of
networks.py.

  bench/pytorch.py memory STUDENT BATCH IMAGE [TEACHER]   growth of this process's peak resident memory over two steps, bytes"""

import os
import statistics
import sys
import time

# Threads that wait without spinning, so that processor time is that of work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

from cases import CLASSES, IMAGE, Steps  # noqa: E402


BFLOAT16 = [False]  # whether steps multiply in it


def available():
    return torch is not None


def set_arithmetic(name):
    """Of products on a GPU, whose convolutions would else be in TF32; and cuDNN measures its algorithms, as Limbeck's tuner does."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.backends.cudnn.benchmark = True
    BFLOAT16[0] = name == "bfloat16"


def channels_last(*nhwc, device="cpu"):
    """[N,C,H,W] whose memory is [N,H,W,C], of the latter's sizes."""
    return torch.randn(*nhwc, device=device).permute(0, 3, 1, 2)


def conv(what, device):
    x, y = channels_last(*what["x"], device=device), channels_last(*what["y"], device=device)
    height, width, inputs, outputs = what["weight"]
    weight = torch.randn(outputs, inputs, height, width, device=device).to(memory_format=torch.channels_last)
    window = [what["stride"]] * 2, [what["padding"]] * 2, [1, 1]
    if what["part"] == "forward":
        return lambda: F.conv2d(x, weight, None, *window, what["groups"])
    mask = [what["part"] == "dx", what["part"] == "dw", False]
    return lambda: torch.ops.aten.convolution_backward(y, x, weight, None, *window, False, [0, 0], what["groups"], mask)


def product(what, device):
    a, b = (torch.randn(what["n"], what["n"], device=device) for _ in range(2))
    return lambda: torch.matmul(a, b)


def batch_norm(what, device):
    x, dy = channels_last(*what["x"], device=device), channels_last(*what["x"], device=device)
    weight, bias, mean, var = (torch.ones(what["x"][3], device=device) for _ in range(4))
    if what["part"] == "forward":
        return lambda: torch.ops.aten.native_batch_norm(x, weight, bias, mean, var, True, 0.1, 1e-5)
    saved = torch.ops.aten.native_batch_norm(x, weight, bias, mean, var, True, 0.1, 1e-5)[1:]
    return lambda: torch.ops.aten.native_batch_norm_backward(dy, x, weight, mean, var, *saved, True, 1e-5, [True] * 3)


def attention(what, device):
    n, length, width = what["x"]
    heads = what["heads"]
    leaves = [torch.randn(n, length, width, device=device, requires_grad=what["part"] == "backward") for _ in range(3)]

    def forward():
        q, k, v = (x.view(n, length, heads, width // heads).transpose(1, 2) for x in leaves)
        y = torch.softmax(q @ k.transpose(2, 3) * (width // heads) ** -0.5, -1) @ v
        return y.transpose(1, 2).reshape(n, length, width)

    if what["part"] == "forward":
        return forward
    with torch.enable_grad():
        y = forward()
    dy = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)


def distillation(student, teacher, labels, temperature=4.0):
    soft = F.kl_div(F.log_softmax(student / temperature, 1), F.softmax(teacher / temperature, 1), reduction="batchmean")
    return 0.1 * F.cross_entropy(student, labels) + 0.9 * temperature ** 2 * soft


def loss(what, device):
    student, teacher = (torch.randn(what["batch"], what["classes"], device=device) for _ in range(2))
    labels = torch.zeros(what["batch"], dtype=torch.long, device=device)
    student.requires_grad_()

    def work():
        with torch.enable_grad():
            return torch.autograd.grad(distillation(student, teacher, labels), student)
    return work


KINDS = {"conv": conv, "product": product, "batch_norm": batch_norm, "attention": attention, "loss": loss}


def steps(case, device):
    """Stochastic gradient descent with momentum; a new batch is not fetched."""
    import networks

    student = networks.make(case.student, case.image).to(device, memory_format=torch.channels_last)
    teacher = case.teacher and networks.make(case.teacher, case.image).to(device, memory_format=torch.channels_last).eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005)
    inputs = networks.batch(case.student, case.image, case.batch, device)
    labels = torch.randint(0, CLASSES, (case.batch,), device=device)

    def forward(net):
        with torch.autocast(device, torch.bfloat16, enabled=BFLOAT16[0]):
            return net(*inputs).float()

    def step():
        with torch.inference_mode():
            target = forward(teacher) if teacher else None
        with torch.enable_grad():
            optimizer.zero_grad(set_to_none=True)
            logits = forward(student)
            (distillation(logits, target.clone(), labels) if teacher else F.cross_entropy(logits, labels)).backward()
        optimizer.step()
    return step


def prepare(case, device="cpu"):
    """A function that does the case's work once."""
    return steps(case, device) if isinstance(case, Steps) else KINDS[case.what["kind"]](case.what, device)


def measure(work, repeat, device="cpu"):
    """Median of the wall time and mean of the processor time of a repetition, ms."""
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    times = []
    with torch.no_grad():
        for _ in range(3):
            work()
        wait()
        processor = time.process_time()
        for _ in range(repeat):
            begin = time.perf_counter()
            work()
            wait()
            times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times), (time.process_time() - processor) * 1e3 / repeat


def memory(student, batch, image=IMAGE, teacher=None):
    def peak():
        """Not getrusage(): its peak is handed on from the process that started this one."""
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    import networks  # noqa: F401: what importing takes is not counted
    import zoo.cases  # noqa: F401

    start = peak()
    step = prepare(Steps(student, int(batch), teacher, image))
    for _ in range(2):
        step()
    print(peak() - start)


if __name__ == "__main__":
    if not available() or sys.argv[1:2] != ["memory"]:
        sys.exit(__doc__)
    memory(*sys.argv[2:])
