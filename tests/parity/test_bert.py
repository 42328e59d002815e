"""BERT against transformers' BertForPreTraining and d2l's BERTEncoder; its masking against their collators."""
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo import look
from evo.blocks import Encoder
from evo.masking import bert_mask
from evo.models import bert

V, N, D, CLS, SEP, MASK = 50, 12, 32, 2, 3, 4
TEXT = torch.arange(N) < torch.tensor([[N], [7], [4]])  # what is not padding


def config(**changes):
    import transformers
    return transformers.BertConfig(**dict(
        vocab_size=V, hidden_size=D, num_hidden_layers=2, num_attention_heads=4, intermediate_size=4 * D,
        max_position_embeddings=N) | changes)


def peer(**changes):
    import transformers
    return transformers.BertForPreTraining(config(**changes))


def inputs(n=N):
    segments = (torch.arange(n) >= n // 2).long().expand(3, n)
    return torch.randint(5, V, (3, n)), segments


def load(theirs, depth=2, heads=4, **changes):
    return bert.load_transformers(bert.BERT(**dict(vocab_size=V, length=N, dim=D, depth=depth, heads=heads) | changes), theirs)


def run(theirs, tokens, segments, valid=None, **more):
    return theirs(input_ids=tokens, token_type_ids=segments, attention_mask=None if valid is None else valid.long(), **more)


@pytest.mark.parametrize("depth, heads, n", [(2, 4, 12), (3, 2, 5), (1, 8, 1)])
def test_transformers(shaken, close, depth, heads, n):
    theirs, (tokens, segments) = shaken(peer(num_hidden_layers=depth, num_attention_heads=heads)), inputs(n)
    ours = load(theirs.state_dict(), depth, heads)
    their = run(theirs, tokens, segments, output_hidden_states=True)
    guesses, follows = ours(tokens, segments)
    close(guesses, their.prediction_logits)
    close(follows, their.seq_relationship_logits)
    close(ours.features(tokens, segments), their.hidden_states[-1])
    close(ours.embed(tokens, segments), their.hidden_states[0])
    close(ours.pool(ours.features(tokens)), theirs.bert(tokens).pooler_output)  # one text: all segments 0


def test_padding(shaken, close):
    theirs, (tokens, segments) = shaken(peer()), inputs()
    ours = load(theirs.state_dict())
    their = run(theirs, tokens, segments, TEXT)
    guesses, follows = ours(tokens, segments, TEXT)
    close(guesses[TEXT], their.prediction_logits[TEXT])
    close(follows, their.seq_relationship_logits)


def test_attentions(shaken):
    theirs, (tokens, segments) = shaken(peer()), inputs()
    theirs.set_attn_implementation("eager")
    ours = load(theirs.state_dict())
    maps = look.attentions(ours, tokens, segments, TEXT)
    for mine, their in zip(maps, run(theirs, tokens, segments, TEXT, output_attentions=True).attentions, strict=True):
        torch.testing.assert_close(mine, their, atol=1e-5, rtol=0)


def test_loss_and_gradients(shaken, close):
    """Cross-entropy over the hidden words plus cross-entropy of the next-sentence question."""
    theirs, (tokens, segments) = shaken(peer()), inputs()
    ours, follows = load(theirs.state_dict()), torch.tensor([0, 1, 1])
    holes, masked = bert_mask(tokens, TEXT, MASK, V)
    guesses, answer = ours(holes, segments, TEXT, masked)
    mine = F.cross_entropy(guesses, tokens[masked]) + F.cross_entropy(answer, follows)
    their = run(theirs, holes, segments, TEXT, labels=tokens.masked_fill(~masked, -100), next_sentence_label=follows).loss
    close(mine, their)
    mine.backward(), their.backward()
    grads = {name: p.grad for name, p in theirs.named_parameters()}
    renamed = bert.weights.rename(grads, bert.TRANSFORMERS, drop=r"^cls\.predictions\.decoder\.")
    assert renamed.keys() == dict(ours.named_parameters()).keys()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, renamed[name], atol=1e-5, rtol=1e-4)


