import hashlib
import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from apps.captioning import sample as scene_sample
from apps.captioning.sample import COLOURS, COUNTS, EXTENTS, SHAPES, SIZES, Group, Scene

TRAIN, TEST, SIDE = 1200, 250, 48
SHADE = 50  # between two pixels of one colour, at most
LEAST = 8  # pixels of a shape; fewer are an edge where colours mix


@pytest.fixture(scope="module")
def parts():
    return scene_sample.generate(TRAIN, TEST)


@pytest.fixture(scope="module")
def scenes(parts):
    """What is said of each image, in all parts."""
    return [[scene_sample.parse(said[0]) for _, said in part] for part in parts]


def groups(scenes):
    return {group for scene in scenes for group in scene.groups}


# What is said


def test_the_scenes_are_the_same_each_time(parts):
    assert scene_sample.generate.__wrapped__(TRAIN // 8, TEST // 8)[2] == parts[2][: TEST // 8]
    assert [len(part) for part in parts] == [TRAIN, TEST, TEST]
    images = [content for part in parts for content, _ in part]
    assert len(set(images)) == len(images)


def test_the_scenes_of_earlier_versions_are_still_the_same():
    digest = hashlib.sha256()
    for content, captions in itertools.chain(*scene_sample.generate(30, 5, 64)):
        digest.update(Image.open(io.BytesIO(content)).tobytes())
        digest.update(repr(captions).encode())
    assert digest.hexdigest().startswith("a0cadb12664d01df")


def test_all_captions_of_an_image_say_one_and_the_same_scene(parts):
    for _, said in itertools.chain(*parts):
        assert len(set(said)) == len(said) == 3
        (scene,) = {scene_sample.parse(caption) for caption in said}
        assert scene_sample.captions(scene) == said


def test_captions_are_english():
    one, two = Group("a", "small", "red", "cross"), Group("two", "large", "blue", "cross")
    assert scene_sample.captions(Scene((one,)))[1] == "there is a small red cross"
    said = scene_sample.captions(Scene((two, one), "above"))
    assert said[0] == "two large blue crosses above a small red cross"
    assert said[1] == f"there are {said[0]}"
    assert said[2] == f"the picture shows {said[0]}"
    circles = two._replace(count="three", shape="circle")
    assert str(circles) == "three large blue circles"


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a red circle",
        "a small red circle left of",
        "a small red circle left of it",
        "a small red circle below a large red circle",
        "a small small red circle",
        "four small red circles",
        "I see a small red circle",
        "a small red circle left of a large red circle left of a large blue cross",
    ],
)
def test_what_is_said_in_no_caption_cannot_be_read(caption):
    assert scene_sample.parse(caption) is None


def test_every_scene_that_can_be_said_is_read_back():
    kinds = [Group(*words) for words in itertools.product(COUNTS, SIZES, COLOURS, SHAPES)]
    said = [Scene((group,)) for group in kinds]
    for relation in scene_sample.RELATIONS:
        turned = zip(kinds, kinds[5:] + kinds[:5], strict=True)
        said += [Scene(pair, relation) for pair in turned]
    for scene in said:
        for caption in scene_sample.captions(scene):
            assert scene_sample.parse(caption) == scene


# What is held out


def test_each_scene_of_the_third_part_has_a_group_that_occurs_nowhere_else(scenes):
    train, test, combinations = scenes
    known = groups(train) | groups(test)
    assert all(set(scene.groups) - known for scene in combinations)
    # What is held out is no accident of a small sample: all else was seen in training.
    kinds = len(COUNTS) * len(SIZES) * len(COLOURS) * len(SHAPES)
    unseen = groups(combinations) - known
    assert len(groups(train)) + len(unseen) == kinds
    assert 0.05 * kinds < len(unseen) < 0.25 * kinds


def test_what_is_held_out_differs_in_two_words_or_more(scenes):
    train, test, combinations = map(groups, scenes)
    for one, other in itertools.combinations(combinations - train - test, 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) >= 2


def test_every_attribute_occurs_in_training_and_no_less_with_another(scenes):
    train, _, combinations = scenes
    for name, values in zip(Group._fields, (COUNTS, SIZES, COLOURS, SHAPES), strict=True):
        assert {getattr(group, name) for group in groups(train)} == set(values)
    for group in groups(combinations) - groups(train):
        pair = (group.colour, group.shape)
        assert group.colour in {other.colour for other in groups(train) if other[2:] != pair}
        assert group.shape in {other.shape for other in groups(train) if other[2:] != pair}


