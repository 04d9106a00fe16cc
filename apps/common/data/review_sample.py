"""The embedded sample of reviews: generated sentences in which counting words does not decide.

Two thirds of the verdicts are plain praise or blame, in many words. In the others, the words that
reverse the meaning of an adjective stand several words away from it, or the film is compared with
another work, or the last word counts more than the first. Many reviews quote someone whose opinion
does not count, and state facts with names that occur nowhere else.
"""

import random

from apps.common.data.review_words import (
    ALL,
    BADLY,
    BEST,
    BLAME,
    BLAMING,
    BORED,
    COMMON_BLAME,
    COMMON_PRAISE,
    DISLIKE,
    DISLIKED,
    FAILURES,
    LIKE,
    LIKED,
    MOVED,
    NOTHING,
    PRAISE,
    PRAISING,
    TREASURES,
    WELL,
    WORST,
)

SEED = 1

FILMS = (
    *("film", "movie", "picture", "comedy", "thriller", "drama", "western", "musical", "sequel"),
    *("romance", "horror film", "documentary", "cartoon", "mystery", "remake", "adaptation"),
)
ASPECTS = (
    *("acting", "action", "animation", "atmosphere", "camera work", "casting", "cinematography"),
    *("comedy", "dialogue", "direction", "editing", "ending", "humour", "lead actor", "music"),
    *("opening", "pacing", "photography", "plot", "romance", "score", "screenplay", "script"),
    *("second half", "soundtrack", "story", "supporting cast", "tone", "writing"),
)
PLURALS = (
    *("actors", "characters", "costumes", "dialogues", "effects", "fights", "jokes", "locations"),
    *("performances", "scenes", "sets", "songs", "special effects", "stunts", "twists", "villains"),
)
RIVALS = (
    *("book", "first part", "novel", "original", "play", "remake", "sequel", "series", "trailer"),
    *("last film of the director", "film before it", "short film", "other version"),
)
DEGREES = (
    *("absolutely", "consistently", "deeply", "downright", "extremely", "genuinely", "incredibly"),
    *("just", "pretty", "quite", "rather", "really", "remarkably", "simply", "so", "thoroughly"),
    *("totally", "truly", "utterly", "very"),
)
NEGATED_DEGREES = ("exactly", "particularly", "really", "so", "too", "very", "that")
PEOPLE = (
    *("actor", "baker", "captain", "clerk", "cook", "dancer", "detective", "doctor", "farmer"),
    *("gardener", "judge", "lawyer", "miner", "nurse", "painter", "pilot", "sailor", "singer"),
    *("soldier", "student", "tailor", "teacher", "thief", "widow", "writer"),
)
OTHERS = (
    *(
        "my brother",
        "my sister",
        "my neighbour",
        "the critic of our paper",
        "my father",
        "everyone",
    ),
    *("a friend", "my colleague", "the man beside me", "my aunt", "half of the audience"),
)
NAME_STARTS = (
    "al an bel bra cor da el fen gar hol im jor kel lor mar nor os pel ro sel tor ul vin wil"
)
NAME_ENDS = "by dan der ford gan go la ley lin ma mond na ner rick ro sen son ta ton vik wick"

