#!/usr/bin/env python3
"""Memory of a training step of ResNet-50, 224 x 224 pixels: Limbeck's plan against PyTorch's measured peak.

  bench/memory.py [--limbeck build/limbeck] [--batch 32] [--model resnet50]

Limbeck: the bytes its plan allocates on the device (weights, gradients, optimiser state, activations), with and without
recompute. PyTorch (torchvision's network, SGD with momentum, channels last and its default layout, each in a process
of its own): growth of the process's peak resident memory over two steps. On a CPU device both live in the same memory."""

import argparse
import json
import os
import resource
import subprocess
import sys

CLASSES = 100


def torch_peak(model, batch, layout):
    import torch
    import torchvision

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    start = peak()
    form = getattr(torch, layout)
    network = getattr(torchvision.models, model)(num_classes=CLASSES).to(memory_format=form)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(batch, 3, 224, 224).to(memory_format=form)
    labels = torch.randint(0, CLASSES, (batch,))
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    print(peak() - start)


def limbeck_bytes(limbeck, model, batch, recompute):
    command = [limbeck, "bench", "train", "--model", model, "--image", "224x224x3", "--classes", str(CLASSES), "--batch",
               str(batch), "--steps", "1", "--set", "student.momentum=0.9", "--set", f"student.recompute={recompute}", "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["student_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--limbeck", default=os.path.join(root, "build", "limbeck"))
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        torch_peak(args.model, args.batch, args.torch)
        return 0
    print(f"{args.model}, 224x224, batch {args.batch}, training")
    for recompute in ("no", "yes"):
        size = limbeck_bytes(args.limbeck, args.model, args.batch, recompute)
        print(f"Limbeck, recompute = {recompute:<16} {size / 1e9:6.2f} GB", flush=True)
    for layout in ("channels_last", "contiguous_format"):
        again = [sys.executable, os.path.abspath(__file__), "--torch", layout, "--model", args.model, "--batch", str(args.batch)]
        out = subprocess.run(again, stdout=subprocess.PIPE, text=True)
        size = f"{int(out.stdout) / 1e9:6.2f} GB" if out.returncode == 0 else "not measured (needs torch and torchvision)"
        print(f"PyTorch, {layout:<25} {size}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
