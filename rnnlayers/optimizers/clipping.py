"""`ClippedOptimizer`: clips the gradients that any Keras optimizer applies."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from rnnlayers.checks import check_one_of
from rnnlayers.optimizers.clips import Clip
from rnnlayers.optimizers.gradients import (
    Gradient,
    all_finite,
    distinct_rows,
    joint_norm,
    norm_of,
    zero_non_finite,
)
from rnnlayers.optimizers.refusals import check_call, check_clips, check_inner, check_known
from rnnlayers.optimizers.replicas import from_first, is_first, run_if, sum_over_replicas
from rnnlayers.optimizers.wrapper import OptimizerWrapper

_REMEDY = (
    "Lower the learning rate, clip harder, look for bad inputs, "
    "or choose non_finite='skip' or 'zero'."
)


@keras.saving.register_keras_serializable(package="rnnlayers")
class ClippedOptimizer(OptimizerWrapper):
    """Wraps a Keras optimizer: clips the gradients, guards against NaN, and records both.

    Use it instead of `clipnorm`, `global_clipnorm` and `clipvalue` of a Keras optimizer. Those clip
    each replica's gradient before the sum over replicas, compute the norm of repeated embedding
    rows before their sum, and turn every gradient into NaN if the global norm is not finite. This
    optimizer clips the sums, in one or several ways, and counts what it did. A `tf.IndexedSlices`
    stays sparse. Everything else is up to the inner optimizer: learning rate, schedule, slots,
    weight decay, moving averages, `iterations`.

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer` without clipping of its own.
        clip: A `ClipByValue`, `ClipByNorm`, `ClipByGlobalNorm` or `ClipAdaptively`, or a sequence
            of them, applied in order. An empty sequence clips nothing, guards and records.
        non_finite: What to do with a step in which a gradient holds NaN or infinity:

            - `"raise"`: raise a `tf.errors.InvalidArgumentError` that names the variable, before
              anything changes. XLA cannot raise: see `raise_if_non_finite`.
            - `"skip"`: change nothing, as if the batch did not exist: no variable, slot, moving
              average, accumulated gradient, learning-rate schedule or `iterations`. Only
              `skipped_steps` counts it.
            - `"zero"`: replace those entries by 0, and apply the others.
        name: Name of the optimizer.

    Metrics:
        `metrics` holds three `keras.metrics.Metric`, which accumulate until they are reset:

        - `gradient_norm`: the mean global norm before clipping, over the applied steps;
        - `clipped_fraction`: the share of the applied steps in which anything was clipped;
        - `skipped_steps` (with `non_finite="zero"`, `zeroed_steps`): the number of steps that had a
          non-finite gradient.

        An optimizer cannot reach the logs of `fit`: use the callback `ClippingLogger`. A custom
        loop reads `result()` and calls `reset_state()`.

    Mixed precision:
        Wrap this in `keras.optimizers.LossScaleOptimizer`, as `compile` does with `mixed_float16`.
        Then the unscaled gradients are clipped, and the outer optimizer skips the overflows of loss
        scaling before they reach `non_finite`. The opposite nesting is refused.

    Gradient accumulation:
        With `gradient_accumulation_steps` of the inner optimizer, the mean over the accumulated
        steps is clipped once, when it is applied. This takes one more accumulator for each
        variable, and makes sparse gradients dense, as in Keras. Keras cannot accumulate on several
        replicas inside `fit`, so that is refused.

    Raises:
        ValueError: if an argument is none of the above, or if `inner_optimizer` clips, scales the
            loss, or is itself a `ClippedOptimizer` or a `LossScaleOptimizer`.

    Example:
        >>> import keras, rnnlayers
        >>> from rnnlayers.optimizers import ClipByGlobalNorm
        >>> optimizer = rnnlayers.ClippedOptimizer(keras.optimizers.SGD(1.0), ClipByGlobalNorm(5.0))
        >>> weight = keras.Variable([0.0, 0.0])
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [weight])
        >>> weight.numpy().tolist()
        [-3.0, -4.0]
        >>> {metric.name: float(metric.result()) for metric in optimizer.metrics}
        {'gradient_norm': 50.0, 'clipped_fraction': 1.0, 'skipped_steps': 0.0}
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        clip: Clip | Sequence[Clip],
        non_finite: str = "raise",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise ValueError(
                "ClippedOptimizer: the arguments must be `inner_optimizer`, `clip`, `non_finite` "
                f"and `name`; received also {sorted(kwargs)}. Pass those to the inner optimizer."
            )
        check_inner(inner_optimizer)
        clips = (clip,) if isinstance(clip, Clip) else clip
        check_clips(clips)
        check_one_of("non_finite", non_finite, ("raise", "skip", "zero"))
        super().__init__(inner_optimizer, name)
        self.clip = tuple(clips)
        self.non_finite = non_finite
        self.metrics = [
            keras.metrics.Mean("gradient_norm", dtype="float64"),
            keras.metrics.Mean("clipped_fraction", dtype="float64"),
            keras.metrics.Sum("zeroed_steps" if non_finite == "zero" else "skipped_steps"),
        ]
        self._accumulators: list[keras.Variable] = []

    def _build_own(self, variables: list[Any]) -> None:
        """Create the accumulators."""
        check_inner(self.inner_optimizer)  # a MultiOptimizer has its parts only now
        if self.inner_optimizer.gradient_accumulation_steps:
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            if replicas > 1:
                raise ValueError(
                    "ClippedOptimizer: `gradient_accumulation_steps` needs a single replica; "
                    f"received a strategy of {replicas}, on which Keras cannot accumulate inside "
                    "a tf.function. Use larger batches instead."
                )
            self._accumulators = [
                self.add_variable_from_reference(v, "clipping_accumulator") for v in variables
            ]

    def apply(
        self, grads: Sequence[Gradient | None], trainable_variables: Sequence[Any] | None = None
    ) -> None:
        """Clip `grads` and let the inner optimizer apply them.

        Args:
            grads: One gradient for each variable, of its shape, dense or `tf.IndexedSlices`, or
                None. Under `tf.distribute`, the gradient of this replica; replicas are summed.
            trainable_variables: The variables; by default those that the optimizer was built for.

        Raises:
            ValueError: if the optimizer is not built and gets no variables, if the lengths differ,
                or if it is called outside a replica of a `tf.distribute.Strategy`.
            tf.errors.InvalidArgumentError: if a gradient is not finite, with
                `non_finite="raise"`.
        """
        grads = list(grads)
        if not grads:
            return
        variables = check_call(
            grads, self._built_for if trainable_variables is None else trainable_variables
        )
        self.build(variables)
        # A variable that is overwritten with its gradient (a float8 scale) must not be clipped.
        clippable = [
            i
            for i, (g, v) in enumerate(zip(grads, variables, strict=True))
            if g is not None and not getattr(v, "overwrite_with_gradient", False)
        ]
        if not clippable:
            self.inner_optimizer.apply(grads, variables)
            return
        targets = [variables[i] for i in clippable]
        gradients = sum_over_replicas([grads[i] for i in clippable])
        gradients = [distinct_rows(g) for g in gradients]
        repaired = tf.constant(False)
        if self.non_finite == "zero":
            repaired = ~all_finite(gradients)
            gradients = [zero_non_finite(g) for g in gradients]
        gradients, sums, is_update = self._accumulate(gradients, targets)
        gradients, norm, clipped = self._clip(gradients, targets)
        finite = tf.math.is_finite(norm)
        self._record(norm, clipped, applied=finite & is_update, bad=repaired | ~finite)

        @tf.autograph.experimental.do_not_convert
        def update(gradients: list[Gradient]) -> None:
            for accumulator, value in sums:
                accumulator.assign(value)
            # TensorFlow can make a sparse gradient dense only in its own graph.
            gradients = tf.nest.map_structure(tf.identity, gradients, expand_composites=True)
            to_apply = list(grads)
            for i, gradient in zip(clippable, gradients, strict=True):
                to_apply[i] = from_first(gradient)
            self.inner_optimizer.apply(to_apply, variables)

        run_if(finite, update, self._release(gradients, is_update))

    def raise_if_non_finite(self) -> None:
        """Raise the error that a step compiled by XLA could not raise.

        XLA drops assertions. A compiled step with a non-finite gradient and `non_finite="raise"`
        changes nothing and is counted. `ClippingLogger` calls this method after every batch, and
        `fit` at its end. Call it in a custom loop whose step is compiled with `jit_compile=True`.

        Raises:
            tf.errors.InvalidArgumentError: if there was such a step since the last call.
        """
        skipped = self.metrics[-1]
        if self.non_finite == "raise" and float(skipped.result()) > 0:
            skipped.reset_state()
            raise tf.errors.InvalidArgumentError(
                None, None, f"ClippedOptimizer: a gradient was not finite. {_REMEDY}"
            )

    def _accumulate(
        self, gradients: list[Gradient], targets: list[Any]
    ) -> tuple[list[Gradient], list[tuple[keras.Variable, tf.Tensor]], tf.Tensor]:
        """Return the means over the cycle, the sums to store, and whether this call ends it."""
        steps = self.inner_optimizer.gradient_accumulation_steps
        if not steps:
            return gradients, [], tf.constant(True)
        accumulators = self._accumulators_of(targets)
        # The number of calls; `iterations` counts updates.
        calls = next(v for v in self.inner_optimizer.variables if v.name == "iteration")
        is_update = tf.equal((calls + 1) % steps, 0)
        means, sums = [], []
        for gradient, accumulator in zip(gradients, accumulators, strict=True):
            total = tf.cast(accumulator, gradient.dtype) + tf.convert_to_tensor(gradient)
            means.append(total / steps)
            sums.append((accumulator, tf.where(is_update, tf.zeros_like(total), total)))
        return means, sums, is_update

    def _accumulators_of(self, targets: list[Any]) -> list[keras.Variable]:
        known = {id(v): a for v, a in zip(self._built_for or (), self._accumulators, strict=True)}
        check_known(targets, known)
        return [known[id(v)] for v in targets]

    def _release(self, means: list[Gradient], is_update: tf.Tensor) -> list[Gradient]:
        """Return gradients whose mean over a cycle, in the inner optimizer, is the clipped mean."""
        steps = self.inner_optimizer.gradient_accumulation_steps
        if not steps:
            return means
        return [tf.where(is_update, steps * m, tf.zeros_like(m)) for m in means]

    def _clip(
        self, gradients: list[Gradient], targets: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor, tf.Tensor]:
        """Return the clipped gradients, the global norm before, and whether one was clipped."""
        norms = [norm_of(g) for g in gradients]
        if self.non_finite == "raise":
            norms = [
                tf.debugging.check_numerics(
                    norm,
                    f"ClippedOptimizer: the gradient of {getattr(v, 'path', v.name)} is not "
                    f"finite. {_REMEDY}",
                )
                for norm, v in zip(norms, targets, strict=True)
            ]
        clipped = tf.constant(False)
        for clip in self.clip:
            gradients, exceeded = clip(gradients, targets)
            clipped |= exceeded
        return gradients, joint_norm(norms), clipped

    def _record(
        self, norm: tf.Tensor, clipped: tf.Tensor, applied: tf.Tensor, bad: tf.Tensor
    ) -> None:
        # All replicas have the same values, so only the first one records them.
        first = is_first()
        weight = tf.cast(applied & first, tf.float64)
        gradient_norm, clipped_fraction, bad_steps = self.metrics
        gradient_norm.update_state(tf.where(applied, norm, 0.0), weight)
        clipped_fraction.update_state(tf.cast(clipped, tf.float64), weight)
        bad_steps.update_state(tf.cast(bad & first, tf.float32))

    @property
    def variables(self) -> list[keras.Variable]:
        """The inner optimizer's variables, then the accumulators of the mean to clip."""
        return [*self.inner_optimizer.variables, *self._accumulators]

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """End training: call `raise_if_non_finite`, then write the inner optimizer's averages."""
        self.raise_if_non_finite()
        super().finalize_variable_values(var_list)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all of `variables`.

        Args:
            weights: One array for each of `variables`, in their order.

        Raises:
            ValueError: if this is not built, or if the arrays do not fit.
        """
        expected = [tuple(variable.shape) for variable in self.variables]
        received = [tuple(weight.shape) for weight in weights]
        if not self.built or received != expected:
            raise ValueError(
                "ClippedOptimizer: `weights` must be an array for each of `variables`, of shapes "
                f"{expected if self.built else 'that `build` gives them: call it first'}; "
                f"received {received}."
            )
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Save accumulators and metrics; Keras saves the inner optimizer."""
        for i, variable in enumerate(self._own_variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Load accumulators and metrics."""
        for i, variable in enumerate(self._own_variables):
            variable.assign(store[str(i)])

    @property
    def _own_variables(self) -> list[keras.Variable]:
        return [*self._accumulators, *(v for metric in self.metrics for v in metric.variables)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, with the inner optimizer and the clips serialized."""
        return {
            "name": self.name,
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "clip": [keras.saving.serialize_keras_object(c) for c in self.clip],
            "non_finite": self.non_finite,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "ClippedOptimizer":
        """Create an optimizer from the result of `get_config`."""

        def deserialize(value: Any) -> Any:
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)

        return cls(
            **config
            | {
                "inner_optimizer": deserialize(config["inner_optimizer"]),
                "clip": [deserialize(c) for c in config["clip"]],
            }
        )
