"""Small networks in PyTorch for digits and 32x32 images, layers by the names in models/*.ini."""

from torch import nn


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
    return named(flatten=nn.Flatten(), fc1=nn.Linear(64, 256), relu1=nn.ReLU(), fc2=nn.Linear(256, 256), relu2=nn.ReLU(),
                 fc3=nn.Linear(256, 10))


def mlp_tiny():
    return named(flatten=nn.Flatten(), fc1=nn.Linear(64, 8), relu1=nn.ReLU(), fc2=nn.Linear(8, 10))
