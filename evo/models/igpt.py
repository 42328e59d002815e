"""iGPT (Chen et al. 2020): GPT, whose words are the colours of pixels."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Encoder, QuickGELU, linear_maps
from evo.inputs import check_flags
from evo.models import gpt, weights

RMS_NORM = partial(nn.RMSNorm, eps=1e-5)  # takes off no mean, has no bias


class IGPT(gpt.GPT):
    """GPT over a start token and colours, row by row.

    tokens (B, N) ids -> logits (B, N, K). The colours are 0 to K - 1; the
    start token is K, it is read and never predicted. Against GPT-2: RMS norm,
    the sigmoid form of GELU, no biases, an output matrix of its own, which
    begins as zeros.
    """

    def __init__(self, colours, length, dim, depth, heads):
        super().__init__(colours + 1, length, dim, depth, heads, QuickGELU)
        self.start, self.output = colours, nn.Linear(dim, colours, bias=False)
        nn.init.zeros_(self.output.weight)

    def make_encoder(self, dim, depth, heads, activation):
        encoder = Encoder(dim, depth, heads, norm=RMS_NORM,
                          activation=activation)
        for _, layer in linear_maps(encoder):
            layer.bias = None
        return encoder

    @torch.no_grad()
    def init_weights(self):
        """Queries, keys, values 1 / sqrt(D), what follows 1 / sqrt(D depth).

        All else as GPT-2, but that the MLP's last map is .02, too.
        """
        depth = len(self.encoder.blocks)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.01)
        for block in self.encoder.blocks:
            attn, mlp = block.attn, linear_maps(block.mlp)
            nn.init.normal_(attn.qkv.weight, std=self.dim**-0.5)
            nn.init.normal_(attn.proj.weight, std=(self.dim * depth) ** -0.5)
            for _, layer in mlp:
                nn.init.normal_(layer.weight, std=0.02)

    def begin(self, colours):
        """(B, N) -> (B, 1 + N): the start token in front."""
        return F.pad(colours, (1, 0), value=self.start)

    def around(self, colours, masked):
        """As BERT reads: colours, masked (B, N) -> features (B, N, D).

        No start token, no causal mask: every place sees all. Where masked is
        True, only the position is left of the pixel.
        """
        check_flags(masked, "masked", colours.shape)
        place = self.position.weight[: colours.shape[1]]
        return self.encoder(
            torch.where(masked.unsqueeze(-1), place, self.embed(colours)))

    def head(self, x):
        """(B, N, D) -> (B, N, K)."""
        return self.output(x)


def igpt_small():
    """iGPT-S as released, for 32 x 32 pixels and 512 colours."""
    return IGPT(colours=512, length=1024, dim=512, depth=24, heads=8)


def load_transformers(model, state_dict):
    """Load transformers.ImageGPTForCausalImageModeling.

    Its linear maps are stored as (in, out), with biases, which are zeros in
    the published files.
    """
    biases = {name: tensor for name, tensor in
              weights.unwrap(state_dict).items()
              if name.endswith(".bias") and tensor.is_floating_point()}
    for name, tensor in biases.items():
        if tensor.any():
            raise ValueError(f"{name} is not zero, but iGPT has no biases")
    renamed = weights.rename(
        state_dict, [*gpt.TRANSFORMERS, (r"^lm_head\.", "output.")],
        drop=r"\.bias$|\.masked_bias$")
    for name, tensor in renamed.items():
        if name.startswith("encoder.blocks.") and tensor.ndim == 2:
            renamed[name] = tensor.T
    return weights.load(model, renamed)
