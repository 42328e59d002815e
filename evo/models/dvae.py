"""Discrete VAE (Ramesh et al. 2021): a picture as a grid of code words."""
import torch
from torch import nn

from evo.inputs import check_ids, check_images


class DVAE(nn.Module):
    """An encoder that names patches, a decoder that paints from the names.

    images (B, C, S, S), temperature -> (painted (B, C, S, S), logits
    (B, codes, S/P, S/P)). Much smaller than the paper's: a patch is named by
    itself, and painted with an eye on its neighbours' names (3 x 3). The
    logits begin far apart; else all codes begin alike, and few ever differ.
    """

    def __init__(self, patch_size, channels, codes, dim):
        super().__init__()
        self.patch_size, self.channels, self.codes = (
            patch_size, channels, codes)
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, dim, patch_size, stride=patch_size), nn.ReLU(),
            nn.Conv2d(dim, codes, 1))
        nn.init.normal_(self.encoder[-1].weight, std=2)
        self.decoder = nn.Sequential(
            nn.Conv2d(codes, dim, 1, bias=False),  # a vector for every code
            nn.Conv2d(dim, dim, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(dim, channels, patch_size, stride=patch_size))

    def logits(self, images):
        """(B, C, S, S) -> (B, codes, S/P, S/P)."""
        check_images(images, (self.channels, *images.shape[2:]),
                     self.encoder[0].weight.dtype)
        return self.encoder(images)

    def encode(self, images):
        """The likeliest code of every patch: (B, C, S, S) -> ids (B, N)."""
        return self.logits(images).argmax(1).flatten(1)

    def paint(self, shares):
        """Shares of the codes at every place -> pictures.

        (B, codes, S/P, S/P) -> (B, C, S, S).
        """
        return self.decoder(shares)

    def decode(self, ids, rows=None):
        """ids (B, N) -> pictures (B, C, H, W). rows=None: square pictures."""
        check_ids(ids, self.codes, "ids")
        rows = rows or round(ids.shape[1] ** 0.5)
        one_hot = nn.functional.one_hot(ids.long(), self.codes)
        shares = one_hot.mT.unflatten(2, (rows, -1))
        return self.paint(shares.to(self.encoder[0].weight.dtype))

    def forward(self, images, temperature):
        logits = self.logits(images)
        return self.paint(relaxed(logits, temperature)), logits


def relaxed(logits, temperature):
    """A code drawn by its chance, softened so that gradients pass.

    Gumbel-softmax (Jang et al. 2017): logits (B, K, ...) -> shares (B, K,
    ...) that sum to 1 over K. The lower the temperature, the nearer to one
    code alone.
    """
    noise = -torch.empty_like(logits).exponential_().log()
    return ((logits + noise) / temperature).softmax(1)


def surplus(logits):
    """KL from the uniform distribution, in nats a place: log K - entropy.

    logits (B, K, ...) -> mean over all places.
    """
    log_q = logits.log_softmax(1)
    entropy = -(log_q.exp() * log_q).sum(1)
    return torch.tensor(logits.shape[1]).log() - entropy.mean()
