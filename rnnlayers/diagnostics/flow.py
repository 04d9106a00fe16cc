"""How far back gradients reach: the norm of dL/dh_t at each step, by one backward pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rnnlayers.diagnostics.measures import growth_of, in_order, mean_of, reach_of
from rnnlayers.diagnostics.watching import (
    Watched,
    keeping,
    recurrent_layers,
    watching,
    with_own_layers,
)
from rnnlayers.types import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LayerFlow:
    """The gradients of one recurrent layer; see `gradient_flow`.

    Args:
        name: The path of the layer in the model.
        norms: For each state of the cell, h first, the norm of dL/ds_t, `(batch, timesteps)`, steps
            in the order of time.
        valid: Booleans `(batch, timesteps)`, False at masked steps, or None.
        reverse: Whether the layer begins with the last step.
        gradients: For each state dL/ds_t itself, `(batch, timesteps, size)`, if asked for.
    """

    name: str
    norms: dict[str, np.ndarray]
    valid: np.ndarray | None = None
    reverse: bool = False
    gradients: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def norm(self) -> np.ndarray:
        """The norm of the gradient of all states together, `(batch, timesteps)`."""
        return np.sqrt(sum(norm**2 for norm in self.norms.values()))

    @property
    def mean_norm(self) -> np.ndarray:
        """The mean of `norm` over the rows that have a step there, `(timesteps,)`."""
        counts = np.ones(self.norm.shape) if self.valid is None else self.valid.astype(float)
        total = np.where(counts > 0, self.norm, 0.0).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / counts.sum(0)

    @property
    def steps(self) -> np.ndarray:
        """The number of steps of each row that count, `(batch,)`."""
        batch, time = self.norm.shape
        return np.full(batch, time) if self.valid is None else self.valid.sum(1)

    @property
    def reach(self) -> np.ndarray:
        """How many steps back of each row's last step until less than 1 % is left, `(batch,)`.

        The number of steps before the last one if more is left everywhere; NaN without a gradient.
        """
        rows = in_order(self.norm, self.valid, self.reverse)
        return np.array([reach_of(row) for row in rows])

    @property
    def growth(self) -> np.ndarray:
        """The factor by which each row's gradient changes from a step to the one before."""
        rows = in_order(self.norm, self.valid, self.reverse)
        return np.array([growth_of(row) for row in rows])

    @property
    def finite(self) -> bool:
        """Whether no gradient is NaN or infinite."""
        return bool(np.isfinite(self.norm).all())


@dataclass(frozen=True)
class Flow:
    """The gradients of all recurrent layers of a model; see `gradient_flow`.

    Args:
        loss: The loss of the batch.
        gradient_norm: The norm of the gradient of all trainable weights together.
        layers: By the path of the layer. A second call of the same layer has `#call2` behind it.
        at_each_step: Whether the model has outputs at each step and the loss of all of them counts.
            New gradients then come in at each step, so that sums of them grow on their way back.
    """

    loss: float
    gradient_norm: float
    layers: dict[str, LayerFlow]
    at_each_step: bool = False

    def summary(self) -> dict[str, float]:
        """Return means over the rows, by names for logs such as `lstm/reach`."""
        values = {"loss": self.loss, "gradient_norm": self.gradient_norm}
        for name, layer in self.layers.items():
            values[f"{name}/reach"] = mean_of(layer.reach)
            values[f"{name}/growth"] = mean_of(layer.growth)
        return values


