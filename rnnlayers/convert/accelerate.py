"""Exchange of the recurrent layers of a whole model."""

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras

from rnnlayers.convert.keras_twins import from_keras, to_keras
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.layers.stack import Stack

Classes = tuple[type, ...]


def accelerate(model: keras.Model) -> keras.Model:
    """Return the model with this library's layers in place of Keras' recurrent layers.

    Every `keras.layers.SimpleRNN`, `LSTM`, `GRU`, `RNN` of stock cells and `Bidirectional` of
    these is exchanged for its twin (see `rnnlayers.convert.from_keras`), also in nested models and
    in `TimeDistributed`. A layer that is used in several places stays shared. The new model keeps
    names, weights and their order, trainable flags, dtype policies, the states of stateful layers,
    and everything that `compile` set up, with the state of the optimizer. `docs/conventions.md`
    says which saved weights load into both models.

    Predictions are equal to rounding, except in two cases where Keras computes on padding and the
    layers of this library do not. Keras drops the mask of the inputs if a layer is given
    `initial_state`: a decoder after `Embedding(mask_zero=True)` that starts from an encoder's
    states gives other outputs on padded rows. And Keras does not reverse the mask of a layer with
    `go_backwards`, although the outputs are reversed. In a sequential model the mask is now
    reversed too; a functional model keeps the masks that Keras wired into it.

    The other layers are not copied: the returned model shares them with `model`. Use only one of
    the two models from then on, or accelerate a copy (`keras.models.clone_model`). `layer.output`
    of a shared layer belongs to `model`.

    Args:
        model: A functional or sequential model, built or not, or a subclass of `keras.Model` that
            was made as a functional model and has no `__init__` of its own.

    Returns:
        A new model of the same class, or `model` itself if there is nothing to exchange.

    Warns:
        UserWarning: names each recurrent layer that stays, by its path, with the reason. These are
            subclasses of the layers above, `RNN` of other cells, `ConvLSTM1D` to `3D`,
            and the layers inside a subclassed model or a custom layer, which Keras cannot exchange
            from outside. There, write `rnnlayers.LSTM` for `keras.layers.LSTM` and transfer the
            weights with `get_weights` and `set_weights`. The warning also says whether the model
            must be compiled again.

    Raises:
        ValueError: if `model` is not a Keras model.

    Example:

    >>> stock = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(4)])
    >>> model = accelerate(stock)
    >>> isinstance(model.layers[0], rnnlayers.LSTM)
    True
    >>> bool(np.allclose(model(np.ones((2, 5, 3))), stock(np.ones((2, 5, 3))), atol=1e-6))
    True
    """
    return _Exchange(from_keras, (keras.layers.RNN, keras.layers.Bidirectional)).of(model)


def with_keras_layers(model: keras.Model) -> keras.Model:
    """Return the model with stock Keras layers in place of this library's: undo `accelerate`.

    The result can be saved, and loaded without this library. Everything that `accelerate` says
    applies in the other direction.

    Args:
        model: As for `accelerate`.

    Returns:
        A new model of the same class, or `model` itself if there is nothing to exchange.

    Warns:
        UserWarning: names each layer that stays, with the reason.

    Raises:
        ValueError: if `model` is not a Keras model.
    """
    return _Exchange(to_keras, (Recurrent, Bidirectional, Stack)).of(model)