def test_files_of_2018(shaken, close):
    """gamma and beta instead of weight and bias, a buffer of positions, no bias at the decoder."""
    theirs, (tokens, segments) = shaken(peer()), inputs()
    old = {name: tensor for name, tensor in theirs.state_dict().items() if name != "cls.predictions.decoder.bias"}
    for name in [name for name in old if "LayerNorm" in name]:
        old[name.replace(".weight", ".gamma").replace(".bias", ".beta")] = old.pop(name)
    old["bert.embeddings.position_ids"] = torch.arange(N)[None]
    assert "cls.predictions.transform.LayerNorm.gamma" in old and "bert.encoder.layer.1.output.LayerNorm.beta" in old
    close(load(old)(tokens, segments)[0], run(theirs, tokens, segments).prediction_logits)


def test_fine_tuning_as_theirs(shaken, close):
    """BertForSequenceClassification is a linear map on what `pool` gives."""
    import transformers
    theirs = shaken(transformers.BertForSequenceClassification(config(num_labels=7)))
    body = {name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("bert.")}
    tokens, segments = inputs()
    ours = load(peer().state_dict() | body)
    close(theirs.classifier(ours.pool(ours.features(tokens, segments, TEXT))), run(theirs, tokens, segments, TEXT).logits)


def test_tags_as_theirs(shaken, close):
    """BertForTokenClassification is a linear map on what `features` says of every token (B11); padding has no say in its loss."""
    import transformers
    theirs = shaken(transformers.BertForTokenClassification(config(num_labels=7)))
    body = {name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("bert.")}
    tokens, segments = inputs()
    scores = theirs.classifier(load(peer().state_dict() | body).features(tokens, segments, TEXT))
    tags = torch.randint(7, (3, N)).masked_fill(~TEXT, -100)
    their = run(theirs, tokens, segments, TEXT, labels=tags)
    close(scores[TEXT], their.logits[TEXT])
    close(F.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=-100), their.loss)


def test_spans_as_theirs(shaken, close):
    """BertForQuestionAnswering scores every token twice, as a beginning and as an end; its loss is the mean of both (B12)."""
    import transformers
    theirs = shaken(transformers.BertForQuestionAnswering(config()))
    body = {name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("bert.")}
    tokens, segments = inputs()
    scores = theirs.qa_outputs(load(peer().state_dict() | body).features(tokens, segments))  # (B, N, 2)
    edges = torch.tensor([[7, 9], [6, 6], [8, 11]])
    their = run(theirs, tokens, segments, start_positions=edges[:, 0], end_positions=edges[:, 1])
    close(scores[..., 0], their.start_logits)
    close(scores[..., 1], their.end_logits)
    close(F.cross_entropy(scores, edges), their.loss)  # over the places, as the fine-tuning chapter's span_loss


def test_d2l(shaken, close):
    """d2l's BERT is ours without the norm on the sum, with ReLU and the usual eps."""
    d2l = pytest.importorskip("d2l.torch")
    theirs, (tokens, segments) = d2l.BERTEncoder(V, D, 4 * D, 4, 2, 0.0, max_len=N), inputs()
    theirs(tokens, segments, None)  # gives its lazy layers their shapes
    shaken(theirs)
    ours = bert.BERT(V, N, D, 2, 4)
    ours.norm, ours.encoder = nn.Identity(), Encoder(D, 2, 4, norm_first=False, norm=partial(nn.LayerNorm, eps=1e-5), activation=nn.ReLU)
    with torch.no_grad():
        ours.token.weight.copy_(theirs.token_embedding.weight)
        ours.segment.weight.copy_(theirs.segment_embedding.weight)
        ours.position.weight.copy_(theirs.pos_embedding[0])
        for mine, their in zip(ours.encoder.blocks, theirs.blks, strict=True):
            attention = their.attention
            for kind in ("weight", "bias"):
                qkv = [getattr(getattr(attention, f"W_{part}"), kind) for part in "qkv"]
                getattr(mine.attn.qkv, kind).copy_(torch.cat(qkv))
            mine.attn.proj.load_state_dict(attention.W_o.state_dict())
            mine.norm1.load_state_dict(their.addnorm1.ln.state_dict())
            mine.norm2.load_state_dict(their.addnorm2.ln.state_dict())
            mine.mlp[0].load_state_dict(their.ffn.dense1.state_dict())
            mine.mlp[2].load_state_dict(their.ffn.dense2.state_dict())
    close(ours.features(tokens, segments, TEXT)[TEXT], theirs(tokens, segments, TEXT.sum(1))[TEXT])


@pytest.mark.parametrize("build, changes, count", [
    (bert.bert_base, {}, 110_106_428),
    (bert.bert_large, dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096), 336_226_108)])
