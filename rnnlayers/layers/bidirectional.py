"""Two layers over the same sequence, one forwards and one backwards."""

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnlayers.checks import check_one_of
from rnnlayers.engines.threads import side_by_side
from rnnlayers.layers.both_directions import call_both
from rnnlayers.types import States, Tensor

_MERGE_MODES = ("concat", "sum", "mul", "ave", None)
_COMMON = ("return_sequences", "return_state", "stateful")


@keras.saving.register_keras_serializable(package="rnnlayers")
class Bidirectional(keras.Layer):
    """Run a recurrent layer in both directions and merge, the twin of `keras.layers.Bidirectional`.

    The output of each step then depends on the whole sequence. That suits classification and
    tagging, but not a model that predicts the future. Both directions skip masked steps, so padding
    on either side changes nothing.

    Args:
        layer: A `Recurrent` layer such as `LSTM`, or any layer with `go_backwards`,
            `return_sequences`, `return_state`, `stateful` and `get_config`. It is a pattern: a new
            layer of the same configuration runs forwards.
        merge_mode: "concat", "sum", "mul", "ave", or None for two separate outputs.
        weights: Initial weights of the forward layer and then of the backward layer.
        backward_layer: The layer to run backwards, with the opposite `go_backwards`. By default it
            has the same configuration as `layer`.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` of `keras.Layer`.

    Call arguments:
        sequences: `(batch, timesteps, features)`.
        initial_state: The forward states and then the backward states, each `(batch, units)`.
        mask: Booleans `(batch, timesteps)`, False at steps to skip. By default the mask that
            comes with `sequences`.
        training: Whether dropout applies.
        sequences_mask: Keras passes the mask of `sequences` here if `initial_state` is given.

    Returns:
        The merged outputs (two tensors with `merge_mode=None`), then with `return_state` the
        forward and the backward states.

    Masking:
        With `return_sequences` the outputs of masked steps are zero, as in Keras, and the mask is
        passed on to the next layer.

    Raises:
        ValueError: if a layer lacks an attribute listed above, if the two do not fit together, or
            if the merge mode is unknown.

    Example:

    >>> layer = rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True))
    >>> layer(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])

    Reference: Schuster and Paliwal (1997), Bidirectional recurrent neural networks.
    """

    def __init__(
        self,
        layer: keras.Layer,
        merge_mode: str | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: keras.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        _check_layer("layer", layer)
        check_one_of("merge_mode", merge_mode, _MERGE_MODES)
        super().__init__(**kwargs)
        self.forward_layer = _like(layer, "forward", layer.go_backwards)
        if backward_layer is None:
            backward_layer = _like(layer, "backward", not layer.go_backwards)
        self.backward_layer = backward_layer
        _check_layer("backward_layer", backward_layer)
        if self.forward_layer.go_backwards == backward_layer.go_backwards:
            raise ValueError(
                "`backward_layer` must run in the opposite direction of `layer`, one of them with "
                f"`go_backwards=True`; received {layer.go_backwards} for both."
            )
        for name in _COMMON:
            if getattr(layer, name) != getattr(backward_layer, name):
                raise ValueError(
                    f"`layer` and `backward_layer` must have the same `{name}`; received "
                    f"{getattr(layer, name)} and {getattr(backward_layer, name)}."
                )
        for direction in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):  # not in the configuration, as in Keras
                direction.use_cudnn = layer.use_cudnn
        self._zero_masked_outputs()
        self.merge_mode = merge_mode
        self._initial_weights = weights
        self.supports_masking = True
        self.input_spec = layer.input_spec

    @property
    def return_sequences(self) -> bool:
        """Whether both layers return the output of each step."""
        return self.forward_layer.return_sequences

    @return_sequences.setter
    def return_sequences(self, value: bool) -> None:
        for direction in (self.forward_layer, self.backward_layer):
            direction.return_sequences = value
        self._zero_masked_outputs()

    @property
    def return_state(self) -> bool:
        """Whether both layers return their final states too."""
        return self.forward_layer.return_state

    @return_state.setter
    def return_state(self, value: bool) -> None:
        for direction in (self.forward_layer, self.backward_layer):
            direction.return_state = value

    def _zero_masked_outputs(self) -> None:
        """Make both layers output zeros at masked steps, if each step has an output."""
        for direction in (self.forward_layer, self.backward_layer):
            if hasattr(direction, "zero_output_for_mask"):
                direction.zero_output_for_mask = direction.return_sequences

    @property
    def stateful(self) -> bool:
        """Whether both layers carry their states to the next batch."""
        return self.forward_layer.stateful

    def build(self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None) -> None:
        """Create the weights of both layers for sequences `(batch, timesteps, features)`."""
        for direction in (self.forward_layer, self.backward_layer):
            if not direction.built:
                direction.build(sequences_shape)
        self.input_spec = self.forward_layer.input_spec  # which knows the number of features now
        forward, backward = (
            _flat(direction.compute_output_shape(sequences_shape))[0][-1]
            for direction in (self.forward_layer, self.backward_layer)
        )
        if forward != backward and self.merge_mode not in ("concat", None):
            raise ValueError(
                f"`merge_mode` {self.merge_mode!r} needs two outputs of the same size; received "
                f"{forward} and {backward} units. Use 'concat' or None."
            )
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
    ) -> Any:
        """Run both layers over `sequences` and merge their outputs."""
        mask = mask if mask is not None else sequences_mask
        both = (self.forward_layer, self.backward_layer)
        starts = _halves(initial_state, self.name)
        found = call_both(both, sequences, starts, mask, training, self.compute_dtype)
        if found is None:
            options = {"mask": mask, "training": training}
            with side_by_side(len(both)):
                found = [
                    self._run(layer, sequences, start, options)
                    for layer, start in zip(both, starts, strict=True)
                ]
        outputs, states = zip(*found, strict=True)
        results = self._merge(*outputs)
        if self.return_state:
            results += tuple(state for of_direction in states for state in of_direction)
        return results if len(results) > 1 else results[0]

    def _run(
        self, layer: keras.Layer, sequences: Tensor, initial_state: Any, options: dict[str, Any]
    ) -> tuple[Tensor, States]:
        """Return the outputs of one direction, each at its step, and the final states."""
        aligns = _aligns(type(layer).call)
        if aligns:
            options = {**options, "in_time_order": True}
        outputs = layer(sequences, initial_state=initial_state, **options)
        outputs, *states = outputs if self.return_state else (outputs,)
        if self.return_sequences and layer.go_backwards:
            # A copy, since the layer's tensor carries a mask in the order of computation.
            outputs = ops.copy(outputs) if aligns else ops.flip(outputs, axis=1)
        return ops.cast(outputs, self.compute_dtype), tuple(states)

    def _merge(self, forward: Tensor, backward: Tensor) -> tuple[Tensor, ...]:
        match self.merge_mode:
            case "concat":
                return (ops.concatenate([forward, backward], axis=-1),)
            case "sum":
                return (forward + backward,)
            case "mul":
                return (forward * backward,)
            case "ave":
                return ((forward + backward) / 2,)
            case _:
                return (forward, backward)

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Return the mask of each output: the inputs' with `return_sequences`, else None."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        masks = [mask if self.return_sequences else None] * (1 if self.merge_mode else 2)
        if self.return_state:
            both = (self.forward_layer, self.backward_layer)
            masks += [None] * sum(len(_flat(d.compute_output_shape((1, 1, 1)))) - 1 for d in both)
        return masks if len(masks) > 1 else masks[0]

    def compute_output_shape(
        self, sequences_shape: Sequence[int | None], initial_state_shape: Any = None
    ) -> Any:
        """Return the shape of each output."""
        forward = _flat(self.forward_layer.compute_output_shape(sequences_shape))
        backward = _flat(self.backward_layer.compute_output_shape(sequences_shape))
        outputs = [forward[0], backward[0]]
        if self.merge_mode == "concat":
            outputs = [(*forward[0][:-1], forward[0][-1] + backward[0][-1])]
        elif self.merge_mode is not None:
            outputs = [forward[0]]
        shapes = (*outputs, *forward[1:], *backward[1:])
        return shapes if len(shapes) > 1 else shapes[0]

    def reset_state(self) -> None:
        """Set the states of both layers to zeros, if they are stateful."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state  # Keras knows both names

    @property
    def states(self) -> Any:
        """The states carried to the next batch, forward and then backward, or None."""
        if not (self.forward_layer.states and self.backward_layer.states):
            return None
        return (*self.forward_layer.states, *self.backward_layer.states)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.forward_layer),
            "backward_layer": keras.saving.serialize_keras_object(self.backward_layer),
            "merge_mode": self.merge_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bidirectional":
        """Create a layer from the result of `get_config`."""
        layers = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("layer", "backward_layer")
        }
        return cls(**{**config, **layers})


@functools.cache  # since inspecting takes a tenth of the time of a short call
def _aligns(call: Any) -> bool:
    """Return whether the `call` of a layer can leave outputs at their steps."""
    return "in_time_order" in inspect.signature(call).parameters


def _check_layer(argument: str, layer: Any) -> None:
    missing = [name for name in ("go_backwards", *_COMMON) if not hasattr(layer, name)]
    if not isinstance(layer, keras.Layer) or missing:
        raise ValueError(
            f"`{argument}` must be a recurrent layer such as `rnnlayers.LSTM(64)`; received "
            f"{layer!r}" + (f", which has no {', '.join(missing)}." if missing else ".")
        )


def _like(layer: keras.Layer, direction: str, go_backwards: bool) -> keras.Layer:
    """Return a new layer of the same configuration for a direction."""
    name = layer.name.removeprefix(f"{direction}_")
    config = {**layer.get_config(), "name": f"{direction}_{name}", "go_backwards": go_backwards}
    if direction == "backward":
        _with_other_seeds(config)
    return type(layer).from_config(config)


def _with_other_seeds(config: dict[str, Any]) -> None:
    """Change the seeds of a layer and of what it holds, or both directions would drop the same."""
    if config.get("seed") is not None:
        config["seed"] += 1
    for inner in (config.get("cell"), *config.get("layers", ())):
        if inner is not None:
            _with_other_seeds(inner["config"])


def _halves(initial_state: Any, name: str) -> tuple[Any, Any]:
    """Return the initial states of the forward and of the backward layer."""
    if initial_state is None:
        return None, None
    if not isinstance(initial_state, list | tuple) or len(initial_state) % 2:
        raise ValueError(
            f"`initial_state` of {name!r} must be a list, the forward states and then as many "
            f"backward states; received {initial_state!r}."
        )
    half = len(initial_state) // 2
    return list(initial_state[:half]), list(initial_state[half:])


def _flat(shapes: Any) -> list[Any]:
    """Return the output shapes of a layer as a list, even if it has one output."""
    return list(shapes) if isinstance(shapes[0], list | tuple) else [shapes]
