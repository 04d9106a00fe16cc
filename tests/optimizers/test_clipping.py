"""`ClippedOptimizer` around Keras optimizers, step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import SGD, Adagrad, Adam, AdamW, LossScaleOptimizer

from rnnlayers.optimizers import ClipByGlobalNorm, ClipByValue, ClippedOptimizer
from tests.numbers import refused
from tests.optimizers.helpers import CLIPS, NOT_FINITE, DenseAdam, slices, values, variables
from tests.versions import has_multi_optimizer


def apply(optimizer, gradients, dtype="float32"):
    """What the optimizer, a plain gradient descent of rate 1, takes off variables at zero."""
    weights = [keras.Variable(np.zeros(np.shape(g)), dtype=dtype) for g in gradients]
    optimizer.apply([tf.cast(g, dtype) for g in gradients], weights)
    return [-w.numpy().astype("float64") for w in weights]


def sparse(array, rng):
    """A sparse gradient with repeated indices, in disorder, that sums up to a dense one."""
    indices = rng.permutation(np.repeat(np.flatnonzero(np.any(array, axis=1)), 3))
    return slices(array[indices] / 3, indices, array.shape)


class TestClipping:
    def test_kinds_apply_in_order(self):
        gradients = [np.array([3.0, 4.0]), np.array([0.1])]
        clips = [ClipByValue(3.0), ClipByGlobalNorm(1.0)]
        (first, second) = apply(ClippedOptimizer(SGD(1.0), clips), gradients)
        length = np.sqrt(9 + 9 + 0.01)
        np.testing.assert_allclose(first, [3 / length, 3 / length], rtol=1e-6)
        np.testing.assert_allclose(second, [0.1 / length], rtol=1e-6)
        (first, _) = apply(ClippedOptimizer(SGD(1.0), clips[::-1]), gradients)
        np.testing.assert_allclose(first, np.array([3, 4]) / np.sqrt(25.01), rtol=1e-6)

    def test_no_kind_only_records(self):
        optimizer = ClippedOptimizer(SGD(1.0), ())
        (ours,) = apply(optimizer, [np.array([30.0, 40.0])])
        assert ours.tolist() == [30, 40]
        assert values(optimizer) == {
            "gradient_norm": 50,
            "clipped_fraction": 0,
            "skipped_steps": 0,
        }

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
    def test_other_dtypes(self, dtype):
        # 300 squared overflows float16.
        (ours,) = apply(ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(2.5)), [[300.0, 400.0]], dtype)
        tolerance = 1e-12 if dtype == "float64" else 4e-3
        np.testing.assert_allclose(ours, [1.5, 2.0], rtol=tolerance)
        weight = keras.Variable(np.zeros((3, 1)), dtype=dtype)
        optimizer = ClippedOptimizer(SGD(1.0), [ClipByValue(350.0), ClipByGlobalNorm(2.5)])
        rows = tf.cast([[100.0], [350.0], [200.0]], dtype)
        optimizer.apply([slices(rows, [2, 0, 2], (3, 1))], [weight])
        length = np.hypot(300, 350)
        expected = -2.5 * np.array([350, 0, 300]) / length
        np.testing.assert_allclose(weight.numpy()[:, 0].astype("float64"), expected, rtol=tolerance)

    @pytest.mark.parametrize(
        ("clip", "compiled"),
        [
            *((clip, False) for clip in CLIPS),
            (CLIPS[2], True),
            pytest.param(CLIPS, True, marks=pytest.mark.slow),
        ],
        ids=str,
    )
    def test_sparse_equals_dense_and_stays_sparse(self, clip, compiled, rng):
        class Witness(Adagrad):
            def update_step(self, gradient, variable, learning_rate):
                assert isinstance(gradient, tf.IndexedSlices) == expects_sparse
                super().update_step(gradient, variable, learning_rate)

        table = rng.normal(size=(9, 4)).astype("float32")
        gradient = np.where(np.arange(9)[:, None] % 3 == 0, 5 * table[::-1], 0)
        results = []
        for name in ("kernel",) if compiled else ("embeddings", "kernel"):
            for expects_sparse in (False, True):
                weight = keras.Variable(table, name=name)
                optimizer = ClippedOptimizer(Witness(0.1), clip)
                optimizer.build([weight])
                step = optimizer.apply
                if compiled and expects_sparse:
                    step = tf.function(step, jit_compile=True)
                step([sparse(gradient, rng) if expects_sparse else tf.constant(gradient)])
                results.append((weight.numpy() - table, values(optimizer)))
        for dense, thin in zip(results[::2], results[1::2], strict=True):
            np.testing.assert_allclose(thin[0], dense[0], rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(list(thin[1].values()), list(dense[1].values()), rtol=1e-6)

    def test_missing_gradients_are_left_to_the_inner_optimizer(self):
        a, b = variables([0.0], [0.0])
        optimizer = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(1.0))
        with pytest.warns(UserWarning, match="Gradients do not exist"):
            optimizer.apply([None, tf.constant([5.0])], [a, b])
        assert (float(a[0]), float(b[0])) == (0, -1)
        with refused("No gradients provided"):
            optimizer.apply([None, None])
        optimizer.apply([])

    def test_a_variable_overwritten_with_its_gradient_is_not_clipped(self):
        scale, weight = variables([1.0], [0.0])
        scale.overwrite_with_gradient = True
        optimizer = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(1.0))
        optimizer.apply([tf.constant([7.0]), tf.constant([2.0])], [scale, weight])
        assert (float(scale[0]), float(weight[0])) == (7, -1)
        assert values(optimizer)["gradient_norm"] == 2


class TestNonFinite:
    BAD = (np.nan, np.inf, -np.inf)

    @pytest.mark.parametrize(
        ("bad", "mode"), [*((b, "eager") for b in BAD), (np.nan, "graph"), (np.nan, "jit")]
    )
    def test_raise_changes_nothing_and_names_the_variable(self, bad, mode):
        (weight,) = variables([1.0, 2.0])
        optimizer = ClippedOptimizer(Adam(0.1), ClipByGlobalNorm(1.0))
        optimizer.build([weight])
        step = optimizer.apply
        if mode != "eager":
            step = tf.function(step, jit_compile=mode == "jit")
        step([tf.constant([3.0, 4.0])])
        before = [v.numpy() for v in (weight, *optimizer.variables)]
        with pytest.raises(NOT_FINITE, match=r"ClippedOptimizer.*non_finite='skip'") as error:  # noqa: PT012
            step([tf.constant([3.0, bad])])
            optimizer.raise_if_non_finite()  # XLA cannot raise
        assert mode == "jit" or weight.path in str(error.value)
        for was, now in zip(before, (weight, *optimizer.variables), strict=True):
            np.testing.assert_array_equal(was, now.numpy())
        optimizer.raise_if_non_finite()  # has been said

    @pytest.mark.parametrize(("bad", "compiled"), [*((b, False) for b in BAD), (np.nan, True)])
    def test_skip_is_as_if_the_step_had_not_been(self, bad, compiled):
        results = []
        for gradients in ([[3.0, 4.0], [1.0, bad], [-1.0, 2.0]], [[3.0, 4.0], [-1.0, 2.0]]):
            (weight,) = variables([1.0, 2.0])
            rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
            inner = Adam(rate, weight_decay=0.1, use_ema=True)
            optimizer = ClippedOptimizer(inner, ClipByGlobalNorm(1.0), "skip")
            optimizer.build([weight])
            step = tf.function(optimizer.apply, jit_compile=compiled)
            for gradient in gradients:
                step([tf.constant(gradient)])
            results.append([v.numpy() for v in (weight, *optimizer.variables)])
            metrics = values(optimizer)
            assert metrics.pop("skipped_steps") == len(gradients) - 2
            results[-1].append(list(metrics.values()))
        for skipped, absent in zip(*results, strict=True):
            np.testing.assert_array_equal(skipped, absent)

    def test_zero_replaces_the_entries(self, rng):
        optimizer = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(2.5), "zero")
        (ours,) = apply(optimizer, [[3.0, np.nan, 4.0, np.inf, -np.inf]])
        np.testing.assert_allclose(ours, [1.5, 0, 2, 0, 0], rtol=1e-6)
        assert values(optimizer) == {
            "gradient_norm": 5,
            "clipped_fraction": 1,
            "zeroed_steps": 1,
        }

    @pytest.mark.parametrize("policy", ["raise", "skip", "zero"])
    def test_in_a_sparse_gradient(self, policy):
        (weight,) = variables(np.zeros((3, 1)))
        optimizer = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(1.0), policy)
        gradient = slices([[np.inf], [3.0], [4.0]], [0, 2, 1], (3, 1))
        if policy == "raise":
            with pytest.raises(NOT_FINITE):
                optimizer.apply([gradient], [weight])
        else:
            optimizer.apply([gradient], [weight])
        expected = [0, -0.8, -0.6] if policy == "zero" else [0, 0, 0]
        np.testing.assert_allclose(weight.numpy()[:, 0], expected, rtol=1e-6)


class TestLossScaling:
    def test_unscaled_gradients_are_clipped_and_its_overflows_left_to_it(self):
        (weight,) = variables([0.0, 0.0])
        clipped = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(2.5))
        optimizer = LossScaleOptimizer(clipped, initial_scale=1024.0)
        step = tf.function(lambda g: optimizer.apply([g], [weight]))
        optimizer.build([weight])
        step(tf.constant([np.inf, 1.0]))
        assert not np.any(weight.numpy())
        assert float(optimizer.dynamic_scale) == 512
        step(512 * tf.constant([3.0, 4.0]))
        np.testing.assert_allclose(weight.numpy(), [-1.5, -2.0], rtol=1e-6)
        assert values(clipped) == {
            "gradient_norm": 5,
            "clipped_fraction": 1,
            "skipped_steps": 0,
        }
        assert int(optimizer.iterations) == 1


class TestAccumulation:
    def run(self, optimizer, gradients, compiled=False):
        table, bias = variables(np.ones((4, 2)), [0.0, 0.0])
        optimizer.build([table, bias])
        step = tf.function(optimizer.apply, jit_compile=compiled)
        for rows, dense in gradients:
            step([slices(rows, [1, 3, 1], (4, 2)), tf.constant(dense)])
        return [table.numpy(), bias.numpy()]

    def gradients(self, rng, steps=7):
        shapes = (3, 2), (2,)
        return [[rng.normal(size=s).astype("float32") for s in shapes] for _ in range(steps)]

    EMA = {"use_ema": True, "ema_overwrite_frequency": 2}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("ema", "compiled"),
        [
            ({}, False),
            (EMA, True),
            pytest.param({}, True, marks=pytest.mark.slow),
            pytest.param(EMA, False, marks=pytest.mark.slow),
        ],
        ids=["", "ema-jit", "jit", "ema"],
    )
    def test_clips_the_mean_that_is_applied_as_keras_does(self, compiled, ema, rng):
        gradients = self.gradients(rng)
        keywords = {"gradient_accumulation_steps": 3, "weight_decay": 0.01, **ema}
        optimizer = ClippedOptimizer(Adam(0.1, **keywords), ClipByGlobalNorm(0.5))
        ours = self.run(optimizer, gradients, compiled)
        theirs = self.run(DenseAdam(0.1, **keywords, global_clipnorm=0.5), gradients)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert int(optimizer.iterations) == 2
        means = [
            [np.mean(g, axis=0) for g in zip(*gradients[i : i + 3], strict=True)] for i in (0, 3)
        ]
        dense = [[np.stack([r[0] + r[2], r[1]]), b] for r, b in means]
        norms = [np.sqrt(sum(np.sum(np.square(g)) for g in pair)) for pair in dense]
        np.testing.assert_allclose(values(optimizer)["gradient_norm"], np.mean(norms), rtol=1e-6)

    def test_a_skipped_step_leaves_the_sum(self, rng):
        gradients = self.gradients(rng, steps=6)
        bad = [gradients[0][0], np.array([1.0, np.nan], "float32")]
        results = []
        for sequence in (gradients, [*gradients[:4], bad, *gradients[4:]]):
            inner = SGD(0.1, momentum=0.9, gradient_accumulation_steps=3)
            optimizer = ClippedOptimizer(inner, ClipByGlobalNorm(0.5), "skip")
            results.append(self.run(optimizer, sequence))
        assert values(optimizer)["skipped_steps"] == 1
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_an_unknown_variable_is_refused(self):
        known, unknown = variables([0.0], [0.0])
        inner = SGD(0.1, gradient_accumulation_steps=2)
        optimizer = ClippedOptimizer(inner, ClipByGlobalNorm(0.5))
        optimizer.build([known])
        with refused("ClippedOptimizer", unknown.name, "new optimizer"):
            optimizer.apply([tf.constant([1.0])], [unknown])


class TestPassingThrough:
    def test_a_custom_loop(self, rng):
        x = tf.constant(rng.normal(size=(8, 3)), tf.float32)

        def descend(optimizer):
            (weight,) = variables(np.ones((3, 1)))
            optimizer.build([weight])

            @tf.function
            def step():
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((x @ weight) ** 2)
                gradient = tape.gradient(loss, weight.value)
                return optimizer.apply_gradients([(gradient, weight)])

            assert [int(step()) for _ in range(3)] == [1, 2, 3]
            return weight.numpy()

        ours = descend(ClippedOptimizer(Adam(0.1), ClipByGlobalNorm(0.1)))
        theirs = descend(Adam(0.1, global_clipnorm=0.1))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)

    def test_learning_rate_and_iterations(self):
        (weight,) = variables([0.0])
        inner = SGD(1.0)
        optimizer = ClippedOptimizer(inner, ClipByGlobalNorm(1.0))
        assert int(optimizer.apply_gradients([(tf.constant([2.0]), weight)])) == 1
        optimizer.learning_rate = 0.5
        assert float(inner.learning_rate) == float(optimizer.learning_rate) == 0.5
        optimizer.apply([tf.constant([2.0])])
        assert float(weight[0]) == -1.5
        assert int(inner.iterations) == int(optimizer.iterations) == 2
        assert [v.path for v in optimizer.variables] == [v.path for v in inner.variables]

    def test_schedule(self):
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.25])
        (weight,) = variables([0.0])
        optimizer = ClippedOptimizer(SGD(rate), ClipByGlobalNorm(1.0))
        for _ in range(3):
            optimizer.apply([tf.constant([2.0])], [weight])
        assert float(weight[0]) == -1.5
        assert float(optimizer.learning_rate) == 0.25

    def test_exclusion_from_weight_decay(self):
        kernel, bias = variables([1.0], [1.0])
        optimizer = ClippedOptimizer(AdamW(1.0, weight_decay=0.1), ClipByGlobalNorm(1.0))
        optimizer.exclude_from_weight_decay(var_list=[bias])
        optimizer.apply([tf.zeros(1), tf.zeros(1)], [kernel, bias])
        np.testing.assert_allclose([float(kernel[0]), float(bias[0])], [0.9, 1.0])

    @has_multi_optimizer
    def test_several_inner_optimizers(self):
        kernel, bias = variables([0.0], [0.0])
        inner = keras.optimizers.MultiOptimizer(
            lambda variable: SGD(1.0) if variable is kernel else SGD(0.5)
        )
        optimizer = ClippedOptimizer(inner, ClipByGlobalNorm(2.5))
        optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], [kernel, bias])
        np.testing.assert_allclose([float(kernel[0]), float(bias[0])], [-1.5, -1.0], rtol=1e-6)


class TestErrors:
    @pytest.mark.parametrize(
        ("inner", "words"),
        [
            (lambda: "adam", ["inner_optimizer", "'adam'", "keras.optimizers.Adam"]),
            (lambda: Adam, ["inner_optimizer", "Adam", "keras.optimizers.Adam(1e-3)"]),
            (lambda: SGD(clipnorm=1.0), ["clipnorm=1.0", "`clip`"]),
            (lambda: SGD(global_clipnorm=2.0), ["global_clipnorm=2.0", "`clip`"]),
            (lambda: SGD(clipvalue=3.0), ["clipvalue=3.0", "`clip`"]),
            (lambda: SGD(loss_scale_factor=8.0), ["loss_scale_factor=8.0", "LossScaleOptimizer"]),
            (lambda: LossScaleOptimizer(SGD()), ["LossScaleOptimizer(ClippedOptimizer(...))"]),
            (lambda: ClippedOptimizer(SGD(), ()), ["ClippedOptimizer", "list as `clip`"]),
        ],
    )
    def test_an_inner_optimizer_that_would_be_wrong(self, inner, words):
        with refused("ClippedOptimizer", *words):
            ClippedOptimizer(inner(), ClipByGlobalNorm(1.0))

    @has_multi_optimizer
    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize(
        ("keywords", "word"),
        [({"clipnorm": 1.0}, "clipnorm"), ({"gradient_accumulation_steps": 2}, "accumulation")],
    )
    def test_a_part_of_a_multi_optimizer_that_would_be_wrong(self, late, keywords, word):
        part = SGD(**keywords)
        mapping = (lambda _: part) if late else keras.optimizers.OptimizerMap(part)
        with refused("ClippedOptimizer", word):
            inner = keras.optimizers.MultiOptimizer(mapping)
            ClippedOptimizer(inner, ClipByGlobalNorm(1.0)).build(variables([0.0]))

    @pytest.mark.parametrize("clip", [1.0, None, "global_norm", [1.0], ClipByValue])
    def test_a_clip_that_is_none(self, clip):
        with refused("`clip`", "ClipByGlobalNorm", repr(clip)):
            ClippedOptimizer(SGD(), clip)

    def test_other_arguments(self):
        with refused("non_finite", "'raise'", "'skip'", "'zero'", "'ignore'"):
            ClippedOptimizer(SGD(), ClipByGlobalNorm(1.0), non_finite="ignore")
        with refused("clipnorm", "weight_decay", "inner optimizer"):
            ClippedOptimizer(SGD(), ClipByGlobalNorm(1.0), weight_decay=0.1, clipnorm=1.0)

    def test_calls(self):
        optimizer = ClippedOptimizer(SGD(), ClipByGlobalNorm(1.0))
        with refused("trainable_variables", "build"):
            optimizer.apply([tf.zeros(1)])
        with refused("2 variables", "received 1"):
            optimizer.apply([tf.zeros(1)], variables([0.0], [0.0]))
        optimizer.build(variables([0.0], [0.0]))
        with refused("2 variables", "received 1"):
            optimizer.apply([tf.zeros(1)])


def test_all_weights_can_be_set():
    (one,), (other,) = variables([1.0, 2.0]), variables([1.0, 2.0])
    trained, fresh = (
        ClippedOptimizer(keras.optimizers.Adam(0.1), ClipByGlobalNorm(1.0)) for _ in range(2)
    )
    with refused("`weights`", "call it first"):
        fresh.set_weights([])
    fresh.build([other])
    trained.apply([tf.constant([3.0, 4.0])], [one])
    weights = [variable.numpy() for variable in trained.variables]
    fresh.set_weights(weights)
    for variable, weight in zip(fresh.variables, weights, strict=True):
        np.testing.assert_array_equal(variable, weight)
    with refused("`weights`", "(2,)", "(3,)"):
        fresh.set_weights([*weights[:-1], np.ones(3)])
