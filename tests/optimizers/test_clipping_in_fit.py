"""`ClippedOptimizer` in `fit`: its logs, its errors, mixed precision, saving and going on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer

from rnnlayers.optimizers import ClipByGlobalNorm, ClipByValue, ClippedOptimizer, ClippingLogger
from tests.numbers import refused
from tests.optimizers.helpers import (
    CLIPS,
    NOT_FINITE,
    DenseAdam,
    assert_same_weights,
    reviews,
    train,
    values,
    variables,
)


class TestFit:
    @pytest.mark.parametrize("jit_compile", [True, "auto"])  # on a CPU, "auto" is False
    def test_equals_the_clipping_of_keras_and_logs(self, jit_compile, rng):
        data = reviews(rng)
        optimizer = ClippedOptimizer(Adam(0.05), ClipByGlobalNorm(1.0))
        ours, history = train(
            optimizer, data, callbacks=[ClippingLogger()], jit_compile=jit_compile
        )
        theirs, _ = train(DenseAdam(0.05, global_clipnorm=1.0), data)
        assert_same_weights(ours, theirs, atol=1e-5)
        assert history["clipped_fraction"] == [1, 1]
        assert history["skipped_steps"] == [0, 0]
        assert all(n > 1 for n in history["gradient_norm"])

    def test_logs_are_of_their_epoch_and_validation_has_none(self, rng):
        x, y = reviews(rng)
        y[:8] = np.nan
        optimizer = ClippedOptimizer(SGD(1e-9), ClipByGlobalNorm(1e9), "skip")
        _, history = train(optimizer, (x, y), validation_data=(x, y), callbacks=[ClippingLogger()])
        assert history["skipped_steps"] == [1, 1]
        assert history["clipped_fraction"] == [0, 0]
        first, second = history["gradient_norm"]
        np.testing.assert_allclose(first, second, rtol=1e-4)  # the weights hardly move
        assert {name for name in history if name.startswith("val")} == {"val_loss"}

    def test_tensorboard_shows_the_metrics(self, tmp_path, rng):
        board = keras.callbacks.TensorBoard(tmp_path, update_freq=1)
        optimizer = ClippedOptimizer(Adam(0.05), ClipByGlobalNorm(1.0))
        _, history = train(optimizer, reviews(rng), callbacks=[ClippingLogger(), board])
        shown = {}
        for path in (tmp_path / "train").glob("events*.v2"):
            for event in tf.compat.v1.train.summary_iterator(str(path)):
                for value in event.summary.value:
                    if value.HasField("tensor"):
                        shown.setdefault(value.tag, []).append(tf.make_ndarray(value.tensor))
        for name in ("gradient_norm", "clipped_fraction", "skipped_steps"):
            np.testing.assert_allclose(shown[f"epoch_{name}"], history[name], rtol=1e-6)
            assert len(shown[f"batch_{name}"]) == 6
        assert "epoch_learning_rate" in shown

    @pytest.mark.parametrize(
        ("jit_compile", "logged"), [(False, False), (True, False), (True, True)]
    )
    def test_raises(self, jit_compile, logged, rng):
        x, y = reviews(rng)
        y[3] = np.nan
        optimizer = ClippedOptimizer(Adam(0.05), ClipByGlobalNorm(1.0))
        with pytest.raises(NOT_FINITE, match=r"ClippedOptimizer.*not finite"):
            train(
                optimizer,
                (x, y),
                callbacks=[ClippingLogger()] if logged else [],
                jit_compile=jit_compile,
            )
        # Only where XLA cannot raise and nothing looks in between, `fit` goes on to its end.
        assert int(optimizer.iterations) == (4 if jit_compile and not logged else 0)

    def test_reduce_on_plateau(self, rng):
        plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.1, patience=1, min_delta=1e9)
        optimizer = ClippedOptimizer(Adam(0.05), ClipByGlobalNorm(1.0))
        train(optimizer, reviews(rng), epochs=3, callbacks=[plateau])
        np.testing.assert_allclose(float(optimizer.inner_optimizer.learning_rate), 5e-4)

    def test_moving_averages(self, rng):
        data = reviews(rng)
        results = []
        for wrap in (False, True):
            clipnorm = {} if wrap else {"global_clipnorm": 1.0}
            optimizer = DenseAdam(0.05, use_ema=True, ema_momentum=0.5, **clipnorm)
            if wrap:
                optimizer = ClippedOptimizer(optimizer, ClipByGlobalNorm(1.0))
            swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
            results.append(train(optimizer, data, callbacks=[swap])[0])
        assert_same_weights(*results)

    def test_the_logger_needs_a_clipped_optimizer(self, rng):
        with refused("ClippingLogger", "ClippedOptimizer", "'adam'"):
            train(Adam(0.05, name="adam"), reviews(rng), callbacks=[ClippingLogger()])


class TestLossScaling:
    def test_under_mixed_float16(self, rng):
        x, y = reviews(rng)
        norms = []
        for policy in ("float32", "mixed_float16"):
            keras.config.set_dtype_policy(policy)
            optimizer = ClippedOptimizer(Adam(0.01), ClipByGlobalNorm(0.1))
            # Targets so small that no scaled loss overflows, and no step is lost.
            model, history = train(optimizer, (x, y / 10), callbacks=[ClippingLogger()])
            norms.append(history["gradient_norm"])
        assert isinstance(model.optimizer, LossScaleOptimizer)
        assert model.optimizer.inner_optimizer is optimizer
        assert history["clipped_fraction"] == [1, 1]
        np.testing.assert_allclose(*norms, rtol=1e-2)

    @pytest.mark.slow
    def test_with_gradient_accumulation(self, rng):
        inner = Adam(0.05, gradient_accumulation_steps=2)
        ours = LossScaleOptimizer(ClippedOptimizer(inner, ClipByGlobalNorm(1.0)))
        data = reviews(rng)
        keras_own = DenseAdam(0.05, gradient_accumulation_steps=2, global_clipnorm=1.0)
        assert_same_weights(train(ours, data)[0], train(keras_own, data)[0], atol=1e-5)


class TestSaving:
    @pytest.mark.slow
    def test_continuing_after_loading_equals_not_having_stopped(self, tmp_path, rng):
        data = reviews(rng)
        # Three steps an epoch: the second cycle of two is saved when it is half done.
        inner = Adam(0.05, gradient_accumulation_steps=2)
        optimizer = ClippedOptimizer(inner, [ClipByValue(0.5), ClipByGlobalNorm(1.0)], "skip")
        model, _ = train(optimizer, data, epochs=1)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for each in (model, loaded):
            train(None, data, each, epochs=1)
        assert_same_weights(loaded, model)
        for one, other in zip(loaded.optimizer.variables, optimizer.variables, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert values(loaded.optimizer) == pytest.approx(values(optimizer), rel=1e-5)

    def test_the_inner_state_is_saved_once(self, tmp_path, rng):
        sizes = []
        for optimizer in (Adam(0.05), ClippedOptimizer(Adam(0.05), ClipByGlobalNorm(1.0))):
            model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5000)])
            model.compile(optimizer, loss="mse")
            optimizer.build(model.trainable_variables)
            model.save(tmp_path / "model.keras")
            sizes.append((tmp_path / "model.keras").stat().st_size)
        assert sizes[1] < 1.1 * sizes[0]

    def test_checkpoint(self, tmp_path):
        pairs = []
        for _ in range(2):
            (weight,) = variables([0.0, 0.0])
            optimizer = ClippedOptimizer(Adam(0.1), ClipByGlobalNorm(1.0))
            optimizer.build([weight])
            pairs.append((weight, optimizer))
        (weight, optimizer), (new_weight, new_optimizer) = pairs
        optimizer.apply([tf.constant([3.0, 4.0])])
        path = tf.train.Checkpoint(weight=weight, optimizer=optimizer).save(tmp_path / "run")
        tf.train.Checkpoint(weight=new_weight, optimizer=new_optimizer).restore(path)
        optimizer.apply([tf.constant([1.0, 1.0])])
        new_optimizer.apply([tf.constant([1.0, 1.0])])
        np.testing.assert_array_equal(weight.numpy(), new_weight.numpy())

    def test_configuration_round_trips(self):
        optimizer = ClippedOptimizer(
            AdamW(0.02, weight_decay=0.3), CLIPS, non_finite="skip", name="guard"
        )
        config = optimizer.get_config()
        copy = ClippedOptimizer.from_config(config)
        assert copy.get_config() == config == optimizer.get_config()
        assert (copy.clip, copy.non_finite, copy.name) == (tuple(CLIPS), "skip", "guard")
        assert copy.inner_optimizer.weight_decay == pytest.approx(0.3)