# In these sentences words of the fields agree with the label, and those whose names end in `_not`
# contradict it. `any` and `any_noun` are of either label. `aspect`, `other` are parts of the film.
PLAIN = (
    "The {aspect} was {very} {good}.",
    "The {aspect} is {good}.",
    "The {aspect} was {good}, and so was the {other}.",
    "The {aspect} and the {other} were {very} {good}.",
    "The {plural} are {good} and the {aspect} is {good2}.",
    "The {plural} were {very} {good}.",
    "{good} {plural}, {good2} {aspect}.",
    "{good} {aspect}, {good2} {other}, {good3} {plural}.",
    "I found the {aspect} {very} {good}.",
    "I found it {good} and {good2}.",
    "It was {good} and {very} {good2}.",
    "It is {good}, {good2} and {good3}.",
    "{good}, {good2}, {good3}.",
    "{good} and {good2}!",
    "{very} {good}!",
    "{very} {good}, from beginning to end.",
    "What a {good} {film}!",
    "What a {good}, {good2} {film}.",
    "A {good} {film}, {very} {good2}.",
    "A {good} and {good2} {film}.",
    "A {good} little {film} with a {good2} {aspect}.",
    "This is a {good} {film}.",
    "One of the most {good} {film}s of recent years.",
    "It must be the most {good} {film} of all time.",
    "This must be the {best} {film} of the decade.",
    "The {best} {film} that I know.",
    "The {best} {aspect} in years.",
    "Easily the {best} of its kind.",
    "It has the {best} {aspect} and the {best} {plural}.",
    "What a {treasure} of a {film}!",
    "This {film} is a {treasure}.",
    "An absolute {treasure}.",
    "A {treasure} from start to finish.",
    "It turned out to be a {good} {treasure}.",
    "I {liked} this {film}.",
    "I {liked} the {aspect} and the {plural}.",
    "We {liked} it, and you will {like} it too.",
    "You will {like} every minute.",
    "My family {liked} the {plural}.",
    "I really {liked} the {aspect}.",
    "{well} acted and {well} written.",
    "{well} shot, with a {good} {aspect}.",
    "It is {well} made.",
    "The {plural} are {well} done.",
    "She was {good} as the {person}, and he was {good2}.",
    "A {good} performance by {name} {surname}.",
    "{good} {plural}.",
    "{good} {aspect}, {good} {other}.",
    "{good}, {good2}, and {well} shot.",
    "A {good} {aspect}, {well} done, and {good2} {plural}.",
    "{all} about the {aspect} {works}.",
    "{all} in it {works}: the {aspect}, the {other}, the {plural}.",
    "{all} {works} in this {film}.",
    "One of my {best} evenings at the cinema.",
    "I have {often} been so {moved}.",
    "I was {moved}, and so was the whole family.",
    "It left me {moved} and {moved2}.",
)
NEGATION = (
    "Not {bad} at all.",
    "Not a {failure} at all.",
    "It is not {bad}.",
    "It isn't {bad}, it is {good}.",
    "The {aspect} was not {too} {bad}.",
    "The {aspect} wasn't {bad}.",
    "The {plural} are not {bad}.",
    "The {plural} aren't {bad} in the least.",
    "There was nothing {bad} about the {aspect}.",
    "There is not one {bad} scene in it.",
    "Nobody could call the {aspect} {very} {bad}.",
    "I did not find the {aspect} {bad} at all.",
    "I can't say that I {disliked} it.",
    "I never {disliked} the {plural}.",
    "We didn't {dislike} it.",
    "Nobody will {dislike} it.",
    "The {aspect} was never for a moment {bad}.",
    "It is never {bad}.",
    "Hardly the {failure} that I had been told of.",
    "The {aspect} was anything but {bad}.",
    "It is far from {bad}.",
    "This is no {failure}.",
    "It is neither {bad} nor {bad2}.",
    "Without a single {bad} scene, and {very} {good}.",
)
CONTRAST = (
    "Although the {aspect} was {very} {bad}, the {film} as a whole was {good}.",
    "The {film} as a whole was {good}, although the {aspect} was {very} {bad}.",
    "The {aspect} was {very} {bad}, but in the end the {film} was {good}.",
    "It begins as a {failure}, but the second half is {good} and {good2}.",
    "{bad} at first, but {good} in the end.",
    "It seems {bad}, yet it turns out to be {very} {good}.",
    "The {plural} are {bad}, but the {aspect} is {good} enough to make it a {treasure}.",
    "The {film} was {very} {good} in spite of the {bad} {aspect}.",
    "Even though the {aspect} was not {too} {good}, the {film} was anything but {bad}.",
    "It could have been {bad}, but it is {good}.",
    "I expected a {failure} and got a {treasure}.",
    "It looks {bad}, but it is {good} all the same.",
    "It has {bad} moments, but all in all I {liked} it.",
)
COMPARISON = (
    "This {film} was far more {good} than the {rival}.",
    "The {rival} was far more {bad} than this {film}.",
    "Compared with the {rival}, this {film} was {very} {good}.",
    "Compared with this {film}, the {rival} was {very} {bad}.",
    "A {good} {film} after a {very} {bad} {rival}.",
    "The {rival} was {bad}, and this {film} is nothing like it.",
    "The {rival} was {good}, and this {film} is every bit its equal.",
    "{others} told me it would be {very} {bad}, and {others2} was wrong.",
    "{others} told me it would be {very} {good}, and {others2} was right.",
    "If you thought that the {rival} was {bad}, this one will surprise you.",
)
FACTS = (
    "I saw it on a rainy {day}.",
    "We watched it with the whole family.",
    "My sister chose it for her birthday.",
    "It runs for nearly two hours.",
    "It was the last show of the evening.",
    "The story takes place in a small town called {surname}.",
    "Most of it was filmed at night in {surname}.",
    "{name} {surname} plays a {person} from {name2}.",
    "It is about a {person} and a {person2} who meet on a {day}.",
    "A {person} loses a letter, and a {person2} finds it.",
    "The {aspect} is by {name} {surname}.",
    "It is the third {film} of {name} {surname}.",
    "It opened in {surname} last {day}.",
    "The cinema was half empty.",
    "We talked about it on the way home.",
    "That is all there is to say.",
    "It is out on disc in the autumn.",
    "There are two versions of it.",
)
HEARSAY = (
    "The critics called the {aspect} {any}.",
    "A friend had told me that the {aspect} was {very} {any}.",
    "{others}, who never agrees with me, thought the {other} {any}.",
    "{others} found the {other} {any}, and I wonder why.",
    "{others} kept saying how {any} it was.",
    "The poster promised a {any} {film}.",
    "{others} called it a {any_noun}.",
)
WORKS = ("convinces", "fits", "is right", "makes sense", "works")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIELDS = ("good", "treasure", "liked", "like", "well", "best", "all", "moved")
SIDES = (
    (PRAISE + 3 * COMMON_PRAISE, TREASURES, LIKED, LIKE, WELL, BEST, ALL, MOVED),
    (BLAME + 3 * COMMON_BLAME, FAILURES, DISLIKED, DISLIKE, BADLY, WORST, NOTHING, BORED),
)
OPPOSITES = {"good": "bad", "treasure": "failure", "liked": "disliked", "like": "dislike"}


