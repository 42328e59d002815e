"""LeNet (LeCun et al. 1998): small filters everywhere, pooling in between."""
from torch import nn

from evo.models.convnet import ConvNet


class LeNet(ConvNet):
    """Two convolutions, each pooled to half the sides; then dense layers.

    images (B, C, H, W) -> logits (B, classes); size: the sides of the images,
    for which the dense layers are made. With sigmoid and average pooling as
    in 1998 (without its trained pooling and its radial output units); later
    parts can be handed in.
    """

    def __init__(self, channels=1, size=28, classes=10, activation=nn.Sigmoid,
                 pool=nn.AvgPool2d):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2), activation(), pool(2),
            nn.Conv2d(6, 16, 5), activation(), pool(2))
        left = (size // 2 - 4) // 2  # of the sides
        self.summary = nn.Sequential(
            nn.Flatten(), nn.Linear(16 * left**2, 120), activation(),
            nn.Linear(120, 84), activation())
        self.make_head(84, classes)
