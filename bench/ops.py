#!/usr/bin/env python3
"""Limbeck's ops against PyTorch's on the same cores: convolution forward, 3x3, as in the three stages of a ResNet for
CIFAR, channels last, batch 128; matrix products of 512, 1024 and 2048.

The two take turns, --rounds times, so that a slow spell of the machine meets both. A round is the median of many
repeats; the table gives the median round of each, with the fastest and the slowest, and the ratio of the medians: above 1,
Limbeck is faster. Without PyTorch only Limbeck's column is filled."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

try:
    import torch
except ImportError:
    torch = None

# name, op, shape of the inputs as limbeck takes them, params, FLOP
CASES = [
    ("conv 3x3, 16 channels, 32x32", "conv2d", ["128x32x32x16"], "out=16 kernel=3 padding=1 bias=no"),
    ("conv 3x3, 32 channels, 16x16", "conv2d", ["128x16x16x32"], "out=32 kernel=3 padding=1 bias=no"),
    ("conv 3x3, 64 channels, 8x8", "conv2d", ["128x8x8x64"], "out=64 kernel=3 padding=1 bias=no"),
    ("matrix product, 512", "matmul", ["512x512", "512x512"], ""),
    ("matrix product, 1024", "matmul", ["1024x1024", "1024x1024"], ""),
    ("matrix product, 2048", "matmul", ["2048x2048", "2048x2048"], ""),
]


def sizes(text):
    return [int(size) for size in text.split("x")]


def flops(op, shapes):
    first = sizes(shapes[0])
    if op == "conv2d":
        n, h, w, c = first
        return 2.0 * n * h * w * c * c * 9
    return 2.0 * first[0] * first[1] * sizes(shapes[1])[1]


def time_limbeck(options, case, repeat):
    _, op, shapes, params = case
    command = [options.limbeck, "bench", "ops", "--op", op, "--json", "--repeat", str(repeat)]
    for shape in shapes:
        command += ["--shape", shape]
    if params:
        command += ["--params", params]
    if options.device:
        command += ["--device", options.device]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return lines[0]["median_ms"]


def make_torch(case, device):
    """A function that does the work once, and one that waits for it."""
    _, op, shapes, _ = case
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    if op == "conv2d":
        n, h, w, c = sizes(shapes[0])
        x = torch.randn(n, c, h, w, device=device).to(memory_format=torch.channels_last)
        weight = torch.randn(c, c, 3, 3, device=device).to(memory_format=torch.channels_last)
        return (lambda: torch.nn.functional.conv2d(x, weight, padding=1)), wait
    a, b = (torch.randn(*sizes(shape), device=device) for shape in shapes)
    return (lambda: torch.matmul(a, b)), wait


def time_torch(case, device, repeat):
    work, wait = make_torch(case, device)
    times = []
    with torch.no_grad():
        for _ in range(3):
            work()
        wait()
        for _ in range(repeat):
            begin = time.perf_counter()
            work()
            wait()
            times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def warn_of_slow_blas():
    """Debian's PyTorch multiplies with whatever libblas.so.3 is installed; the reference one makes no fair comparison."""
    torch.matmul(torch.ones(64, 64), torch.ones(64, 64))
    with open("/proc/self/maps") as file:
        loaded = {line.split()[-1] for line in file if "libblas.so" in line}
    if any("/blas/" in os.path.realpath(path) for path in loaded):
        print("note: PyTorch uses the reference BLAS here, which is slow: apt-get install libopenblas0-pthread")


def repeats(case):
    """About half a second of work at 200 GFLOP/s."""
    return max(10, min(200, int(1e11 / flops(case[1], case[2]))))


def row(name, ours, theirs, work):
    def cell(times):
        if not times:
            return f"{'-':>30}"
        median = statistics.median(times)
        return f"{median:8.3f} ({min(times):.3f}-{max(times):.3f}) {work / median * 1e-6:6.0f}".rjust(30)

    ratio = f"{statistics.median(theirs) / statistics.median(ours):6.2f}" if theirs else "     -"
    print(f"{name:30} {cell(ours)} {cell(theirs)}  {ratio}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limbeck", default="build/limbeck")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch; default: all cores, as OpenCL has")
    parser.add_argument("--device", default="", help="of Limbeck, as in an experiment; default: its own choice")
    parser.add_argument("--torch-device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--json", default="", metavar="FILE", help="write all rounds there too")
    options = parser.parse_args()
    theirs_too = torch is not None
    if theirs_too:
        torch.set_num_threads(options.threads)
        print(f"Limbeck against PyTorch {torch.__version__} ({options.torch_device}, {options.threads} threads, channels last)")
        warn_of_slow_blas()
    else:
        print("Limbeck alone: PyTorch cannot be imported (Debian, Ubuntu: apt-get install python3-torch)")
    results = []
    print(f"{'':30} {'Limbeck: ms (range)  GFLOP/s':>30} {'PyTorch: ms (range)  GFLOP/s':>30}   ratio")
    for case in CASES:
        ours, theirs = [], []
        time_limbeck(options, case, 3)  # compiles
        for _ in range(options.rounds):
            ours.append(time_limbeck(options, case, repeats(case)))
            if theirs_too:
                theirs.append(time_torch(case, options.torch_device, repeats(case)))
        row(case[0], ours, theirs, flops(case[1], case[2]))
        results.append({"name": case[0], "limbeck_ms": ours, "pytorch_ms": theirs})
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
