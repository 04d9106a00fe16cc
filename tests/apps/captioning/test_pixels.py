import functools
import io

import keras
import numpy as np
import pytest
from PIL import Image

from apps.captioning import images
from apps.captioning.data import Picture
from apps.captioning.pixels import load_features, load_pixels
from apps.captioning.row_cache import CHUNK

pytestmark = pytest.mark.usefixtures("eagerly")
SIZE = 8


def picture(name, number, kind="PNG"):
    pixels = np.random.default_rng(number).integers(0, 256, (9, 11, 3), "uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return Picture(name, functools.partial(bytes, file.getvalue()))


def never():
    raise AssertionError("read again")


@pytest.fixture
def pictures():
    found = [picture(f"{number}.png", number) for number in range(5)]
    found[3] = picture("3.jpg", 3, "JPEG")
    return found


def test_pixels_are_those_that_a_served_model_sees_and_are_kept(pictures, tmp_path):
    rows, places = load_pixels(pictures, SIZE, tmp_path / "cache")
    assert (rows.shape, rows.dtype) == ((5, SIZE, SIZE, 3), "uint8")
    assert places == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(rows, images.decode_batch([each.read() for each in pictures], 8))
    unread = [Picture(each.name, never) for each in pictures]
    np.testing.assert_array_equal(load_pixels(unread, SIZE, tmp_path / "cache")[0], rows)


def test_other_images_and_another_size_are_kept_apart(pictures, tmp_path):
    load_pixels(pictures, SIZE, tmp_path)
    assert load_pixels(pictures, 4, tmp_path)[0].shape == (5, 4, 4, 3)
    rows, _ = load_pixels(pictures[:2], SIZE, tmp_path)
    assert len(rows) == 2
    turned, _ = load_pixels(pictures[::-1], SIZE, tmp_path)
    np.testing.assert_array_equal(turned[4], rows[0])


def test_broken_images_are_named_each_time_and_left_out(pictures, tmp_path, capsys):
    pictures[1] = Picture("text.png", functools.partial(bytes, b"no image"))
    pictures[3] = Picture("cut.jpg", functools.partial(bytes, pictures[3].read()[:-40]))
    good = pictures[0]._replace(name="good.png")
    pictures = [good] * CHUNK + pictures  # the broken ones are not in what is decoded first
    said = [
        "Left out: text.png: the content is no image: expected JPEG, PNG or GIF",
        "Left out: cut.jpg: the JPEG is damaged or cut off",
    ]
    for _ in range(2):
        rows, places = load_pixels(pictures, SIZE, tmp_path)
        assert places == [*range(CHUNK + 1), CHUNK + 2, CHUNK + 4]
        assert capsys.readouterr().out.splitlines() == said
        expected = images.decode(pictures[CHUNK + 2].read(), SIZE)
        np.testing.assert_array_equal(rows[CHUNK + 2], expected)


def test_broken_images_alone_are_refused(tmp_path):
    broken = [Picture(str(number), functools.partial(bytes, b"")) for number in range(3)]
    with pytest.raises(ValueError, match="none of these 3 can"):
        load_pixels(broken, SIZE, tmp_path)


def test_a_file_that_cannot_be_read_is_named(pictures, tmp_path):
    pictures[2] = Picture("2.png", (tmp_path / "absent.png").read_bytes)
    with pytest.raises(OSError, match="absent"):
        load_pixels(pictures, SIZE, tmp_path)


def network(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(2, 3, 4),
        ]
    )


def test_features_are_those_of_the_network_and_computed_once(pictures, tmp_path, monkeypatch):
    pixels, _ = load_pixels(pictures, SIZE, tmp_path)
    backbone = network(1)
    features = load_features(backbone, pixels, tmp_path)
    assert (features.shape, features.dtype) == ((5, 2, 2, 2), "float32")
    np.testing.assert_allclose(features, backbone(np.array(pixels)), rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(backbone, "predict_on_batch", lambda _: never())
    np.testing.assert_array_equal(load_features(backbone, pixels, tmp_path), features)
    np.testing.assert_array_equal(load_pixels(pictures, SIZE, tmp_path)[0], pixels)


def test_features_of_another_network_are_computed_anew(pictures, tmp_path):
    pixels, _ = load_pixels(pictures, SIZE, tmp_path)
    load_features(network(1), pixels, tmp_path)
    other = network(2)
    found = load_features(other, pixels, tmp_path)
    np.testing.assert_allclose(found, other(np.array(pixels)), rtol=1e-5, atol=1e-6)
