"""The embedded sample of captions: small scenes of coloured shapes, with captions that are true.

A scene has one to three equal shapes, or two different shapes, one left of or above the other. Each
scene has several captions, which all give the number, size and colour of the shapes and their
relation. `parse` reads a caption back, so that its truth can be measured exactly.

Some groups, such as two small black circles, are held out: they occur only in test scenes of their
own, where a captioner meets known attributes in new combinations.
"""

import functools
import io
import itertools
import operator
import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

SEED = 1
SCALE = 4  # scenes are drawn larger by this factor and reduced, for smooth edges
COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 150, 44),
    "blue": (31, 90, 200),
    "yellow": (235, 205, 30),
    "purple": (130, 50, 170),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = ("small", "large")
# Half the extent of a small and of a large shape, for each side of scenes, all in pixels.
EXTENTS = {48: (6, 9), 64: (6, 10)}
COUNTS = ("a", "two", "three")
RELATIONS = ("left of", "above")  # of the first group to the second
HELD_OUT = 0.1  # the part of all kinds of groups

Place = tuple[float, float]


class Group(NamedTuple):
    """One to three equal shapes."""

    count: str  # one of COUNTS
    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        """Return the group in words."""
        return f"{self.count} {self.size} {self.colour} {self.shape}{self._plural()}"

    def _plural(self) -> str:
        if self.count == "a":
            return ""
        return "es" if self.shape == "cross" else "s"

    @property
    def verb(self) -> str:
        """The verb that agrees with the group."""
        return "is" if self.count == "a" else "are"


class Scene(NamedTuple):
    """The contents of a caption."""

    groups: tuple[Group, ...]
    relation: str | None = None  # of the first group to the second, one of RELATIONS


@functools.cache
def generate(train: int, test: int, side: int = 48) -> tuple[list, list, list]:
    """Generate scenes as `(image, captions)`: a PNG file and all captions of each scene.

    Args:
        train: The number of training scenes.
        test: The number of test scenes, and of test scenes with held-out groups.
        side: The side of the scenes in pixels, 48 or 64.

    Returns:
        Training scenes, test scenes, and test scenes with held-out groups.
    """
    chance = random.Random(SEED)
    kinds = [Group(*words) for words in itertools.product(COUNTS, SIZES, COLOURS, SHAPES)]
    held_out = _spread(kinds, round(HELD_OUT * len(kinds)), chance)
    wanted = {"test": test, "combinations": test, "train": train}
    parts: dict[str, list] = {name: [] for name in wanted}
    for scene in _scenes(kinds, chance):
        if any(group in held_out for group in scene.groups):
            name = "combinations"
        else:
            name = "test" if len(parts["test"]) < test else "train"
        if len(parts[name]) == wanted[name]:
            continue
        parts[name].append((_png(scene, side, chance), captions(scene)))
        if all(len(parts[name]) == count for name, count in wanted.items()):
            break
    return parts["train"], parts["test"], parts["combinations"]


def captions(scene: Scene) -> list[str]:
    """Return all captions of a scene, each true and complete.

    The group on the left, or on top, comes first. If either could come first, the first word of a
    caption would be chance, and the first word is what a captioner learns first.
    """
    first = scene.groups[0]
    text = f" {scene.relation} ".join(map(str, scene.groups))
    return [text, f"there {first.verb} {text}", f"the picture shows {text}"]


def parse(caption: str) -> Scene | None:
    """Return the scene that a caption describes, or None for any other text."""
    group = rf"({'|'.join(COUNTS)}) ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) "
    group += rf"({'|'.join(SHAPES)})(?:es|s)?"
    pattern = rf"(?:there (?:is|are) |the picture shows )?{group}"
    pattern += rf"(?: ({'|'.join(RELATIONS)}) {group})?"
    if (match := re.fullmatch(pattern, caption)) is None:
        return None
    words = match.groups()
    first, relation, second = Group(*words[:4]), words[4], Group(*words[5:])
    return Scene((first,)) if relation is None else Scene((first, second), relation)


