"""The callbacks of `fit`, what clipping does, and pictures."""

import csv
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import diagnostics
from rnnlayers.diagnostics import GradientFlow, States, what_clipping_does

TIME = 12


@pytest.fixture(autouse=True)
def _eagerly(eagerly):
    pass


def a_model(layer):
    model = keras.Sequential([keras.Input((TIME, 2)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    return model


def a_batch(rows=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, TIME, 2)).astype("f"), rng.normal(size=(rows, 1)).astype("f")


def exploding():
    twice = keras.initializers.Constant(2.5)
    return rnnlayers.Elman(1, "linear", recurrent_initializer=twice, name="elman")


def test_both_callbacks_write_logs_tables_pictures_and_advice(tmp_path):
    model, (x, y) = a_model(exploding()), a_batch()
    told = []
    options = {"every": 8, "tensorboard": tmp_path / "board", "tell": told.append}
    watches = [
        GradientFlow(x, y, csv_file=tmp_path / "new" / "flow.csv", **options),
        States(x, csv_file=tmp_path / "states.csv", **options),
    ]
    model.optimizer.learning_rate = 1e-12
    history = model.fit(x, y, batch_size=2, epochs=2, callbacks=watches, verbose=0).history
    assert [row["step"] for row in watches[0].history] == [0, 8]
    assert len(history["gradients/elman/reach"]) == 2
    assert history["states/elman/effective_rank"][0] > 0
    with (tmp_path / "new" / "flow.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "8"]
    np.testing.assert_allclose(float(rows[0]["gradients/elman/growth"]), 2.5, rtol=1e-4)
    assert [line for line in told if line.startswith("step 0: exploding")]
    assert len([line for line in told if "exploding" in line]) == 1  # once for all steps
    (line, *_) = watches[0].advice
    assert "clip at" in line
    tags = set()
    for file in (tmp_path / "board").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            tags |= {value.tag for value in event.summary.value}
    assert {"gradients/elman/reach", "states/elman/effective_rank"} <= tags
    assert {"gradients", "states"} <= tags  # the pictures


def test_what_is_measured_does_not_change_the_training():
    x, y = a_batch()
    found = []
    for watches in ([], [GradientFlow(x, y, every=1), States(x, every=1)]):
        keras.utils.set_random_seed(1)
        model = a_model(rnnlayers.LSTM(3, dropout=0.3, seed=4))
        model.fit(x, y, batch_size=4, verbose=0, callbacks=watches)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stock_model_is_watched_while_it_is_trained():
    inputs = keras.Input((TIME, 2))
    model = keras.Model(inputs, keras.layers.LSTM(1, name="lstm")(inputs))
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    x, y = a_batch()
    watch = GradientFlow(x, y, every=1, tell=None)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[watch])
    losses = [row["gradients/loss"] for row in watch.history]
    np.testing.assert_allclose(losses[-1], model.evaluate(x, y, verbose=0), rtol=1e-5)
    assert losses[0] != losses[-1]


def test_callbacks_refuse_bad_arguments():
    x, y = a_batch()
    with pytest.raises(ValueError, match="`every` must be a positive integer"):
        GradientFlow(x, y, every=0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="`model` must have a recurrent layer"):
        model.fit(x[:, 0], y, callbacks=[GradientFlow(x[:, 0], y)], verbose=0)


def linear_model():
    """Return a model whose gradient with the loss `outputs` is its mean input."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.compile(loss=lambda y, outputs: outputs[:, 0])
    return model


def test_the_norms_over_batches_and_what_a_threshold_clips():
    data = [(np.full((4, 2), size, "f"), np.zeros((4, 1), "f")) for size in range(1, 101)]
    model = linear_model()
    before = model.get_weights()
    report = what_clipping_does(model, data)
    sizes = np.sqrt(2) * np.arange(1, 101)
    np.testing.assert_allclose(report.norms, sizes, rtol=1e-6)
    assert report.clipped_share(90.5 * np.sqrt(2)) == 0.1
    np.testing.assert_allclose(report.percentile(50), np.median(sizes), rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    *_, last = report.table().splitlines()
    limit, clips, _ = last.split()
    np.testing.assert_allclose(float(limit), np.percentile(sizes, 99), rtol=1e-3)
    assert clips == "1.0%"
    dataset = tf.data.Dataset.from_tensor_slices((np.ones((6, 2), "f"), np.ones((6, 1), "f")))
    assert len(what_clipping_does(model, dataset.batch(2), batches=2).norms) == 2


def test_gradients_that_are_not_finite_are_counted():
    data = [(np.full((4, 2), size, "f"), np.zeros((4, 1), "f")) for size in (1.0, np.inf, np.nan)]
    report = what_clipping_does(linear_model(), data)
    assert len(report.finite) == 1
    assert "2 of 3 gradients are not finite" in report.table()


def test_what_clipping_does_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match="`data` must hold at least one batch"):
        what_clipping_does(linear_model(), [])
    with pytest.raises(ValueError, match="`loss` must be given"):
        what_clipping_does(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), [])
    with pytest.raises(ValueError, match="`model` must be a built"):
        what_clipping_does(keras.Sequential([keras.layers.Dense(1)]), [])


def test_a_picture_needs_matplotlib(monkeypatch):
    figure = diagnostics.plot_reach([1, 2], {"lstm": [3.0, 4.0]})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [3.0, 4.0])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="Pictures need matplotlib"):
        diagnostics.plot_reach([1], {"lstm": [1.0]})


@pytest.mark.slow
def test_pictures_are_drawn(tmp_path):
    x, y = a_batch()
    model = a_model(rnnlayers.Bidirectional(rnnlayers.LSTM(3)))
    data = [(x, y), (2 * x, y)]
    figures = {
        "flow": diagnostics.plot_flow(diagnostics.gradient_flow(model, x, y)),
        "states": diagnostics.plot_states(diagnostics.states(model, x)),
        "jacobians": diagnostics.plot_jacobians(diagnostics.step_jacobians(model, x)),
        "clipping": diagnostics.plot_clipping(what_clipping_does(model, data)),
    }
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert all(axes.get_xlabel() for axes in figure.axes if axes.get_title())
    flow = figures["flow"]
    assert len(flow.axes) == 2  # one for each direction
    np.testing.assert_allclose(
        flow.axes[0].lines[-2].get_ydata(),
        next(iter(diagnostics.gradient_flow(model, x, y).layers.values())).mean_norm,
        rtol=1e-5,
    )
