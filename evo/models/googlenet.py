"""GoogLeNet (Szegedy et al. 2015): filters of several sizes side by side."""
import torch
from torch import nn

from evo.models.convnet import ConvNet, GlobalAverage, conv_norm


class Inception(nn.Module):
    """Four looks side by side: (B, C, H, W) -> (B, sum of widths, H, W).

    widths: 1 x 1; 1 x 1 then 3 x 3; 1 x 1 then the large one; pooling then
    1 x 1. `large` is the size of the large filters: 5 in the paper, 3 in
    torchvision.
    """

    def __init__(self, inputs, one, three, five, pooled, large=5):
        super().__init__()
        self.one = conv_norm(inputs, one, 1)
        self.three = nn.Sequential(
            conv_norm(inputs, three[0], 1), conv_norm(*three, 3))
        self.five = nn.Sequential(
            conv_norm(inputs, five[0], 1), conv_norm(*five, large))
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, 1, padding=1), conv_norm(inputs, pooled, 1))
        self.outputs = one + three[1] + five[1] + pooled

    def forward(self, x):
        return torch.cat(
            [self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


PAPER = [  # table 1: nine blocks; a number is a pooling of this size
    (64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64), 3,
    (192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64), (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128), 3,
    (256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)]


class GoogLeNet(ConvNet):
    """A stem, blocks of Inception, averages: (B, C, H, W) -> (B, classes).

    With batch norm, which its second version brought, and without the two
    side outputs.
    stem: a module that gives `inputs` maps, None for the paper's.
    """

    def __init__(self, channels=3, classes=1000, blocks=PAPER, stem=None,
                 inputs=192, large=5):
        super().__init__()
        layers = [stem or paper_stem(channels)]
        for widths in blocks:
            if isinstance(widths, int):
                layers.append(nn.MaxPool2d(widths, 2, ceil_mode=True))
            else:
                layers.append(Inception(inputs, *widths, large=large))
                inputs = layers[-1].outputs
        self.body = nn.Sequential(*layers)
        self.summary = nn.Sequential(GlobalAverage(), nn.Dropout(0.2))
        self.make_head(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3  # TensorFlow's, where the weights come from


def paper_stem(channels):
    return nn.Sequential(
        conv_norm(channels, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True),
        conv_norm(64, 64, 1), conv_norm(64, 192, 3),
        nn.MaxPool2d(3, 2, ceil_mode=True))


def torchvision_googlenet(classes=1000):
    """As published weights want it: smaller filters, a smaller pooling."""
    second = len(PAPER) - 3
    blocks = [*PAPER[:second], 2, *PAPER[second + 1:]]
    return GoogLeNet(3, classes, blocks, large=3)