def _spread(kinds: Sequence[Group], count: int, chance: random.Random) -> set[Group]:
    """Choose kinds of groups at random, any two of which differ in at least two words.

    Of all groups that share the same three words, at most one is then held out.
    """
    chosen: set[Group] = set()
    for kind in chance.sample(kinds, len(kinds)):
        if all(sum(map(operator.ne, kind, other)) >= 2 for other in chosen):
            chosen.add(kind)
        if len(chosen) == count:
            break
    return chosen


def _scenes(kinds: Sequence[Group], chance: random.Random) -> Iterator[Scene]:
    """Yield random scenes without end."""
    single = [kind for kind in kinds if kind.count == "a"]
    while True:
        if chance.random() < 0.5:
            yield Scene((chance.choice(kinds),))
            continue
        first, second = chance.choice(single), chance.choice(single)
        if first != second:  # else it would be one group
            yield Scene((first, second), chance.choice(RELATIONS))


def _png(scene: Scene, side: int, chance: random.Random) -> bytes:
    """Draw a scene, each shape in the part of the image that belongs to its group."""
    grey = chance.randint(215, 255)
    image = Image.new("RGB", (side * SCALE, side * SCALE), (grey, grey, grey))
    draw = ImageDraw.Draw(image)
    for group, places in zip(scene.groups, _layout(scene, side, chance), strict=True):
        radius = _radius(group, side)
        for x, y in places:
            points = _outline(group.shape)
            corners = [(SCALE * (x + dx * radius), SCALE * (y + dy * radius)) for dx, dy in points]
            shade = chance.uniform(0.9, 1.1)
            colour = tuple(min(255, round(part * shade)) for part in COLOURS[group.colour])
            if group.shape == "circle":
                draw.ellipse([corners[0], corners[1]], fill=colour)
            else:
                draw.polygon(corners, fill=colour)
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


def _radius(group: Group, side: int) -> int:
    return EXTENTS[side][SIZES.index(group.size)]


def _outline(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a shape from -1 to 1; for a circle those of its box."""
    if shape == "circle":
        return [(-1, -1), (1, 1)]
    if shape == "square":
        return [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
    if shape == "triangle":
        return [(0, -1), (1, 0.9), (-1, 0.9)]
    arm = 0.33
    quarter = [(arm, -1), (arm, -arm), (1, -arm)]
    corners = []
    for _ in range(4):
        corners += quarter
        quarter = [(-y, x) for x, y in quarter]
    return corners


def _layout(scene: Scene, side: int, chance: random.Random) -> list[list[Place]]:
    """Choose the places of the shapes of each group, so that no second relation is true."""
    half = side // 2
    areas = {
        None: [(0, 0, side, side)],
        "left of": [(0, 0, half, side), (half, 0, side, side)],
        "above": [(0, 0, side, half), (0, half, side, side)],
    }[scene.relation]
    other = 0 if scene.relation == "above" else 1  # the axis across the relation
    while True:
        layout = [
            _places(area, COUNTS.index(group.count) + 1, _radius(group, side), chance)
            for group, area in zip(scene.groups, areas, strict=True)
        ]
        spans = [
            (min(place[other] for place in places), max(place[other] for place in places))
            for places in layout
        ]
        if max(low for low, _ in spans) <= min(high for _, high in spans) + EXTENTS[side][0]:
            return layout


def _places(
    area: tuple[int, int, int, int], count: int, radius: int, chance: random.Random
) -> list[Place]:
    """Choose the centres of shapes that do not touch, within an area."""
    left, top, right, bottom = area
    margin, apart = radius + 1, 2 * radius + 2
    while True:
        places = [
            (
                chance.uniform(left + margin, right - margin),
                chance.uniform(top + margin, bottom - margin),
            )
            for _ in range(count)
        ]
        if all(
            max(abs(a[0] - b[0]), abs(a[1] - b[1])) >= apart
            for a, b in itertools.combinations(places, 2)
        ):
            return places