def generate(count: int) -> list[tuple[str, int]]:
    """Return `count` different reviews `(text, label)`, with the labels in turn.

    The result is always the same.
    """
    rng = random.Random(SEED)
    reviews: dict[str, int] = {}
    while len(reviews) < count:
        label = len(reviews) % 2
        reviews.setdefault(_review(label, rng), label)
    return list(reviews.items())


def _review(label: int, rng: random.Random) -> str:
    """Return one to four sentences, one or two of which are verdicts."""
    phrases = PRAISING if label else BLAMING
    kinds = (PLAIN, phrases, NEGATION, CONTRAST, COMPARISON)
    verdicts = rng.choices(kinds, (14, 10, 4, 3, 3), k=rng.choices((1, 2), (3, 1))[0])
    others = rng.choices((FACTS, HEARSAY), (3, 2), k=rng.choices((0, 1, 2), (2, 2, 1))[0])
    parts = [*verdicts, *others]
    rng.shuffle(parts)
    return " ".join(_sentence(rng.choice(templates), label, rng) for templates in parts)


def _sentence(template: str, label: int, rng: random.Random) -> str:
    sides = [dict(zip(FIELDS, side, strict=True)) for side in SIDES]
    ours, theirs = sides if label else reversed(sides)
    words = {name: rng.choice(choices) for name, choices in ours.items()}
    words |= {opposite: rng.choice(theirs[name]) for name, opposite in OPPOSITES.items()}
    words["good"], words["good2"], words["good3"] = rng.sample(ours["good"], 3)
    words["moved2"] = rng.choice(ours["moved"])
    words["bad"], words["bad2"] = rng.sample(theirs["good"], 2)
    words["aspect"], words["other"] = rng.sample(ASPECTS, 2)
    words["person"], words["person2"] = rng.sample(PEOPLE, 2)
    words["others"] = rng.choice(OTHERS)
    words["name"], words["name2"], words["surname"] = (_name(rng) for _ in range(3))
    words |= {
        "works": rng.choice(WORKS),
        "often": rng.choice(("never", "rarely", "seldom")),
        "others2": rng.choice(("he", "she")),
        "any": rng.choice(rng.choice((PRAISE, BLAME))),
        "any_noun": rng.choice(rng.choice((TREASURES, FAILURES))),
        "very": rng.choice(DEGREES),
        "too": rng.choice(NEGATED_DEGREES),
        "rival": rng.choice(RIVALS),
        "film": rng.choice(FILMS),
        "plural": rng.choice(PLURALS),
        "day": rng.choice(DAYS),
    }
    sentence = _with_articles(template.format(**words))
    sentence = sentence[0].upper() + sentence[1:]
    if sentence[-1] not in ".!?":
        sentence += "."
    if rng.random() < 0.1:
        sentence = sentence[:-1] + rng.choice(("!", "!!", "..."))
    return sentence


def _name(rng: random.Random) -> str:
    """Return a name, of which there are so many that none is common."""
    parts = (NAME_STARTS, NAME_STARTS, NAME_ENDS)
    return "".join(rng.choice(part.split()) for part in parts).capitalize()


def _with_articles(sentence: str) -> str:
    """Write `an` instead of `a` before a vowel."""
    words = sentence.split(" ")
    for place, following in enumerate(words[1:]):
        if words[place] in ("a", "A") and following[0] in "aeiou" and following[:4] != "uniq":
            words[place] += "n"
    return " ".join(words)
