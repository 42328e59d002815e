"""The Transformer and its descent; writing with GPT."""
import math

import pytest
import torch

from evo.blocks import Block, Encoder
from evo.models.gpt import GPT, generate, step
from evo.models.transformer import CrossAttention, DecoderBlock, Transformer, sinusoids, translate

D, V, END = 32, 50, 7


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def shaken(model):
    """Away from zeros at the start, so that every part counts."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval()


def transformer():
    return shaken(Transformer(V, D, 2, 4))


def gpt(length=12):
    return shaken(GPT(V, length, D, 2, 4))


def ids(*shape):
    return torch.randint(V, shape)


# positions

def test_sinusoids_by_hand():
    """Columns in pairs, not in two halves; the second pair is a hundred times slower."""
    wave = [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in range(3)]
    torch.testing.assert_close(sinusoids(3, 4), torch.tensor(wave))


def test_a_step_to_the_right_is_the_same_rotation_everywhere():
    table, step = sinusoids(60, 16), 5
    speed = 10_000 ** (-torch.arange(0, 16, 2) / 16)
    turn = torch.block_diag(*[torch.tensor([[w.cos(), w.sin()], [-w.sin(), w.cos()]]) for w in step * speed])
    torch.testing.assert_close(table[step:], table[:-step] @ turn.T, atol=1e-5, rtol=0)


def test_odd_widths_lose_the_last_cosine():
    torch.testing.assert_close(sinusoids(9, 7)[:, 0], sinusoids(9, 8)[:, 0])
    assert sinusoids(9, 7).shape == (9, 7)


# descent

def test_a_decoder_block_is_an_encoder_block_and_cross_attention():
    ours, theirs = DecoderBlock(D, 4).state_dict(), Block(D, 4).state_dict()
    more = {f"cross.{name}" for name in CrossAttention(D, 4).state_dict()} | {"norm_cross.weight", "norm_cross.bias"}
    assert ours.keys() - theirs.keys() == more and theirs.keys() <= ours.keys()


def test_a_decoder_block_that_hears_nothing_is_a_masked_encoder_block():
    block, plain = shaken(DecoderBlock(D, 4)), Block(D, 4, norm_first=False, activation=torch.nn.ReLU)
    plain.load_state_dict(block.state_dict(), strict=False)
    block.cross.proj.weight.data.zero_(), block.cross.proj.bias.data.zero_()
    block.norm_cross = torch.nn.Identity()
    plain.norm1, plain.norm2 = block.norm1, block.norm2  # the same epsilon
    x, source = torch.randn(3, 6, D), torch.randn(3, 4, D)
    torch.testing.assert_close(block(x, source), plain(x, torch.ones(6, 6).tril().bool()))


def test_cross_attention_to_itself_is_self_attention():
    cross, x = shaken(CrossAttention(D, 4)), torch.randn(3, 6, D)
    attention = Block(D, 4).attn
    attention.load_state_dict(cross.state_dict())
    torch.testing.assert_close(cross(x, x), attention(x))
    torch.testing.assert_close(cross.weights(x, x), attention.weights(x))


def test_the_encoder_is_the_books_encoder():
    assert transformer().encoder.state_dict().keys() == Encoder(D, 2, 4, norm_first=False).state_dict().keys()


def test_the_transformer_is_its_chain():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    by_hand = model.head(model.decode(target, model.encode(source)))
    assert torch.equal(model(source, target), by_hand)
    torch.testing.assert_close(by_hand, model.features(source, target) @ model.token.weight.T)
    torch.testing.assert_close(model.embed(target), model.token.weight[target] * D**0.5 + sinusoids(6, D))


def test_the_decoder_cannot_see_the_future_and_the_encoder_can():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    for i in range(1, 6):
        changed = target.clone()
        changed[:, i] = (changed[:, i] + 1) % V
        assert torch.equal(model(source, target)[:, :i], model(source, changed)[:, :i])
        assert not torch.allclose(model(source, target)[:, i:], model(source, changed)[:, i:])
    other = source.clone()
    other[:, -1] = (other[:, -1] + 1) % V
    assert not torch.allclose(model.encode(source)[:, 0], model.encode(other)[:, 0])
    assert not torch.allclose(model(source, target)[:, 0], model(other, target)[:, 0])


def test_padding_of_the_source_changes_nothing():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    padded = torch.cat([source, ids(3, 4)], dim=1)
    valid = (torch.arange(9) < 5).expand(3, 9)
    torch.testing.assert_close(model(padded, target, valid), model(source, target))
    assert not torch.allclose(model(padded, target), model(source, target))


def test_without_positions_the_encoder_does_not_know_the_order():
    model, x, order = transformer(), torch.randn(3, 5, D), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(model.encoder(x)[:, order], model.encoder(x[:, order]))


def test_cross_attention_maps():
    maps = transformer().attentions(ids(3, 5), ids(3, 6), (torch.arange(5) < 4).expand(3, 5))
    assert len(maps) == 2 and maps[0].shape == (3, 4, 6, 5)
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(3, 4, 6))
    assert not maps[0][..., 4].any()


# translating

def test_translating_takes_the_likeliest_and_stops_after_the_end():
    model, source = transformer(), ids(4, 5)
    full = translate(model, source, start=1, end=V, steps=8)  # an end that never comes
    assert full.shape == (4, 9) and (full[:, 0] == 1).all()
    assert torch.equal(full[:, 1:], model(source, full[:, :-1]).argmax(-1))
    end = int(full[0, 2])
    ended = translate(model, source, start=1, end=end, steps=8)[0]
    assert (ended[int((full[0] == end).int().argmax()):] == end).all()


# GPT, one step at a time

@pytest.mark.parametrize("cuts", [[1] * 12, [12], [5, 7], [1, 3, 8], [11, 1]])
def test_reading_on_with_a_cache_is_reading_it_all_again(cuts):
    model, tokens = gpt(), ids(3, 12)
    cache, logits = (), []
    for part in tokens.split(cuts, dim=1):
        out, cache = step(model, part, cache)
        logits.append(out)
    torch.testing.assert_close(torch.cat(logits, 1), model(tokens), atol=1e-5, rtol=0)
    assert len(cache) == 2 and cache[0][0].shape == (3, 4, 12, 8)


def test_a_cache_is_not_changed_by_reading_on():
    model, tokens = gpt(), ids(3, 6)
    _, cache = step(model, tokens)
    once, again = step(model, ids(3, 2), cache)[0].shape, step(model, tokens[:, :1], cache)[0]
    assert torch.equal(again, step(model, tokens[:, :1], cache)[0]) and cache[0][0].shape[2] == 6 and once == (3, 2, V)


def test_gradients_flow_through_a_cache():
    model, tokens = gpt(), ids(2, 6)
    _, cache = step(model, tokens[:, :3])
    step(model, tokens[:, 3:], cache)[0][:, -1].square().mean().backward()
    cached = model.token.weight.grad.clone()
    model.zero_grad()
    model(tokens)[:, -1].square().mean().backward()
    torch.testing.assert_close(cached, model.token.weight.grad, atol=1e-5, rtol=1e-4)


# writing

def test_top_1_is_what_recomputing_everything_finds_likeliest():
    model, tokens = gpt(), ids(3, 4)
    written = generate(model, tokens, steps=8, top_k=1)
    for _ in range(8):
        tokens = torch.cat([tokens, model(tokens)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(written, tokens)


def test_a_generator_makes_it_repeatable():
    model, tokens = gpt(), ids(3, 1)
    write = lambda seed: generate(model, tokens, 11, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(write(3), write(3)) and not torch.equal(write(3), write(4))


def test_draws_have_the_probabilities_of_the_model():
    model, tokens = gpt(), ids(1, 3)
    many = generate(model, tokens.expand(20_000, 3), 1, temperature=0.5, generator=torch.Generator().manual_seed(0))
    wanted = (model(tokens)[0, -1] / 0.5).softmax(-1)
    torch.testing.assert_close(many[:, -1].bincount(minlength=V) / 20_000, wanted, atol=0.015, rtol=0)


@pytest.mark.parametrize("k", [1, 3, V])
def test_top_k_draws_from_the_k_likeliest_only(k):
    model, tokens = gpt(), ids(1, 3)
    many = generate(model, tokens.expand(20_000, 3), 1, temperature=5.0, top_k=k)
    assert set(many[:, -1].tolist()) == set(model(tokens)[0, -1].topk(k).indices.tolist())


def test_cold_is_the_likeliest_and_hot_is_anything():
    model, tokens = gpt(), ids(1, 3).expand(2000, 3)
    cold, hot = (generate(model, tokens, 1, temperature=t)[:, -1] for t in (1e-4, 1e4))
    assert cold.unique().tolist() == [int(model(tokens[:1])[0, -1].argmax())] and len(hot.unique()) == V


def test_after_the_end_comes_the_end():
    model, tokens = gpt(), ids(40, 2)
    tokens[tokens == END] = 0
    rows = generate(model, tokens, 10, end=END, generator=torch.Generator().manual_seed(1))
    free = generate(model, tokens, 10, generator=torch.Generator().manual_seed(1))
    for row, other in zip(rows, free):
        first = int((row == END).int().argmax()) if (row == END).any() else len(row)
        assert torch.equal(row[:first], other[:first]) and (row[first:] == END).all()
    assert (rows == END).any()


def test_writing_stops_when_every_row_has_ended():
    model, tokens = gpt(), ids(3, 2)
    only = int(model(tokens[:1])[0, -1].argmax())
    assert generate(model, tokens[:1], 10, top_k=1, end=only).shape == (1, 3)


def test_an_end_in_the_prompt_does_not_end_the_row():
    tokens = torch.tensor([[END, 3]])
    assert generate(gpt(), tokens, 5, top_k=1, end=END).shape[1] > 2


def test_zero_steps_write_nothing():
    tokens = ids(3, 2)
    assert torch.equal(generate(gpt(), tokens, 0), tokens)


# errors

@pytest.mark.parametrize("make, word", [
    (lambda: generate(gpt(), ids(1, 0), 3), r"shape \(1, 0\)"),
    (lambda: generate(gpt(), ids(4), 3), r"shape \(4,\)"),
    (lambda: generate(gpt(), torch.tensor([[V]]), 3), f"id {V}"),
    (lambda: generate(gpt(), ids(1, 13), 1), "prompt of 13 tokens"),
    (lambda: generate(gpt(), ids(1, 4), 9), "steps=9"),
    (lambda: generate(gpt(), ids(1, 4), 3, temperature=0), "temperature=0"),
    (lambda: generate(gpt(), ids(1, 4), 3, temperature=-1.0), "temperature=-1"),
    (lambda: generate(gpt(), ids(1, 4), 3, top_k=0), "top_k=0"),
    (lambda: generate(gpt(), ids(1, 4), 3, top_k=V + 1), f"top_k={V + 1}"),
    (lambda: step(gpt(), ids(1, 5), step(gpt(), ids(1, 8))[1]), "13 tokens, 8 of them in the cache"),
    (lambda: transformer()(ids(2, 3), ids(2, 0)), "at least one token"),
    (lambda: transformer()(ids(3), ids(2, 3)), r"\(3,\)"),
    (lambda: Transformer(V, 30, 1, 4), "heads=4"),
])
def test_bad_input_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
