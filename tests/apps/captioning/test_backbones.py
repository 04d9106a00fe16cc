import os
import socket

import keras
import numpy as np
import pytest

from apps.captioning import backbones
from apps.captioning.backbones import build_backbone, names
from apps.common.refusal import Refusal

SIZE = 32  # the smallest that they take
PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), "uint8")
PREPARED = {
    "ConvNeXtTiny": "convnext",
    "DenseNet121": "densenet",
    "EfficientNetB0": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
    "InceptionResNetV2": "inception_resnet_v2",
    "InceptionV3": "inception_v3",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "NASNetMobile": "nasnet",
    "ResNet50": "resnet",
    "ResNet152V2": "resnet_v2",
    "VGG19": "vgg19",
    "Xception": "xception",
}


def headless(seed):
    """A network of Keras as it comes, with random weights."""
    keras.utils.set_random_seed(seed)
    return keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    network, path = headless(7), tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    network.save_weights(path)
    return network, path


def prepared(pixels, family="mobilenet"):
    return getattr(keras.applications, family).preprocess_input(pixels.astype("float32"))


def test_a_network_by_name_makes_a_grid_of_pixels():
    network = build_backbone("MobileNet", 2 * SIZE)
    assert network.output_shape == (None, 2, 2, 1024)
    assert network.inputs[0].dtype == "uint8"


def test_names_are_those_of_networks_alone():
    assert {"MobileNet", "MobileNetV2", "ResNet50", "VGG16", "EfficientNetB0"} <= set(names())
    assert all(name[0].isupper() for name in names())


def test_another_name_is_refused_with_those_that_there_are():
    for name in ("MobileNetV9", "mobilenet", "mobilenet_v2", "__name__", ""):
        with pytest.raises(
            ValueError, match=r"be small, or one of .*MobileNetV2.*; received"
        ) as error:
            build_backbone(name, SIZE)
        assert repr(name) in str(error.value)


def test_pixels_are_prepared_as_the_network_takes_them():
    name = "VGG16"
    backbone = build_backbone(name, SIZE)
    inner = backbone.layers[-1]
    expected = inner.predict_on_batch(prepared(PIXELS, name.lower()))
    found = backbone.predict_on_batch(PIXELS)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.std())
    raw = inner.predict_on_batch(PIXELS.astype("float32"))
    assert np.abs(raw - expected).max() > 0.1 * expected.std() > 0


def test_every_network_has_the_preparation_of_its_family():
    for name in names():
        assert callable(backbones._preparation(getattr(keras.applications, name)))
    for name, family in PREPARED.items():
        found = backbones._preparation(getattr(keras.applications, name))
        np.testing.assert_array_equal(
            found(PIXELS.astype("float32")), prepared(PIXELS, family), err_msg=name
        )


def test_weights_come_from_a_file(saved):
    network, path = saved
    expected = network.predict_on_batch(prepared(PIXELS))
    found = build_backbone("MobileNet", SIZE, str(path)).predict_on_batch(PIXELS)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.std())
    assert expected.std() > 0


def test_weights_that_do_not_fit_or_are_not_there(saved, tmp_path):
    _, path = saved
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(path.read_bytes()[:1000])
    for name, size, weights, message in (
        ("VGG16", SIZE, str(path), f"^backbone VGG16 cannot be built with image_size {SIZE} and"),
        ("MobileNet", SIZE - 1, "none", "^backbone MobileNet cannot be built with image_size 31"),
        ("MobileNet", SIZE, "imagenets", "^weights must be none, imagenet, or the path of a file"),
        ("MobileNet", SIZE, str(damaged), r"^weights: .*damaged.* is no sound file of weights"),
    ):
        with pytest.raises(Refusal, match=message):
            build_backbone(name, size, weights)


def test_a_bug_in_keras_is_not_taken_for_a_failed_download(monkeypatch):
    def broken(**_):
        raise KeyError("a bug")

    monkeypatch.setattr(keras.applications, "MobileNet", broken)
    with pytest.raises(KeyError, match="a bug"):
        build_backbone("MobileNet", SIZE, "imagenet")


def test_weights_of_imagenet_without_a_network_are_one_clear_error(monkeypatch):
    asked = []

    def unreachable(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    there = os.path.exists  # as Keras asks for what was downloaded before
    monkeypatch.setattr(os.path, "exists", lambda path: "no_top" not in str(path) and there(path))
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    with pytest.raises(Refusal, match=r"weights: those of MobileNet cannot") as error:
        build_backbone("MobileNet", SIZE, "imagenet")
    assert "--weights none, or the path of a file" in str(error.value)
    assert len(asked) == 1  # it does not try for minutes
