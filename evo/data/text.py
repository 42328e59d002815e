"""Text: WordNet 3.0 (Fellbaum, 1998), a dictionary with examples, classes and an is-a hierarchy."""

import json
import re
from dataclasses import dataclass

import numpy as np

from evo.data import sources

# The lexicographers' files, in the order of their numbers: WordNet's supersenses (lexnames(5WN)).
SUPERSENSES = tuple(
    """adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body
    noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location
    noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process
    noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change
    verb.cognition verb.communication verb.competition verb.consumption verb.contact verb.creation
    verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather
    adj.ppl""".split()
)


@dataclass(frozen=True)
class WordNet:
    """One entry a synset (a set of lemmas with one meaning); all lists run in the same order."""

    synsets: list  # names as in NLTK: "dog.n.01" is the first sense of the noun dog
    lemmas: list  # synonyms, "_" replaced by " "
    definitions: list
    examples: list  # sentences that use one of the lemmas
    example_lemma: list  # which lemma each example shows, "" where none was found
    hypernyms: list  # positions of the synsets that this one is a kind of
    labels: np.ndarray  # (117659,) int64, index into label_names
    label_names: tuple  # 45 supersenses
    train: np.ndarray  # positions, 80 %
    valid: np.ndarray  # 10 %
    test: np.ndarray  # 10 %

    def __len__(self):
        return len(self.synsets)


def wordnet():
    """WordNet 3.0: 117,659 definitions, split by synset so that no meaning is on two sides."""
    arrays = sources.load("wordnet")
    entries = json.loads(arrays["entries"].tobytes())
    labels = arrays["labels"].astype(np.int64)
    return WordNet(**entries, labels=labels, label_names=SUPERSENSES, **split(len(labels)))


def split(n, seed=0):
    """80 / 10 / 10 per cent of range(n), shuffled once and for all."""
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n={n!r} must be the number of entries, at least 1")
    order = np.random.RandomState(seed).permutation(n)  # RandomState: frozen, equal in every numpy
    train, valid, test = np.split(order, [n * 8 // 10, n * 9 // 10])
    return {"train": np.sort(train), "valid": np.sort(valid), "test": np.sort(test)}


def tokenize(text):
    """Lower-cased words and numbers, without punctuation.

    Apostrophes inside a word stay: "Don't!" -> ["don't"].
    """
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, but {text!r:.60} is "
                         f"{type(text).__name__}")
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())


# --- from the dictionary files (format: wndb(5WN)) to the canonical entries -----------------------

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


def build_wordnet(folder):
    names, entries, labels = {}, {}, []
    senses = sense_numbers(folder)
    for pos, file in FILES.items():
        for offset, kind, label, lemmas, pointers, gloss in synset_lines(folder, file):
            key = lemmas[0].lower()
            names[pos, offset] = f"{key}.{kind}.{senses[key, pos].index(offset) + 1:02d}"
            entries[names[pos, offset]] = lemmas, pointers, gloss
            labels.append(label)
    position = {name: i for i, name in enumerate(entries)}
    forms = base_forms(folder)
    out = {"synsets": list(entries), "lemmas": [], "definitions": [], "hypernyms": []}
    out |= {"examples": [], "example_lemma": []}
    for name, (lemmas, pointers, gloss) in entries.items():
        parents = [names[pointer] for pointer in pointers]
        if name == "inhibit.v.04":  # a loop in WordNet 3.0, mended by NLTK and Debian
            parents = ["suppress.v.04"]
        lemmas = [lemma.replace("_", " ") for lemma in lemmas]
        definition, examples = split_gloss(gloss)
        out["lemmas"].append(lemmas)
        out["definitions"].append(definition)
        out["hypernyms"].append(sorted(position[parent] for parent in parents))
        out["examples"].append(examples)
        out["example_lemma"].append([shown_lemma(text, lemmas, forms) for text in examples])
    text = json.dumps(out, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return {
        "entries": np.frombuffer(text.encode(), np.uint8),
        "labels": np.array(labels, np.uint8),
    }


def sense_numbers(folder):
    """{(lemma, part of speech): byte offsets of its synsets, most frequent sense first}."""
    senses = {}
    for pos, file in FILES.items():
        for line in lines(folder, f"index.{file}"):
            lemma, _, count, *rest = line.split()
            senses[lemma, pos] = rest[-int(count) :]
    return senses


def synset_lines(folder, file):
    """offset lexfile kind w_cnt (word lex_id)* p_cnt (symbol offset pos source/target)* ... | gloss"""
    for line in lines(folder, f"data.{file}"):
        fields, gloss = line.split("|", 1)
        offset, label, kind, count, *rest = fields.split()
        words, rest = rest[: 2 * int(count, 16) : 2], rest[2 * int(count, 16) :]
        lemmas = [re.sub(r"\((a|p|ip)\)$", "", word) for word in words]  # position of adjectives
        links = rest[1 : 1 + 4 * int(rest[0])]
        pointers = [
            (pos, target)
            for symbol, target, pos in zip(links[::4], links[1::4], links[2::4], strict=True)
            if symbol in ("@", "@i")  # is a kind of, is an instance of
        ]
        yield offset, kind, int(label), lemmas, pointers, gloss.strip()


def lines(folder, name):
    """The lines of a dictionary file without the licence on top, whose lines begin with blanks."""
    text = sources.locate(folder, name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("  ")]


def split_gloss(gloss):
    """`definition; "example"; "example"` -> definition, [examples]; quotes inside a definition stay."""
    definition, *rest = re.split(r'\s*[;:]\s*(?=")', gloss, maxsplit=1)
    return definition.strip(" ;"), re.findall(r'"([^"]+)"', "".join(rest))


SUFFIXES = """s: ses:s xes:x zes:z ches:ch shes:sh men:man ies:y es:e es: ed:e ed: ing:e ing: er: est:
er:e est:e""".split()


def base_forms(folder):
    """A function word -> set of possible lemmas, after morphy(7WN): exceptions, then endings."""
    irregular = {}
    for file in FILES.values():
        for line in lines(folder, f"{file}.exc"):
            word, *bases = line.split()
            irregular.setdefault(word, set()).update(bases)

    def forms(word):
        found = {word} | irregular.get(word, set())
        for ending, instead in (suffix.split(":") for suffix in SUFFIXES):
            if word.endswith(ending):
                stem = word[: -len(ending)]
                found.add(stem + instead)
                if instead == "" and stem[-1:] == stem[-2:-1]:
                    found.add(stem[:-1])  # planned -> plan
        return found

    return forms


def shown_lemma(example, lemmas, forms):
    """The first lemma whose words, in any inflection, stand side by side in the example."""
    words = [forms(word) for word in tokenize(example)]
    for lemma in lemmas:
        parts = tokenize(lemma)
        for i in range(len(words) - len(parts) + 1):
            if all(part in found for part, found in zip(parts, words[i:], strict=False)):
                return lemma
    return ""
