"""DenseNet (Huang et al. 2017): every layer reads all that came before."""
from functools import partial

import torch
from torch import nn

from evo.models.convnet import ConvNet, GlobalAverage, he_normal


def norm_conv(inputs, outputs, size):
    """Batch norm, ReLU, convolution: the input is many layers' output."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs), nn.ReLU(),
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False))


class Grow(nn.Module):
    """`growth` new maps beside the old: (B, C, H, W) -> (B, C + g, H, W)."""

    def __init__(self, inputs, growth):
        super().__init__()
        self.new = nn.Sequential(
            norm_conv(inputs, 4 * growth, 1), norm_conv(4 * growth, growth, 3))

    def forward(self, x):
        return torch.cat([x, self.new(x)], 1)


class DenseNet(ConvNet):
    """Stages of growing maps; between them half the maps, half the sides.

    depths: layers a stage. stem: a module that gives `inputs` maps; None for
    the paper's.
    """

    def __init__(self, depths, growth=32, inputs=64, channels=3, classes=1000,
                 stem=None):
        super().__init__()
        layers = [stem or paper_stem(channels, inputs)]
        for stage, depth in enumerate(depths):
            if stage:
                layers += norm_conv(inputs, inputs // 2, 1), nn.AvgPool2d(2)
                inputs //= 2
            for _ in range(depth):
                layers.append(Grow(inputs, growth))
                inputs += growth
        self.body = nn.Sequential(
            *layers, nn.BatchNorm2d(inputs), nn.ReLU()).apply(he_normal)
        self.summary = GlobalAverage()
        self.make_head(inputs, classes)


def paper_stem(channels, width):
    return nn.Sequential(
        nn.Conv2d(channels, width, 7, 2, padding=3, bias=False),
        nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1))


densenet121 = partial(DenseNet, (6, 12, 24, 16))
