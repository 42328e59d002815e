"""VisualBERT and LXMERT against transformers: weights, outputs, attention, losses, gradients; ViLBERT's crossing by hand."""
import pytest
import torch
import torch.nn.functional as F

from evo import look
from evo.models import lxmert, visualbert
from evo.models.bert import BERT
from evo.models.lxmert import LXMERT, CoLayer, CrossLayer
from evo.models.visualbert import VisualBERT

V, N, D, R, SEEN = 50, 12, 32, 5, 9  # words, places, width, regions, numbers a region
VALID = torch.arange(N) < torch.tensor([[N], [7], [4]])
FOUND = torch.arange(R) < torch.tensor([[R], [3], [1]])


def inputs():
    segments = (torch.arange(N) >= N // 2).long().expand(3, N)
    return torch.randint(5, V, (3, N)), segments, torch.randn(3, R, SEEN), torch.rand(3, R, 4)


SIZES = dict(vocab_size=V, hidden_size=D, num_attention_heads=4, intermediate_size=4 * D, max_position_embeddings=N)


def visual_peer(depth=2, **changes):
    import transformers
    return transformers.VisualBertForPreTraining(transformers.VisualBertConfig(
        **dict(SIZES, visual_embedding_dim=SEEN, num_hidden_layers=depth) | changes))


def lxmert_peer(depths=(2, 1, 2), **changes):
    import transformers
    layers = dict(zip(("l_layers", "r_layers", "x_layers"), depths))
    return transformers.LxmertForPreTraining(transformers.LxmertConfig(
        **dict(SIZES, visual_feat_dim=SEEN, visual_pos_dim=4, num_object_labels=11, num_attr_labels=3, num_qa_labels=4,
               **layers) | changes))


def one_stream(peer, depth=2):
    return visualbert.load_transformers(VisualBERT(V, N, SEEN, D, depth, 4), peer.state_dict()).eval()


def two_streams(peer, depths=(2, 1, 2)):
    return lxmert.load_transformers(LXMERT(V, N, SEEN + 4, D, depths, 4), peer.state_dict()).eval()


def flags(valid, found, names):
    return {} if valid is None else dict(zip(names, (valid.long(), found.long())))


def run_visual(peer, tokens, segments, seen, valid=None, found=None, **more):
    masks = flags(valid, found, ("attention_mask", "visual_attention_mask"))
    masks = masks or dict(attention_mask=torch.ones_like(tokens), visual_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long))
    return peer(input_ids=tokens, token_type_ids=segments, visual_embeds=seen, **masks, **more)


def run_lxmert(peer, tokens, segments, seen, box, valid=None, found=None, **more):
    return peer(input_ids=tokens, token_type_ids=segments, visual_feats=seen, visual_pos=box,
                **flags(valid, found, ("attention_mask", "visual_attention_mask")), **more)


@pytest.mark.parametrize("valid, found", [(None, None), (VALID, FOUND)])
@pytest.mark.parametrize("depth", [1, 3])
def test_visualbert_is_transformers(shaken, close, depth, valid, found):
    peer, (tokens, segments, seen, _) = shaken(visual_peer(depth)), inputs()
    ours = one_stream(peer, depth)
    theirs = run_visual(peer, tokens, segments, seen, valid, found, output_hidden_states=True)
    guesses, belongs = ours(tokens, seen, segments, valid, found)
    there = torch.ones_like(VALID) if valid is None else valid
    close(guesses[there], theirs.prediction_logits[:, :N][there])
    close(belongs, theirs.seq_relationship_logits)
    both = there if found is None else torch.cat([valid, found], 1)
    mine = ours.features(tokens, seen, segments, valid, found)
    close(mine[both] if found is not None else mine, theirs.hidden_states[-1][both] if found is not None else theirs.hidden_states[-1])
    close(torch.cat([ours.embed(tokens, segments), ours.embed_regions(seen)], 1), theirs.hidden_states[0])


