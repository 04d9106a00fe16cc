"""Layers that carry their cell's name and take its arguments: Elman, LSTM, GRU."""

import inspect
from typing import Any

import keras

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell, RecurrentCell
from rnnlayers.layers.recurrent import Recurrent

_SHARED = {"dtype", "trainable"}
_OF_LAYER = {*inspect.signature(Recurrent).parameters, "name", "activity_regularizer", *_SHARED}


class CellLayer(Recurrent):
    """A `Recurrent` layer that makes its cell: its arguments are the cell's and `Recurrent`'s.

    What the cell was made with can be read from the layer, as in Keras: `layer.units`.
    """

    def __init__(
        self,
        cell_class: type[RecurrentCell],
        *args: Any,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        if use_cudnn not in ("auto", False):
            raise ValueError(
                f"`use_cudnn` must be 'auto' or False: {type(self).__name__} has no cuDNN kernel; "
                f"received {use_cudnn!r}. `keras.layers` has one."
            )
        of_layer = {name: value for name, value in kwargs.items() if name in _OF_LAYER}
        of_cell = {name: kwargs[name] for name in kwargs.keys() - (_OF_LAYER - _SHARED)}
        # A fixed name, as in Keras, so that the paths of weights do not count the layers made.
        cell_name = f"{type(self).__name__.lower()}_cell"
        super().__init__(cell_class(*args, name=cell_name, **of_cell), **of_layer)

    def __getattr__(self, name: str) -> Any:
        """Read an attribute of the cell where the layer has none."""
        cell = self.__dict__.get("cell")
        if cell is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(cell, name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that create this layer anew."""
        config = {**self.cell.get_config(), **super().get_config()}
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CellLayer":
        """Create a layer from what `get_config` returned."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="rnnlayers")
class Elman(CellLayer):
    """Elman's simple recurrent network over time, the twin of `keras.layers.SimpleRNN`.

    The equations and weights are those of `ElmanCell`: h = activation(W x + b + U h_prev). It is
    the cheapest layer and a baseline; `LSTM` and `GRU` remember longer.

    Args:
        units: Positive integer, the size of the output.
        activation: "tanh", "relu", "sigmoid" or anything `keras.activations.get` takes.
        use_cudnn: Accepted as "auto" or False, for exchange with Keras.
        **kwargs: All other arguments of `ElmanCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Elman(4, activation="relu")(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__(ElmanCell, units, activation, **kwargs)


@keras.saving.register_keras_serializable(package="rnnlayers")
class LSTM(CellLayer):
    """Long short-term memory over time, the twin of `keras.layers.LSTM`.

    The equations, weights and gate order are those of `LSTMCell`. Use it where the network must
    remember over long spans; `GRU` is the lighter sibling.

    Args:
        units: Positive integer, the size of the output and of each of the states h and c.
        activation: Function of the candidate and of the shown cell state.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        use_cudnn: Accepted as "auto" or False, for exchange with Keras.
        **kwargs: All other arguments of `LSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`; the states are h and c.

    Example:

    >>> layer = rnnlayers.LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(np.ones((2, 5, 3)))
    >>> outputs.shape, c.shape
    (TensorShape([2, 5, 4]), TensorShape([2, 4]))
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            LSTMCell,
            units,
            activation,
            recurrent_activation,
            unit_forget_bias=unit_forget_bias,
            **kwargs,
        )


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRU(CellLayer):
    """The gated recurrent unit over time, the twin of `keras.layers.GRU`.

    The equations, weights and gate order are those of `GRUCell`. It does with three products a
    step and one state what `LSTM` does with four and two.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        reset_after: Whether the reset gate applies after the recurrent product (cuDNN, PyTorch)
            or before it (the paper).
        use_cudnn: Accepted as "auto" or False, for exchange with Keras.
        **kwargs: All other arguments of `GRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`; the state is h.

    Example:

    >>> rnnlayers.GRU(4, dropout=0.2)(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            GRUCell, units, activation, recurrent_activation, reset_after=reset_after, **kwargs
        )
