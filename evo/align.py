"""Which word comes from which: IBM's first model of translation, by EM."""
import numpy as np


class IBM1:
    """Every target word was made by one source word, or by none (NULL).

    Brown et al. 1993 (sec. 4.1): before the words are seen, each source word
    is equally likely to have made it. t(e | f) starts even and is found by
    EM; each round counts who probably made whom, and divides.

    source, target: lists of lists of words, pair by pair. After `rounds` of
    EM `costs` has, for each round, the mean cost of a target word in nats
    before it. Raises ValueError for lists of unequal length, an empty text or
    rounds that are no whole number from 1.
    """

    NULL = None

    def __init__(self, source, target, rounds=5):
        for name, texts in (("source", source), ("target", target)):
            if not isinstance(texts, (list, tuple)) or not texts:
                raise ValueError(f"{name} must be a list of texts, one at "
                                 "least")
            for text in texts:
                _words(text, name)
        if len(source) != len(target):
            raise ValueError(f"{len(source)} source texts and {len(target)} "
                             "target texts: pass as many of both")
        if not isinstance(rounds, int) or rounds < 1 or rounds is True:
            raise ValueError(
                f"rounds={rounds!r} must be a whole number from 1")
        self.f, self.e = ({w: i for i, w in enumerate(words)} for words in (
            dict.fromkeys([self.NULL, *(w for t in source for w in t)]),
            dict.fromkeys(w for t in target for w in t)))
        pairs, places, at = [], [], 0
        for f_text, e_text in zip(source, target):
            f = np.array([0, *(self.f[w] for w in f_text)])
            e = np.array([self.e[w] for w in e_text])
            pairs.append((e[:, None] * len(self.f) + f).ravel())
            places.append(np.repeat(at + np.arange(len(e)), len(f)))
            at += len(e)
        self.keys, which = np.unique(np.concatenate(pairs),
                                     return_inverse=True)
        place, maker = np.concatenate(places), self.keys % len(self.f)
        equally = np.bincount(place)
        self.t = np.full(len(self.keys), 1 / len(self.e))
        self.costs = []
        for _ in range(rounds):
            each = self.t[which]
            whole = np.bincount(place, each)
            self.costs.append(-np.log(whole / equally).mean())
            counts = np.bincount(which, each / whole[place])
            self.t = counts / np.bincount(maker, counts)[maker]

    def table(self, source, target):
        """Shares (target words, source words) of who made whom.

        The rest of a row is NULL's. A word or pair never seen has t = 0, and
        a row without any is 0.
        """
        _words(source, "source")
        _words(target, "target")
        f = [0, *(self.f.get(w, -1) for w in source)]
        keys = np.array([[self.e.get(w, -1) * len(self.f) + g for g in f]
                         for w in target])
        at = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        known = (self.keys[at] == keys) & (np.array(f) >= 0)
        each = np.where(known, self.t[at], 0.0)
        return (each / each.sum(1, keepdims=True).clip(1e-300))[:, 1:]

    @property
    def dictionary(self):
        """{source word: the target word with the largest t}."""
        order = np.lexsort((self.t, self.keys % len(self.f)))
        best = {self.keys[i] % len(self.f): self.keys[i] // len(self.f)
                for i in order}
        e, f = list(self.e), list(self.f)
        return {f[i]: e[j] for i, j in best.items() if i}


def _words(text, name):
    if not isinstance(text, (list, tuple)) or not text or not all(
            isinstance(word, str) for word in text):
        raise ValueError(f"{name} holds {text!r:.40}: a text is a list of "
                         "words, one at least")