def test_sizes_of_the_paper_are_those_of_transformers(build, changes, count):
    import transformers
    with torch.device("meta"):
        ours, theirs = build(), transformers.BertForPreTraining(transformers.BertConfig(**changes))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters()) == count
    assert bert.weights.rename(theirs.state_dict(), bert.TRANSFORMERS, drop=r"decoder\.").keys() == ours.state_dict().keys()


def test_wrong_files_are_refused(refuses):
    refuses(bert.load_transformers, bert.BERT(V, N, D, 2, 4), peer().state_dict(), "bert.encoder.layer.1.intermediate.dense.weight")
    with pytest.raises(ValueError, match="wrong shape: position.weight"):
        load(peer().state_dict(), length=N - 2)
    with pytest.raises(ValueError, match="vocabulary of 50 tokens, this model one of 60: .* vocabulary that came with it"):
        load(peer().state_dict(), vocab_size=60)


# masking

ROWS = 6_000  # of 40 words each


def text():
    words = torch.randint(5, V, (ROWS, 40), generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.full((ROWS, 1), CLS), words, torch.full((ROWS, 1), SEP)], dim=1)


def fates(tokens, holes, masked):
    """Of the chosen words: how many became [MASK], became another word, stayed.

    A random word may be [MASK] or the word itself, so the shares are 0.8 + 0.1 / V, 0.1 - 0.2 / V and 0.1 + 0.1 / V.
    """
    chosen, before = holes[masked], tokens[masked]
    return torch.tensor([(chosen == MASK).sum(), ((chosen != MASK) & (chosen != before)).sum(), (chosen == before).sum()])


def test_same_statistics_as_transformers_collator():
    """Chi-square of their counts and of ours under the shares of the paper: below the 99.9 % quantile, 13.8."""
    import transformers
    words = text()
    # its draws come from torch's global generator, seeded by the fixture
    collator = transformers.DataCollatorForLanguageModeling(toy_tokenizer(), mlm_probability=0.15)
    special = (words == CLS) | (words == SEP)
    theirs, labels = collator.torch_mask_tokens(words.clone(), special_tokens_mask=special)
    ours = bert_mask(words, ~special, MASK, V, generator=torch.Generator().manual_seed(1))
    expected = torch.tensor([0.8 + 0.1 / V, 0.1 - 0.2 / V, 0.1 + 0.1 / V])
    for holes, masked in [(theirs, labels != -100), ours]:
        counts = fates(words, holes, masked)
        assert counts.sum() > 30_000
        assert ((counts - counts.sum() * expected) ** 2 / (counts.sum() * expected)).sum() < 13.8
        assert (holes[~masked] == words[~masked]).all() and not masked[special].any()
        assert masked.sum().item() == pytest.approx(0.15 * (~special).sum().item(), rel=0.02)
    assert (ours[1].sum(1) == 6).all() and (labels != -100).sum(1).unique().numel() > 6  # they flip a coin for every word


def test_same_statistics_as_d2l():
    """d2l draws a fixed number as well, and as many of each kind, up to chance."""
    d2l = pytest.importorskip("d2l.torch")
    import random
    random.seed(0)
    words, counts = text()[:1500], torch.zeros(3)
    vocab = d2l.Vocab([[f"w{i}" for i in range(V)]], reserved_tokens=["<mask>"])
    for row in words[:, 1:-1].tolist():
        row = ["<cls>", *(f"w{i}" for i in row), "<sep>"]
        holes, places, before = d2l._get_mlm_data_from_tokens(row, vocab)
        assert len(places) == 6 and 0 not in places and 41 not in places
        for place, word in zip(places, before):
            counts[0 if holes[place] == vocab["<mask>"] else 1 if holes[place] != word else 2] += 1
    holes, masked = bert_mask(words, (words != CLS) & (words != SEP), MASK, V, generator=torch.Generator().manual_seed(1))
    ours = fates(words, holes, masked).float()
    assert counts.sum() == ours.sum() == 1500 * 6
    middle = (counts + ours) / 2
    assert sum(((kind - middle) ** 2 / middle).sum() for kind in (counts, ours)) < 13.8


def toy_tokenizer():
    import transformers
    from tokenizers import Tokenizer, models
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": CLS, "[SEP]": SEP, "[MASK]": MASK} | {f"w{i}": i for i in range(5, V)}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="[UNK]")), pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
