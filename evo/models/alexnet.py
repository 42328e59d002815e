"""AlexNet (Krizhevsky et al. 2012): deep and wide, with ReLU, on GPUs."""
from torch import nn

from evo.models.convnet import ConvNet, dense


class AlexNet(ConvNet):
    """Five convolutions, two dense layers: (B, C, H, W) -> (B, classes).

    As torchvision builds it, in one column (Krizhevsky 2014). `stem`: size,
    stride and padding of the first filters; small images need small ones.
    `places`: the sides of the maps that the dense layers read.
    """

    def __init__(self, channels=3, classes=1000,
                 widths=(64, 192, 384, 256, 256), width=4096, stem=(11, 4, 2),
                 places=6):
        super().__init__()
        a, b, c, d, e = widths
        self.body = nn.Sequential(
            nn.Conv2d(channels, a, *stem), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1), nn.ReLU(),
            nn.Conv2d(d, e, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.summary = nn.Sequential(
            nn.AdaptiveAvgPool2d(places), dense(e * places**2, width))
        self.make_head(width, classes)