def gradient_flow(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    loss: Loss | None = None,
    loss_step: int | None = None,
    training: bool = False,
    return_gradients: bool = False,
) -> Flow:
    """Return the norm of dL/dh_t at each step of each recurrent layer.

        dL/dh_t = dL/dy_t dy_t/dh_t + dL/dh_(t+1) dh_(t+1)/dh_t

    is the gradient of the loss with respect to the state after step t, by way of all later steps. A
    zero is added to each state, and one backward pass of the engine returns the gradients of all of
    these: together a training step with a little more to write. Steps that lie further back than
    `reach` have no say in what is learned. A `growth` above 1 means that gradients explode.

    A cell with several states has a norm for each. That of an LSTM's h goes through the gates
    alone, that of its c along the sum; `reach` and `growth` are those of all states together.

    A masked step passes its state on, and the gradient of that is the gradient of what was passed
    on. Masked steps count neither in `reach` nor in `growth`. For a layer that runs backwards, the
    steps are in the order of time too, and "back" is towards the end of the sequence.

    A layer on the native engine, whose operators keep these gradients to themselves, runs on
    another engine here. The numbers are the same to rounding.

    Args:
        model: A built model with recurrent layers of this library. Stock layers of Keras are
            exchanged by `rnnlayers.accelerate`; the weights of `model` stay as they are.
        x: A batch of inputs, as `model` takes them.
        y: The targets of the batch.
        sample_weight: Weights of the rows or steps.
        loss: A function of targets and outputs that returns the loss of the batch, or of each row,
            whose mean is taken. By default the loss that the model was compiled with, with
            regularization and `add_loss`.
        loss_step: Count the loss of this step of the outputs `(batch, timesteps, ...)` only, -1 for
            the last one. With a loss at each step, new gradients come in at each step, and `reach`
            says little about one of them.
        training: Whether dropout applies and batch normalization uses the batch.
        return_gradients: Whether to return the gradients themselves too.

    Returns:
        A `Flow`.

    Raises:
        ValueError: if the model has no recurrent layer, is not built, has no loss, or if `y` is
            missing.

    Example:

    >>> inputs = keras.Input((20, 3))
    >>> model = keras.Model(inputs, rnnlayers.Elman(8, name="elman")(inputs))
    >>> model.compile(loss="mse")
    >>> flow = rnnlayers.diagnostics.gradient_flow(model, np.ones((4, 20, 3)), np.ones((4, 8)))
    >>> flow.layers["elman"].norm.shape
    (4, 20)

    References: Bengio, Simard and Frasconi (1994), Learning long-term dependencies with gradient
    descent is difficult; Pascanu, Mikolov and Bengio (2013), On the difficulty of training
    recurrent neural networks, equations 3 to 5.
    """
    probe = FlowProbe(
        model,
        loss=loss,
        loss_step=loss_step,
        training=training,
        return_gradients=return_gradients,
    )
    return probe(x, y, sample_weight)


