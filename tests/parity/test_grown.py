"""Rows for new words against transformers' resize_token_embeddings, which widens a model's token table, decoder and bias."""
import copy

import torch

from evo.grow import add_words
from evo.models import bert
from evo.tokenizers import WordPiece

PIECES = WordPiece([*WordPiece.SPECIALS, *"abcdet", *("##" + c for c in "abcdet"), "at", "##at"])
V, WORDS = len(PIECES), ["cat", "bed", "ate"]


def ours_of(theirs):
    model = bert.BERT(theirs.config.vocab_size, length=12, dim=32, depth=2, heads=4)
    return bert.load_transformers(model, theirs.state_dict())


def peer():
    import transformers
    return transformers.BertForPreTraining(transformers.BertConfig(
        vocab_size=V, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=12))


def test_resized_by_the_peer_and_grown_here(shaken, close):
    """With the same new rows both say the same of every token, old and new; and of the old ones what they said before."""
    theirs = shaken(peer())
    before = ours_of(theirs)
    grown, pieces = add_words(before, PIECES, WORDS)
    wide = copy.deepcopy(theirs)
    wide.resize_token_embeddings(V + len(WORDS), mean_resizing=False)
    old, new = theirs.get_input_embeddings().weight, wide.get_input_embeddings().weight
    assert torch.equal(new[:V], old) and new.shape[0] == len(pieces)
    with torch.no_grad():
        new[V:] = grown.token.weight[V:]
        wide.cls.predictions.bias[V:] = grown.bias[V:]
    read = torch.randint(5, V + len(WORDS), (4, 9))  # new words among what is read
    close(grown(read)[0], wide(input_ids=read).prediction_logits)
    known = torch.randint(5, V, (4, 9))
    close(wide(input_ids=known).prediction_logits[..., :V], theirs(input_ids=known).prediction_logits)
    close(grown(known)[0][..., :V], before(known)[0])


def test_the_peers_model_loads_after_it_was_resized(shaken, close):
    theirs = shaken(peer())
    theirs.resize_token_embeddings(V + len(WORDS), mean_resizing=False)
    read = torch.randint(5, V + len(WORDS), (4, 9))
    close(ours_of(theirs)(read)[0], theirs(input_ids=read).prediction_logits)


def test_where_new_rows_begin(shaken):
    """The peer begins every new row near the mean of all rows (Hewitt 2021), ours at that of the pieces that spelled the word."""
    theirs = shaken(peer())
    grown, _ = add_words(ours_of(theirs), PIECES, WORDS)
    wide = copy.deepcopy(theirs)
    wide.resize_token_embeddings(V + len(WORDS), mean_resizing=True)
    rows = wide.get_input_embeddings().weight[V:]
    middle = theirs.get_input_embeddings().weight.mean(0)
    torch.testing.assert_close(rows, middle.expand_as(rows), atol=1e-3, rtol=0)
    for row, word in zip(grown.token.weight[V:], WORDS):
        torch.testing.assert_close(row, theirs.get_input_embeddings().weight[PIECES.encode(word)].mean(0))
        assert (row - middle).abs().max() > 0.01
