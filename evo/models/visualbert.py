"""VisualBERT (Li et al. 2019): BERT reads regions of a picture as words."""
import torch
from torch import nn

from evo.inputs import check_flags, check_shape, check_vectors
from evo.models import bert, weights
from evo.models.bert import BERT, init_weights


class VisualBERT(BERT):
    """features = encoder(words and regions in one row): a single stream.

    Words as in BERT: tokens, segments, valid (B, N). regions (B, R, F): F
    numbers that a detector gives of each region; they have no order. found
    bool (B, R), True = a region and no padding; None: no padding anywhere.
    BERT's two heads stay: which word is hidden, and does the text belong to
    the picture. With no regions, R = 0, this is BERT.
    """

    def __init__(self, vocab_size, length, region_size, dim, depth, heads):
        super().__init__(vocab_size, length, dim, depth, heads)
        self.region_size = region_size
        self.region = nn.Linear(region_size, dim).apply(init_weights)
        self.kind = nn.Parameter(0.02 * torch.randn(dim))

    def embed_regions(self, regions):
        """(B, R, F) -> (B, R, D): what is seen, and that it is seen."""
        check_vectors(regions, self.region_size, "regions")
        return self.norm(self.region(regions) + self.kind)

    def read(self, tokens, regions, segments=None, valid=None, found=None):
        """-> words (B, N, D) and regions (B, R, D); all have seen all."""
        words, seen = self.embed(tokens, segments), self.embed_regions(regions)
        mask = who(valid, words, "valid"), who(found, seen, "found")
        x = self.encoder(torch.cat([words, seen], 1), torch.cat(mask, -1))
        return x.split([words.shape[1], seen.shape[1]], 1)

    def features(self, tokens, regions, segments=None, valid=None, found=None):
        """-> (B, N + R, D), the words in front."""
        return torch.cat(
            self.read(tokens, regions, segments, valid, found), 1)

    def forward(self, tokens, regions, segments=None, valid=None, found=None,
                masked=None):
        """-> (guesses, belongs): (B, N, V) and (B, 2), as BERT.

        Class 0 = the text is about this picture, class 1 = about another one.
        With masked, bool (B, N), guesses (M, V) are of these words only.
        """
        words, _ = self.read(tokens, regions, segments, valid, found)
        if masked is None:
            return self.head(words)
        check_flags(masked, "masked", tokens.shape)
        return self.guess(words[masked]), self.follows(words)


def who(flags, x, name):
    """(B, N), True = no padding -> (B, 1, 1, N), whom everybody may see."""
    if flags is None:
        flags = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    check_flags(flags, name)
    check_shape(flags, x.shape[:2], name)
    return flags[:, None, None]


def visualbert_base():
    """VisualBERT on regions of 2,048 numbers: 111,680,828 parameters."""
    return VisualBERT(vocab_size=30_522, length=512, region_size=2048,
                      dim=768, depth=12, heads=12)


TRANSFORMERS = [
    (r"^visual_bert\.embeddings\.visual_projection\.", "region."),
    (r"^visual_bert\.", "bert."),
    *bert.TRANSFORMERS,
]


def load_transformers(model, state_dict):
    """Load transformers.VisualBertForPreTraining.

    Its regions are all of one kind and at one place; the sum of these two
    vectors is `kind` here.
    """
    found = weights.unwrap(state_dict)
    name = "visual_bert.embeddings.visual_{}_embeddings.weight"
    kind, place = (name.format(x) for x in ("token_type", "position"))
    renamed = weights.rename(
        found, TRANSFORMERS, drop=r"^cls\.predictions\.decoder\.|"
        r"visual_(token_type|position)_embeddings|\.position_ids$")
    if kind in found and place in found:
        renamed["kind"] = found[kind][1] + found[place][0]
    return weights.load(model, renamed)