class FlowProbe:
    """`gradient_flow` as a function that is compiled once for each shape of its arguments.

    Args:
        model: As for `gradient_flow`, and so are the other arguments.
        loss: As there.
        loss_step: As there.
        training: As there.
        return_gradients: As there.

    Example:

    >>> inputs = keras.Input((20, 3))
    >>> model = keras.Model(inputs, rnnlayers.Elman(8, name="elman")(inputs))
    >>> probe = rnnlayers.diagnostics.FlowProbe(model, loss=keras.losses.mean_squared_error)
    >>> probe(np.ones((4, 20, 3)), np.ones((4, 8))).layers["elman"].reach.shape
    (4,)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        loss: Loss | None = None,
        loss_step: int | None = None,
        training: bool = False,
        return_gradients: bool = False,
    ) -> None:
        self.model = with_own_layers(model)
        self.given = model
        self.layers = recurrent_layers(self.model)
        check_loss(model, loss)
        self.loss = loss
        self.loss_step = loss_step
        self.training = training
        self.return_gradients = return_gradients
        self._watched: list[Watched] = []
        self._at_each_step = False
        # TensorFlow warns of retracing for all functions with the same code together. A partial
        # function has no code of its own.
        self._run = tf.function(partial(self._compute), autograph=False)

    def __call__(self, x: Any, y: Any = None, sample_weight: Any = None) -> Flow:
        """Return the gradients of a batch; see `gradient_flow`."""
        needs_y = self.loss is None and getattr(self.given, "loss", None) is not None
        if y is None and needs_y:
            raise ValueError(
                "`y` must hold the targets of the batch, which the loss of "
                f"{self.given.name!r} compares with its outputs; received None."
            )
        if self.model is not self.given:
            self.model.set_weights(self.given.get_weights())
        x, y, sample_weight = keras.tree.map_structure(_tensor, (x, y, sample_weight))
        with keeping(self.model, self.layers):
            loss, norm, layers = self._run(x, y, sample_weight)
        found: dict[str, LayerFlow] = {}
        for call, of_call in zip(self._watched, layers, strict=True):
            same = sum(name.split("#call")[0] == call.name for name in found)
            name = f"{call.name}#call{same + 1}" if same else call.name
            found[name] = _layer_flow(name, call, of_call)
        return Flow(float(loss), float(norm), found, self._at_each_step)

    def _compute(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """Return the loss, the norm of the gradient of the weights, and what layers tell."""
        weights = [weight.value for weight in self.model.trainable_variables]
        with tf.GradientTape() as tape, watching(self.layers, tape) as calls:
            outputs = self.model(x, training=self.training)
            ranks = [len(tensor.shape) for tensor in keras.tree.flatten(outputs)]
            self._at_each_step = self.loss_step is None and max(ranks) > 2
            outputs = keras.tree.map_structure(self._at_one_step, outputs)
            loss = self._loss(x, y, outputs, sample_weight)
        self._watched = calls
        found, of_weights = tape.gradient(
            loss, [[call.probes for call in calls], weights], unconnected_gradients="zero"
        )
        layers = []
        for call, of_states in zip(calls, found, strict=True):
            # Squares of small gradients would be zero in single precision.
            norms = [tf.norm(tf.cast(d, "float64"), axis=-1) for d in of_states]
            layers.append((norms, call.valid, of_states if self.return_gradients else []))
        return loss, norm_of(of_weights), layers

    def _at_one_step(self, outputs: Any) -> Any:
        """Return an output, cut off from differentiation but for one step if one is asked for."""
        if self.loss_step is None:
            return outputs
        if len(outputs.shape) < 3:
            raise ValueError(
                "`loss_step` needs outputs (batch, timesteps, ...), those of all steps; "
                f"{self.model.name!r} returns {tuple(outputs.shape)}."
            )
        steps = ops.shape(outputs)[1]
        wanted = self.loss_step if self.loss_step >= 0 else steps + self.loss_step
        here = ops.arange(steps) == wanted
        here = ops.reshape(here, (1, steps, *[1] * (len(outputs.shape) - 2)))
        return ops.where(here, outputs, ops.stop_gradient(outputs))

    def _loss(self, x: Any, y: Any, outputs: Any, sample_weight: Any) -> Tensor:
        if self.loss is not None:
            return ops.mean(self.loss(y, outputs))
        return self.model.compute_loss(
            x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=self.training
        )


def check_loss(model: keras.Model, loss: Loss | None) -> None:
    """Raise a ValueError unless there is a loss."""
    if loss is None and not getattr(model, "compiled", False):
        name = getattr(model, "name", model)
        raise ValueError(
            f"`loss` must be given for {name!r}, which was not compiled with one. Call "
            "`model.compile(loss=...)`, or pass a function of targets and outputs."
        )
    if loss is not None and not callable(loss):
        raise ValueError(
            "`loss` must be a function of targets and outputs, such as "
            f"`keras.losses.mean_squared_error`; received {loss!r}."
        )


def norm_of(gradients: Sequence[Any]) -> Tensor:
    """Return the norm of gradients taken together, in float64, so that no square overflows."""
    squares = [
        tf.reduce_sum(tf.square(tf.cast(tf.convert_to_tensor(d), "float64")))
        for d in gradients
        if d is not None
    ]
    return tf.sqrt(tf.add_n([tf.zeros((), "float64"), *squares]))


def _tensor(value: Any) -> Any:
    return None if value is None else tf.convert_to_tensor(value)


def _layer_flow(name: str, call: Watched, of_call: Any) -> LayerFlow:
    """Return what was computed of a call, batch-major."""
    norms, valid, gradients = of_call
    states = call.cell.state_names
    return LayerFlow(
        name,
        {state: norm.numpy().T for state, norm in zip(states, norms, strict=True)},
        None if valid is None else valid.numpy(),
        call.reverse,
        {state: d.numpy().swapaxes(0, 1) for state, d in zip(states, gradients, strict=False)},
    )