@pytest.mark.parametrize("valid, found", [(None, None), (VALID, FOUND)])
@pytest.mark.parametrize("depths", [(2, 1, 2), (1, 3, 1)])
def test_lxmert_is_transformers(shaken, close, depths, valid, found):
    peer, (tokens, segments, seen, box) = shaken(lxmert_peer(depths)), inputs()
    ours, regions = two_streams(peer, depths), torch.cat([seen, box], -1)
    theirs = run_lxmert(peer, tokens, segments, seen, box, valid, found)
    body = run_lxmert(peer.lxmert, tokens, segments, seen, box, valid, found)
    guesses, belongs = ours(tokens, regions, segments, valid, found)
    words, looks = ours.read(tokens, regions, segments, valid, found)
    there, shown = (slice(None), slice(None)) if valid is None else (valid, found)
    close(guesses[there], theirs.prediction_logits[there])
    close(belongs, theirs.cross_relationship_score)
    close(words[there], body.language_output[there])
    close(looks[shown], body.vision_output[shown])
    close(ours.pool(words), body.pooled_output)


def test_attention_is_that_of_transformers(shaken):
    peer, (tokens, segments, seen, box) = shaken(visual_peer()), inputs()
    peer.set_attn_implementation("eager")
    maps = look.attentions(one_stream(peer), tokens, seen, segments, VALID, FOUND)
    for mine, their in zip(maps, run_visual(peer, tokens, segments, seen, VALID, FOUND, output_attentions=True).attentions, strict=True):
        torch.testing.assert_close(mine, their, atol=1e-5, rtol=0)
    peer = shaken(lxmert_peer())
    ours, regions = two_streams(peer), torch.cat([seen, box], -1)
    maps = look.attentions(ours, tokens, regions, segments, VALID, FOUND, at=[layer.cross for layer in ours.meet])
    theirs = run_lxmert(peer, tokens, segments, seen, box, VALID, FOUND, output_attentions=True).cross_encoder_attentions
    for mine, their in zip(maps[::2], theirs, strict=True):  # words ask regions; between them regions ask words
        torch.testing.assert_close(mine, their, atol=1e-5, rtol=0)


def wanted(rows):
    holes = torch.rand(3, N) < 0.3
    holes[:, 1] = True
    return holes & rows


def test_losses_and_gradients_of_lxmert(shaken, close):
    """Hidden words and whether the text belongs: transformers' class 1 is a match, ours, as BERT's, is class 0."""
    peer, (tokens, segments, seen, box) = shaken(lxmert_peer(task_obj_predict=False, task_qa=False)), inputs()
    ours, masked = two_streams(peer), wanted(VALID)
    belongs = torch.tensor([1, 0, 1])
    theirs = run_lxmert(peer, tokens, segments, seen, box, VALID, FOUND, labels=tokens.masked_fill(~masked, -100), matched_label=belongs)
    guesses, match = ours(tokens, torch.cat([seen, box], -1), segments, VALID, FOUND, masked)
    loss = F.cross_entropy(guesses, tokens[masked]) + F.cross_entropy(match, belongs)
    close(loss, theirs.loss.squeeze())
    loss.backward(), theirs.loss.backward()
    grads = lxmert.weights.rename({name: p.grad for name, p in peer.named_parameters() if p.grad is not None}, lxmert.TRANSFORMERS,
                                  drop=r"^cls\.predictions\.decoder\.")
    for name, p in ours.named_parameters():
        if name in grads:  # the last layer's regions reach no loss
            first = 1 if name in ("token.weight", "position.weight", "segment.weight") else 0  # theirs never train the padding's rows
            torch.testing.assert_close(p.grad[first:], grads[name][first:], atol=1e-5, rtol=1e-4)
    assert len(grads) > 60


