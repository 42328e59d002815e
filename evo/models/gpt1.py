"""GPT-1 (Radford et al. 2018): norm after each sum, one read of a text's end.

GPT of `evo.models.gpt` has the order of GPT-2; here is that of 2018.
"""
import torch
from torch import nn

from evo.blocks import Encoder, linear_maps
from evo.inputs import check_flags, kind
from evo.models import gpt, weights


class GPT1(gpt.GPT):
    """GPT whose blocks normalise after the sum, as the Transformer of 2017.

    tokens (B, N) ids -> logits (B, N, V). There is no norm behind the last
    block, because that block ends with one.
    """

    def make_encoder(self, dim, depth, heads, activation):
        return Encoder(dim, depth, heads, norm_first=False, norm=gpt.NORM,
                       activation=activation)

    @torch.no_grad()
    def init_weights(self):
        """Normal .02 everywhere (sec. 4.1), biases 0."""
        for table in (self.token, self.position):
            nn.init.normal_(table.weight, std=0.02)
        for _, layer in linear_maps(self):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


def last_state(x, valid):
    """Where a text ends, all of it has been read (sec. 3.2).

    Features x (B, N, D), valid bool (B, N), False behind a text -> (B, D), of
    the last place that is valid in each row.
    """
    if not isinstance(x, torch.Tensor) or x.ndim != 3:
        raise ValueError(f"x must be features (B, N, D), got {kind(x)}")
    check_flags(valid, "valid", x.shape[:2])
    if not valid.any(1).all():
        raise ValueError("every row of valid needs a True: an empty text has "
                         "no last token")
    place = torch.arange(x.shape[1], device=x.device)
    last = (valid * (place + 1)).argmax(1)
    return x[torch.arange(len(x), device=x.device), last]


def gpt1_base():
    """GPT-1 as released: 116,534,784 parameters."""
    return GPT1(vocab_size=40_478, length=512, dim=768, depth=12, heads=12)


TRANSFORMERS = [
    (r"^tokens_embed\.", "wte."),
    (r"^positions_embed\.", "wpe."),
]


def load_transformers(model, state_dict):
    """Load transformers.OpenAIGPTLMHeadModel or OpenAIGPTModel.

    The names inside a block are those of GPT-2, whose loader does the rest.
    """
    renamed = weights.rename(
        {name.removeprefix("transformer."): tensor
         for name, tensor in state_dict.items()}, TRANSFORMERS,
        drop=r"^(position|token)_ids$")
    return gpt.load_transformers(model, renamed)
