"""The networks of pytorch.py and what they read. Where there is one, the reference of tests/model/zoo."""

import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

from cases import CLASSES

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "model"))

VOCABULARY, POSITIONS, LENGTH = 30522, 512, 128


class Layer(nn.Module):
    """Of BERT, with queries, keys and values in one product. That, and attention by products of whole batches, was the fastest of what
    PyTorch 1.13 has for training: nn.TransformerEncoderLayer and torch.baddbmm took longer."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.intermediate, self.output = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2, self.dropout = nn.LayerNorm(width), nn.LayerNorm(width), nn.Dropout(0.1)

    def forward(self, x, hidden):
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = torch.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5 + hidden, -1) @ v
        x = self.norm1(x + self.dropout(self.out(y.transpose(1, 2).reshape(n, length, width))))
        return self.norm2(x + self.dropout(self.output(F.gelu(self.intermediate(x)))))


class Bert(nn.Module):
    """models/bert.ini."""

    def __init__(self, layers, width, heads):
        super().__init__()
        self.words, self.types = nn.Embedding(VOCABULARY, width, padding_idx=0), nn.Embedding(2, width)
        self.positions = nn.Parameter(0.02 * torch.randn(POSITIONS, width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, CLASSES)

    def forward(self, tokens, mask, types):
        x = self.dropout(self.norm(self.words(tokens) + self.positions[: tokens.shape[1]] + self.types(types)))
        hidden = torch.zeros(mask.shape, device=x.device).masked_fill(mask == 0, -1e30)[:, None, None]
        for layer in self.layers:
            x = layer(x, hidden)
        return self.classifier(self.dropout(torch.tanh(self.pooler(x[:, 0]))))


def sentences(batch, device):
    """As the dataset `random`: texts between half and all of the length."""
    lengths = torch.randint(LENGTH // 2 + 1, LENGTH + 1, (batch, 1))
    mask = (torch.arange(LENGTH) < lengths).long()
    tokens = torch.randint(VOCABULARY, (batch, LENGTH)) * mask
    return [x.to(device) for x in (tokens, mask, torch.zeros_like(tokens))]


def waveforms(batch, device):
    return [2 * torch.rand(batch, 16000, device=device) - 1]


def keywords():
    from zoo import speech

    return speech.KeywordCNN(CLASSES, precision=torch.float32)


# Networks that read no image: what makes one, what makes a batch for it.
NAMED = {
    "bert-tiny": (lambda: Bert(2, 128, 2), sentences),
    "bert-mini": (lambda: Bert(4, 256, 4), sentences),
    "bert-small": (lambda: Bert(4, 512, 8), sentences),
    "kws-cnn": (keywords, waveforms),
}


def perceptron(numbers):
    layers = [nn.Flatten()]
    for inputs in (numbers, 256):
        layers += [nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, CLASSES))


def make(model, image):
    """image: "32x32x3", or None for a network of NAMED."""
    if image is None:
        return NAMED[model][0]()
    height, width, channels = map(int, image.split("x"))
    if model == "mlp-wide":
        return perceptron(height * width * channels)
    from zoo.cases import CASES

    net = next(case for case in CASES if case.model == model).make(height)
    if model.startswith("vit"):  # the references have ImageNet's classes
        net.heads = nn.Linear(net.heads[0].in_features, CLASSES)
    if model == "resnet50":
        net.fc = nn.Linear(net.fc.in_features, CLASSES)
    return net


def batch(model, image, size, device):
    """The network's inputs; an image's channels lie last in memory."""
    if image is None:
        return NAMED[model][1](size, device)
    return [torch.randn(size, *map(int, image.split("x")), device=device).permute(0, 3, 1, 2)]
