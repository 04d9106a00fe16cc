"""Two processes train as one does. All that they do is done once, by one pair of processes."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnlayers import distribute
from tests.distribute import cases
from tests.distribute.start import run_cases

NAMES = (
    *("masked", "halves", "line", "normalized", "own_files", "compressed"),
    *("half_precision", "refusals", "chief_alone"),
)


@pytest.fixture(scope="module")
def pair():
    """What each of the two processes found, by case."""
    chief, other = run_cases(2, NAMES)
    assert chief.keys() == other.keys() == set(NAMES)
    return chief, other


def assert_close(ours, theirs, atol=1e-6):
    for one, another in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, another, rtol=0, atol=atol)


def in_halves(weights_before):
    """Train on one process, batch by batch, with the mean of the gradients of two halves."""
    model = cases.regression()
    for variable, value in zip(model.weights, weights_before, strict=True):
        variable.assign(value)
    optimizer = model.optimizer
    for _ in range(2):
        for x, y in cases.batches(cases.numbers()):
            gradients = []
            for half in (slice(0, 4), slice(4, 8)):
                with tf.GradientTape() as tape:
                    outputs = model(x[half], training=True)
                    loss = model.compute_loss(x=x[half], y=y[half], y_pred=outputs)
                gradients.append(tape.gradient(loss, model.trainable_variables))
            means = [(a + b) / 2 for a, b in zip(*gradients, strict=True)]
            optimizer.apply(means, model.trainable_variables)
    return [w.tolist() for w in model.get_weights()]


def test_both_processes_end_with_the_same_bits(pair):
    chief, other = pair
    for name in NAMES[:6]:
        assert chief[name] == other[name], name


def test_two_halves_are_one_batch_to_the_last_bit(pair):
    before = cases.regression().get_weights()
    assert pair[0]["halves"]["weights"] == in_halves(before)


def test_two_halves_are_one_batch_in_fit(pair):
    alone = cases.halves()
    assert_close(pair[0]["halves"]["weights"], alone["weights"])
    np.testing.assert_allclose(
        pair[0]["halves"]["history"]["loss"], alone["history"]["loss"], rtol=1e-6
    )


def test_masks_and_unequal_shares_change_nothing(pair):
    """Neither weights nor what is logged, the norm of the gradient included."""
    alone, together = cases.masked(), pair[0]["masked"]
    assert_close(together["weights"], alone["weights"])
    assert together["history"].keys() == alone["history"].keys() >= {"val_loss", "gradient_norm"}
    for name, values in alone["history"].items():
        np.testing.assert_allclose(together["history"][name], values, rtol=2e-6, err_msg=name)
    assert together["history"]["clipped_fraction"] == [1.0, 1.0]  # so the norm matters


def test_moving_averages_are_the_mean_of_both(pair):
    """Each process normalizes its own rows: their moving means are averaged."""
    weights = dict(
        zip(("gamma", "beta", "mean", "variance"), pair[0]["normalized"]["weights"], strict=False)
    )
    # momentum 0.99: a hundredth of the means (1, 2) and (3, 6) of the halves
    np.testing.assert_allclose(weights["mean"], [0.02, 0.04], rtol=1e-6)
    np.testing.assert_allclose(weights["variance"], [0.9925, 0.9925], rtol=1e-6)  # 0.25 in each


def test_processes_with_files_of_their_own_need_not_have_as_many_batches(pair):
    """The chief has 3 rows and no second batch, the other process 4 rows and 1."""
    x, y = cases.numbers()
    dataset = tf.data.Dataset.from_generator(
        lambda: ((x[part], y[part]) for part in (slice(0, 7), slice(7, 8))),
        output_signature=tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in (x, y)),
    )
    model = cases.line()
    model.fit(dataset, epochs=2, verbose=0)
    assert [result["own_files"]["steps"] for result in pair] == [2, 2]
    assert_close(pair[0]["own_files"]["weights"], model.get_weights())


def test_compressed_gradients_are_those_of_float16(pair):
    exact, rough = (pair[0][name]["weights"] for name in ("line", "compressed"))
    assert exact != rough
    assert_close(rough, exact, atol=1e-2)


def test_all_processes_skip_a_step_in_which_one_overflows(pair):
    for result in pair:
        found = result["half_precision"]
        assert found["kind"] == "LossScaleOptimizer"
        assert found["skipped"]
        assert found["scale"] == 2.0**15 / 2


def test_what_the_chief_alone_does(pair):
    for result in pair:
        found = result["chief_alone"]
        assert found["epochs"] == 2  # the chief's callback stops both
        assert found["seeds"][1] == found["seeds"][0] + 1
        assert found["bytes"] == 3 * "weights"
        assert found["nothing"] == ""
        assert found["optimizer"] == "ClippedOptimizer"


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("condition", "received a call in a branch of a condition"),
        ("plain", "must be a DistributedOptimizer around all others; received 'clipped_optimizer'"),
        ("steps", "the same in all processes; received 2, 1. Use shard or even_out"),
        ("models", "must be the same in all processes; received 9, 6 numbers"),
        ("cardinality", "unknown or infinite cardinality"),
        ("scalars", "must have the rows as its first axis; received a scalar"),
        ("again", "this process is already process"),
        (
            "sum",
            "must be a mean over the batch; received 'mean_squared_error' with reduction='sum'",
        ),
    ],
)
def test_mistakes_are_told_in_every_process(pair, mistake, words):
    for result in pair:
        assert words in result["refusals"][mistake]


@pytest.mark.slow
def test_four_processes():
    """A sum of four has another order in one process, so the last bits differ."""
    results = run_cases(4, ["masked", "halves"])
    assert all(result == results[0] for result in results)
    for name, alone in (("masked", cases.masked()), ("halves", cases.halves())):
        assert_close(results[0][name]["weights"], alone["weights"])
        for metric, values in alone["history"].items():
            np.testing.assert_allclose(
                results[0][name]["history"][metric], values, rtol=2e-6, err_msg=metric
            )


def test_one_process_needs_nothing_of_this(tmp_path):
    model = distribute.distribute_model(cases.line())
    assert type(model.optimizer).__name__ == "ClippedOptimizer"
    dataset = cases.batches(cases.numbers())
    assert distribute.shard(dataset) is dataset
    assert distribute.share(7) == slice(0, 7)
    assert distribute.gather(3, "x") == [3]
    assert distribute.bytes_from_chief(b"a", "x") == b"a"
    assert (distribute.size(), distribute.rank(), distribute.is_chief()) == (1, 0, True)


def test_the_configuration_of_the_optimizer():
    inner = keras.optimizers.SGD(0.25)
    optimizer = distribute.DistributedOptimizer(inner, "float16", 1000, name="mine")
    config = json.loads(json.dumps(optimizer.get_config()))
    again = distribute.DistributedOptimizer.from_config(config)
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == 0.25
    again.learning_rate = 0.5
    assert float(again.inner_optimizer.learning_rate) == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("adam",), "`inner_optimizer` must be a keras.optimizers.Optimizer"),
        ((keras.optimizers.SGD(), "float8"), "`compression` must be one of None, 'float16'"),
        ((keras.optimizers.SGD(), None, 0), "`bucket_bytes` must be a positive integer"),
    ],
)
def test_arguments_of_the_optimizer(arguments, words):
    with pytest.raises(ValueError, match=words):
        distribute.DistributedOptimizer(*arguments)


def test_a_model_that_is_not_compiled():
    with pytest.raises(ValueError, match="must be compiled; received one without an optimizer"):
        distribute.distribute_model(keras.Sequential([keras.layers.Dense(1)]))
