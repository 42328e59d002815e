"""MoCo (He et al. 2020): negatives wait in a queue, keys come from a slow
copy of the encoder; with the head of MoCo v2 (Chen et al. 2020b)."""
import copy

import torch
import torch.nn.functional as F
from torch import nn

from evo.models.simclr import SimCLR


class MoCo(SimCLR):
    """SimCLR with a slow copy of itself, and a queue of the copy's answers.

    waiting: keys in the queue, a multiple of the batch; momentum: how much of
    the slow copy stays at each step. On one machine only: on several, batch
    norm tells which pictures stand together, and the paper shuffles them.
    """

    def __init__(self, encoder, out=128, waiting=4096, momentum=0.99):
        super().__init__(encoder, out)
        self.momentum = momentum
        slow = nn.ModuleList([self.encoder, self.head])
        self.slow = copy.deepcopy(slow).requires_grad_(False)
        drawn = F.normalize(torch.randn(waiting, out), dim=1)
        self.register_buffer("queue", drawn)
        self.register_buffer("oldest", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def follow(self):
        """The slow copy takes a small step towards the encoder."""
        fast = nn.ModuleList([self.encoder, self.head])
        for old, new in zip(self.slow.parameters(), fast.parameters()):
            old.lerp_(new, 1 - self.momentum)

    @torch.no_grad()
    def keys(self, images):
        """(B, C, H, W) -> (B, out): what the slow copy says."""
        encoder, head = self.slow
        return head(encoder.features(images))

    @torch.no_grad()
    def enqueue(self, keys):
        """These keys come in, as many of the oldest go."""
        places = (self.oldest + torch.arange(
            len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = F.normalize(keys, dim=1).to(self.queue)
        self.oldest += len(keys)
