"""Layers that are named after their cell and take its arguments: Elman, LSTM, GRU."""

import difflib
import inspect
import warnings
from collections.abc import Sequence
from inspect import Parameter
from typing import Any, ClassVar

import keras

from rnnlayers.cells import Cell, ElmanCell, GatedCell, GRUCell, LSTMCell
from rnnlayers.cells.arguments import arguments_of, check_arguments
from rnnlayers.checks import check_one_of
from rnnlayers.layers.recurrent import Recurrent

# Arguments of `keras.Layer`, and those of them that are passed to the cell too.
_OF_EVERY_LAYER = ("name", "dtype", "trainable", "autocast", "input_shape", "input_dim")
_SHARED = ("dtype", "trainable", "autocast")
# Arguments of `Recurrent` that come last, since Keras does not have them.
_BY_NAME_ONLY = ("zero_output_for_mask", "engine", "truncate", "remat", "learn_initial_state")
_ACTIVITY_REGULARIZER = Parameter(
    "activity_regularizer", Parameter.POSITIONAL_OR_KEYWORD, default=None
)


class CellLayer(Recurrent):
    """A `Recurrent` layer that makes its cell, and takes the arguments of both.

    A subclass names its cell, `class LSTM(CellLayer, cell=LSTMCell)`, and gets its signature from
    it. The arguments of the cell can be read from the layer, as in Keras: `layer.units`.
    """

    cell_class: ClassVar[type[Cell]]
    _of_cell: ClassVar[frozenset[str]]  # names of the arguments of the cell
    __signature__: ClassVar["_OfClass"]  # what `help` shows

    def __init_subclass__(
        cls, cell: type[Cell] | None = None, last: Sequence[str] = (), **kwargs: Any
    ) -> None:
        """Give a layer the signature of its cell over time.

        Args:
            cell: Class of the cell. None, for a subclass of such a layer, keeps the cell.
            last: Arguments of the cell that come after those of `Recurrent`, as in Keras.
            **kwargs: Arguments of other base classes.
        """
        super().__init_subclass__(**kwargs)
        if cell is not None:
            cls.cell_class = cell
            arguments = {*inspect.signature(cell).parameters, "implementation"}
            cls._of_cell = frozenset(arguments - {*_OF_EVERY_LAYER, "kwargs"})
            cls.__signature__ = _OfClass(_signature(cell, last))
        elif "__init__" in vars(cls):
            _, *parameters = inspect.signature(cls.__init__).parameters.values()
            cls.__signature__ = _OfClass(inspect.Signature(parameters))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = self._bind(*args, **kwargs)
        use_cudnn = given.pop("use_cudnn", "auto")
        self._check_cudnn(use_cudnn)
        names = self._of_cell
        # A fixed name, as in Keras: an automatic one would number the paths of weights.
        cell_name = f"{type(self).__name__.lower()}_cell"
        of_cell = {name: given[name] for name in given if name in names or name in _SHARED}
        of_layer = {name: given[name] for name in given if name not in names or name in _SHARED}
        super().__init__(self.cell_class(**{**of_cell, "name": cell_name}), **of_layer)
        self.use_cudnn = use_cudnn

    @classmethod
    def _bind(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the given arguments by name, or raise an error that names the layer."""
        owner = next(c for c in cls.__mro__ if "cell_class" in vars(c))
        signature = inspect.signature(owner)
        known = [name for name in signature.parameters if name != "kwargs"]
        check_arguments(cls.cell_class, kwargs)
        for name in kwargs:
            if name not in (*known, *_OF_EVERY_LAYER):
                alike = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean `{alike[0]}`?" if alike else f"It has {', '.join(known)}."
                raise ValueError(f"{cls.__name__} has no argument `{name}`. {hint}")
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}.") from None
        of_keras = bound.pop("kwargs", {})
        return {**bound, **of_keras}

    def _check_cudnn(self, use_cudnn: Any) -> None:
        hint = f"{type(self).__name__} has no cuDNN kernel, and runs without one on every device."
        check_one_of("use_cudnn", use_cudnn, ("auto", True, False), hint)
        if use_cudnn is True:
            warnings.warn(
                f"`use_cudnn=True` has no effect: {type(self).__name__} has no cuDNN kernel, and "
                "runs on the engine that `rnnlayers.explain_engine` names.",
                UserWarning,
                stacklevel=3,
            )

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the cell that the layer does not have."""
        cell = self.__dict__.get("cell")
        if cell is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(cell, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless it belongs to the cell."""
        if name in self._of_cell:
            raise AttributeError(
                f"`{name}` of {type(self).__name__} cannot be set, since it belongs to the cell. "
                f"Make a new layer, or set `layer.cell.{name}`."
            )
        super().__setattr__(name, value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        config = {**self.cell.get_config(), **super().get_config()}
        del config["cell"]
        regularizer = keras.regularizers.serialize(self.activity_regularizer)
        return {**config, "activity_regularizer": regularizer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CellLayer":
        """Create a layer from the result of `get_config`."""
        return cls(**arguments_of(cls.cell_class, config))


class _OfClass:
    """The signature of a class. Its instances are called with other arguments."""

    def __init__(self, signature: inspect.Signature) -> None:
        self.signature = signature

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return self.signature


def _signature(cell: type[Cell], last: Sequence[str]) -> inspect.Signature:
    """Return the arguments of a cell over time in the order of Keras."""
    of_cell = dict(inspect.signature(cell).parameters)
    of_cell.pop("implementation", None)
    kwargs = of_cell.pop("kwargs")
    at_the_end = [of_cell.pop(name) for name in last]
    parameters = []
    for parameter in of_cell.values():
        parameters.append(parameter)
        if parameter.name == "bias_regularizer":
            parameters.append(_ACTIVITY_REGULARIZER)
    if _ACTIVITY_REGULARIZER not in parameters:  # a cell may have no bias
        parameters.append(_ACTIVITY_REGULARIZER)
    of_layer = dict(inspect.signature(Recurrent.__init__).parameters)
    parameters += [
        of_layer[name]
        for name in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")
    ]
    use_cudnn = Parameter("use_cudnn", Parameter.POSITIONAL_OR_KEYWORD, default="auto")
    by_name_only = [
        *(of_layer[name] for name in _BY_NAME_ONLY),
        inspect.signature(GatedCell).parameters["implementation"],
    ]
    return inspect.Signature(
        [
            *(
                # A cell may take by name alone what it passes on to its base class.
                parameter.replace(annotation=Any, kind=Parameter.POSITIONAL_OR_KEYWORD)
                for parameter in _required_first((*parameters, *at_the_end, use_cudnn))
            ),
            *(parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in by_name_only),
            kwargs,
        ]
    )


def _required_first(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return parameters in their order, those without a default before the others."""
    return sorted(parameters, key=lambda parameter: parameter.default is not Parameter.empty)


@keras.saving.register_keras_serializable(package="rnnlayers")
class Elman(CellLayer, cell=ElmanCell, last=("seed",)):
    """Elman's simple recurrent network over time, the twin of `keras.layers.SimpleRNN`.

    The equations and weights are those of `ElmanCell`: h = activation(W x + b + U h_prev). It is
    the cheapest layer, and a baseline. `LSTM` and `GRU` remember longer.

    Args:
        units: Positive integer, the size of the output.
        activation: "tanh", "relu", "sigmoid" or anything `keras.activations.get` takes.
        use_cudnn: Accepted for exchange with Keras; True warns that there is no cuDNN kernel.
        **kwargs: All other arguments of `ElmanCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Elman(4, activation="relu")(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LSTM(CellLayer, cell=LSTMCell):
    """Long short-term memory over time, the twin of `keras.layers.LSTM`.

    The equations, weights and gate order are those of `LSTMCell`. Use it if the network must
    remember over long spans; `GRU` is lighter.

    Args:
        units: Positive integer, the size of the output and of each of the states h and c.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        use_cudnn: Accepted for exchange with Keras; True warns that there is no cuDNN kernel.
        **kwargs: All other arguments of `LSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`; the states are h and c.

    Example:

    >>> layer = rnnlayers.LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(np.ones((2, 5, 3)))
    >>> outputs.shape, c.shape
    (TensorShape([2, 5, 4]), TensorShape([2, 4]))
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRU(CellLayer, cell=GRUCell, last=("reset_after",)):
    """The gated recurrent unit over time, the twin of `keras.layers.GRU`.

    The equations, weights and gate order are those of `GRUCell`. It has three products in each step
    and one state, where `LSTM` has four and two.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        reset_after: Whether the reset gate applies after the recurrent product (cuDNN, PyTorch)
            or before it (the paper).
        use_cudnn: Accepted for exchange with Keras; True warns that there is no cuDNN kernel.
        **kwargs: All other arguments of `GRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`; the state is h.

    Example:

    >>> rnnlayers.GRU(4, dropout=0.2)(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])
    """
