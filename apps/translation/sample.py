"""The embedded sample of translations: a small grammar of English and French.

What the two languages do differently is in it: gender and agreement, adjectives before or behind
the noun, negation around the verb, elision, contraction, pronouns before the verb.

Some pairs of an adjective and a noun, and of a verb and its object, are held out: they occur in
sentences of their own alone, so that a translator meets known words in combinations it never saw.
"""

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

SEED = 1
HELD_OUT = 0.1  # the part of the combinations


class Noun(NamedTuple):
    """A noun: English singular and plural, French singular and plural, feminine or not."""

    one: str
    many: str
    un: str
    des: str
    feminine: bool


class Verb(NamedTuple):
    """A verb: English base form, third person and participle, French forms of the present tense."""

    base: str
    third: str
    participle: str
    forms: tuple[str, str, str, str, str, str]  # je, tu, il, nous, vous, ils
    participe: str


NOUNS = tuple(
    Noun(*row)
    for row in (
        ("dog", "dogs", "chien", "chiens", False),
        ("cat", "cats", "chat", "chats", False),
        ("horse", "horses", "cheval", "chevaux", False),
        ("bird", "birds", "oiseau", "oiseaux", False),
        ("tree", "trees", "arbre", "arbres", False),
        ("book", "books", "livre", "livres", False),
        ("boat", "boats", "bateau", "bateaux", False),
        ("garden", "gardens", "jardin", "jardins", False),
        ("man", "men", "homme", "hommes", False),
        ("child", "children", "enfant", "enfants", False),
        ("woman", "women", "femme", "femmes", True),
        ("girl", "girls", "fille", "filles", True),
        ("house", "houses", "maison", "maisons", True),
        ("car", "cars", "voiture", "voitures", True),
        ("church", "churches", "église", "églises", True),
        ("island", "islands", "île", "îles", True),
        ("flower", "flowers", "fleur", "fleurs", True),
        ("table", "tables", "table", "tables", True),
        ("bridge", "bridges", "pont", "ponts", False),
        ("window", "windows", "fenêtre", "fenêtres", True),
    )
)
# English; French masculine, feminine, masculine plural, feminine plural, before a vowel.
BEFORE = (
    ("big", "grand", "grande", "grands", "grandes", "grand"),
    ("small", "petit", "petite", "petits", "petites", "petit"),
    ("old", "vieux", "vieille", "vieux", "vieilles", "vieil"),
    ("beautiful", "beau", "belle", "beaux", "belles", "bel"),
    ("new", "nouveau", "nouvelle", "nouveaux", "nouvelles", "nouvel"),
)
BEHIND = (
    ("red", "rouge", "rouge", "rouges", "rouges", "rouge"),
    ("green", "vert", "verte", "verts", "vertes", "vert"),
    ("black", "noir", "noire", "noirs", "noires", "noir"),
    ("white", "blanc", "blanche", "blancs", "blanches", "blanc"),
    ("quiet", "tranquille", "tranquille", "tranquilles", "tranquilles", "tranquille"),
    ("strange", "étrange", "étrange", "étranges", "étranges", "étrange"),
)
VERBS = tuple(
    Verb(*row)
    for row in (
        ("see", "sees", "seen", ("vois", "vois", "voit", "voyons", "voyez", "voient"), "vu"),
        (
            *("love", "loves", "loved"),
            ("aime", "aimes", "aime", "aimons", "aimez", "aiment"),
            "aimé",
        ),
        (
            *("look for", "looks for", "looked for"),
            ("cherche", "cherches", "cherche", "cherchons", "cherchez", "cherchent"),
            "cherché",
        ),
        (
            *("find", "finds", "found"),
            ("trouve", "trouves", "trouve", "trouvons", "trouvez", "trouvent"),
            "trouvé",
        ),
        (
            *("paint", "paints", "painted"),
            ("peins", "peins", "peint", "peignons", "peignez", "peignent"),
            "peint",
        ),
        (
            *("forget", "forgets", "forgotten"),
            ("oublie", "oublies", "oublie", "oublions", "oubliez", "oublient"),
            "oublié",
        ),
        (
            *("describe", "describes", "described"),
            ("décris", "décris", "décrit", "décrivons", "décrivez", "décrivent"),
            "décrit",
        ),
        (
            *("wait for", "waits for", "waited for"),
            ("attends", "attends", "attend", "attendons", "attendez", "attendent"),
            "attendu",
        ),
    )
)
HAVE = ("ai", "as", "a", "avons", "avez", "ont")
BE = ("suis", "es", "est", "sommes", "êtes", "sont")
# English, the person of the verb, French subject; objects in English and French.
PRONOUNS = (
    ("I", 0, "je"),
    ("he", 2, "il"),
    ("she", 2, "elle"),
    ("we", 3, "nous"),
    ("you", 4, "vous"),
)
OBJECTS = (("me", "me"), ("us", "nous"), ("you", "vous"), ("them", "les"))
PLACES = (("near", "près de"), ("behind", "derrière"), ("with", "avec"), ("opposite", "en face de"))
VOWELS = tuple("aeiouhéèêîâ")
CONTRACTIONS = (("le", "du"), ("les", "des"), ("des", "de"), ("de", "de"))