def test_no_image_to_test_on_is_one_to_train_on(parts):
    train, *tests = ({content for content, _ in part} for part in parts)
    assert not any(train & test for test in tests)


def test_no_scene_with_what_is_held_out_is_described_like_another_one(parts):
    train, test, combinations = (set(itertools.chain(*(said for _, said in p))) for p in parts)
    assert not combinations & (train | test)
    # Those to test on may well be: there are few ways to describe one group.
    assert test & train


def test_scenes_are_of_all_kinds(scenes):
    relations = [scene.relation for scene in scenes[0]]
    for relation in (None, *scene_sample.RELATIONS):
        assert relations.count(relation) > 0.2 * TRAIN
    drawn = [group for scene in scenes[0] for group in scene.groups]
    alone = [scene.groups[0].count for scene in scenes[0] if scene.relation is None]
    assert min(map(alone.count, COUNTS)) > 0.7 * len(alone) / len(COUNTS)
    for name, values in zip(Group._fields[1:], (SIZES, COLOURS, SHAPES), strict=True):
        counts = [sum(getattr(group, name) == value for group in drawn) for value in values]
        assert min(counts) > 0.7 * len(drawn) / len(values)


# What is to be seen


def blobs(pixels, colour):
    """The shapes of a colour, each as the mask of its pixels."""
    near = np.linalg.norm(pixels - np.array(COLOURS[colour]), axis=-1) < SHADE
    labels, count = ndimage.label(near)
    found = [labels == label for label in range(1, count + 1)]
    return [blob for blob in found if blob.sum() >= LEAST]


def box(blob):
    """The first row and column of a shape, and those behind it."""
    rows, columns = np.nonzero(blob)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def shape(blob):
    """Tells a shape by how much of its box it fills, and by whether it is heavier below."""
    top, left, bottom, right = box(blob)
    part = blob[top:bottom, left:right]
    if part.mean() > 0.92:
        return "square"
    if part.mean() > 0.7:
        return "circle"
    half = len(part) // 2
    return "triangle" if part[-half:].sum() > 1.5 * part[:half].sum() else "cross"


def side(blob):
    top, left, bottom, right = box(blob)
    return max(bottom - top, right - left)


@pytest.fixture(scope="module")
def seen(parts, scenes):
    """Scenes, with the shapes that are to be seen of each group."""
    found = []
    for scene, (content, _) in zip(
        [*scenes[0][:60], *scenes[1], *scenes[2]],
        [*parts[0][:60], *parts[1], *parts[2]],
        strict=True,
    ):
        pixels = np.asarray(Image.open(io.BytesIO(content)), float)
        assert pixels.shape == (SIDE, SIDE, 3)
        colours = {group.colour for group in scene.groups}
        if len(colours) == len(scene.groups):  # else one cannot be told from the other
            found.append((scene, [blobs(pixels, group.colour) for group in scene.groups]))
    assert len(found) > 240
    return found


def test_there_are_as_many_shapes_as_is_said(seen):
    for scene, shapes in seen:
        counts = [COUNTS.index(group.count) + 1 for group in scene.groups]
        assert [len(of_group) for of_group in shapes] == counts, scene


def test_shapes_are_of_the_size_that_is_said(seen):
    for scene, shapes in seen:
        for group, of_group in zip(scene.groups, shapes, strict=True):
            for blob in of_group:
                assert abs(side(blob) - 2 * EXTENTS[SIDE][SIZES.index(group.size)]) <= 3, scene


def test_shapes_are_what_is_said(seen):
    for scene, shapes in seen:
        for group, of_group in zip(scene.groups, shapes, strict=True):
            assert [shape(blob) for blob in of_group] == [group.shape] * len(of_group), scene


def test_groups_stand_to_one_another_as_is_said_and_not_otherwise_as_well(seen):
    for scene, shapes in seen:
        if scene.relation is None:
            continue
        first, second = (box(np.any(of_group, axis=0)) for of_group in shapes)
        along, across = (1, 0) if scene.relation == "left of" else (0, 1)
        assert first[along + 2] <= second[along], scene
        # On the other axis neither is beyond the other.
        assert first[across] < second[across + 2], scene
        assert second[across] < first[across + 2], scene


def test_no_other_colour_is_to_be_seen(parts, scenes):
    for scene, (content, _) in zip(scenes[1], parts[1], strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(content)), float)
        colours = {group.colour for group in scene.groups}
        assert {colour for colour in COLOURS if blobs(pixels, colour)} == colours, scene
