"""What convolutional nets share: maps, one vector made of them, a head."""
import torch
from torch import nn

from evo.inputs import kind
from evo.models import weights


class ConvNet(nn.Module):
    """logits = head(features(images)); features = summary(maps(images)).

    A subclass sets `body`: images (B, C, H, W) -> maps (B, D, h, w),
    `summary`: maps -> (B, dim), and calls `make_head`. classes=0 drops the
    head.
    """

    def make_head(self, dim, classes):
        self.dim = dim
        self.head = nn.Linear(dim, classes) if classes else nn.Identity()

    def maps(self, images):
        """(B, C, H, W) -> (B, D, h, w): what was found, and where."""
        first = next(m for m in self.modules() if isinstance(m, nn.Conv2d))
        if not isinstance(images, torch.Tensor) or images.ndim != 4:
            raise ValueError(
                f"images must be a tensor (B, C, H, W), got {kind(images)}")
        if (images.shape[1] != first.in_channels
                or not images.is_floating_point()):
            raise ValueError(
                f"images are {images.dtype} with {images.shape[1]} channels, "
                f"but this model reads floats with {first.in_channels}")
        return self.body(images)

    def features(self, images):
        """(B, C, H, W) -> (B, dim): what the head reads."""
        return self.summary(self.maps(images))

    def forward(self, images):
        return self.head(self.features(images))


class GlobalAverage(nn.Module):
    """The mean of every map, of any size: (B, D, h, w) -> (B, D) (NiN)."""

    def forward(self, maps):
        return maps.mean((2, 3))


def dense(maps, width, dropout=0.5):
    """Two wide layers that read all places of all maps (AlexNet, VGG).

    maps: how many numbers come in.
    """
    return nn.Sequential(
        nn.Flatten(), nn.Linear(maps, width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout))


def conv_norm(inputs, outputs, size, stride=1, groups=1, activation=nn.ReLU):
    """Convolution without bias, batch norm, activation (in place)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2,
                  groups=groups, bias=False),
        nn.BatchNorm2d(outputs), activation(inplace=True))


def he_normal(module):
    """A start that keeps the variance behind ReLU (He et al. 2015)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(
            module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def load_torchvision(model, state_dict):
    """torchvision's weights of the same net: other names, the same order.

    Raises ValueError at the first tensor whose shape is another one.
    """
    given, wanted = weights.unwrap(state_dict), model.state_dict()
    if len(given) != len(wanted):
        raise ValueError(
            f"{len(given)} tensors were given, {type(model).__name__} has "
            f"{len(wanted)}: build it with the sizes of the file (and its "
            "number of classes)")
    return weights.load(model, dict(zip(wanted, given.values())))
