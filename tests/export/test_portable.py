import keras
import pytest
import tensorflow as tf

from rnnlayers.export.portable import check_portable, cudnn_switched_off, lookup_tables, reachable
from tests.export.fake_gpu import gpu_in_sight

SEQUENCES = tf.TensorSpec([None, None, 3])


def graph_of(function, spec=SEQUENCES):
    traced = tf.function(function, autograph=False).get_concrete_function(spec)
    return traced.graph.as_graph_def()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_cudnn_is_refused_by_layer_kind_and_kept_out_when_switched_off(kind):
    layer = getattr(keras.layers, kind)(2, name="memory")
    layer.build((None, None, 3))
    with gpu_in_sight():
        preferred = graph_of(lambda x: layer(x))
        with cudnn_switched_off([layer]):
            portable = graph_of(lambda x: layer(x))

    check_portable("serve", portable)
    with pytest.raises(ValueError, match=rf"memory.*keras\.layers\.{kind}.*accelerate\(model\)"):
        check_portable("serve", preferred)
    assert layer.use_cudnn == "auto"


def test_cudnn_is_found_inside_nested_functions():
    layer = keras.layers.GRU(2)
    layer.build((None, None, 3))
    inner = tf.function(lambda x: layer(x))
    with gpu_in_sight():
        graph = graph_of(lambda x: tf.cond(tf.size(x) > 0, lambda: inner(x), lambda: x[:, 0, :2]))

    assert not any(node.op.startswith("Cudnn") for node in graph.node)
    with pytest.raises(ValueError, match="CudnnRNN"):
        check_portable("serve", graph)


def test_python_callbacks_are_refused():
    def call_back(x):
        return tf.py_function(lambda y: y + 1, [x], tf.float32)

    with pytest.raises(ValueError, match=r"'serve'.*EagerPyFunc.*Python process"):
        check_portable("serve", graph_of(call_back))


@pytest.mark.parametrize("op", ["MyCustomLstm", "XlaLaunch"])
def test_operators_that_are_not_stock_are_refused(op):
    graph = graph_of(tf.tanh)
    next(node for node in graph.node if node.op == "Tanh").op = op
    with pytest.raises(ValueError, match=f"{op}.*not an operator of stock"):
        check_portable("serve", graph)


def test_every_layer_and_table_is_reached():
    class Branches(keras.Model):
        def __init__(self):
            super().__init__()
            self.in_list = [keras.layers.GRU(1), keras.layers.Bidirectional(keras.layers.LSTM(1))]
            self.in_nest = [{"key": (keras.layers.StringLookup(vocabulary=["a"]),)}]

    class Module(tf.Module):
        def __init__(self):
            self.inner = Branches()

    things = list(reachable([Module()]))
    kinds = [type(thing).__name__ for thing in things]
    assert kinds.count("GRU") == 1
    assert kinds.count("LSTM") == 2
    assert len(lookup_tables(things)) == 1
    assert len({id(thing) for thing in things}) == len(things)
