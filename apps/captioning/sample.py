"""The embedded sample of captions: small scenes of coloured shapes, and what is true of them.

A scene has one to three equal shapes, or two different ones, of which one is left of or above the
other. Each scene has several captions, all of them complete: they say how many shapes of which
size and colour there are, and how they stand to one another. `parse` reads a caption back, so that
it can be told exactly whether one is true.

Some groups, such as two small black circles, are held out: they occur in scenes of their own
alone, so that a captioner meets known attributes in combinations it never saw.
"""

import io
import itertools
import operator
import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

SEED = 1
SIDE = 64  # pixels
SCALE = 4  # scenes are drawn so many times larger, for smooth edges
COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 150, 44),
    "blue": (31, 90, 200),
    "yellow": (235, 205, 30),
    "purple": (130, 50, 170),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = {"small": 6, "large": 10}  # half the extent of a shape, in pixels
COUNTS = ("a", "two", "three")
RELATIONS = ("left of", "above")  # of the first group to the second
HELD_OUT = 0.1  # the part of all kinds of groups


Place = tuple[float, float]


class Group(NamedTuple):
    """Some equal shapes."""

    count: str  # one of COUNTS
    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        """Says what is in the group."""
        return f"{self.count} {self.size} {self.colour} {self.shape}{self._plural()}"

    def _plural(self) -> str:
        if self.count == "a":
            return ""
        return "es" if self.shape == "cross" else "s"

    @property
    def verb(self) -> str:
        """The verb that goes with it."""
        return "is" if self.count == "a" else "are"


class Scene(NamedTuple):
    """What a caption says."""

    groups: tuple[Group, ...]
    relation: str | None = None  # of the first group to the second, one of RELATIONS


def generate(train: int, test: int) -> tuple[list, list, list]:
    """Generates scenes as `(image, captions)`: PNG files, and all captions of each.

    Args:
        train: Scenes to train on.
        test: Scenes to test on, and as many with a combination that was held out.

    Returns:
        Training scenes, test scenes, and test scenes with combinations that the others lack.
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
        parts[name].append((_png(scene, chance), captions(scene)))
        if all(len(parts[name]) == count for name, count in wanted.items()):
            break
    return parts["train"], parts["test"], parts["combinations"]


def captions(scene: Scene) -> list[str]:
    """Returns all ways to say what there is, each true and complete.

    The group on the left, or on top, comes first: with either order, which one a sentence begins
    with would be chance, and what a captioner has to learn first of all.
    """
    first = scene.groups[0]
    said = f" {scene.relation} ".join(map(str, scene.groups))
    return [said, f"there {first.verb} {said}", f"the picture shows {said}"]


def parse(caption: str) -> Scene | None:
    """Reads back what a caption says, or returns None where it is none of these."""
    group = rf"({'|'.join(COUNTS)}) ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) "
    group += rf"({'|'.join(SHAPES)})(?:es|s)?"
    pattern = rf"(?:there (?:is|are) |the picture shows )?{group}"
    pattern += rf"(?: ({'|'.join(RELATIONS)}) {group})?"
    if (found := re.fullmatch(pattern, caption)) is None:
        return None
    words = found.groups()
    first, relation, second = Group(*words[:4]), words[4], Group(*words[5:])
    return Scene((first,)) if relation is None else Scene((first, second), relation)


def _spread(kinds: Sequence[Group], count: int, chance: random.Random) -> set[Group]:
    """Draws kinds of groups of which any two differ in two words or more.

    So of the groups that share three words at most one is held out.
    """
    chosen: set[Group] = set()
    for kind in chance.sample(kinds, len(kinds)):
        if all(sum(map(operator.ne, kind, other)) >= 2 for other in chosen):
            chosen.add(kind)
        if len(chosen) == count:
            break
    return chosen


def _scenes(kinds: Sequence[Group], chance: random.Random) -> Iterator[Scene]:
    """Draws scenes without end."""
    single = [kind for kind in kinds if kind.count == "a"]
    while True:
        if chance.random() < 0.5:
            yield Scene((chance.choice(kinds),))
            continue
        first, second = chance.choice(single), chance.choice(single)
        if first != second:  # else it would be one group
            yield Scene((first, second), chance.choice(RELATIONS))


def _png(scene: Scene, chance: random.Random) -> bytes:
    """Draws a scene, each shape where there is room within the part of its group."""
    grey = chance.randint(215, 255)
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), (grey, grey, grey))
    draw = ImageDraw.Draw(image)
    for group, places in zip(scene.groups, _layout(scene, chance), strict=True):
        radius = SIZES[group.size]
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
    image.resize((SIDE, SIDE), Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


def _outline(shape: str) -> list[tuple[float, float]]:
    """Returns the corners of a shape from -1 to 1; of a circle those of its box."""
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


def _layout(scene: Scene, chance: random.Random) -> list[list[Place]]:
    """Draws where the shapes of each group are, so that no other relation is true as well."""
    half = SIDE // 2
    areas = {
        None: [(0, 0, SIDE, SIDE)],
        "left of": [(0, 0, half, SIDE), (half, 0, SIDE, SIDE)],
        "above": [(0, 0, SIDE, half), (0, half, SIDE, SIDE)],
    }[scene.relation]
    other = 0 if scene.relation == "above" else 1  # the axis that the relation is not about
    while True:
        layout = [
            _places(area, COUNTS.index(group.count) + 1, SIZES[group.size], chance)
            for group, area in zip(scene.groups, areas, strict=True)
        ]
        spans = [
            (min(place[other] for place in places), max(place[other] for place in places))
            for places in layout
        ]
        if max(low for low, _ in spans) <= min(high for _, high in spans) + SIZES["small"]:
            return layout


def _places(
    area: tuple[int, int, int, int], count: int, radius: int, chance: random.Random
) -> list[Place]:
    """Draws the middles of shapes that do not touch, within an area."""
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
