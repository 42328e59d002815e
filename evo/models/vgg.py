"""VGG (Simonyan and Zisserman 2015): one block of 3 x 3 filters, repeated."""
from functools import partial

from torch import nn

from evo.models.convnet import ConvNet, dense, he_normal


class VGG(ConvNet):
    """Stages of 3 x 3 convolutions, each pooled to half the sides.

    stages: (how many convolutions, how wide) each. `places`: the sides of the
    maps that two dense layers of `width` read; another `summary` replaces
    them. norm=True puts batch norm behind every convolution, as in
    torchvision's vgg*_bn.
    """

    def __init__(self, stages, channels=3, classes=1000, width=4096, places=7,
                 norm=False, summary=None):
        super().__init__()
        layers = []
        for depth, out in stages:
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, out, 3, padding=1))
                layers += (
                    [nn.BatchNorm2d(out), nn.ReLU()] if norm else [nn.ReLU()])
                channels = out
            layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers).apply(he_normal)
        self.summary = summary or nn.Sequential(
            nn.AdaptiveAvgPool2d(places), dense(channels * places**2, width))
        self.make_head(channels if summary else width, classes)


vgg11 = partial(VGG, [(1, 64), (1, 128), (2, 256), (2, 512), (2, 512)])
vgg16 = partial(VGG, [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)])
