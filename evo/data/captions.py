"""What a scene shows, in sentences: fourteen forms in English, eight in each of seven other languages."""

from evo.data.photos import check_language, photos
from evo.data.scenes import KINDS, Chance, View, check_scenes, check_seed

PLURALS = tuple("fruits" if kind == "fruit" else kind + "s" for kind in KINDS)


def a(noun):
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


NOUNS = {  # with the article, and in the plural, in the order of KINDS
    "en": [(a(one), many) for one, many in zip(KINDS, PLURALS)],
    "de": [("ein Säugetier", "Säugetiere"), ("ein Vogel", "Vögel"), ("ein Meerestier", "Meerestiere"), ("ein Kleintier", "Kleintiere"),
           ("eine Frucht", "Früchte"), ("ein Gemüse", "Gemüse"), ("eine Blume", "Blumen"), ("ein Werkzeug", "Werkzeuge"),
           ("ein Fahrzeug", "Fahrzeuge"), ("ein Instrument", "Instrumente")],
    "fr": [("un mammifère", "mammifères"), ("un oiseau", "oiseaux"), ("un animal marin", "animaux marins"),
           ("un petit animal", "petits animaux"), ("un fruit", "fruits"), ("un légume", "légumes"), ("une fleur", "fleurs"),
           ("un outil", "outils"), ("un véhicule", "véhicules"), ("un instrument", "instruments")],
    "es": [("un mamífero", "mamíferos"), ("un pájaro", "pájaros"), ("un animal marino", "animales marinos"),
           ("un animal pequeño", "animales pequeños"), ("una fruta", "frutas"), ("una verdura", "verduras"), ("una flor", "flores"),
           ("una herramienta", "herramientas"), ("un vehículo", "vehículos"), ("un instrumento", "instrumentos")],
    "it": [("un mammifero", "mammiferi"), ("un uccello", "uccelli"), ("un animale marino", "animali marini"),
           ("un piccolo animale", "piccoli animali"), ("un frutto", "frutti"), ("un ortaggio", "ortaggi"), ("un fiore", "fiori"),
           ("un attrezzo", "attrezzi"), ("un veicolo", "veicoli"), ("uno strumento", "strumenti")],
    "nl": [("een zoogdier", "zoogdieren"), ("een vogel", "vogels"), ("een zeedier", "zeedieren"), ("een klein dier", "kleine dieren"),
           ("een vrucht", "vruchten"), ("een groente", "groenten"), ("een bloem", "bloemen"), ("een werktuig", "werktuigen"),
           ("een voertuig", "voertuigen"), ("een instrument", "instrumenten")],
    "pt": [("um mamífero", "mamíferos"), ("uma ave", "aves"), ("um animal marinho", "animais marinhos"),
           ("um animal pequeno", "animais pequenos"), ("uma fruta", "frutas"), ("um legume", "legumes"), ("uma flor", "flores"),
           ("uma ferramenta", "ferramentas"), ("um veículo", "veículos"), ("um instrumento", "instrumentos")],
    "sv": [("ett däggdjur", "däggdjur"), ("en fågel", "fåglar"), ("ett havsdjur", "havsdjur"), ("ett smådjur", "smådjur"),
           ("en frukt", "frukter"), ("en grönsak", "grönsaker"), ("en blomma", "blommor"), ("ett verktyg", "verktyg"),
           ("ett fordon", "fordon"), ("ett instrument", "instrument")],
}  # fmt: skip
LANGUAGES = tuple(NOUNS)
NUMBERS = {  # two, three; Portuguese has a feminine two
    "en": ("two", "three"), "de": ("zwei", "drei"), "fr": ("deux", "trois"), "es": ("dos", "tres"), "it": ("due", "tre"),
    "nl": ("twee", "drie"), "pt": ("dois", "três"), "sv": ("två", "tre"),
}  # fmt: skip
AND = {"en": "and", "de": "und", "fr": "et", "es": "y", "it": "e", "nl": "en", "pt": "e", "sv": "och"}

