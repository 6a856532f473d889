"""Data-efficient image transformer with a distillation token, in PyTorch, written from Touvron et al. 2021 (arXiv 2012.12877),
section 4; parameters are called as in the authors' code (github.com/facebookresearch/deit), so that its state_dicts load."""

import torch
from torch import nn


class Projection(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, t, c))


class Perceptron(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads), Perceptron(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class DistilledTransformer(nn.Module):
    """Returns both heads' logits. What it answers is their mean."""

    def __init__(self, image, patch, width, heads, classes, depth=12):
        super().__init__()
        tokens = (image // patch) ** 2 + 2
        self.cls_token, self.dist_token = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        self.patch_embed = Projection(patch, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head, self.head_dist = nn.Linear(width, classes), nn.Linear(width, classes)
        for parameter in (self.cls_token, self.dist_token, self.pos_embed):
            nn.init.normal_(parameter, 0, 0.02)

    def forward(self, x):
        x = self.patch_embed(x)
        first = torch.cat([self.cls_token, self.dist_token], 1).expand(len(x), -1, -1)
        x = self.norm(self.blocks(torch.cat([first, x], 1) + self.pos_embed))
        return self.head(x[:, 0]), self.head_dist(x[:, 1])
