"""One stream and two: what each is without its idea, who can see whom, what padding does, and what is refused."""
import pytest
import torch
from helpers import shaken

from evo import look
from evo.models.bert import BERT
from evo.models.lxmert import LXMERT, CoLayer, CrossLayer, RegionEmbedding
from evo.models.visualbert import VisualBERT

V, N, R, SEEN = 50, 6, 4, 9
TINY = dict(dim=32, heads=4)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def inputs():
    return torch.randint(5, V, (3, N)), torch.rand(3, R, SEEN), torch.arange(N).ge(3).long().expand(3, N)


def one(depth=2):
    return shaken(VisualBERT(V, N, SEEN, depth=depth, **TINY))


def two(depths=(1, 1, 1), **more):
    return shaken(LXMERT(V, N, SEEN, depths=depths, **{**TINY, **more}))


def other_regions(regions):
    return torch.rand_like(regions)


def test_visualbert_without_regions_is_bert():
    ours, (tokens, regions, segments) = one(), inputs()
    bert = BERT(V, N, depth=2, **TINY)
    bert.load_state_dict({name: tensor for name, tensor in ours.state_dict().items() if not name.startswith(("region", "kind"))})
    valid = torch.arange(N) < torch.tensor([[6], [4], [2]])
    for mine, theirs in zip(ours(tokens, regions[:, :0], segments, valid), bert(tokens, segments, valid)):
        assert torch.equal(mine, theirs)


def test_what_visualbert_adds_to_bert():
    assert one().state_dict().keys() - BERT(V, N, depth=2, **TINY).state_dict().keys() == {"region.weight", "region.bias", "kind"}


def test_two_streams_that_never_meet_are_bert_and_an_encoder():
    ours, (tokens, regions, segments) = two((2, 1, 0)), inputs()
    bert = BERT(V, N, depth=2, **TINY)
    names = bert.state_dict().keys()
    bert.load_state_dict({name: tensor for name, tensor in ours.state_dict().items() if name in names})
    words, looks = ours.read(tokens, regions, segments)
    assert torch.equal(words, bert.features(tokens, segments))
    assert torch.equal(looks, ours.look(ours.embed_regions(regions)))


def test_a_region_is_the_mean_of_what_it_shows_and_where():
    embed, x = shaken(RegionEmbedding(SEEN, 8)), torch.rand(2, R, SEEN)
    what, where = embed.shows(x[..., :5]), embed.box(x[..., 5:])
    norm = lambda y, layer: (y - y.mean(-1, keepdim=True)) / y.var(-1, correction=0, keepdim=True).sqrt() * layer.weight + layer.bias
    torch.testing.assert_close(embed(x), (norm(what, embed.norm_shows) + norm(where, embed.norm_box)) / 2)


@pytest.mark.parametrize("build", [one, two, lambda: two(region_dim=24, cross=CoLayer)])
def test_words_see_regions_and_regions_words(build):
    model, (tokens, regions, _) = build(), inputs()
    words, looks = model.read(tokens, regions)
    assert not torch.allclose(model.read(tokens, other_regions(regions))[0], words)
    changed = tokens.clone()
    changed[:, 1] = (changed[:, 1] + 1) % V
    assert not torch.allclose(model.read(changed, regions)[1], looks)


def test_before_they_meet_the_streams_know_nothing_of_one_another():
    model, (tokens, regions, _) = two((2, 2, 1)), inputs()
    first = []
    for shown in (regions, other_regions(regions)):
        caught = look.layers(model, tokens, shown, at=[model.encoder.blocks[1]])
        first.append(caught[0])
    assert torch.equal(*first)


@pytest.mark.parametrize("build", [one, two, lambda: two(region_dim=24, cross=CoLayer)])
def test_regions_have_no_order(build):
    model, (tokens, regions, _) = build(), inputs()
    order = torch.tensor([2, 0, 3, 1])
    words, looks = model.read(tokens, regions)
    moved, others = model.read(tokens, regions[:, order])
    torch.testing.assert_close(words, moved, atol=1e-5, rtol=0)
    torch.testing.assert_close(looks[:, order], others, atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [one, two, lambda: two(region_dim=24, cross=CoLayer)])
def test_padding_changes_nothing(build):
    model, (tokens, regions, _) = build(), inputs()
    short, few = tokens[:, :4], regions[:, :2]
    words, looks = model.read(short, few)
    valid, found = torch.arange(N).expand(3, N) < 4, torch.arange(R).expand(3, R) < 2
    more, others = model.read(tokens, regions, valid=valid, found=found)
    torch.testing.assert_close(more[:, :4], words, atol=1e-5, rtol=0)
    torch.testing.assert_close(others[:, :2], looks, atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [one, two])
def test_masked_only_selects_where_words_are_guessed(build):
    model, (tokens, regions, segments) = build(), inputs()
    masked = torch.rand(3, N) < 0.4
    masked[0, 0] = True
    all_of_them, belongs = model(tokens, regions, segments)
    some, same = model(tokens, regions, segments, masked=masked)
    torch.testing.assert_close(some, all_of_them[masked], atol=1e-5, rtol=0)
    assert torch.equal(belongs, same)


@pytest.mark.parametrize("build", [one, lambda: two(region_dim=24, cross=CoLayer), two])
def test_every_parameter_gets_a_gradient(build):
    model, (tokens, regions, segments) = build(), inputs()
    guesses, belongs = model(tokens, regions, segments)
    _, looks = model.read(tokens, regions, segments)
    (guesses.square().mean() + belongs.square().mean() + looks.square().mean()).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def test_one_attention_needs_one_width_and_says_what_to_do():
    with pytest.raises(ValueError, match="region_dim=24: pass cross=CoLayer"):
        LXMERT(V, N, SEEN, depths=(1, 1, 1), region_dim=24, **TINY)
    assert two(region_dim=24, cross=CoLayer).read(*inputs()[:2])[1].shape == (3, R, 24)


def test_a_shared_attention_is_the_same_in_both_directions():
    layer, x = shaken(CrossLayer(8, 8, 2)), torch.randn(1, 3, 8)
    asked, back = layer.ask(x, x)
    assert torch.equal(asked, back)


TOKENS, REGIONS = torch.zeros(3, N, dtype=torch.long), torch.zeros(3, R, SEEN)


@pytest.mark.parametrize("build", [one, two])
@pytest.mark.parametrize("wrong, said", [
    (dict(regions=REGIONS[0]), "regions has shape"), (dict(regions=REGIONS[..., 1:]), "regions has shape"),
    (dict(regions=REGIONS.long()), "regions must be a tensor of floating-point"), (dict(regions=None), "regions must be a tensor"),
    (dict(tokens=TOKENS + V), "tokens holds id 50"), (dict(tokens=TOKENS.float()), "tokens must be a tensor of ids"),
    (dict(tokens=TOKENS[0]), "reads"), (dict(segments=TOKENS + 2), "segments holds id 2"),
    (dict(valid=TOKENS), "valid must be a boolean"), (dict(valid=torch.ones(3, N + 1).bool()), "valid has shape"),
    (dict(found=torch.ones(3, R)), "found must be a boolean"), (dict(found=torch.ones(3, 1).bool()), "found has shape"),
    (dict(masked=torch.ones(3, R).bool()), "masked has shape")])
def test_what_they_cannot_read(build, wrong, said):
    with pytest.raises(ValueError, match=said):
        build()(**{"tokens": TOKENS, "regions": REGIONS, **wrong})
