"""The embedded sample of translations: a small grammar of English and French.

The grammar covers what differs between the two languages: gender and agreement, adjectives before
or after the noun, negation around the verb, elision, contraction, pronouns before the verb.

Some pairs of an adjective and a noun, and of a verb and its object, are held out for a test set of
their own. It tests known words in combinations that are absent from training.
"""

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

SEED = 1
HELD_OUT = 0.1  # fraction of the combinations


class Noun(NamedTuple):
    """A noun: English singular and plural, French singular and plural, and gender."""

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
AFTER = (
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
    """Writes sentences, and keeps the combinations in the last one."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.used: list[Combination] = []

    def sentence(self) -> tuple[str, str]:
        """Return a sentence in English and French."""
        self.used = []
        english, french = self.chance.choices(
            (self.action, self.pronoun_object, self.quality, self.location), (6, 2, 3, 3)
        )[0]()
        end = self.chance.choices((".", "?"), (5, 1))[0]
        gap = " " if end == "?" else ""  # French has a space before a question mark
        if end == "?":
            english, french = f"is it true that {english}", f"est-ce {joined('que', french)}"
        text = f"{english}{end}", f"{contracted(french)}{gap}{end}"
        return text[0][0].upper() + text[0][1:], text[1][0].upper() + text[1][1:]

    def phrase(self) -> Phrase:
        """Return a noun phrase: a determiner, perhaps an adjective, and a noun."""
        noun, many = self.chance.choice(NOUNS), self.chance.random() < 0.4
        adjective = self.chance.choice((*BEFORE, *AFTER)) if self.chance.random() < 0.6 else None
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
        fronted = adjective in BEFORE  # "des" becomes "de" before an adjective
        determiner = {
            "the": "les" if many else "l'" if vowel else "la" if noun.feminine else "le",
            "a": ("de" if fronted else "des") if many else "une" if noun.feminine else "un",
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
        """Return a subject in both languages and the person of its verb."""
        if self.chance.random() < 0.35:
            english, person, french = self.chance.choice(PRONOUNS)
            return english, french, person
        phrase = self.phrase()
        return phrase.english, phrase.french, phrase.person

    def action(self) -> tuple[str, str]:
        """Return a sentence about an action on a thing: present or past, perhaps negated."""
        (who, qui, person), what, verb = self.subject(), self.phrase(), self.chance.choice(VERBS)
        self.used.append((verb.base, what.noun.one))
        not_, before = self.chance.random() < 0.4, self.chance.random() < 0.4
        quoi = what.french
        if not_ and what.indefinite:  # after a negation "un", "une" and "des" become "de"
            quoi = joined("de", quoi.partition(" ")[2])
        does = f"{english_verb(verb, person, not_, before)} {what.english}"
        verbe = HAVE[person] if before else verb.forms[person]
        dit = negated(verbe) if not_ else verbe
        dit = f"{dit} {verb.participe}" if before else dit
        return f"{who} {does}", f"{joined(qui, dit)} {quoi}"

    def pronoun_object(self) -> tuple[str, str]:
        """Return a sentence about an action on me, us, you or them, perhaps negated."""
        (who, qui, person), verb = self.subject(), self.chance.choice(VERBS)
        same = {0: "me", 3: "us", 4: "you"}.get(person)
        whom, pronom = self.chance.choice([pair for pair in OBJECTS if pair[0] != same])
        not_ = self.chance.random() < 0.4
        dit = joined(pronom, verb.forms[person])
        dit = f"{joined('ne', dit)} pas" if not_ else dit
        return (
            f"{who} {english_verb(verb, person, not_, False)} {whom}",
            joined(qui, dit),
        )

    def quality(self) -> tuple[str, str]:
        """Return a sentence about a property, perhaps negated."""
        what, adjective = self.phrase(), self.chance.choice((*BEFORE, *AFTER))
        self.used.append((adjective[0], what.noun.one))
        not_, many = self.chance.random() < 0.4, what.person == 5
        verb = negated(BE[what.person]) if not_ else BE[what.person]
        is_ = ("are" if many else "is") + (" not" if not_ else "")
        form = agreed(adjective, what.feminine, many, False)
        return f"{what.english} {is_} {adjective[0]}", f"{joined(what.french, verb)} {form}"

    def location(self) -> tuple[str, str]:
        """Return a sentence about a place, perhaps negated."""
        (who, qui, person), where = self.subject(), self.phrase()
        near, pres = self.chance.choice(PLACES)
        not_ = self.chance.random() < 0.4
        verb = negated(BE[person]) if not_ else BE[person]
        is_ = "am" if who == "I" else "is" if person == 2 else "are"
        is_ += " not" if not_ else ""
        stem, _, de = pres.rpartition(" ") if pres.endswith(" de") else (pres, "", "")
        place = f"{stem} {joined(de, where.french)}" if de else f"{stem} {where.french}"
        return f"{who} {is_} {near} {where.english}", f"{joined(qui, verb)} {place}"


def english_verb(verb: Verb, person: int, not_: bool, past: bool) -> str:
    """Return an English verb with its auxiliary."""
    third = person == 2
    if past:
        have = "has" if third else "have"
        return f"{have} not {verb.participle}" if not_ else f"{have} {verb.participle}"
    if not_:
        return f"{'does' if third else 'do'} not {verb.base}"
    return verb.third if third else verb.base


def agreed(adjective: tuple[str, ...], feminine: bool, many: bool, vowel: bool) -> str:
    """Return the French form of an adjective; `vowel` is whether a vowel follows."""
    if vowel and not feminine and not many:
        return adjective[5]
    return adjective[1 + feminine + 2 * many]


def joined(first: str, second: str) -> str:
    """Join two French words, with elision if the second demands it."""
    if first.endswith("'"):
        return first + second
    if first in ("je", "ne", "de", "me", "que", "le", "la") and second.startswith(VOWELS):
        return f"{first[:-1]}'{second}"
    return f"{first} {second}"


def negated(verb: str) -> str:
    """Return a French verb with the words of negation around it."""
    return f"{joined('ne', verb)} pas"


def contracted(text: str) -> str:
    """Contract the preposition "de" and the article after it."""
    for article, contraction in CONTRACTIONS:
        text = text.replace(f" de {article} ", f" {contraction} ")
    return text


def generate(train: int, test: int) -> tuple[list[tuple[str, str]], ...]:
    """Generate sentences `(english, french)`, always the same, with no English sentence twice.

    Args:
        train: The number of training sentences.
        test: The number of test sentences of each kind.

    Returns:
        Training sentences, test sentences, and test sentences with combinations held out.
    """
    chance = random.Random(SEED)
    words = [adjective[0] for adjective in (*BEFORE, *AFTER)] + [verb.base for verb in VERBS]
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