# Forms of sentences. {all} lists everything, {across} and {down} in the order from the left and from the top, {x} stands to the
# left of {y} (or above, or is the largest). Outside English only forms in which no article and no noun changes its case.
EVERYTHING = {
    "en": {"plain": "{all}.", "photo": "A photo of {all}.", "there": "There {is} {all}.", "things": "{n} things: {all}.",
           "across": "From left to right: {across}.", "down": "From top to bottom: {down}.", "largest": "{all}. The largest is {x}.",
           "without": "{all}, but no {absent}.", "alone": "Nothing but {all}."},
    "de": {"plain": "{all}.", "photo": "Ein Foto: {all}.", "things": "{n} Dinge: {all}.", "across": "Von links nach rechts: {across}.",
           "down": "Von oben nach unten: {down}.", "largest": "{all}. Am größten: {x}."},
    "fr": {"plain": "{all}.", "photo": "Une photo : {all}.", "things": "{n} choses : {all}.", "across": "De gauche à droite : {across}.",
           "down": "De haut en bas : {down}.", "largest": "{all}. La plus grande chose : {x}."},
    "es": {"plain": "{all}.", "photo": "Una foto: {all}.", "things": "{n} cosas: {all}.", "across": "De izquierda a derecha: {across}.",
           "down": "De arriba abajo: {down}.", "largest": "{all}. Lo más grande: {x}."},
    "it": {"plain": "{all}.", "photo": "Una foto: {all}.", "things": "{n} cose: {all}.", "across": "Da sinistra a destra: {across}.",
           "down": "Dall'alto in basso: {down}.", "largest": "{all}. La cosa più grande: {x}."},
    "nl": {"plain": "{all}.", "photo": "Een foto: {all}.", "things": "{n} dingen: {all}.", "across": "Van links naar rechts: {across}.",
           "down": "Van boven naar beneden: {down}.", "largest": "{all}. Het grootst: {x}."},
    "pt": {"plain": "{all}.", "photo": "Uma foto: {all}.", "things": "{n} coisas: {all}.",
           "across": "Da esquerda para a direita: {across}.", "down": "De cima para baixo: {down}.",
           "largest": "{all}. A coisa maior: {x}."},
    "sv": {"plain": "{all}.", "photo": "Ett foto: {all}.", "things": "{n} saker: {all}.", "across": "Från vänster till höger: {across}.",
           "down": "Uppifrån och ned: {down}.", "largest": "{all}. Störst: {x}."},
}  # fmt: skip
SOMETHING = {
    "en": {"left": "On the left {x}, on the right {y}.", "above": "At the top {x}, at the bottom {y}.", "beside": "{x} to the left of {y}.",
           "over": "{x} above {y}.", "before": "{y} partly hidden by {x}."},
    "de": {"left": "Links {x}, rechts {y}.", "above": "Oben {x}, unten {y}."},
    "fr": {"left": "À gauche {x}, à droite {y}.", "above": "En haut {x}, en bas {y}."},
    "es": {"left": "A la izquierda {x}, a la derecha {y}.", "above": "Arriba {x}, abajo {y}."},
    "it": {"left": "A sinistra {x}, a destra {y}.", "above": "In alto {x}, in basso {y}."},
    "nl": {"left": "Links {x}, rechts {y}.", "above": "Boven {x}, onder {y}."},
    "pt": {"left": "À esquerda {x}, à direita {y}.", "above": "Em cima {x}, em baixo {y}."},
    "sv": {"left": "Till vänster {x}, till höger {y}.", "above": "Överst {x}, nederst {y}."},
}  # fmt: skip


# --- from a scene to a sentence ---------------------------------------------------------------------


def captions(data, language="en", words="kinds", seed=0, everything=False):
    """One caption a scene: N texts, in sentences of different forms, 14 in English and 8 in the other languages.

    language: one of LANGUAGES. words: "kinds" ("a bird", the same words in every part) or "names" ("a crow", as tuxpaint's
    translators have it; a part has names that no other has). everything: True keeps to forms that name every object.
    """
    check_scenes(data)
    check_language(language, LANGUAGES)
    if words not in ("kinds", "names"):
        raise ValueError(f"words={words!r}: captions are made of kinds or names")
    facts, seed, numbers = View(data), check_seed(seed), data.numbers.tolist()
    return [caption(facts, i, language, words, Chance(1, seed, numbers[i]), everything) for i in range(len(data))]


def caption(facts, i, language, words, chance, everything):
    n = int(facts.valid[i].sum())
    kinds, boxes = facts.kinds[i][:n].tolist(), facts.boxes[i]
    order = sorted(range(n), key=lambda _: chance.below(2**20))
    name = {j: photos().names[language][facts.objects[i, j]] if words == "names" else NOUNS[language][kinds[j]][0] for j in order}
    middle = [boxes[:n, axis] + boxes[:n, axis + 2] for axis in (0, 1)]
    across, down = (sorted(order, key=lambda j: m[j]) for m in middle)
    first = kinds.count(kinds[order[0]]) if words == "kinds" else 1
    slots = {"all": listing(name, kinds, order, language, words), "n": n, "is": "are" if first > 1 else "is"}
    relations = {what: facts.relations[what][i] for what in ("left", "above", "larger", "before")}
    pairs = {what: [(x, y) for x in order for y in order if holds[x, y]] for what, holds in relations.items()}
    fits = ["plain", "photo", "there"] + (["things"] if n > 1 else ["alone"])
    for what, line in (("across", across), ("down", down)):
        m = middle[what == "down"]
        if n > 1 and all(m[y] - m[x] >= facts.size // 8 for x, y in zip(line, line[1:])):
            slots[what] = together([name[j] for j in line], language)
            fits.append(what)
    largest = [x for x in order if sum((x, y) in pairs["larger"] for y in order) == n - 1 > 0]
    fits += ["largest"] * (len(largest) > 0 and kinds.count(kinds[largest[0]]) == 1) + ["without"] * (words == "kinds")
    some = [] if everything else [f for f, what in PAIRED.items() if pairs[what]]
    templates = {**EVERYTHING[language], **SOMETHING[language]}
    form = chance.pick([f for f in fits + some if f in templates])
    if form in PAIRED:
        slots["x"], slots["y"] = (name[j] for j in chance.pick(pairs[PAIRED[form]]))
    elif form == "largest":
        slots["x"] = definite(name[largest[0]], language)
    elif form == "without":
        slots["absent"] = chance.pick([k for j, k in enumerate(KINDS) if j not in kinds])
    text = templates[form].format(**slots)
    return text[0].upper() + text[1:]


PAIRED = {"left": "left", "above": "above", "beside": "left", "over": "above", "before": "before"}


def definite(name, language):
    return "the" + name[name.index(" ") :] if language == "en" else name


def listing(name, kinds, order, language, words):
    """"two birds and a fruit", in the order of their first; names one by one."""
    if words == "names":
        return together([name[j] for j in order], language)
    parts = []
    for kind in dict.fromkeys(kinds[j] for j in order):
        one, many = NOUNS[language][kind]
        n = kinds.count(kind)
        number = NUMBERS[language][n - 2] if n > 1 else ""
        number = "duas" if (number, one[:4]) == ("dois", "uma ") else number
        parts.append(f"{number} {many}" if n > 1 else one)
    return together(parts, language)


def together(parts, language):
    return " ".join([", ".join(parts[:-1]), AND[language], parts[-1]]) if len(parts) > 1 else parts[0]