class _Exchange:
    """The exchange of all recurrent layers of one model.

    The layers of a model form a graph, in which a layer may have several holders. A layer can be
    exchanged if all its holders can be rebuilt around its twin, and if the layers inside it have no
    other holder: otherwise a layer would no longer be shared.
    """

    def __init__(self, convert: Callable[[keras.Layer], keras.Layer], recurrent: Classes) -> None:
        self.convert = convert
        self.recurrent = recurrent
        self.holders: dict[int, list[keras.Layer]] = {}
        self.made: dict[int, Any] = {}
        self.report: list[str] = []

    def of(self, model: keras.Model) -> keras.Model:
        """Return the model with its recurrent layers exchanged, and warn about those that stay."""
        if not isinstance(model, keras.Model):
            raise ValueError(
                f"`model` must be a `keras.Model`; received {model!r}. "
                "`rnnlayers.convert.from_keras` converts a layer."
            )
        self.holders[id(model)] = []
        for _, layer in _walk(model):
            for inner in _layers_of(layer):
                self.holders.setdefault(id(inner), []).append(layer)
        for path, layer in _walk(model, stop=self.recurrent):
            if isinstance(layer, self.recurrent):
                try:
                    self.made[id(layer)] = self.exchange(layer)
                except (TypeError, ValueError) as error:
                    self.report.append(f"{path}: {error}")
                    self.made[id(layer)] = layer
        new = self.make(model)
        if self.report:
            message = "\n  ".join(["Not exchanged, or not kept:", *self.report])
            warnings.warn(message, UserWarning, stacklevel=3)
        return new

    def exchange(self, layer: keras.Layer) -> keras.Layer:
        """Return the twin of a layer, or raise a ValueError with the reason why it must stay."""
        for holder in self.holders[id(layer)]:
            closed = self.closed(holder)
            if closed is not None:
                raise ValueError(
                    f"it is inside {closed.name!r} of class {type(closed).__name__}, whose layers "
                    "cannot be exchanged from outside."
                )
        inside = [inner for _, inner in _walk(layer)]
        for inner in inside[1:]:
            for holder in self.holders[id(inner)]:
                if not any(holder is part for part in inside):
                    raise ValueError(f"it shares its {inner.name!r} with {holder.name!r}.")
        return self.convert(layer)

    def closed(self, layer: keras.Layer) -> keras.Layer | None:
        """Return the layer or holder because of which a layer cannot be rebuilt, or None."""
        functional, its_class = _functional_class(), type(layer)
        if its_class not in (keras.Sequential, keras.layers.TimeDistributed) and not (
            issubclass(its_class, functional) and its_class.__init__ is functional.__init__
        ):
            return layer
        found = map(self.closed, self.holders[id(layer)])
        return next((holder for holder in found if holder is not None), None)

    def make(self, layer: Any) -> Any:
        """Return the layer of the new model for an old one: itself, unless a new one is inside."""
        if id(layer) not in self.made:
            old = _layers_of(layer) if isinstance(layer, keras.Layer) else []
            new = [self.make(inner) for inner in old]
            same = all(a is b for a, b in zip(old, new, strict=True))
            self.made[id(layer)] = layer if same else self.rebuild(layer, new)
        return self.made[id(layer)]

    def rebuild(self, old: keras.Layer, layers: list[keras.Layer]) -> keras.Layer:
        """Return a container like `old` around `layers`."""
        if isinstance(old, keras.layers.TimeDistributed):
            return keras.layers.TimeDistributed(
                layers[0], name=old.name, dtype=old.dtype_policy, trainable=old.trainable
            )
        new: keras.Model
        if isinstance(old, keras.Sequential):
            new = keras.Sequential([*getattr(old, "inputs", []), *layers], name=old.name)
        else:
            # The same graph, but not compiled: `clone_model` would compile it, and fail if a loss
            # is not registered.
            graph = type(old)(old.input, old.output, name=old.name)
            new = keras.models.clone_model(graph, input_tensors=old.input, clone_function=self.make)
        new.supports_masking = old.supports_masking
        new.dtype_policy = old.dtype_policy  # `compile` scales the loss by it
        if new.trainable != old.trainable:  # setting it also sets all layers inside
            flags = [(layer, layer.trainable) for _, layer in _walk(new)][1:]
            new.trainable = old.trainable
            for layer, trainable in flags:
                layer.trainable = trainable
        if old.compiled:
            self.compile(old, new)
        return new

    def compile(self, old: keras.Model, new: keras.Model) -> None:
        """Compile the new model like the old one, with the state of its optimizer."""
        losses = [loss for loss in keras.tree.flatten(old.loss) if hasattr(loss, "__name__")]
        try:
            with keras.saving.custom_object_scope({loss.__name__: loss for loss in losses}):
                new.compile_from_config(old.get_compile_config())
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            self.report.append(f"{old.name}: it must be compiled again: {reason}")
            return
        if new.compiled and old.optimizer.built:
            for ours, theirs in zip(new.optimizer.variables, old.optimizer.variables, strict=True):
                ours.assign(theirs)


def _walk(
    layer: keras.Layer, stop: Classes = (), path: str = "", visited: set[int] | None = None
) -> Iterator[tuple[str, keras.Layer]]:
    """Yield a layer and all layers inside it, each once, with its path; do not enter `stop`."""
    visited = set() if visited is None else visited
    if id(layer) in visited:
        return
    visited.add(id(layer))
    yield path or layer.name, layer
    if not isinstance(layer, stop):
        for inner in _layers_of(layer):
            yield from _walk(inner, stop, f"{path}/{inner.name}" if path else inner.name, visited)


def _layers_of(layer: keras.Layer) -> list[keras.Layer]:
    """Return the layers that a layer holds directly, each once."""
    # Only models list them. In other layers they are among the attributes, in any nesting.
    held = layer.layers if isinstance(layer, keras.Model) else keras.tree.flatten(vars(layer))
    return list({id(x): x for x in held if isinstance(x, keras.Layer)}.values())


@functools.cache
def _functional_class() -> Any:
    """Return the class of functional models, which has no public name."""
    inputs = keras.Input((1,), name="inputs")
    outputs = keras.layers.Identity(name="identity")(inputs)
    return type(keras.Model(inputs, outputs, name="functional"))
