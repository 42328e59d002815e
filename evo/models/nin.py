"""Network in network (Lin et al. 2014): a small net at every pixel."""
from torch import nn

from evo.models.convnet import ConvNet, GlobalAverage


def nin_block(inputs, outputs, size, stride=1, padding=0):
    """A convolution, then two of 1 x 1: the same dense net at every place."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 1), nn.ReLU())


class NiN(ConvNet):
    """The last block makes one map a class; its mean is the score.

    images (B, C, H, W) -> logits (B, classes), which are its features, too.
    `stem`: size, stride and padding of the first filters.
    """

    def __init__(self, channels=3, classes=1000, widths=(96, 256, 384),
                 stem=(11, 4, 0), dropout=0.5):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(
            nin_block(channels, a, *stem), nn.MaxPool2d(3, 2),
            nin_block(a, b, 5, padding=2), nn.MaxPool2d(3, 2),
            nin_block(b, c, 3, padding=1), nn.MaxPool2d(3, 2),
            nn.Dropout(dropout), nin_block(c, classes, 3, padding=1))
        self.summary = GlobalAverage()
        self.make_head(classes, 0)
