#!/usr/bin/env python3
"""Compares a few shipped models with the same networks in PyTorch: names, order and sizes of weights, and logits. check_zoo.py does
so with all of them, on devices.

usage: check_torch.py PATH/TO/tool_logits

Exit status 77 (skipped) without PyTorch. Both sides compute in float64 from the same made-up float32 weights.
"""
import math
import os
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)
from resnet import ResNet  # noqa: E402


class Pool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def named(**layers):
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def conv(before, width, bias=True):
    return nn.Conv2d(before, width, 3, 1, 1, bias=bias)


def cnn_wide():
    return named(conv1=conv(1, 32, False), bn1=nn.BatchNorm2d(32), relu1=nn.ReLU(), conv2=conv(32, 64, False),
                 bn2=nn.BatchNorm2d(64), relu2=nn.ReLU(), pool=nn.MaxPool2d(2), conv3=conv(64, 64, False),
                 bn3=nn.BatchNorm2d(64), relu3=nn.ReLU(), avgpool=Pool(), fc=nn.Linear(64, 10))


def cnn_tiny():
    return named(conv1=conv(1, 4), relu1=nn.ReLU(), pool=nn.MaxPool2d(2), conv2=conv(4, 8), relu2=nn.ReLU(),
                 avgpool=Pool(), fc=nn.Linear(8, 10))


def cnn_cifar(width):
    return named(conv1=conv(3, width), relu=nn.ReLU(), pool=nn.MaxPool2d(2), flatten=nn.Flatten(),
                 fc=nn.Linear(width * 256, 10))


def mlp_wide():
    return named(flatten=nn.Flatten(), fc1=nn.Linear(64, 256), relu1=nn.ReLU(), drop1=nn.Dropout(0.2),
                 fc2=nn.Linear(256, 256), relu2=nn.ReLU(), drop2=nn.Dropout(0.2), fc3=nn.Linear(256, 10))


def mlp_tiny():
    return named(flatten=nn.Flatten(), fc1=nn.Linear(64, 8), relu1=nn.ReLU(), fc2=nn.Linear(8, 10))


MODELS = [
    ("mlp-tiny", mlp_tiny(), (8, 8, 1), ["eval", "train"]),
    ("mlp-wide", mlp_wide(), (8, 8, 1), ["eval"]),  # dropout draws other numbers
    ("cnn-tiny", cnn_tiny(), (8, 8, 1), ["eval", "train"]),
    ("cnn-wide", cnn_wide(), (8, 8, 1), ["eval", "train"]),
    ("cnn-cifar-student", cnn_cifar(16), (32, 32, 3), ["eval"]),
    ("cnn-cifar-teacher", cnn_cifar(64), (32, 32, 3), ["eval"]),
    ("resnet8", ResNet(8), (32, 32, 3), ["eval", "train"]),
    ("resnet20", ResNet(20), (16, 16, 3), ["eval", "train"]),
]


def weights_set(network):
    """Fills the network; returns the lines the tool must print."""
    lines = []
    state = network.state_dict()
    for name in (n for n in state if not n.endswith("num_batches_tracked")):
        k, tensor = len(lines), state[name]
        offset = 1 if tensor.dim() == 1 and name.endswith((".weight", ".running_var")) else 0
        index = torch.arange(tensor.numel(), dtype=torch.float64)
        tensor.copy_((offset + 0.15 * torch.sin(0.37 * index + 1.3 * k)).float().reshape(tensor.shape))
        lines.append(f"{name} {tensor.numel()}")
    return lines


def images(height, width, channels):
    index = torch.arange(2 * channels * height * width, dtype=torch.float64)
    return torch.cos(0.11 * index).float().double().reshape(2, channels, height, width)


def check(name, network, size, mode):
    network = network.double().train(mode == "train")
    expected = weights_set(network)
    command = [sys.argv[1], name, "x".join(map(str, size)), mode]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = out.stdout.splitlines()
    if lines[:-3] != expected:
        sys.exit(f"FAILED: {name}: weights {lines[:-3]} instead of {expected}")
    ours = torch.tensor([[float(word) for word in line.split()] for line in lines[-2:]], dtype=torch.float64)
    with torch.no_grad():
        theirs = network(images(*size))
    scale, error = theirs.abs().max().item(), (ours - theirs).abs().max().item()
    print(f"{name} {mode}: {len(expected)} weights, logits up to {scale:.3g} differ by {error:.1e}")
    if not (math.isfinite(scale) and scale > 0 and error <= 1e-11 * scale):
        sys.exit(f"FAILED: {name}")


for entry in MODELS:
    for mode in entry[3]:
        check(*entry[:3], mode)
