import numpy as np
import pytest
from PIL import Image

from apps.captioning.plots import plot_attention
from apps.common.runs import Run


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    run.plots.mkdir()
    return run


def drawn(run, attention, pieces, size=24):
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), "uint8")
    plot_attention(run, "looks", image, np.array(attention, "float32"), pieces)
    with Image.open(run.plots / "looks.png") as file:
        return np.asarray(file.convert("RGB")).astype(int)


def test_there_is_a_panel_for_the_image_and_one_for_each_piece(run):
    def panels(count):
        """The panels in the first row of the picture, and how high it is."""
        pixels = drawn(run, np.full((9, 4), 0.25), ["▁cat".encode()] * count + [b""] * 3)
        row = pixels[pixels.shape[0] // (2 if count < 6 else 4)]
        columns = np.flatnonzero(np.any(row < 250, axis=-1))
        return np.sum(np.diff(columns) > 3) + 1, len(pixels)

    (none, _), (two, _), (five, low), (six, high) = map(panels, (0, 2, 5, 6))
    assert (none, two, five, six) == (1, 3, 6, 6)
    assert high > 1.8 * low  # for a second row


def test_where_it_weighs_more_the_image_is_brighter(run):
    attention = np.zeros((1, 4))
    attention[0, 1] = 1  # the cells are read line by line: at the top, on the right
    pixels = drawn(run, attention, ["▁dog".encode(), b""]).sum(-1)
    panel = pixels[:, pixels.shape[1] // 2 :]
    rows, columns = np.nonzero(panel < 3 * 250)
    side = np.ptp(columns)
    panel = panel[rows.max() - side : rows.max(), columns.min() : columns.max()]  # not the title
    top, below = np.array_split(panel, 2)
    quarters = [part.mean() for half in (top, below) for part in np.array_split(half, 2, axis=1)]
    assert np.argmax(quarters) == 1


@pytest.mark.parametrize(
    ("cells", "pieces"),
    [
        (1, ["a"]),
        (9, []),
        (16, ["$", "▁$", "_^{", "▁日本", "\\", "[stop]"]),
    ],
)
def test_any_grid_and_any_piece(run, cells, pieces):
    attention = np.full((len(pieces) + 1, cells), 1 / cells)
    assert drawn(run, attention, [piece.encode() for piece in pieces]).size > 10_000
