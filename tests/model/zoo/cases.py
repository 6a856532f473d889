"""Every shipped network beside its reference in PyTorch, and how the two are compared."""

import sys

import torch

from . import cifar, deit, small
from .named import NAMED

sys.path.append(__file__.rsplit("/", 3)[0] + "/parity")
import resnet as cifar_resnet  # noqa: E402

try:
    from torchvision import models as vision
except ImportError:
    vision = None


class Case:
    """model: a shipped one. make(side): the reference for images of side x side pixels, `classes` classes. output: the node that is
    the network's output. side: what its published figures are for. test_side, batch: what is run, small. seed, spread: see
    check_zoo.py. device_classes: of kernels. parameters: of the model, beyond its defaults. needs: "", or the Python package that
    the reference wants and that is not there."""

    def __init__(self, model, make, output="fc", side=32, classes=100, channels=3, test_side=16, batch=4, seed=0, spread=0.3,
                 device_classes="cpu", parameters="", needs=""):
        self.model, self.make, self.output, self.side, self.classes = model, make, output, side, classes
        self.image, self.test_side, self.batch = (side, side, channels), test_side, batch
        self.seed, self.spread, self.needs = seed, spread, needs
        self.device_classes, self.parameters = device_classes.split(), parameters

    def inputs(self):
        return {"input": torch.randn(self.batch, self.image[2], self.test_side, self.test_side)}

    def sample(self):
        """One input of the size that published figures are for."""
        return {"input": torch.zeros(1, self.image[2], self.side, self.side)}

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


def digits(model, make, output="fc", **settings):
    return Case(model, lambda side: make(), output, side=8, test_side=8, classes=10, channels=1, **settings)


def imagenet(model, make, output, case=Case, **settings):
    return case(model, make, output, side=224, test_side=64, classes=1000, **settings)


def pretrained(model, make, output, **settings):
    """As torchvision has it: its state_dict loads."""
    return imagenet(model, make, output, needs="" if vision else "torchvision", **settings)


CASES = [
    digits("mlp-tiny", small.mlp_tiny, "fc2", device_classes="cpu gpu generic"),
    digits("mlp-wide", small.mlp_wide, "fc3", parameters="dropout=0"),
    digits("cnn-tiny", small.cnn_tiny),
    digits("cnn-wide", small.cnn_wide),
    Case("cnn-cifar-student", lambda side: small.cnn_cifar(16), test_side=32, classes=10),
    Case("cnn-cifar-teacher", lambda side: small.cnn_cifar(64), test_side=32, classes=10),
    Case("resnet", residual(20)),
    Case("resnet8", residual(8)),
    Case("resnet14", residual(14)),
    Case("resnet20", residual(20)),
    Case("resnet32", residual(32)),
    Case("resnet44", residual(44), spread=0.5),
    Case("resnet56", residual(56), spread=0.5),
    Case("resnet110", residual(110), spread=0.5),
    Case("resnet8x4", residual(8, stem=32, width=64)),
    Case("resnet32x4", residual(32, stem=32, width=64)),
    Case("resnet-cifar", four_stages(2, 2, 2, 2), "linear"),
    Case("resnet18-cifar", four_stages(2, 2, 2, 2), "linear"),
    Case("resnet34-cifar", four_stages(3, 4, 6, 3), "linear"),
    Case("resnet50-cifar", four_stages(3, 4, 6, 3, expansion=4), "linear", spread=0.4),
    Case("wrn", wide(16, 1), seed=3),
    Case("wrn-16-1", wide(16, 1), seed=3),
    Case("wrn-16-2", wide(16, 2)),
    Case("wrn-40-1", wide(40, 1)),
    Case("wrn-40-2", wide(40, 2)),
    Case("vgg", vgg(1, 1, 1, 1, 1), "classifier", spread=0.8),
    Case("vgg8", vgg(1, 1, 1, 1, 1), "classifier", spread=0.8),
    Case("vgg11", vgg(1, 1, 2, 2, 2), "classifier", spread=0.8),
    Case("vgg13", vgg(2, 2, 2, 2, 2), "classifier", spread=0.8),
    Case("vgg16", vgg(2, 2, 3, 3, 3), "classifier", spread=0.8),
    Case("vgg19", vgg(2, 2, 4, 4, 4), "classifier", spread=0.8),
    Case("mobilenet-v2-half", lambda side: cifar.MobileNetV2(0.5, 100), "classifier.0", test_side=32, seed=7),
    Case("shufflenet-v1", lambda side: cifar.ShuffleNetV1(100), "linear", test_side=32, seed=2),
    Case("shufflenet-v2", lambda side: cifar.ShuffleNetV2(100), "linear", test_side=32, seed=5),
    pretrained("resnet-imagenet", lambda side: vision.resnet18(), "fc", seed=2),
    pretrained("resnet18", lambda side: vision.resnet18(), "fc", seed=2),
    pretrained("resnet34", lambda side: vision.resnet34(), "fc"),
    pretrained("resnet50", lambda side: vision.resnet50(), "fc"),
    pretrained("mobilenet-v2", lambda side: vision.mobilenet_v2(dropout=0.0), "classifier.1", seed=3, parameters="dropout=0"),
    pretrained("mobilenet-v3-small", lambda side: vision.mobilenet_v3_small(dropout=0.0), "classifier.3", seed=3, parameters="dropout=0"),
    pretrained("efficientnet-b0", efficientnet, "classifier.1", parameters="dropout=0 depth=0"),
    pretrained("vit", transformer(192, 3), "heads.head"),
    pretrained("vit-tiny-16", transformer(192, 3), "heads.head"),
    pretrained("vit-small-16", transformer(384, 6), "heads.head"),
    imagenet("deit-distilled", distilled(192, 3), "logits", Distilled),
    imagenet("deit-tiny-distilled-16", distilled(192, 3), "logits", Distilled),
    imagenet("deit-small-distilled-16", distilled(384, 6), "logits", Distilled),
    *NAMED,
]
