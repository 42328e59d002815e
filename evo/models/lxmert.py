"""LXMERT (Tan & Bansal 2019): words and regions alone first, then they meet.

And ViLBERT's form of the meeting (Lu et al. 2019), where the two streams may
have two widths.
"""
from torch import nn

from evo.blocks import Attention, Block, Encoder
from evo.inputs import check_flags, check_vectors
from evo.models import bert, weights
from evo.models.bert import BERT, NORM, init_weights
from evo.models.visualbert import who


class RegionEmbedding(nn.Module):
    """(B, R, F) -> (B, R, D): what is seen and where, the mean of both.

    The last four of the F numbers are the box: left, top, right, bottom, as
    shares of the picture (sec. 2.1, eq. 1).
    """

    def __init__(self, region_size, dim):
        super().__init__()
        self.shows, self.box = (
            nn.Linear(region_size - 4, dim), nn.Linear(4, dim))
        self.norm_shows, self.norm_box = NORM(dim), NORM(dim)

    def forward(self, regions):
        shows, box = self.shows(regions[..., :-4]), self.box(regions[..., -4:])
        return (self.norm_shows(shows) + self.norm_box(box)) / 2


class CrossLayer(nn.Module):
    """Each stream asks the other, then itself: (words, regions) -> the same.

    Words (B, N, D), regions (B, R, D); valid and found are masks, see `who`.
    One attention asks in both directions, so both are of one width.
    """

    def __init__(self, dim, region_dim, heads):
        super().__init__()
        if dim != region_dim:
            raise ValueError(
                f"one attention for both streams, but dim={dim} and "
                f"region_dim={region_dim}: pass cross=CoLayer")
        self.cross, self.norm = Attention(dim, heads), NORM(dim)
        self.streams(dim, region_dim, heads)

    def streams(self, dim, region_dim, heads):
        """A block for the words and one for the regions."""
        self.words, self.regions = (
            Block(width, heads, norm_first=False, norm=NORM)
            for width in (dim, region_dim))

    def ask(self, words, regions, valid=None, found=None):
        """What each has learned of the other."""
        return (self.norm(words + self.cross(words, regions, mask=found)),
                self.norm(regions + self.cross(regions, words, mask=valid)))

    def forward(self, words, regions, valid=None, found=None):
        words, regions = self.ask(words, regions, valid, found)
        return self.words(words, valid), self.regions(regions, found)


class CoLayer(CrossLayer):
    """Each direction has an attention of its own, each stream its width."""

    def __init__(self, dim, region_dim, heads):
        nn.Module.__init__(self)
        self.cross = Attention(dim, heads, region_dim)
        self.cross_back = Attention(region_dim, heads, dim)
        self.norm, self.norm_back = NORM(dim), NORM(region_dim)
        self.streams(dim, region_dim, heads)

    def ask(self, words, regions, valid=None, found=None):
        asked = words + self.cross(words, regions, mask=found)
        back = regions + self.cross_back(regions, words, mask=valid)
        return self.norm(asked), self.norm_back(back)


class LXMERT(BERT):
    """Two encoders, then `cross` layers in which each asks the other.

    Arguments as VisualBERT's; the last 4 of a region's F numbers are its box.
    depths: layers of words alone, regions alone, and of both. The heads are
    BERT's, on the words. cross: CrossLayer, or CoLayer for a region_dim that
    is not dim. With no cross layers the words' half is BERT.
    """

    def __init__(self, vocab_size, length, region_size, dim, depths, heads,
                 region_dim=None, cross=CrossLayer):
        super().__init__(vocab_size, length, dim, depths[0], heads)
        self.region_size, self.region_dim = region_size, region_dim or dim
        self.region = RegionEmbedding(region_size, self.region_dim)
        self.look = Encoder(
            self.region_dim, depths[1], heads, norm_first=False, norm=NORM)
        self.meet = nn.ModuleList(
            cross(dim, self.region_dim, heads) for _ in range(depths[2]))
        for part in (self.region, self.look, self.meet):
            part.apply(init_weights)

    def embed_regions(self, regions):
        """(B, R, F) -> (B, R, region_dim)."""
        check_vectors(regions, self.region_size, "regions")
        return self.region(regions)

    def read(self, tokens, regions, segments=None, valid=None, found=None):
        """-> words (B, N, D) and regions (B, R, region_dim)."""
        words, seen = self.embed(tokens, segments), self.embed_regions(regions)
        valid, found = who(valid, words, "valid"), who(found, seen, "found")
        words, seen = self.encoder(words, valid), self.look(seen, found)
        for layer in self.meet:
            words, seen = layer(words, seen, valid, found)
        return words, seen

    def features(self, tokens, regions, segments=None, valid=None, found=None):
        """-> (B, N, D), the words, who have seen the regions."""
        return self.read(tokens, regions, segments, valid, found)[0]

    def forward(self, tokens, regions, segments=None, valid=None, found=None,
                masked=None):
        """-> (guesses, belongs), as VisualBERT."""
        words = self.features(tokens, regions, segments, valid, found)
        if masked is None:
            return self.head(words)
        check_flags(masked, "masked", tokens.shape)
        return self.guess(words[masked]), self.follows(words)


def lxmert_base():
    """LXMERT, regions of 2,048 numbers and a box: 208,560,956 parameters."""
    return LXMERT(vocab_size=30_522, length=512, region_size=2052, dim=768,
                  depths=(9, 5, 5), heads=12)


TRANSFORMERS = [
    (r"^lxmert\.encoder\.visn_fc\.visn_fc\.", "region.shows."),
    (r"^lxmert\.encoder\.visn_fc\.box_fc\.", "region.box."),
    (r"^lxmert\.encoder\.visn_fc\.visn_layer_norm\.", "region.norm_shows."),
    (r"^lxmert\.encoder\.visn_fc\.box_layer_norm\.", "region.norm_box."),
    (r"^lxmert\.encoder\.r_layers\.", "look.blocks."),
    (r"^lxmert\.encoder\.x_layers\.", "meet."),
    (r"^lxmert\.", "bert."),
    (r"\.visual_attention\.att\.(query|key|value)\.", r".cross.\1."),
    (r"\.visual_attention\.output\.dense\.", ".cross.proj."),
    (r"\.visual_attention\.output\.LayerNorm\.", ".norm."),
    (r"\.lang_self_att\.", ".words.attention."),
    (r"\.visn_self_att\.", ".regions.attention."),
    (r"\.lang_(inter|output)\.", r".words.\1."),
    (r"\.visn_(inter|output)\.", r".regions.\1."),
    (r"\.inter\.", ".intermediate."),
    (r"\.(words|regions)\.output\.dense\.", r".\1.mlp.2."),
    (r"\.(words|regions)\.output\.LayerNorm\.", r".\1.norm2."),
    *bert.TRANSFORMERS,
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.2."),
]


def load_transformers(model, state_dict):
    """Load transformers.LxmertForPreTraining, without its heads for regions.

    What it says of hidden regions and its answers to questions are left out.
    """
    return weights.load(model, weights.rename(
        state_dict, TRANSFORMERS, drop=r"^cls\.predictions\.decoder\.|"
        r"^(obj_predict|answer)_head\.|\.position_ids$"))
