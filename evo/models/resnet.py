"""ResNet (He et al. 2016): a block adds to what comes in."""
from functools import partial

from torch import nn

from evo.models.convnet import ConvNet, GlobalAverage, conv_norm, he_normal


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(
        inputs, outputs, size, stride, padding=size // 2, bias=False)


class Basic(nn.Module):
    """relu(change(x) + x), with a change of two convolutions.

    (B, C, H, W) -> (B, width, H/stride, W/stride). Where the shape changes, x
    goes through a convolution of 1 x 1 (the paper's option B).
    """

    widens = 1  # outputs = widens * width

    def __init__(self, inputs, width, stride=1):
        super().__init__()
        self.change = self.branch(inputs, width, stride)
        outputs = self.widens * width
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential() if same else nn.Sequential(
            conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def branch(self, inputs, width, stride):
        return nn.Sequential(
            *conv_norm(inputs, width, 3, stride), conv(width, width, 3),
            nn.BatchNorm2d(width))

    def forward(self, x):
        return self.change(x).add_(self.shortcut(x)).relu_()


class Bottleneck(Basic):
    """The same in three convolutions: narrower, 3 x 3 there, wider again."""

    widens = 4

    def branch(self, inputs, width, stride):
        return nn.Sequential(
            *conv_norm(inputs, width, 1), *conv_norm(width, width, 3, stride),
            conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width))


class Plain(Basic):
    """What ResNet is compared with: the same layers, and nothing is added."""

    def __init__(self, inputs, width, stride=1):
        super().__init__(inputs, width, stride)
        self.shortcut = None

    def forward(self, x):
        return self.change(x).relu_()


class ResNet(ConvNet):
    """A stem, stages of blocks, averages: (B, C, H, W) -> (B, classes).

    depths: blocks a stage; widths: of the stages; every stage but the first
    halves the sides. stem: a module that gives widths[0] maps; None for the
    paper's, 7 x 7 and a pooling, which leave a quarter of the sides.
    """

    def __init__(self, depths, widths=(64, 128, 256, 512), channels=3,
                 classes=1000, block=Basic, stem=None):
        super().__init__()
        layers, inputs = [stem or paper_stem(channels, widths[0])], widths[0]
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            for i in range(depth):
                layers.append(
                    block(inputs, width, 2 if stage and not i else 1))
                inputs = block.widens * width
        self.body = nn.Sequential(*layers).apply(he_normal)
        self.summary = GlobalAverage()
        self.make_head(inputs, classes)


def paper_stem(channels, width):
    """The paper's, but ReLU after the maximum: the same in fewer steps."""
    return nn.Sequential(
        *conv_norm(channels, width, 7, 2, activation=nn.Identity),
        nn.MaxPool2d(3, 2, padding=1), nn.ReLU(inplace=True))


def small_resnet(n, width=16, channels=1, classes=10, block=Basic):
    """6n + 2 layers for pictures of 32 x 32 (sec. 4.2)."""
    return ResNet((n, n, n), (width, 2 * width, 4 * width), channels, classes,
                  block, stem=conv_norm(channels, width, 3))


resnet18 = partial(ResNet, (2, 2, 2, 2))
resnet50 = partial(ResNet, (3, 4, 6, 3), block=Bottleneck)
