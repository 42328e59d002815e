"""The unigram model against SentencePiece: the same pieces and scores cut real sentences alike, whoever has found them."""
from collections import Counter
from io import BytesIO
from math import log

import numpy as np
import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from evo.data.text import tokenize, wordnet
from evo.unigram import Lattice, best_cut, train_unigram

SPACE = "\u2581"  # what stands for the blank in front of a word


@pytest.fixture(scope="module")
def sentences():
    """Definitions, words and marks apart, as the chapter reads them: (seen, new)."""
    wn = wordnet()
    seen, new = ([" ".join(tokenize(wn.definitions[i])) for i in rows] for rows in (wn.train[:3000], wn.test[:1000]))
    return seen, new


@pytest.fixture(scope="module")
def ours(sentences):
    return train_unigram(Counter(SPACE + word for text in sentences[0] for word in text.split()), 600, seeds=3000)


@pytest.fixture(scope="module")
def theirs(sentences):
    """What their own trainer finds in the same sentences."""
    out = BytesIO()
    SentencePieceTrainer.train(sentence_iterator=iter(sentences[0]), model_writer=out, vocab_size=600, model_type="unigram",
                               normalization_rule_name="identity", character_coverage=1.0, num_threads=1, minloglevel=2)
    return SentencePieceProcessor(model_proto=out.getvalue())


def peer(scores):
    """A SentencePiece model of these pieces: {piece: log-probability}."""
    model = ModelProto()
    model.pieces.add(piece="<unk>", score=0, type=ModelProto.SentencePiece.UNKNOWN)
    for piece, score in scores.items():
        model.pieces.add(piece=piece, score=score, type=ModelProto.SentencePiece.NORMAL)
    model.trainer_spec.model_type = 1  # unigram
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = model.normalizer_spec.escape_whitespaces = True
    return SentencePieceProcessor(model_proto=model.SerializeToString())


def cuts(sentence, scores):
    return [piece for word in sentence.split() for piece in best_cut(SPACE + word, scores)]


def agree(model, scores, texts):
    known = [text for text in texts if set(text.replace(" ", SPACE)) <= set(scores)]
    assert len(known) > 900
    assert [cuts(text, scores) for text in known] == model.encode(known, out_type=str)
    assert np.mean([len(cuts(text, scores)) > 2 * len(text.split()) for text in known]) > 0.3  # words do fall apart


def test_with_our_pieces_theirs_cuts_as_ours(ours, sentences):
    agree(peer(ours), ours, sentences[1])


def test_with_their_pieces_ours_cuts_as_theirs(theirs, sentences):
    own = [i for i in range(len(theirs)) if not theirs.is_control(i) and not theirs.is_unknown(i)]
    scores = {theirs.id_to_piece(i): theirs.get_score(i) for i in own}
    agree(theirs, scores, sentences[1])


def test_a_letter_that_is_no_piece_stands_alone_in_both(ours):
    """They write neighbours that they do not know as one piece, ours as one each; the cuts beside them are the same."""
    sentence = "a dog \u72d7 and a \u72d7\u732b s"
    found = cuts(sentence, ours)
    assert "\u72d7" in found and "\u732b" in found
    at = found.index("\u732b")
    assert found[: at - 1] + ["\u72d7\u732b"] + found[at + 1 :] == peer(ours).encode(sentence, out_type=str)


def test_the_sum_over_all_cuts_is_theirs(ours):
    """Their n best cuts, all of them: together the probability that forward and backward sums give."""
    model = peer(ours)
    for word in ("hands", "river", "anew"):
        lattice = Lattice({SPACE + word: 1}, ours)
        total = lattice.sums(np.exp([*ours.values()]))[1][0, 0]
        every = {tuple(cut) for cut in model.nbest_encode_as_pieces(word, 2**6)}
        by_cuts = sum(np.exp(sum(ours[piece] for piece in cut)) for cut in every if set(cut) <= set(ours))
        assert log(by_cuts) == pytest.approx(log(total), abs=1e-5)
        assert max(every, key=lambda cut: sum(map(ours.get, cut))) == tuple(best_cut(SPACE + word, ours))
