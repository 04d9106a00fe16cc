"""What an Elman cell must do by its equation."""

import numpy as np

from rnnlayers import ElmanCell
from tests.cases import randomize, sample
from tests.numbers import assert_same


def test_a_linear_cell_is_a_sum_of_two_products():
    cell = randomize(ElmanCell(4, activation="linear"))
    x, h = sample()[:, 0], sample(features=4)[:, 1]
    expected = x @ cell.kernel.numpy() + h @ cell.recurrent_kernel.numpy() + cell.bias.numpy()
    assert_same(cell(x, [h])[0], expected)


def test_tanh_is_odd_without_a_bias():
    cell = randomize(ElmanCell(4, use_bias=False))
    x, h = sample()[:, 0], sample(features=4)[:, 1]
    assert_same(cell(-x, [-h])[0], -np.asarray(cell(x, [h])[0]))
