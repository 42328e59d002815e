"""What each model keeps from its ancestor, and the one thing it changes."""
import pytest
import torch
from helpers import shaken

from evo.blocks import Encoder, QuickGELU, causal_mask
from evo.masking import random_mask
from evo.models.beit import BEiT
from evo.models.bert import BERT
from evo.models.clip import CLIP, ImageTower, TextTower
from evo.models.gpt import GPT, generate
from evo.models.igpt import IGPT
from evo.models.mae import MAE, MAEWithMaskTokens
from evo.models.swin import Swin, swin_block
from evo.models.vilt import ViLT
from evo.models.vit import ViT, sine_cosine

TINY = dict(dim=32, depth=2, heads=4)
SMALL = dict(image_size=8, patch_size=4, channels=1, **TINY)
NOTHING = torch.zeros(3, 4, dtype=torch.bool)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.randn(3, 1, 8, 8)


@pytest.fixture
def tokens():
    return torch.randint(50, (3, 6))


def mae(cls=MAE):
    return shaken(cls(ViT(**SMALL, positions=sine_cosine), decoder_dim=16, decoder_depth=1, decoder_heads=2))


def other_pixels(images, where):
    """Change the pixels of the patches `where`, bool (B, 4), and of no others."""
    pixels = where.view(3, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return torch.where(pixels, torch.randn_like(images) * 9, images)


def test_gpt_cannot_see_the_future_and_the_bare_encoder_can(tokens):
    gpt = shaken(GPT(50, 8, **TINY))
    for i in range(1, 6):
        changed = tokens.clone()
        changed[:, i] = (changed[:, i] + 1) % 50
        assert torch.equal(gpt(tokens)[:, :i], gpt(changed)[:, :i])
        assert not torch.allclose(gpt(tokens)[:, i:], gpt(changed)[:, i:])
        both_sides = gpt.encoder(gpt.embed(changed))
        assert not torch.allclose(gpt.encoder(gpt.embed(tokens))[:, 0], both_sides[:, 0])


def test_gpt_read_token_by_token_is_gpt_read_at_once(tokens):
    gpt = shaken(GPT(50, 8, **TINY))
    one_by_one = torch.stack([gpt(tokens[:, :i + 1])[:, -1] for i in range(6)], dim=1)
    torch.testing.assert_close(gpt(tokens), one_by_one)


def test_gpt_is_the_sentence_encoder_of_token_plus_position(tokens):
    gpt = shaken(GPT(50, 8, **TINY))
    by_hand = gpt.encoder(gpt.token(tokens) + gpt.position(torch.arange(6)), causal_mask(6)) @ gpt.token.weight.T
    torch.testing.assert_close(gpt(tokens), by_hand)


def igpt():
    return shaken(IGPT(49, 8, **TINY))


def test_igpt_has_gpts_keys_but_for_biases_and_an_output_matrix():
    ours, gpts = (cls(50, 8, **TINY).state_dict().keys() for cls in (IGPT, GPT))
    assert ours - gpts == {"output.weight"}
    assert gpts - ours == {name for name in gpts if name.endswith(".bias")}


def test_igpt_reads_as_gpt_does():
    """The GPT of the text chapters, unchanged: its words are colours."""
    for link in ("embed", "features", "forward"):
        assert getattr(IGPT, link) is getattr(GPT, link)


def test_igpt_is_gpt_with_other_parts(tokens):
    """With layer norm instead of RMS norm, biases of zero and the output matrix as token vectors, both are one function."""
    model, gpt = igpt(), GPT(49, 8, **TINY, activation=QuickGELU)
    model.encoder.norm = gpt.encoder.norm
    for ours, theirs in zip(model.encoder.blocks, gpt.encoder.blocks):
        ours.norm1, ours.norm2 = theirs.norm1, theirs.norm2
    of_maps = (".qkv.bias", ".proj.bias", ".mlp.0.bias", ".mlp.2.bias")
    zeros = {name: torch.zeros_like(t) for name, t in gpt.state_dict().items() if name.endswith(of_maps)}
    found = gpt.load_state_dict(zeros | model.state_dict() | {"token.weight": model.token.weight[:49]}, strict=False)
    assert found.missing_keys == [] and found.unexpected_keys == ["output.weight"]
    model.output.weight = gpt.token.weight
    colours = tokens.clamp(max=48)
    torch.testing.assert_close(model(colours), gpt(colours))


def test_igpt_begins_by_knowing_nothing(tokens):
    model = IGPT(49, 8, **TINY)
    assert not model(model.begin(tokens.clamp(max=48))).any()


def test_igpt_goes_on_with_a_picture_by_gpts_generate(tokens):
    model = igpt()
    start = model.begin(tokens[:, :3].clamp(max=48))
    drawn = generate(model, start, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[:, :4], start) and drawn.shape == (3, 8) and drawn[:, 1:].max() < 49


def test_igpt_around_sees_both_sides_but_not_what_is_hidden(tokens):
    model, colours = igpt(), tokens.clamp(max=48)
    masked = torch.zeros(3, 6, dtype=torch.bool)
    masked[:, 2] = True
    for place, moves in [(2, False), (5, True), (0, True)]:
        changed = colours.clone()
        changed[:, place] = (changed[:, place] + 1) % 49
        same = torch.equal(model.around(colours, masked), model.around(changed, masked))
        assert same != moves
    nothing = torch.zeros_like(masked)
    assert torch.equal(model.around(colours, nothing), model.encoder(model.embed(colours)))


def bert():
    return shaken(BERT(50, 8, **TINY))


def test_bert_sees_both_sides_and_gpt_one(tokens):
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 50
    for model, sees in [(bert(), [True] * 6), (shaken(GPT(50, 8, **TINY)), [False] * 3 + [True] * 3)]:
        moved = (model.features(tokens) - model.features(changed)).abs().amax((0, 2)) > 1e-6
        assert moved.tolist() == sees


def test_bert_is_the_sentence_encoder_of_normed_token_plus_position_plus_segment(tokens):
    model, segments = bert(), torch.tensor([0, 0, 0, 1, 1, 1]).expand(3, 6)
    total = model.token(tokens) + model.position(torch.arange(6)) + model.segment(segments)
    features = model.encoder(model.norm(total))
    torch.testing.assert_close(model.features(tokens, segments), features)
    guesses, follows = model(tokens, segments)
    torch.testing.assert_close(guesses, model.transform(features) @ model.token.weight.T + model.bias)
    torch.testing.assert_close(follows, model.next(model.pooler(features[:, 0]).tanh()))


def test_what_bert_adds_to_gpt():
    """Segments, a norm on the sum, two heads; what it lacks is the last norm, as its blocks end with one."""
    bert, gpt = BERT(50, 8, **TINY).state_dict().keys(), GPT(50, 8, **TINY).state_dict().keys()
    assert {name.split(".")[0] for name in bert - gpt} == {"segment", "norm", "pooler", "transform", "bias", "next"}
    assert gpt - bert == {"encoder.norm.weight", "encoder.norm.bias"}


def test_gpts_body_with_the_causal_mask_taken_away_is_berts(tokens):
    """Same network on the same numbers: what differs is who may look at whom."""
    model, causal = bert(), causal_mask
    x = model.embed(tokens)
    assert torch.equal(model.encoder(x), model.features(tokens))
    last = model.encoder(x, causal)[:, -1], model.encoder(x)[:, -1]  # even the last word: it reads what others have read
    assert not torch.allclose(*last)
    torch.testing.assert_close(model.encoder.blocks[0](x, causal)[:, -1], model.encoder.blocks[0](x)[:, -1])


def test_bert_without_segments_reads_one_text(tokens):
    model = bert()
    assert torch.equal(model.features(tokens), model.features(tokens, torch.zeros_like(tokens)))
    assert not torch.allclose(model.features(tokens), model.features(tokens, torch.ones_like(tokens)))


def test_padding_changes_nothing_for_bert(tokens):
    model, n = bert(), torch.tensor([[6], [4], [1]])
    valid = torch.arange(8) < n
    for filling in (0, 49):
        padded = torch.nn.functional.pad(tokens, (0, 2)).masked_fill(~valid, filling)
        whole, (_, follows) = model.features(padded, valid=valid), model(padded, valid=valid)
        for i in range(3):
            alone = tokens[i:i + 1, :n[i]]
            torch.testing.assert_close(whole[i, :n[i]], model.features(alone)[0])
            torch.testing.assert_close(follows[i], model(alone)[1][0])


def test_masked_only_selects_where_bert_guesses(tokens):
    model, masked = bert(), random_mask(3, 6, 0.3)
    guesses, follows = model(tokens)
    some, same = model(tokens, masked=masked)
    torch.testing.assert_close(some, guesses[masked])
    torch.testing.assert_close(same, follows)


def test_bert_without_positions_is_a_bag_of_words(tokens):
    model = bert()
    backwards = torch.cat([tokens[:, :1], tokens[:, 1:].flip(1)], dim=1)
    assert not torch.allclose(model(tokens)[1], model(backwards)[1])
    model.position.weight.data.zero_()
    torch.testing.assert_close(model(tokens)[1], model(backwards)[1])


def test_vit_is_its_chain(images):
    vit = shaken(ViT(**SMALL, classes=10))
    features = vit.encoder(vit.prepend_cls(vit.add_positions(vit.embed(images))))
    torch.testing.assert_close(vit.features(images), features)
    torch.testing.assert_close(vit(images), vit.head(features[:, 0]))


def test_vit_without_positions_is_a_bag_of_patches(images):
    vit = shaken(ViT(**SMALL))
    swapped = torch.cat([images[:, :, 4:], images[:, :, :4]], dim=2)
    assert not torch.allclose(vit(images), vit(swapped))
    torch.testing.assert_close(vit.encode(vit.embed(images))[:, 0], vit.encode(vit.embed(swapped))[:, 0])


def beit():
    return shaken(BEiT(**SMALL, outputs=7))


def test_beit_hiding_nothing_reads_by_vits_chain(images):
    assert BEiT.features is ViT.features and BEiT.embed is ViT.embed
    model = beit()
    torch.testing.assert_close(model(images, NOTHING), model.head(model.features(images)[:, 1:]))


def test_beit_is_vit_where_all_distances_count_alike(images):
    """Take what BEiT adds away, a bias of 0 and layer scales of 1, and what it leaves out, positions of 0: the same body."""
    model, vit = beit(), ViT(**SMALL)
    state = {name.replace(".branch", ""): tensor for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model.relative.table.zero_()
        for block in model.encoder.blocks:
            block.attn.scale.fill_(1), block.mlp.scale.fill_(1)
    own = vit.state_dict()
    vit.load_state_dict({name: torch.zeros_like(own[name]) if name == "position" else state[name] for name in own})
    torch.testing.assert_close(model.features(images), vit.features(images))


def test_beit_never_sees_hidden_patches(images):
    model, masked = beit(), random_mask(3, 4, 0.5)
    assert torch.equal(model(images, masked), model(other_pixels(images, masked), masked))
    assert not torch.allclose(model(images, masked), model(other_pixels(images, ~masked), masked))


def test_a_window_that_covers_the_map_is_vits_block_with_a_bias_of_distances():
    """Without the bias the two are one function; Swin's block has the keys of ViT's, and the bias."""
    x, theirs = torch.randn(3, 4, 4, 32), shaken(ViT(**SMALL)).encoder.blocks[0]
    for shift in (0, 2):  # nothing to shift where one window covers all
        ours = shaken(swin_block(32, 4, 4, shift))
        assert ours.state_dict().keys() - theirs.state_dict().keys() == {"attn.bias"}
        ours.load_state_dict(theirs.state_dict(), strict=False)
        ours.norm1.eps = ours.norm2.eps = theirs.norm1.eps
        assert not torch.allclose(ours(x).flatten(1, 2), theirs(x.flatten(1, 2)))
        torch.nn.init.zeros_(ours.attn.bias)
        torch.testing.assert_close(ours(x).flatten(1, 2), theirs(x.flatten(1, 2)))


def test_swin_is_its_chain(images):
    swin = shaken(Swin(2, 1, 16, (2, 2), 2, window=2, classes=10))
    fine = swin.stages[0](swin.embed(images))
    coarse = swin.stages[1](swin.merges[0](fine))
    assert [torch.equal(a, b) for a, b in zip(swin.levels(images), (fine, coarse))] == [True, True]
    torch.testing.assert_close(swin(images), swin.head(swin.norm(coarse).mean((1, 2))))
    assert swin.dim == 32 and fine.shape == (3, 4, 4, 16) and coarse.shape == (3, 2, 2, 32)


def test_mae_hiding_nothing_is_vit(images):
    model = mae()
    torch.testing.assert_close(model.features(images, NOTHING), model.vit.features(images))
    model = mae(MAEWithMaskTokens)
    torch.testing.assert_close(model.features(images, NOTHING), model.vit.features(images))


@pytest.mark.parametrize("cls", [MAE, MAEWithMaskTokens])
def test_mae_never_sees_hidden_patches(cls, images):
    model, masked = mae(cls), random_mask(3, 4, 0.5)
    assert torch.equal(model(images, masked), model(other_pixels(images, masked), masked))
    assert not torch.allclose(model(images, masked), model(other_pixels(images, ~masked), masked))


def test_mae_encodes_only_what_is_visible(images):
    masked = random_mask(3, 4, 0.75)
    assert mae().features(images, masked).shape == (3, 2, 32)
    assert mae(MAEWithMaskTokens).features(images, masked).shape == (3, 5, 32)


def test_mae_puts_every_token_back_in_its_place():
    model, masked = mae(), torch.tensor([[True, False, False, True], [False, True, True, False]])
    z = torch.arange(2 * 3 * 16.0).view(2, 3, 16)
    gap = model.mask_token[0, 0]
    expected = [[z[0, 0], gap, z[0, 1], z[0, 2], gap], [z[1, 0], z[1, 1], gap, gap, z[1, 2]]]
    assert torch.equal(model.fill(z, masked), torch.stack([torch.stack(row) for row in expected]))


def test_maes_with_and_without_mask_tokens_have_the_same_parts():
    assert mae().state_dict().keys() == mae(MAEWithMaskTokens).state_dict().keys()


def test_the_mask_token_is_the_same_everywhere_and_positions_tell_gaps_apart(images):
    model, masked = mae(), random_mask(3, 4, 0.75)
    pixels = model(images, masked)
    for row, hidden in zip(pixels, masked):
        gaps = row[hidden]
        assert not torch.allclose(gaps[0], gaps[1])
    model.position.data.zero_()
    for row, hidden in zip(model(images, masked), masked):
        torch.testing.assert_close(row[hidden][0], row[hidden][1])


def test_clips_towers_are_vit_and_gpt():
    image, text = ImageTower(**SMALL).state_dict(), TextTower(50, 8, **TINY).state_dict()
    vit, gpt = ViT(**SMALL).state_dict(), GPT(50, 8, **TINY).state_dict()
    assert image.keys() - vit.keys() == {"norm_pre.weight", "norm_pre.bias"}
    assert vit.keys() - image.keys() == {"patch.proj.bias"}
    assert text.keys() == gpt.keys()


def test_clip_is_normalised_vit_times_normalised_gpt(images, tokens):
    tokens[:, 5] = 49
    tokens[:, :5] %= 49
    clip = CLIP(image=shaken(ViT(**SMALL)), text=shaken(GPT(50, 8, **TINY)), dim=16, end_token=49)
    left = clip.image_proj(clip.image.features(images)[:, 0])
    right = clip.text_proj(clip.text.features(tokens)[:, 5])
    cosine = torch.nn.functional.cosine_similarity(left[:, None], right[None], dim=-1)
    torch.testing.assert_close(clip(images, tokens), cosine / 0.07)


def test_vilt_is_a_vit_that_also_reads_words(images, tokens):
    """All of ViT's weights fit, and a picture alone is read as ViT reads it."""
    vilt, vit = shaken(ViLT(50, 8, **SMALL)), shaken(ViT(**SMALL))
    assert vit.state_dict().keys() < vilt.state_dict().keys()
    assert not vilt.load_state_dict(vit.state_dict(), strict=False).unexpected_keys
    vilt.modality.weight.data[1] = 0
    torch.testing.assert_close(vilt.encoder(vilt.patches(images)), vit.features(images))
    hidden = torch.zeros_like(tokens, dtype=torch.bool)  # all words are padding
    torch.testing.assert_close(vilt.features(tokens, images, hidden)[:, 6:], vit.features(images))


def test_vilt_reads_words_as_bert_embeds_them(tokens):
    vilt, bert = shaken(ViLT(50, 8, **SMALL)), shaken(BERT(50, 8, **TINY))
    for ours, theirs in [(vilt.token, bert.token), (vilt.order, bert.position), (vilt.norm, bert.norm)]:
        ours.load_state_dict(theirs.state_dict())
    bert.segment.weight.data[0] = vilt.modality.weight.data[0] = 0
    torch.testing.assert_close(vilt.words(tokens), bert.embed(tokens))
    for ours, theirs in [(vilt.transform, bert.transform), (vilt.pooler, bert.pooler)]:
        ours.load_state_dict(theirs.state_dict())
    vilt.bias.data.copy_(bert.bias)
    x = torch.randn(3, 6, 32)
    torch.testing.assert_close(vilt.guess(x), bert.guess(x))
    torch.testing.assert_close(vilt.pool(x), bert.pool(x))


def test_vilt_is_one_encoder_over_words_and_patches(images, tokens):
    vilt = shaken(ViLT(50, 8, **SMALL))
    row = torch.cat([vilt.norm(vilt.token(tokens) + vilt.order.weight[:6]) + vilt.modality.weight[0],
                     vilt.prepend_cls(vilt.add_positions(vilt.embed(images))) + vilt.modality.weight[1]], dim=1)
    torch.testing.assert_close(vilt.features(tokens, images), vilt.encoder(row))


def test_an_encoder_is_an_encoder():
    """The body of ViT, of GPT, and of MAE's decoder have the same keys: weights can travel."""
    keys = Encoder(**TINY).state_dict().keys()
    assert ViT(**SMALL).encoder.state_dict().keys() == keys == GPT(50, 8, **TINY).encoder.state_dict().keys()
    assert keys - BERT(50, 8, **TINY).encoder.state_dict().keys() == {"norm.weight", "norm.bias"}  # normed inside each block
    ViT(**SMALL).encoder.load_state_dict(GPT(50, 8, **TINY).encoder.state_dict())
