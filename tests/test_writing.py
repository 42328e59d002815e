"""Writing with GPT: the cache, and how the next token is drawn."""
import pytest
import torch
from helpers import shaken

from evo.models.gpt import GPT, generate, step

D, V, END = 32, 50, 7


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def gpt(length=12):
    return shaken(GPT(V, length, D, 2, 4))


def ids(*shape):
    return torch.randint(V, shape)


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
])
def test_bad_input_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
