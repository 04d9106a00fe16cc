import keras
import numpy as np
import pytest

from apps.captioning.layers import Coordinates, ForEachCaption


@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 4), (1, 1), (1, 2)])
def test_each_cell_is_told_where_it_is(height, width):
    grid = np.random.default_rng(0).normal(size=(2, height, width, 7)).astype("float32")
    found = keras.ops.convert_to_numpy(Coordinates()(grid))
    assert found.shape == (2, height, width, 9)
    np.testing.assert_array_equal(found[..., :7], grid)
    for image in found:
        for row in range(height):
            for column in range(width):
                down = -1 + 2 * row / max(1, height - 1)
                right = -1 + 2 * column / max(1, width - 1)
                np.testing.assert_allclose(image[row, column, 7:], [down, right], atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_in_training_each_image_stands_once_for_each_of_its_captions(count):
    memory = np.arange(24, dtype="float32").reshape(2, 3, 4)
    layer = ForEachCaption(count)
    for found in (layer(memory), layer(memory, training=False)):
        np.testing.assert_array_equal(found, memory)
    found = layer(memory, training=True)
    np.testing.assert_array_equal(found, memory[[0] * count + [1] * count])


def test_they_are_saved_with_a_model(tmp_path):
    grid = keras.Input((2, 3, 4))
    memory = keras.layers.Reshape((-1, 6))(Coordinates()(grid))
    model = keras.Model(grid, ForEachCaption(2)(memory))
    assert model.output_shape == (None, 6, 6)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    grids = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype("float32")
    for training, rows in ((False, 5), (True, 10)):
        found = again(grids, training=training)
        assert found.shape == (rows, 6, 6)
        np.testing.assert_array_equal(found, model(grids, training=training))
