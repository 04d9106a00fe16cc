"""Recurrent layers one above the other, as one layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.checks import check_rate
from rnnlayers.layers.masks import (
    first_mask,
    repeat_at_masked_steps,
    time_major_mask,
    zero_before_first_step,
    zero_where_false,
)
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class Stack(keras.Layer):
    """Recurrent layers one above the other, with the states of all: a deep recurrent network.

        y_0 = x
        y_k = layer_k(y_{k-1})                                  k = 1, 2, ...
        y_k = layer_k(y_{k-1}) + y_{k-1}                        with residual=True
        y_k = t * layer_k(y_{k-1}) + (1 - t) * y_{k-1}          with highway=True
              t = sigmoid(H_k y_{k-1} + b_k)

    Each layer runs on its own fast path. Residual and highway connections let gradients pass by the
    layers, so that four and more of them can be trained. Both need inputs and outputs of one size.
    The first layer may change the size: it has no connection then.

    Weights with `highway`, for each layer with a connection: `highway_kernel_k` H
    `(units, units)`, `highway_bias_k` b `(units,)`, which begins with -1, so that a new network
    passes most of its inputs on.

    Args:
        layers: `Recurrent` layers such as `LSTM(64)`, or cells, from the first to the last. They
            are patterns, as in `Bidirectional`: the stack makes layers of the same configuration
            and, if they are built, with their weights.
        residual: Whether the inputs of a layer are added to its outputs.
        highway: Whether a gate mixes the inputs of a layer with its outputs.
        dropout: Share of the inputs of each layer but the first to drop while training, in [0, 1).
            The connections are not dropped.
        return_sequences: Whether to return the output of each step instead of the last output.
        return_state: Whether to return the final states of all layers too.
        go_backwards: Whether to begin with the last step, in all layers.
        stateful: Whether a batch starts from the final states of the batch before.
        zero_output_for_mask: Whether masked steps output zeros instead of repeating the output
            before them.
        seed: Seed of the dropout.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments:
        sequences: `(batch, timesteps, features)`.
        initial_state: The states of all layers in one list, from the first layer to the last, each
            `(batch, size)`. None starts from zeros.
        mask: Booleans `(batch, timesteps)`, False at steps to skip. By default the mask that comes
            with `sequences`.
        training: Whether dropout applies.
        sequences_mask: Keras passes the mask of `sequences` here if `initial_state` is given.
        in_time_order: Whether outputs stay at their steps in spite of `go_backwards`.

    Returns:
        As `Recurrent`; with `return_state` the states of all layers follow.

    Masking:
        As in `Recurrent`: a masked step keeps all states.

    Raises:
        ValueError: if an argument does not fit; when the weights are built, if a layer with a
            connection changes the size.

    Example:

    >>> stack = rnnlayers.Stack([rnnlayers.LSTM(4), rnnlayers.LSTM(4)], residual=True)
    >>> stack(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])

    References: Graves, Mohamed and Hinton (2013), Speech recognition with deep recurrent neural
    networks, equation 11; Wu et al. (2016), Google's neural machine translation system, equation 6
    (residual); Srivastava, Greff and Schmidhuber (2015), Training very deep networks, equation 3
    (highway).
    """

    def __init__(
        self,
        layers: Sequence[Recurrent | Cell],
        residual: bool = False,
        highway: bool = False,
        dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layers, list | tuple) or not layers:
            raise ValueError(
                f"`layers` must be a list of layers, such as [LSTM(64), LSTM(64)]; received "
                f"{layers!r}."
            )
        if residual and highway:
            raise ValueError("`residual` and `highway` must not both be True; choose one.")
        check_rate("dropout", dropout)
        super().__init__(**kwargs)
        self.layers = [_of_stack(layer, go_backwards, stateful) for layer in layers]
        self.residual = residual
        self.highway = highway
        self.dropout = float(dropout)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.zero_output_for_mask = zero_output_for_mask
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None) -> None:
        """Create the weights for sequences of shape `(batch, timesteps, features)`."""
        *rows, size = sequences_shape
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: size})
        self._gates: list[tuple[Any, Any] | None] = []
        self._connected = []
        for number, layer in enumerate(self.layers):
            if not layer.built:
                layer.build((*rows, size))
            before, size = size, layer.cell.output_size
            connected = (self.residual or self.highway) and before == size
            if (self.residual or self.highway) and number and not connected:
                raise ValueError(
                    f"`layers` of {self.name!r} must all have the same size with a residual or "
                    f"highway connection; layer {number + 1}, {layer.name!r}, takes {before} "
                    f"features and returns {size}."
                )
            self._connected.append(connected)
            self._gates.append(self._gate(number + 1, size) if connected and self.highway else None)

    def _gate(self, number: int, size: int) -> tuple[Any, Any]:
        """Return the weights of a highway connection."""
        kernel = self.add_weight(
            name=f"highway_kernel_{number}", shape=(size, size), initializer="glorot_uniform"
        )
        bias = self.add_weight(
            name=f"highway_bias_{number}",
            shape=(size,),
            initializer=keras.initializers.Constant(-1.0),
        )
        return kernel, bias

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        in_time_order: bool = False,
    ) -> Any:
        """Run the layers over `sequences`, one after the other."""
        mask = first_mask(mask if mask is not None else sequences_mask)
        valid = time_major_mask(mask, sequences)
        if valid is not None and any(self._connected):
            # What is added to the outputs at masked steps must not be NaN, in gradients too.
            rows = ops.transpose(valid, (1, 0, 2))
            sequences = ops.where(rows, sequences, ops.zeros_like(sequences))
        outputs, after = sequences, []
        for number, states in enumerate(self._by_layer(initial_state)):
            inputs = outputs
            outputs, *new = self.layers[number](
                self._drop(inputs, training) if number else inputs,
                initial_state=states,
                mask=mask,
                training=training,
                in_time_order=True,
            )
            after += new
            outputs = self._connect(number, inputs, outputs)
        outputs = self._results(outputs, valid)
        if self.return_sequences and self.go_backwards and not in_time_order:
            outputs = ops.flip(outputs, axis=1)
        return (outputs, *after) if self.return_state else outputs

    @tf.autograph.experimental.do_not_convert  # as Keras does with `call`
    def take_step(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step, for sequences that come bit by bit.

        Args:
            inputs: `(batch, features)`.
            states: The states of all layers, each `(batch, size)`.
            training: Whether dropout applies.

        Returns:
            The output `(batch, units)` and the new states.
        """
        outputs, after = inputs, []
        for number, before in enumerate(self._by_layer(states)):
            inputs = outputs
            dropped = self._drop(inputs, training) if number else inputs
            outputs, new = self.layers[number].take_step(dropped, before or (), training)
            after += new
            outputs = self._connect(number, inputs, outputs)
        return outputs, after

    def _drop(self, inputs: Tensor, training: bool) -> Tensor:
        if not training or not self.dropout:
            return inputs
        return keras.random.dropout(inputs, self.dropout, seed=self.seed_generator)

    def _connect(self, number: int, inputs: Tensor, outputs: Tensor) -> Tensor:
        """Return the outputs of a layer with its inputs, if it has a connection."""
        if not self._connected[number]:
            return outputs
        gate = self._gates[number]
        if gate is None:
            return outputs + inputs
        t = ops.sigmoid(ops.matmul(inputs, gate[0]) + gate[1])
        return t * outputs + (1 - t) * inputs

    def _results(self, outputs: Tensor, valid: Tensor | None) -> Tensor:
        """Return the outputs as they are returned, from those of all steps in the order of time."""
        if valid is None:
            return outputs if self.return_sequences else self._last(outputs)
        outputs = ops.transpose(outputs, (1, 0, 2))
        if self._connected[-1]:
            outputs = repeat_at_masked_steps(outputs, valid, reverse=self.go_backwards)
        zero = zero_where_false if self.zero_output_for_mask else zero_before_first_step
        outputs = zero(outputs, valid, reverse=self.go_backwards, over_time=True)
        outputs = ops.transpose(outputs, (1, 0, 2))
        return outputs if self.return_sequences else self._last(outputs)

    def _last(self, outputs: Tensor) -> Tensor:
        """Return the output of the step that was computed last, zeros if there is none."""
        edge = [0, 1] if self.go_backwards else [1, 0]
        return tf.pad(outputs, [[0, 0], edge, [0, 0]])[:, 0 if self.go_backwards else -1]

    def _by_layer(self, states: Any) -> list[list[Any] | None]:
        """Return the states of each layer."""
        if states is None:
            return [None] * len(self.layers)
        names = [layer.cell.state_names for layer in self.layers]
        states = keras.tree.flatten(states)
        if len(states) != sum(map(len, names)):
            raise ValueError(
                f"`initial_state` of {self.name!r} must be one list of the states of all layers, "
                f"{', '.join(name for of_layer in names for name in of_layer)}; received "
                f"{len(states)} tensors."
            )
        left = iter(states)
        return [[next(left) for _ in of_layer] for of_layer in names]

    def get_initial_state(self, batch_size: Any) -> list[Tensor]:
        """Return the states before the first step of all layers, `(batch_size, size)` each."""
        return [s for layer in self.layers for s in layer.get_initial_state(batch_size)]

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each state, from the first layer to the last."""
        return tuple(size for layer in self.layers for size in layer.cell.state_sizes)

    @property
    def states(self) -> list[Any] | None:
        """The states carried to the next batch, or None for a layer that carries none."""
        return [s for layer in self.layers for s in layer.states or ()] or None

    def reset_state(self, states: Any = None) -> None:
        """Set the states of a stateful layer to zeros, or to `states`, one list for all layers."""
        for layer, of_layer in zip(self.layers, self._by_layer(states), strict=True):
            layer.reset_state(of_layer)

    reset_states = reset_state  # Keras knows both names

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of each output: the inputs' with `return_sequences`, else None."""
        mask = first_mask(mask) if self.return_sequences else None
        if mask is not None and self.go_backwards:
            mask = ops.flip(mask, axis=1)
        return [mask, *(None for _ in self.state_sizes)] if self.return_state else mask

    def compute_output_shape(
        self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None
    ) -> Any:
        """Return the shape of each output."""
        batch, timesteps, _ = sequences_shape
        size = self.layers[-1].cell.output_size
        outputs = (batch, timesteps, size) if self.return_sequences else (batch, size)
        states = [(batch, size) for size in self.state_sizes]
        return (outputs, *states) if self.return_state else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        names = (
            *("residual", "highway", "dropout", "return_sequences", "return_state"),
            *("go_backwards", "stateful", "zero_output_for_mask", "seed"),
        )
        return {
            **super().get_config(),
            "layers": [keras.saving.serialize_keras_object(layer) for layer in self.layers],
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Stack":
        """Create a layer from the result of `get_config`."""
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def _of_stack(layer: Any, go_backwards: bool, stateful: bool) -> Recurrent:
    """Return a layer like `layer` that returns all outputs and its states."""
    if isinstance(layer, Cell):
        layer = Recurrent(layer, dtype=layer.dtype_policy, name=layer.name)
    if not isinstance(layer, Recurrent):
        raise ValueError(
            f"`layers` must hold recurrent layers such as `LSTM(64)`, or cells; received {layer!r}."
        )
    config = layer.get_config()
    for name, value in (("go_backwards", go_backwards), ("stateful", stateful)):
        if config[name] and not value:
            raise ValueError(
                f"`{name}` belongs to the stack, whose layers all run alike; received "
                f"{layer.name!r} with {name}=True. Pass it to `Stack`."
            )
    own = {"return_sequences": True, "return_state": True, "zero_output_for_mask": False}
    directed = {"go_backwards": go_backwards, "stateful": stateful}
    new: Recurrent = type(layer).from_config({**config, **own, **directed})
    built, twin = (layer, new) if layer.built else (layer.cell, new.cell)
    if built.built:
        if not twin.built:
            twin.build_from_config(built.get_build_config())
        twin.set_weights(built.get_weights())
    return new
