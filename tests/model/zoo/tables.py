"""Networks for tables, in PyTorch. Categories of all columns share one vocabulary."""

import torch
from torch import nn


def stack(inputs, width, layers):
    return nn.ModuleList(nn.ModuleDict({"dense": nn.Linear(inputs if i == 0 else width, width)}) for i in range(layers))


class TableMLP(nn.Module):
    """models/mlp-table.ini."""

    def __init__(self, classes, vocabulary=1000, fields=8, columns=6, width=8, hidden=128, layers=2, **others):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(vocabulary, width), nn.BatchNorm1d(columns)
        self.hidden = stack(fields * width + columns, hidden, layers)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, categories, numbers):
        x = torch.cat([self.embedding(categories).flatten(1), self.norm(numbers)], 1)
        for layer in self.hidden:
            x = nn.functional.relu(layer["dense"](x))
        return self.fc(x)


class WideDeep(nn.Module):
    """Written from Cheng et al. 2016 (arXiv 1606.07792), section 3."""

    def __init__(self, classes, vocabulary=1000, fields=8, columns=6, width=32, hidden1=1024, hidden2=512, hidden3=256, **others):
        super().__init__()
        self.wide, self.embedding = nn.EmbeddingBag(vocabulary, classes, mode="sum"), nn.Embedding(vocabulary, width)
        layers, before = [], fields * width + columns
        for size in (hidden1, hidden2, hidden3):
            layers += [nn.Linear(before, size), nn.ReLU()]
            before = size
        self.deep = nn.Sequential(*layers, nn.Linear(before, classes))

    def forward(self, categories, numbers):
        return self.wide(categories) + self.deep(torch.cat([self.embedding(categories).flatten(1), numbers], 1))


class DeepFM(nn.Module):
    """Written from Guo et al. 2017 (arXiv 1703.04247), section 2: equation 2 pair by pair."""

    def __init__(self, classes, vocabulary=1000, fields=26, columns=13, width=10, hidden=400, layers=3, **others):
        super().__init__()
        self.linear, self.linear_numbers = nn.EmbeddingBag(vocabulary, 1, mode="sum"), nn.Linear(columns, 1)
        self.embedding, self.numbers_embedding = nn.Embedding(vocabulary, width), nn.Parameter(torch.randn(1, columns, width))
        self.deep = stack((fields + columns) * width, hidden, layers)
        self.deep_score = nn.Linear(hidden, 1, bias=False)

    def forward(self, categories, numbers):
        vectors = torch.cat([self.embedding(categories), numbers[:, :, None] * self.numbers_embedding], 1)
        products = vectors @ vectors.transpose(1, 2)
        pairs = products.triu(1).sum((1, 2))[:, None]
        x = vectors.flatten(1)
        for layer in self.deep:
            x = nn.functional.relu(layer["dense"](x))
        score = self.linear(categories) + self.linear_numbers(numbers) + pairs + self.deep_score(x)
        return nn.functional.pad(score, (1, 0))


def read(batch, vocabulary=1000, fields=8, columns=6, **others):
    return {"categories": torch.randint(vocabulary, (batch, fields)), "numbers": torch.randn(batch, columns)}


def read_clicks(batch, fields=26, columns=13, **others):
    """As many columns as the advertisements of Guo et al. 2017 have."""
    return read(batch, fields=fields, columns=columns, **others)
