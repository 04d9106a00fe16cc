"""The embedded sample of reviews: generated sentences in which counting words does not decide.

The words that reverse the meaning of an adjective stand several words away from it, some sentences
compare the film with another work, and many reviews quote someone whose opinion does not count.
"""

import random

SEED = 1

PRAISE = (
    *("brilliant", "charming", "clever", "delightful", "excellent", "graceful"),
    *("impressive", "inspired", "memorable", "splendid", "superb", "wonderful"),
)
BLAME = (
    *("awful", "clumsy", "disappointing", "dreadful", "dull", "feeble"),
    *("forgettable", "lifeless", "poor", "sloppy", "terrible", "tiresome"),
)
ASPECTS = (
    *("acting", "camera work", "casting", "dialogue", "direction", "editing"),
    *("ending", "humour", "music", "opening", "pacing", "plot"),
)
RIVALS = ("book", "first part", "original", "play", "remake", "sequel", "series", "trailer")
DEGREES = ("really", "thoroughly", "truly", "utterly")

# In these sentences {good} stands for an adjective that agrees with the label, {bad} for one that
# contradicts it, {any} for either, {very} for an adverb, {aspect} and {other} for two different
# parts of the film, {rival} for another work.
PLAIN = (
    "The {aspect} was {very} {good}.",
    "The {aspect} was {good}, and so was the {other}.",
    "I found the {aspect} {very} {good}.",
    "The {aspect} and the {other} were {very} {good}.",
)
NEGATION = (
    "The {aspect} was not {very} {bad}.",
    "There was nothing {bad} about the {aspect}.",
    "Nobody could call the {aspect} {very} {bad}.",
    "I did not find the {aspect} {bad} at all.",
    "The {aspect} was never for a moment {bad}.",
    "The {aspect} was anything but {bad}.",
)
CONTRAST = (
    "Although the {aspect} was {very} {bad}, the film as a whole was {good}.",
    "The film as a whole was {good}, although the {aspect} was {very} {bad}.",
    "The {aspect} was {very} {bad}, but in the end the film was {good}.",
    "The film was {very} {good} in spite of the {bad} {aspect}.",
    "Even though the {aspect} was not {very} {good}, the film was anything but {bad}.",
)
COMPARISON = (
    "This film was far more {good} than the {rival}.",
    "The {rival} was far more {bad} than this film.",
    "Compared with the {rival}, this film was {very} {good}.",
    "Compared with this film, the {rival} was {very} {bad}.",
    "The {rival} was {bad}, and this film is nothing like it.",
    "The {rival} was {good}, and this film is every bit its equal.",
    "Everyone told me it would be {very} {bad}, and everyone was wrong.",
    "Everyone told me it would be {very} {good}, and everyone was right.",
)
VERDICTS = PLAIN * 6 + NEGATION * 2 + CONTRAST * 2 + COMPARISON * 2
OPENINGS = (
    "I saw it on a rainy Sunday.",
    "We watched it with the whole family.",
    "My sister chose it for her birthday.",
    "It runs for nearly two hours.",
    "It was the last show of the evening.",
    "The story takes place in a small harbour town.",
    "Most of it was filmed at night.",
    "The critics called the {aspect} {any}.",
    "A friend had told me that the {aspect} was {very} {any}.",
    "My brother, who never agrees with me, thought the {other} {any}.",
)
CLOSINGS = (
    "",
    "That is all there is to say.",
    "We talked about it on the way home.",
    "The cinema was half empty.",
    "It is out on disc in the autumn.",
    "My neighbour found the {other} {any}, as he always does.",
    "The people behind us kept saying how {any} it was.",
)


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
    good, bad = (PRAISE, BLAME) if label else (BLAME, PRAISE)
    sentences = []
    for choices in (OPENINGS, VERDICTS, CLOSINGS):
        aspect, other = rng.sample(ASPECTS, 2)
        sentence = rng.choice(choices).format(
            good=rng.choice(good),
            bad=rng.choice(bad),
            any=rng.choice(PRAISE + BLAME),
            very=rng.choice(DEGREES),
            rival=rng.choice(RIVALS),
            aspect=aspect,
            other=other,
        )
        sentences.append(sentence)
    return " ".join(sentences).strip()
