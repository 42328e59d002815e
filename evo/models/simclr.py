"""SimCLR (Chen et al. 2020): two views of a picture shall find each other."""
from torch import nn


class SimCLR(nn.Module):
    """An encoder, and a head that is thrown away after training.

    encoder: has `dim` and features(images) -> (B, dim); build it with
    classes=0. The head has one hidden layer, as wide as the features, and
    leads to the `out` numbers by which views are compared.
    """

    def __init__(self, encoder, out=128):
        super().__init__()
        self.encoder, self.dim = encoder, encoder.dim
        self.head = nn.Sequential(
            nn.Linear(self.dim, self.dim), nn.ReLU(),
            nn.Linear(self.dim, out))

    def features(self, images):
        """(B, C, H, W) -> (B, dim): h of the paper, what is kept."""
        return self.encoder.features(images)

    def forward(self, images):
        """(B, C, H, W) -> (B, out): z of the paper, what the loss compares."""
        return self.head(self.features(images))
