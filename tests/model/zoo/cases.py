"""Every shipped network beside its reference in PyTorch, and how the two are compared."""

import sys

import torch

from . import cifar, deit
from .named import NAMED, transformers

sys.path.append(__file__.rsplit("/", 3)[0] + "/parity")
import resnet as cifar_resnet  # noqa: E402

try:
    from torchvision import models as vision
except ImportError:  # its networks are left out
    vision = None


class Case:
    """model: a shipped one. make(side): the reference for images of side x side pixels, `classes` classes. output: the node that is
    the network's output. side: what its published figures are for. test_side, batch: what is run, small. seed,
    spread: see check_zoo.py. modes: eval, train. device_classes: of kernels. parameters: of the model, beyond its defaults."""

    def __init__(self, model, make, output="fc", side=32, classes=100, test_side=None, batch=4, seed=0, spread=0.3,
                 modes="eval", device_classes="cpu", parameters=""):
        self.model, self.make, self.output, self.side, self.classes = model, make, output, side, classes
        self.image = (side, side, 3)
        self.test_side, self.batch, self.seed, self.spread = test_side or side, batch, seed, spread
        self.modes, self.device_classes, self.parameters = modes.split(), device_classes.split(), parameters

    def inputs(self):
        return {"input": torch.randn(self.batch, 3, self.test_side, self.test_side)}

    def sample(self):
        """One input of the size that published figures are for."""
        return {"input": torch.zeros(1, 3, self.side, self.side)}

    def run(self, network, inputs):
        """{name of an output: tensor}"""
        return {self.output: network(inputs["input"])}


class Distilled(Case):
    """Two heads and their mean."""

    def run(self, network, inputs):
        first, second = network(inputs["input"])
        return {"logits": (first + second) / 2, "head": first, "head_dist": second}


def residual(depth, **widths):
    return lambda side: cifar_resnet.ResNet(depth, 100, **widths)


def four_stages(*depths, expansion=1):
    return lambda side: cifar.ResNet(depths, expansion, 100)


def wide(depth, k):
    return lambda side: cifar.WideResNet(depth, k, 100)


def vgg(*depths):
    return lambda side: cifar.VGG(depths, 100)


def transformer(width, heads):
    def make(side):
        network = vision.VisionTransformer(image_size=side, patch_size=16, num_layers=12, num_heads=heads, hidden_dim=width,
                                           mlp_dim=4 * width, num_classes=1000)
        torch.nn.init.normal_(network.heads.head.weight, 0, 0.1)  # it starts at zero
        return network

    return make


def efficientnet(side):
    """Nothing is left out at random."""
    network = vision.efficientnet_b0(stochastic_depth_prob=0.0)
    network.classifier[0].p = 0.0
    return network


def distilled(width, heads):
    return lambda side: deit.DistilledTransformer(side, 16, width, heads, 1000)


def torchvision_cases():
    imagenet = {"side": 224, "classes": 1000}
    return [
        Case("resnet18", lambda side: vision.resnet18(), test_side=64, seed=2, modes="eval train", **imagenet),
        Case("resnet34", lambda side: vision.resnet34(), test_side=64, **imagenet),
        Case("resnet50", lambda side: vision.resnet50(), test_side=64, **imagenet),
        Case("mobilenet-v2", lambda side: vision.mobilenet_v2(dropout=0.0), "classifier.1", test_side=64, seed=3, modes="eval train",
             parameters="dropout=0", **imagenet),
        Case("mobilenet-v3-small", lambda side: vision.mobilenet_v3_small(dropout=0.0), "classifier.3", test_side=64,
             seed=3, modes="eval train", parameters="dropout=0", **imagenet),
        Case("efficientnet-b0", efficientnet, "classifier.1", test_side=64, modes="eval train", parameters="dropout=0 depth=0",
             **imagenet),
        Case("vit-tiny-16", transformer(192, 3), "heads.head", test_side=64, modes="eval train", **imagenet),
        Case("vit-small-16", transformer(384, 6), "heads.head", test_side=64, **imagenet),
    ]


CASES = [
    Case("resnet8", residual(8), seed=1, modes="eval train", device_classes="cpu gpu generic"),
    Case("resnet14", residual(14)),
    Case("resnet20", residual(20)),
    Case("resnet32", residual(32)),
    Case("resnet44", residual(44)),
    Case("resnet56", residual(56)),
    Case("resnet110", residual(110)),
    Case("resnet8x4", residual(8, stem=32, width=64)),
    Case("resnet32x4", residual(32, stem=32, width=64)),
    Case("resnet18-cifar", four_stages(2, 2, 2, 2), "linear"),
    Case("resnet34-cifar", four_stages(3, 4, 6, 3), "linear"),
    Case("resnet50-cifar", four_stages(3, 4, 6, 3, expansion=4), "linear", test_side=16, seed=5, modes="eval train"),
    Case("wrn-16-1", wide(16, 1), seed=3, modes="eval train"),
    Case("wrn-16-2", wide(16, 2)),
    Case("wrn-40-1", wide(40, 1)),
    Case("wrn-40-2", wide(40, 2)),
    Case("vgg8", vgg(1, 1, 1, 1, 1), "classifier"),
    Case("vgg11", vgg(1, 1, 2, 2, 2), "classifier", test_side=16, spread=0.4, seed=9, modes="eval train"),
    Case("vgg13", vgg(2, 2, 2, 2, 2), "classifier"),
    Case("vgg16", vgg(2, 2, 3, 3, 3), "classifier"),
    Case("vgg19", vgg(2, 2, 4, 4, 4), "classifier"),
    Case("mobilenet-v2-half", lambda side: cifar.MobileNetV2(0.5, 100), "classifier.0", seed=7, modes="eval train"),
    Case("shufflenet-v1", lambda side: cifar.ShuffleNetV1(100), "linear", seed=2, modes="eval train"),
    Case("shufflenet-v2", lambda side: cifar.ShuffleNetV2(100), "linear", seed=5, modes="eval train"),
    *(torchvision_cases() if vision else []),
    Distilled("deit-tiny-distilled-16", distilled(192, 3), side=224, classes=1000, test_side=64, modes="eval train"),
    Distilled("deit-small-distilled-16", distilled(384, 6), side=224, classes=1000, test_side=64),
    *NAMED,
]