def test_hidden_regions_by_label_as_transformers(shaken, close):
    """Their cross-entropy over hidden regions is ours on the regions that `read` gives, by their head."""
    import transformers
    peer, (tokens, segments, seen, box) = shaken(lxmert_peer(visual_attr_loss=False, visual_feat_loss=False)), inputs()
    ours, label = two_streams(peer), torch.randint(11, (3, R))
    _, looks = ours.read(tokens, torch.cat([seen, box], -1), segments)
    logits = peer.obj_predict_head(looks)["obj"]
    theirs = peer(input_ids=tokens, token_type_ids=segments, visual_feats=seen, visual_pos=box,
                  obj_labels={"obj": (label, torch.ones(3, R))}, matched_label=torch.tensor([1, 0, 1]))
    match = F.cross_entropy(ours(tokens, torch.cat([seen, box], -1), segments)[1], torch.tensor([1, 0, 1]))
    close(F.cross_entropy(logits.flatten(0, 1), label.flatten()) * peer.visual_loss_normalizer + match, theirs.loss.squeeze())
    assert isinstance(peer, transformers.LxmertForPreTraining)


def test_the_distribution_as_a_target_is_kl_and_the_other_order_is_not():
    logits, votes = torch.randn(6, 11), torch.rand(6, 11).softmax(1)
    by_hand = (votes * (votes.log() - logits.log_softmax(1))).sum(1).mean()
    found = F.kl_div(logits.log_softmax(1), votes, reduction="batchmean")
    torch.testing.assert_close(found, by_hand)
    assert not torch.isclose(F.kl_div(votes.log(), logits.softmax(1), reduction="batchmean"), found)


def test_paper_sizes_have_the_published_counts():
    import transformers
    with torch.device("meta"):
        peer = transformers.VisualBertForPreTraining(transformers.VisualBertConfig(visual_embedding_dim=2048))
        pairs = ((visualbert.visualbert_base(), peer),
                 (lxmert.lxmert_base(), transformers.LxmertForPreTraining(transformers.LxmertConfig())))
    (one, visual), (two, other) = ([sum(p.numel() for p in model.parameters()) for model in pair] for pair in pairs)
    assert one == 111_680_828 == visual - (512 + 2 - 1) * 768  # of two tables that add one vector to every region, one vector
    heads = [sum(p.numel() for p in part.parameters()) for part in (pairs[1][1].obj_predict_head, pairs[1][1].answer_head)]
    assert two == 208_560_956 == other - sum(heads)


def test_vilberts_crossing_by_hand(shaken):
    """Two widths: each asks with its own queries, and finds and takes with keys and values made of the other."""
    layer, words, regions = shaken(CoLayer(8, 12, 2)), torch.randn(2, 4, 8), torch.randn(2, 3, 12)
    ask = layer.cross
    q, (k, v) = ask.q(words), ask.kv(regions).chunk(2, -1)
    heads = [torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / 2, -1) @ v[..., part] for part in (slice(0, 4), slice(4, 8))]
    asked = layer.norm(words + ask.proj(torch.cat(heads, -1)))
    torch.testing.assert_close(layer.ask(words, regions)[0], asked)
    assert [x.shape for x in layer(words, regions)] == [words.shape, regions.shape]


def test_loaders_say_what_is_missing(refuses):
    refuses(visualbert.load_transformers, VisualBERT(V, N, SEEN, D, 2, 4), visual_peer().state_dict(),
            "visual_bert.encoder.layer.1.intermediate.dense.weight")
    refuses(lxmert.load_transformers, LXMERT(V, N, SEEN + 4, D, (2, 1, 2), 4), lxmert_peer().state_dict(),
            "lxmert.encoder.x_layers.1.lang_inter.dense.weight")


@pytest.mark.parametrize("layer", [CrossLayer, CoLayer])
def test_one_width_is_enough_for_both_kinds_of_crossing(layer):
    model = LXMERT(V, N, SEEN, D, (1, 1, 1), 4, cross=layer)
    assert model.features(torch.randint(V, (2, N)), torch.rand(2, R, SEEN)).shape == (2, N, D)
    assert isinstance(model, BERT)
