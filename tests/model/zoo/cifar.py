"""Networks for 32x32 images in PyTorch, written from the papers; parameters are called as in the code of Tian, Krishnan,
Isola 2020 (github.com/HobbitLong/RepDistiller), so that its state_dicts load."""

import torch
from torch import nn


def norm_conv(inputs, outputs, kernel=3, stride=1, groups=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias), nn.BatchNorm2d(outputs)


def pool(x):
    return x.mean((2, 3))


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 where the unit is wider outside than inside."""

    def __init__(self, inputs, width, outputs, stride):
        super().__init__()
        self.deep = outputs > width
        self.conv1, self.bn1 = norm_conv(inputs, width, *((1, 1) if self.deep else (3, stride)))
        self.conv2, self.bn2 = norm_conv(width, width, 3, stride if self.deep else 1)
        if self.deep:
            self.conv3, self.bn3 = norm_conv(width, outputs, 1)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*norm_conv(inputs, outputs, 1, stride)) if changes else nn.Sequential()

    def forward(self, x):
        y = self.bn2(self.conv2(nn.functional.relu(self.bn1(self.conv1(x)))))
        if self.deep:
            y = self.bn3(self.conv3(nn.functional.relu(y)))
        return nn.functional.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """Four stages: He et al. 2016, table 1."""

    def __init__(self, depths, expansion, classes):
        super().__init__()
        self.conv1, self.bn1 = norm_conv(3, 64)
        inputs = 64
        for stage, depth in enumerate(depths):
            width, units = 64 << stage, []
            for i in range(depth):
                units.append(ResidualUnit(inputs, width, expansion * width, 2 if stage and i == 0 else 1))
                inputs = expansion * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*units))
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        return self.linear(pool(self.layer4(self.layer3(self.layer2(self.layer1(x))))))


class WideUnit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1, self.conv2 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        active = nn.functional.relu(self.bn1(x))
        y = self.conv2(nn.functional.relu(self.bn2(self.conv1(active))))
        return y + (self.convShortcut(active) if self.convShortcut else x)


class Stage(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.layer = nn.Sequential(*units)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    """Zagoruyko, Komodakis 2016; depth 6n + 4."""

    def __init__(self, depth, k, classes):
        super().__init__()
        widths, n = (16, 16 * k, 32 * k, 64 * k), (depth - 4) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        for stage in range(3):
            units = [WideUnit(widths[stage + (i > 0)], widths[stage + 1], 2 if stage and i == 0 else 1) for i in range(n)]
            setattr(self, f"block{stage + 1}", Stage(units))
        self.bn1, self.fc = nn.BatchNorm2d(widths[3]), nn.Linear(widths[3], classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(pool(nn.functional.relu(self.bn1(x))))


class VGG(nn.Module):
    """Simonyan, Zisserman 2015, table 1, with batch normalisation and one dense layer."""

    def __init__(self, depths, classes):
        super().__init__()
        inputs = 3
        for stage, depth in enumerate(depths):
            width, layers = min(64 << stage, 512), []
            for _ in range(depth):
                layers += [*norm_conv(inputs, width, bias=True), nn.ReLU()]
                inputs = width
            setattr(self, f"block{stage}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(512, classes)

    def forward(self, x):
        for stage in range(5):
            x = nn.functional.relu(getattr(self, f"block{stage}")(x))
            if stage < 3:
                x = nn.functional.max_pool2d(x, 2)
        return self.classifier(pool(x))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        inner = inputs * expand
        self.adds = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(*norm_conv(inputs, inner, 1), nn.ReLU(), *norm_conv(inner, inner, 3, stride, inner), nn.ReLU(),
                                  *norm_conv(inner, outputs, 1))

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2, with its widths times `width`; ReLU in place of ReLU6."""

    def __init__(self, width, classes):
        super().__init__()
        inputs = int(32 * width)
        self.conv1 = nn.Sequential(*norm_conv(3, inputs, 3, 2), nn.ReLU())
        self.blocks = nn.ModuleList()
        for expand, outputs, depth, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                               (6, 160, 3, 2), (6, 320, 1, 1)):
            outputs, units = int(outputs * width), []
            for i in range(depth):
                units.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expand))
                inputs = outputs
            self.blocks.append(nn.Sequential(*units))
        self.conv2 = nn.Sequential(*norm_conv(inputs, 1280, 1), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(1280, classes))

    def forward(self, x):
        x = self.conv1(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(pool(self.conv2(x)))


def shuffle(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleUnit(nn.Module):
    """Zhang et al. 2018, figure 2; `outputs` without the shortcut's channels, which a unit of stride 2 puts behind."""

    def __init__(self, inputs, outputs, stride, groups):
        super().__init__()
        inner = outputs // 4
        self.stride, self.groups = stride, 1 if inputs == 24 else groups
        self.conv1, self.bn1 = norm_conv(inputs, inner, 1, groups=self.groups)
        self.conv2, self.bn2 = norm_conv(inner, inner, 3, stride, inner)
        self.conv3, self.bn3 = norm_conv(inner, outputs, 1, groups=groups)

    def forward(self, x):
        y = shuffle(nn.functional.relu(self.bn1(self.conv1(x))), self.groups)
        y = self.bn3(self.conv3(nn.functional.relu(self.bn2(self.conv2(y)))))
        if self.stride == 1:
            return nn.functional.relu(y + x)
        return nn.functional.relu(torch.cat([y, nn.functional.avg_pool2d(x, 3, 2, 1)], 1))


class ShuffleNetV1(nn.Module):
    def __init__(self, classes, groups=3):
        super().__init__()
        self.conv1, self.bn1 = norm_conv(3, 24, 1)
        inputs = 24
        for stage, (outputs, depth) in enumerate(((240, 4), (480, 8), (960, 4)), 1):
            units = [ShuffleUnit(inputs, outputs - inputs, 2, groups)]
            units += [ShuffleUnit(outputs, outputs, 1, groups) for _ in range(depth - 1)]
            setattr(self, f"layer{stage}", nn.Sequential(*units))
            inputs = outputs
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        return self.linear(pool(self.layer3(self.layer2(self.layer1(x)))))


class SplitUnit(nn.Module):
    """Ma et al. 2018, figure 3 (c)."""

    def __init__(self, width):
        super().__init__()
        half = width // 2
        self.conv1, self.bn1 = norm_conv(half, half, 1)
        self.conv2, self.bn2 = norm_conv(half, half, 3, 1, half)
        self.conv3, self.bn3 = norm_conv(half, half, 1)

    def forward(self, x):
        kept, y = x.chunk(2, 1)
        y = self.bn2(self.conv2(nn.functional.relu(self.bn1(self.conv1(y)))))
        return shuffle(torch.cat([kept, nn.functional.relu(self.bn3(self.conv3(y)))], 1), 2)


class HalvingUnit(nn.Module):
    """Ma et al. 2018, figure 3 (d)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        half = outputs // 2
        self.conv1, self.bn1 = norm_conv(inputs, inputs, 3, 2, inputs)
        self.conv2, self.bn2 = norm_conv(inputs, half, 1)
        self.conv3, self.bn3 = norm_conv(inputs, half, 1)
        self.conv4, self.bn4 = norm_conv(half, half, 3, 2, half)
        self.conv5, self.bn5 = norm_conv(half, half, 1)

    def forward(self, x):
        left = nn.functional.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        right = self.bn4(self.conv4(nn.functional.relu(self.bn3(self.conv3(x)))))
        return shuffle(torch.cat([left, nn.functional.relu(self.bn5(self.conv5(right)))], 1), 2)


class ShuffleNetV2(nn.Module):
    def __init__(self, classes, widths=(116, 232, 464, 1024)):
        super().__init__()
        self.conv1, self.bn1 = norm_conv(3, 24, 1)
        inputs = 24
        for stage, depth in enumerate((3, 7, 3)):
            units = [HalvingUnit(inputs, widths[stage])] + [SplitUnit(widths[stage]) for _ in range(depth)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*units))
            inputs = widths[stage]
        self.conv2, self.bn2 = norm_conv(inputs, widths[3], 1)
        self.linear = nn.Linear(widths[3], classes)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(pool(nn.functional.relu(self.bn2(self.conv2(x)))))
