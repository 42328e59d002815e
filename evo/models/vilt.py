"""ViLT (Kim et al. 2021): words and patches, read by one encoder."""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_flags, check_ids
from evo.models import vit, weights
from evo.models.bert import NORM, init_weights
from evo.models.vit import ViT


class ViLT(ViT):
    """features = encoder(cat(words + type 0, patches + type 1)).

    A ViT that also reads words: its patches, its encoder, and before them
    words as BERT looks them up. tokens (B, N) ids, N <= length, [CLS] first;
    images (B, C, H, W), one a text; valid bool (B, N), True = no padding;
    None: no padding anywhere. As the original, but without dropout.
    """

    def __init__(self, vocab_size, length, image_size, patch_size, channels,
                 dim, depth, heads):
        super().__init__(image_size, patch_size, channels, dim, depth, heads)
        self.length = length
        self.token = nn.Embedding(vocab_size, dim)
        self.order = nn.Embedding(length, dim)
        self.norm = NORM(dim)
        self.modality = nn.Embedding(2, dim)
        self.pooler = nn.Linear(dim, dim)
        self.transform = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), NORM(dim))
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.match = nn.Linear(dim, 2)
        for part in (self.token, self.order, self.modality, self.pooler,
                     self.transform, self.match):
            part.apply(init_weights)

    def words(self, tokens):
        """(B, N) -> (B, N, D): what the word is, where, and that it is one."""
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self.length:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}, but this model "
                f"reads (B, N) ids, 1 <= N <= length={self.length}: cut the "
                "texts or build it with a greater length")
        place = self.order.weight[: tokens.shape[1]]
        return self.norm(self.token(tokens) + place) + self.modality.weight[0]

    def patches(self, images):
        """(B, C, H, W) -> (B, 1 + K, D): as ViT's, and that they are none."""
        patches = self.prepend_cls(self.add_positions(self.embed(images)))
        return patches + self.modality.weight[1]

    def read(self, words, patches, valid=None):
        """(B, N, D), (B, M, D) -> (B, N + M, D): everyone has seen all.

        Nobody attends to words that are not valid (B, N).
        """
        mask = None
        if valid is not None:
            check_flags(valid, "valid", words.shape[:2])
            mask = F.pad(valid, (0, patches.shape[1]), value=True)[
                :, None, None]  # (B, 1, 1, N + M)
        return self.encoder(torch.cat([words, patches], 1), mask)

    def features(self, tokens, images, valid=None):
        """(B, N), (B, C, H, W) -> (B, N + 1 + K, D), the words first."""
        return self.read(self.words(tokens), self.patches(images), valid)

    def pool(self, x):
        """(B, N, D) -> (B, D): one vector for both, from the text's [CLS]."""
        return torch.tanh(self.pooler(x[:, 0]))

    def guess(self, x):
        """(..., D) -> (..., V): which word is it (masked language model)."""
        return F.linear(self.transform(x), self.token.weight, self.bias)

    def matches(self, x):
        """(B, N, D) -> (B, 2): class 1 = this text is of this picture."""
        return self.match(self.pool(x))

    def forward(self, tokens, images, valid=None):
        """-> guesses (B, N, V) for the words, matches (B, 2)."""
        x = self.features(tokens, images, valid)
        return self.guess(x[:, : tokens.shape[1]]), self.matches(x)


class Answers(nn.Module):
    """A question and a picture -> logits (B, answers) (sec. 4.3)."""

    def __init__(self, vilt, answers):
        super().__init__()
        self.vilt, dim = vilt, vilt.dim
        self.head = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.LayerNorm(2 * dim), nn.GELU(),
            nn.Linear(2 * dim, answers))
        self.head.apply(init_weights)

    def forward(self, tokens, images, valid=None):
        return self.head(self.vilt.pool(
            self.vilt.features(tokens, images, valid)))


def vilt_base_patch32():
    """ViLT-B/32 at 384 x 384, with both heads: 112,217,660 parameters."""
    return ViLT(vocab_size=30_522, length=40, image_size=384, patch_size=32,
                channels=3, dim=768, depth=12, heads=12)


TRANSFORMERS = [
    (r"^vilt\.", ""),
    (r"^embeddings\.text_embeddings\.word_embeddings\.", "token."),
    (r"^embeddings\.text_embeddings\.position_embeddings\.", "order."),
    (r"^embeddings\.text_embeddings\.LayerNorm\.", "norm."),
    (r"^embeddings\.token_type_embeddings\.", "modality."),
    (r"^pooler\.dense\.", "pooler."),
    (r"^mlm_score\.transform\.dense\.", "transform.0."),
    (r"^mlm_score\.transform\.LayerNorm\.", "transform.2."),
    (r"^mlm_score\.(decoder\.)?bias$", "bias"),
    *vit.TRANSFORMERS,
]
SEGMENT = "embeddings.text_embeddings.token_type_embeddings.weight"


def load_transformers(model, state_dict):
    """Load transformers.ViltForMaskedLM.

    Its texts have a segment, always the first: it goes into `order`. It has
    no head for matching: the model keeps its own.
    """
    found = {name.removeprefix("vilt."): tensor
             for name, tensor in weights.unwrap(state_dict).items()}
    renamed = weights.rename(
        found, TRANSFORMERS, drop=r"^mlm_score\.decoder\.weight$|"
        r"text_embeddings\.token_type_embeddings|\.position_ids$")
    if SEGMENT in found and "order.weight" in renamed:
        renamed["order.weight"] = renamed["order.weight"] + found[SEGMENT][0]
    own = {name: tensor for name, tensor in model.state_dict().items()
           if name.startswith("match.")}
    return weights.load(model, own | renamed)
