"""EfficientNet (Tan and Le 2019): cheap blocks that grow in step."""
import math

from torch import nn

from evo.models.convnet import ConvNet, GlobalAverage, conv_norm


class SqueezeExcite(nn.Module):
    """Every map is scaled by what all show on average (Hu et al. 2018)."""

    def __init__(self, maps, squeezed):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(maps, squeezed, 1), nn.SiLU(),
            nn.Conv2d(squeezed, maps, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.gate(x)


class MBConv(nn.Module):
    """Wider, one filter a map, narrower again; added to x of equal shape.

    (B, inputs, H, W) -> (B, outputs, H/stride, W/stride).
    """

    def __init__(self, inputs, outputs, size, stride, expand):
        super().__init__()
        wide = inputs * expand
        widen = ([conv_norm(inputs, wide, 1, activation=nn.SiLU)]
                 if expand > 1 else [])
        self.change = nn.Sequential(
            *widen, conv_norm(wide, wide, size, stride, wide, nn.SiLU),
            SqueezeExcite(wide, max(1, inputs // 4)),
            conv_norm(wide, outputs, 1, activation=nn.Identity))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.change(x) if self.adds else self.change(x)


# table 1: expansion, size of the filters, stride, outputs, blocks
B0 = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
      (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]


class EfficientNet(ConvNet):
    """images (B, C, H, W) -> logits (B, classes); width, depth: times B0's.

    stages: (expansion, size, stride, outputs, blocks) each. Stochastic depth
    is left out.
    """

    def __init__(self, width=1.0, depth=1.0, channels=3, classes=1000,
                 stages=B0, stem=(32, 2), last=1280):
        super().__init__()
        inputs = eighths(stem[0] * width)
        layers = [conv_norm(channels, inputs, 3, stem[1], activation=nn.SiLU)]
        for expand, size, stride, outputs, blocks in stages:
            outputs = eighths(outputs * width)
            for i in range(math.ceil(blocks * depth)):
                layers.append(MBConv(
                    inputs, outputs, size, 1 if i else stride, expand))
                inputs = outputs
        last = eighths(last * width)
        layers.append(conv_norm(inputs, last, 1, activation=nn.SiLU))
        self.body = nn.Sequential(*layers)
        self.summary = nn.Sequential(GlobalAverage(), nn.Dropout(0.2))
        self.make_head(last, classes)


def eighths(maps):
    """The nearest multiple of 8, never less than nine tenths."""
    near = max(8, int(maps + 4) // 8 * 8)
    return near if near >= 0.9 * maps else near + 8
