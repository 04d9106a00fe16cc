"""`check_layer` passes every layer of the library and catches each way to break one."""

import keras
import pytest
import tensorflow as tf
from keras import ops

from rnnlayers import GRU, LSTM, Bidirectional, Elman, GRUCell, Recurrent
from rnnlayers.testing import ContractError, check_layer
from tests.numbers import refused

registered = keras.saving.register_keras_serializable("broken layers")
pytestmark = pytest.mark.usefixtures("eagerly")
ALL = {"return_sequences": True, "return_state": True}


LAYERS = {
    "elman": Elman(4),
    "lstm backwards": LSTM(4, **ALL, go_backwards=True, dropout=0.1),
    "gru with zeros": GRU(4, **ALL, zero_output_for_mask=True, reset_after=False),
    "recurrent": Recurrent(GRUCell(4), return_state=True),
    "both outputs": Bidirectional(LSTM(4, **ALL), merge_mode=None),
    "two directions": Bidirectional(
        GRU(4, return_sequences=True),
        backward_layer=Elman(3, return_sequences=True, go_backwards=True),
    ),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_layers_of_the_library_pass(layer):
    check_layer(layer)
    assert not layer.built


def test_a_layer_of_the_library_passes_where_functions_are_compiled(not_eagerly):
    check_layer(LAYERS["lstm backwards"])


# Each layer below is broken in one way; its docstring is the message that must come.


@registered
class ForgetsAnArgument(Elman):
    """`get_config` must return the argument power."""

    def __init__(self, units, power=2, **kwargs):
        super().__init__(units, **kwargs)


@registered
class AnnouncesAnotherShape(Elman):
    """`compute_output_shape` must announce the outputs' shapes [(6, 6, 4)]"""

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        return (*super().compute_output_shape(sequences_shape)[:2], 5)


class Changed(Elman):
    """A layer with a place to break it before and after the call."""

    def before(self, sequences, mask):
        return sequences, mask

    def after(self, outputs):
        return outputs

    def call(self, sequences, initial_state=None, mask=None, training=False):
        sequences, mask = self.before(sequences, mask)
        return self.after(super().call(sequences, initial_state, mask, training))


@registered
class LosesTheDtype(Changed):
    """outputs must be float16, the compute dtype"""

    def after(self, outputs):
        return ops.cast(outputs, "float32")


@registered
class LosesTheRank(Changed):
    """outputs of unknown batch and time must have the ranks and the last sizes"""

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shape = super().compute_output_shape(sequences_shape)
        return shape[1:] if shape[0] is None else shape


@registered
class Remembers(Changed):
    """the outputs of two calls with the same arguments must be the same"""

    calls = 0

    def after(self, outputs):
        self.calls += 1
        return self.calls * outputs


@registered
class SeesMaskedSteps(Changed):
    """output 0 of a row with mask [0 0 1 1 1 1] and of its valid steps alone must be the same"""

    def before(self, sequences, mask):
        return sequences, None


@registered
class SeesHoles(Changed):
    """output 0 of a row with mask [1 0 1 1 0 1] and of its valid steps alone must be the same"""

    def before(self, sequences, mask):
        if mask is None:
            return sequences, None
        seen = ops.cumsum(ops.cast(mask, "int32"), 1)
        return sequences, ops.logical_and(seen > 0, ops.logical_or(mask, seen < seen[:, -1:]))


@registered
class KeepsTheMask(Changed):
    """`compute_mask` return a mask for each output over time, None for the others"""

    def compute_mask(self, sequences, mask=None):
        return None


@registered
class SendsTheMaskTheWrongWayRound(Changed):
    """output 0 of a row with mask [1 1 1 0 0 0] and of its valid steps alone must be the same"""

    def __init__(self, units, **kwargs):
        super().__init__(units, **{**kwargs, "go_backwards": True})

    def compute_mask(self, sequences, mask=None):
        return mask


@registered
class StopsTheGradient(Changed):
    """the gradient of 'sequences' must exist"""

    def before(self, sequences, mask):
        return ops.stop_gradient(sequences), mask


@registered
class DiffersInAGraph(Changed):
    """outputs with and without XLA must be the same"""

    def after(self, outputs):
        return outputs if tf.executing_eagerly() else 2 * outputs


@registered
class SavesTooLittle(Changed):
    """the outputs of a model before and after saving must be the same"""

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape)
        self.shift = self.add_weight(name="shift", shape=(self.units,))

    def after(self, outputs):
        return outputs + ops.cast(self.shift, outputs.dtype)

    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass


BROKEN = [
    value
    for value in list(globals().values())
    if isinstance(value, type)
    and issubclass(value, keras.Layer)
    and value.__module__ == __name__
    and value is not Changed
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda layer: layer.__name__)
def test_a_broken_layer_is_caught(broken):
    tf.config.run_functions_eagerly(broken is not DiffersInAGraph)
    with pytest.raises(ContractError) as error:
        check_layer(broken(4, return_sequences=True))
    assert broken.__name__ in str(error.value)
    assert broken.__doc__ in str(error.value)


def test_what_cannot_be_checked_is_refused():
    with refused("`layer`", "Dense"):
        check_layer(keras.layers.Dense(4))
    with refused("`layer`", "stateful"):
        check_layer(LSTM(4, stateful=True))