Combination = tuple[str, str]


class Phrase(NamedTuple):
    """A noun phrase in both languages."""

    english: str
    french: str
    person: int
    feminine: bool
    noun: Noun
    indefinite: bool


class _Writer:
    """Writes sentences and notes the combinations in the last one."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.used: list[Combination] = []

    def sentence(self) -> tuple[str, str]:
        """Returns a sentence in English and French."""
        self.used = []
        english, french = self.chance.choices(
            (self.deed, self.pronoun_object, self.quality, self.whereabouts), (6, 2, 3, 3)
        )[0]()
        end = self.chance.choices((".", "?"), (5, 1))[0]
        gap = " " if end == "?" else ""  # French sets a space before a question mark
        if end == "?":
            english, french = f"is it true that {english}", f"est-ce {joined('que', french)}"
        text = f"{english}{end}", f"{contracted(french)}{gap}{end}"
        return text[0][0].upper() + text[0][1:], text[1][0].upper() + text[1][1:]

    def phrase(self) -> Phrase:
        """Returns a noun phrase: an article or another determiner, perhaps an adjective."""
        noun, many = self.chance.choice(NOUNS), self.chance.random() < 0.4
        adjective = self.chance.choice((*BEFORE, *BEHIND)) if self.chance.random() < 0.6 else None
        words = [noun.many if many else noun.one]
        mots = [noun.des if many else noun.un]
        if adjective is not None:
            self.used.append((adjective[0], noun.one))
            words.insert(0, adjective[0])
            before = adjective in BEFORE
            form = agreed(adjective, noun.feminine, many, before and mots[0].startswith(VOWELS))
            mots.insert(0 if before else 1, form)
        vowel = mots[0].startswith(VOWELS)
        kind = self.chance.choice(("the", "a", "this", "my"))
        plural = {"the": "the", "a": "some", "this": "these", "my": "my"}
        article = plural[kind] if many else kind
        if article == "a" and words[0].startswith(tuple("aeiou")):
            article = "an"
        moved = adjective in BEFORE  # "des" becomes "de" before an adjective
        determiner = {
            "the": "les" if many else "l'" if vowel else "la" if noun.feminine else "le",
            "a": ("de" if moved else "des") if many else "une" if noun.feminine else "un",
            "this": "ces" if many else "cette" if noun.feminine else "cet" if vowel else "ce",
            "my": "mes" if many else "ma" if noun.feminine and not vowel else "mon",
        }[kind]
        return Phrase(
            " ".join([article, *words]),
            joined(determiner, " ".join(mots)),
            5 if many else 2,
            noun.feminine,
            noun,
            kind == "a",
        )

    def subject(self) -> tuple[str, str, int]:
        """Returns a subject in both languages and the person of its verb."""
        if self.chance.random() < 0.35:
            english, person, french = self.chance.choice(PRONOUNS)
            return english, french, person
        phrase = self.phrase()
        return phrase.english, phrase.french, phrase.person

    def deed(self) -> tuple[str, str]:
        """Returns: somebody does something to something, now or before, or does not."""
        (who, qui, person), what, verb = self.subject(), self.phrase(), self.chance.choice(VERBS)
        self.used.append((verb.base, what.noun.one))
        not_, before = self.chance.random() < 0.4, self.chance.random() < 0.4
        quoi = what.french
        if not_ and what.indefinite:  # after a negation "un", "une" and "des" become "de"
            quoi = joined("de", quoi.partition(" ")[2])
        said = f"{spoken(verb, who, person, not_, before)} {what.english}"
        verbe = HAVE[person] if before else verb.forms[person]
        dit = negated(verbe) if not_ else verbe
        dit = f"{dit} {verb.participe}" if before else dit
        return f"{who} {said}", f"{joined(qui, dit)} {quoi}"

    def pronoun_object(self) -> tuple[str, str]:
        """Returns: somebody does something to me, you, them."""
        (who, qui, person), verb = self.subject(), self.chance.choice(VERBS)
        same = {0: "me", 3: "us", 4: "you"}.get(person)
        whom, pronom = self.chance.choice([pair for pair in OBJECTS if pair[0] != same])
        not_ = self.chance.random() < 0.4
        dit = joined(pronom, verb.forms[person])
        dit = f"{joined('ne', dit)} pas" if not_ else dit
        return (
            f"{who} {spoken(verb, who, person, not_, False)} {whom}",
            joined(qui, dit),
        )

    def quality(self) -> tuple[str, str]:
        """Returns: something is, or is not, of a kind."""
        what, adjective = self.phrase(), self.chance.choice((*BEFORE, *BEHIND))
        self.used.append((adjective[0], what.noun.one))
        not_, many = self.chance.random() < 0.4, what.person == 5
        verb = negated(BE[what.person]) if not_ else BE[what.person]
        is_ = ("are" if many else "is") + (" not" if not_ else "")
        form = agreed(adjective, what.feminine, many, False)
        return f"{what.english} {is_} {adjective[0]}", f"{joined(what.french, verb)} {form}"

    def whereabouts(self) -> tuple[str, str]:
        """Returns: something is, or is not, somewhere."""
        (who, qui, person), where = self.subject(), self.phrase()
        near, pres = self.chance.choice(PLACES)
        not_ = self.chance.random() < 0.4
        verb = negated(BE[person]) if not_ else BE[person]
        is_ = "am" if who == "I" else "is" if person == 2 else "are"
        is_ += " not" if not_ else ""
        stem, _, de = pres.rpartition(" ") if pres.endswith(" de") else (pres, "", "")
        place = f"{stem} {joined(de, where.french)}" if de else f"{stem} {where.french}"
        return f"{who} {is_} {near} {where.english}", f"{joined(qui, verb)} {place}"


def spoken(verb: Verb, who: str, person: int, not_: bool, before: bool) -> str:
    """Returns an English verb with its auxiliary."""
    third = person == 2
    if before:
        have = "has" if third else "have"
        return f"{have} not {verb.participle}" if not_ else f"{have} {verb.participle}"
    if not_:
        return f"{'does' if third else 'do'} not {verb.base}"
    return verb.third if third else verb.base


def agreed(adjective: tuple[str, ...], feminine: bool, many: bool, vowel: bool) -> str:
    """Returns the French form of an adjective; `vowel` says whether it stands before one."""
    if vowel and not feminine and not many:
        return adjective[5]
    return adjective[1 + feminine + 2 * many]


def joined(first: str, second: str) -> str:
    """Puts two French words together, with the elision that the second demands."""
    if first.endswith("'"):
        return first + second
    if first in ("je", "ne", "de", "me", "que", "le", "la") and second.startswith(VOWELS):
        return f"{first[:-1]}'{second}"
    return f"{first} {second}"


def negated(verb: str) -> str:
    """Returns a French verb in the midst of its negation."""
    return f"{joined('ne', verb)} pas"


def contracted(text: str) -> str:
    """Draws the preposition "de" and the article behind it together."""
    for apart, together in CONTRACTIONS:
        text = text.replace(f" de {apart} ", f" {together} ")
    return text


def generate(train: int, test: int) -> tuple[list[tuple[str, str]], ...]:
    """Writes sentences `(english, french)`: always the same, no English sentence twice.

    Args:
        train: How many to train on.
        test: How many to test on, of each kind.

    Returns:
        Those to train on, those to test on, and those that hold a combination held out.
    """
    chance = random.Random(SEED)
    words = [adjective[0] for adjective in (*BEFORE, *BEHIND)] + [verb.base for verb in VERBS]
    combinations = list(itertools.product(words, (noun.one for noun in NOUNS)))
    held = set(chance.sample(combinations, round(HELD_OUT * len(combinations))))
    known, unknown = {}, {}
    for english, french, used in _sentences(chance):
        kind, count = (unknown, test) if held & set(used) else (known, train + test)
        if len(kind) < count:
            kind.setdefault(english, french)
        if len(known) == train + test and len(unknown) == test:
            break
    pairs = list(known.items())
    return pairs[:train], pairs[train:], list(unknown.items())


def _sentences(chance: random.Random) -> Iterator[tuple[str, str, list[Combination]]]:
    writer = _Writer(chance)
    while True:
        yield *writer.sentence(), writer.used
