"""dL/dh_t: against closed forms, finite differences, other engines, and with any mask."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.diagnostics import FlowProbe, gradient_flow
from rnnlayers.diagnostics.measures import growth_of, reach_of
from tests.diagnostics.networks import STEPS, gradients

TIME, UNITS = 6, 3


@pytest.fixture
def float64():
    keras.config.set_dtype_policy("float64")


def of_model(layer, shape, *, mask_value=None, after=()):
    """Return a model of one recurrent layer, and of further ones."""
    h = inputs = keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype)
    if mask_value is not None:
        h = keras.layers.Masking(mask_value)(h)
    for each in (layer, *after):
        h = each(h)
    return keras.Model(inputs, h)


def first(targets, outputs):
    return outputs[..., 0]


@pytest.mark.parametrize("u", [0.5, -0.7, 1.3])
def test_the_norm_in_a_scalar_linear_network_is_a_power_of_its_weight(u, eagerly, float64):
    layer = rnnlayers.Elman(1, "linear", name="elman")
    model = of_model(layer, (30, 1))
    layer.cell.recurrent_kernel.assign([[u]])
    flow = gradient_flow(model, np.ones((1, 30, 1)), loss=first)
    expected = abs(u) ** (29.0 - np.arange(30))
    np.testing.assert_allclose(flow.layers["elman"].norm[0], expected, rtol=1e-12)
    np.testing.assert_allclose(flow.layers["elman"].growth, [abs(u)], rtol=1e-12)
    crossing = np.ceil(np.log(0.01) / np.log(abs(u))) if abs(u) < 1 else 29
    np.testing.assert_array_equal(flow.layers["elman"].reach, [crossing])


def test_the_norm_in_an_orthogonal_linear_network_is_constant(eagerly, float64):
    layer = rnnlayers.Elman(8, "linear", name="elman")  # its recurrent kernel begins orthogonal
    model = of_model(layer, (25, 2))
    flow = gradient_flow(model, np.ones((2, 25, 2)), loss=lambda y, outputs: 3 * outputs[:, 0])
    np.testing.assert_allclose(flow.layers["elman"].norm, 1.5, rtol=1e-12)  # mean of two rows
    np.testing.assert_array_equal(flow.layers["elman"].reach, 24)


MASKS = {
    "none": [1, 1, 1, 1, 1, 1],
    "right": [1, 1, 1, 1, 0, 0],
    "left": [0, 0, 1, 1, 1, 1],
    "holes": [1, 0, 1, 1, 0, 1],
    "all": [0, 0, 0, 0, 0, 0],
}


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("name", list(STEPS))
def test_gradients_are_those_of_finite_differences(
    name, return_sequences, go_backwards, eagerly, float64
):
    rng = np.random.default_rng(1)
    layer = getattr(rnnlayers, name)(
        UNITS, return_sequences=return_sequences, go_backwards=go_backwards, name="layer"
    )
    model = of_model(layer, (TIME, 2), mask_value=9.0)
    layer.set_weights([0.7 * rng.normal(size=w.shape) for w in layer.get_weights()])
    x = rng.normal(size=(len(MASKS), TIME, 2))
    masks = np.array(list(MASKS.values()), bool)
    x[~masks] = 9.0
    y = rng.normal(size=model(x).shape)

    def loss(y, outputs):
        return keras.ops.sum(keras.ops.sin(outputs) * y)

    flow = gradient_flow(model, x, y, loss=loss, return_gradients=True)
    found = np.concatenate([*flow.layers["layer"].gradients.values()], -1)
    step = STEPS[name](layer.get_weights())
    size, order = found.shape[-1], (slice(None, None, -1) if go_backwards else slice(None))
    for row, mask in enumerate(masks):

        def loss_of(states, row=row, mask=mask):
            h = states[order, :UNITS]  # in the order of computation, as Keras returns them
            begun = np.cumsum(mask[order]) > 0  # before it the outputs are zero
            h = np.where(begun[:, None], h, 0)
            return np.sum(np.sin(h if return_sequences else h[-1]) * y[row])

        expected = gradients(loss_of, step, x[row], mask, size, go_backwards)
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-8)
    norms = np.sqrt(np.square(found).sum(-1))
    np.testing.assert_allclose(flow.layers["layer"].norm, norms, rtol=1e-12)
    np.testing.assert_array_equal(flow.layers["layer"].valid, masks)
    np.testing.assert_array_equal(flow.layers["layer"].steps, masks.sum(1))


CELLS = ("Elman", "LSTM", "GRU", "MinGRU", "LRU", "LayerNormLSTM", "QRNN", "PeepholeLSTM")


def stacked(name, engine):
    keras.utils.set_random_seed(2)
    kind = getattr(rnnlayers, name)
    layer = rnnlayers.Bidirectional(kind(UNITS, engine=engine, return_sequences=True), name="two")
    after = [kind(UNITS, engine=engine, name="top")]
    model = of_model(layer, (TIME, 2), mask_value=9.0, after=after)
    model.compile(loss="mse")
    return model


def a_batch():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(len(MASKS), TIME, 2)).astype("float32")
    x[~np.array(list(MASKS.values()), bool)] = 9.0
    return x, rng.normal(size=(len(MASKS), UNITS)).astype("float32")


def training_step(model, x, y):
    """Return the loss and the norm of the gradient as `fit` computes them."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x, training=True))
    found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    return float(loss), np.sqrt(sum(np.square(np.asarray(d, "float64")).sum() for d in found))


@pytest.mark.parametrize("name", CELLS)
def test_the_weights_get_the_gradient_of_a_training_step(name, eagerly):
    model, (x, y) = stacked(name, "auto"), a_batch()
    flow = gradient_flow(model, x, y)
    loss, norm = training_step(model, x, y)
    np.testing.assert_allclose([flow.loss, flow.gradient_norm], [loss, norm], rtol=1e-5)
    forward, backward, top = flow.layers
    assert forward.startswith("two/forward_")
    assert backward.startswith("two/backward_")
    assert top == "top"


def assert_engines_agree(make, x, y, engines=("auto", "native", "compiled", "stepwise")):
    found = []
    for engine in engines:
        flow = gradient_flow(make(engine), x, y)
        found.append([layer.norm for layer in flow.layers.values()])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-5, atol=1e-7)


def test_engines_agree_on_one_layer(not_eagerly):
    def make(engine):
        keras.utils.set_random_seed(2)
        layer = rnnlayers.Elman(UNITS, engine=engine, go_backwards=True)
        model = of_model(layer, (TIME, 2), mask_value=9.0)
        model.compile(loss="mse")
        return model

    assert_engines_agree(make, *a_batch(), engines=("native", "stepwise"))


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_engines_agree(name, not_eagerly):
    assert_engines_agree(lambda engine: stacked(name, engine), *a_batch())


def test_stock_layers_of_keras_are_watched_too(eagerly):
    x, y = a_batch()
    inputs = keras.Input((TIME, 2))
    h = keras.layers.LSTM(UNITS, return_sequences=True, name="lstm")(inputs)
    model = keras.Model(inputs, keras.layers.GRU(UNITS, name="gru")(h))
    model.compile("sgd", loss="mse")
    probe = FlowProbe(model)
    loss, norm = training_step(model, x, y)
    flow = probe(x, y)
    assert [*flow.layers] == ["lstm", "gru"]
    np.testing.assert_allclose([flow.loss, flow.gradient_norm], [loss, norm], rtol=1e-5)
    model.set_weights([2 * w for w in model.get_weights()])  # which training may have done
    loss, norm = training_step(model, x, y)
    flow = probe(x, y)
    np.testing.assert_allclose([flow.loss, flow.gradient_norm], [loss, norm], rtol=1e-5)


def test_a_stack_shows_each_of_its_layers(eagerly):
    stack = rnnlayers.Stack([rnnlayers.GRU(2), rnnlayers.GRU(2)], residual=True, name="stack")
    model = of_model(stack, (TIME, 2))
    model.compile(loss="mse")
    x, _ = a_batch()
    y = np.ones((len(x), 2), "float32")
    flow = gradient_flow(model, x, y)
    assert len(flow.layers) == 2
    assert all(name.startswith("stack/") for name in flow.layers)
    np.testing.assert_allclose(flow.gradient_norm, training_step(model, x, y)[1], rtol=1e-5)


@pytest.mark.parametrize("attend", ["before", "after"])
def test_decoders_with_attention_are_watched(attend, eagerly):
    rng = np.random.default_rng(5)
    source, target = keras.Input((4, 3)), keras.Input((5, 2))
    encoded = rnnlayers.GRU(3, return_sequences=True, name="encoder")(source)
    cell = rnnlayers.AttentionCell(rnnlayers.LSTMCell(3), "additive", attend=attend)
    decoded = rnnlayers.AttentiveDecoder(cell, name="decoder")(
        keras.layers.Masking(9.0)(target), encoded
    )
    model = keras.Model([source, target], decoded)
    model.compile(loss="mse")
    x = [rng.normal(size=(2, 4, 3)).astype("f"), rng.normal(size=(2, 5, 2)).astype("f")]
    x[1][0, 3:] = 9.0
    y = rng.normal(size=(2, 5, 3)).astype("f")
    outputs = model(x).numpy()
    flow = gradient_flow(model, x, y)
    assert {*flow.layers} == {"encoder", "decoder"}
    assert [*flow.layers["decoder"].norms] == ["h", "c"]
    assert (flow.layers["decoder"].norm[flow.layers["decoder"].valid] > 0).all()
    np.testing.assert_allclose(flow.gradient_norm, training_step(model, x, y)[1], rtol=1e-5)
    np.testing.assert_array_equal(model(x), outputs)  # the model is as it was


def test_a_layer_that_is_called_twice_has_two_entries(eagerly):
    one, other = keras.Input((TIME, 2)), keras.Input((TIME, 2))
    layer = rnnlayers.GRU(UNITS, name="gru")
    model = keras.Model([one, other], layer(one) + 2 * layer(other))
    x, y = a_batch()
    flow = gradient_flow(model, [x, x], y, loss=lambda y, outputs: outputs[:, 0])
    assert len(flow.layers) == 2
    first, second = flow.layers.values()
    np.testing.assert_allclose(second.norm, 2 * first.norm, rtol=1e-5)


def test_the_loss_of_one_step_alone(eagerly, float64):
    layer = rnnlayers.Elman(1, "linear", return_sequences=True, name="elman")
    model = of_model(layer, (10, 1))
    layer.cell.recurrent_kernel.assign([[0.5]])
    x = np.ones((1, 10, 1))
    total = lambda y, outputs: keras.ops.sum(outputs)  # noqa: E731
    last = gradient_flow(model, x, loss=total, loss_step=-1).layers["elman"]
    np.testing.assert_allclose(last.norm[0], 0.5 ** (9.0 - np.arange(10)), rtol=1e-12)
    fourth = gradient_flow(model, x, loss=total, loss_step=3).layers["elman"]
    expected = np.where(np.arange(10) <= 3, 0.5 ** (3.0 - np.arange(10)), 0)
    np.testing.assert_allclose(fourth.norm[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(fourth.reach, [3])


def test_truncation_stops_the_gradient(eagerly, float64):
    layer = rnnlayers.Elman(1, "linear", truncate=4, name="elman")
    model = of_model(layer, (10, 1))
    layer.cell.recurrent_kernel.assign([[0.5]])
    norm = gradient_flow(model, np.ones((1, 10, 1)), loss=first).layers["elman"].norm[0]
    np.testing.assert_allclose(norm, [0] * 8 + [0.5, 1.0], rtol=1e-12)


def test_a_long_sequence_is_not_cut_into_segments(not_eagerly):
    layer = rnnlayers.Elman(1, "linear", engine="compiled", name="elman")
    model = of_model(layer, (2500, 1))
    layer.cell.recurrent_kernel.assign([[1.0]])
    norm = gradient_flow(model, np.zeros((1, 2500, 1)), loss=first).layers["elman"].norm
    np.testing.assert_allclose(norm, np.ones((1, 2500)), rtol=1e-6)


def test_what_a_model_carries_stays_as_it_was(eagerly):
    inputs = keras.Input((TIME, 2), batch_size=2)
    h = rnnlayers.GRU(UNITS, stateful=True, return_sequences=True, name="gru", dropout=0.5)(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization()(h))
    model.compile(loss="mse")
    x, y = np.ones((2, TIME, 2), "f"), np.zeros((2, TIME, UNITS), "f")
    model(x)
    before = [v.numpy() for v in (*model.variables, *model.get_layer("gru").states)]
    assert np.abs(before[-1]).max() > 0
    gradient_flow(model, x, y, training=True)
    after = [v.numpy() for v in (*model.variables, *model.get_layer("gru").states)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dropout_applies_in_training_alone(eagerly):
    layer = rnnlayers.LSTM(UNITS, dropout=0.5, recurrent_dropout=0.5, name="lstm")
    model = of_model(layer, (TIME, 2))
    model.compile(loss="mse")
    x, y = a_batch()
    plain = [gradient_flow(model, x, y).loss for _ in range(2)]
    assert plain[0] == plain[1]
    assert abs(gradient_flow(model, x, y, training=True).loss - plain[0]) > 1e-6


def test_the_reach_of_norms():
    assert reach_of(np.array([0.0, 2.0, 1.0, 0.03, 0.01, 5.0])) == 3  # from the first that is there
    assert reach_of(np.array([1.0, 0.5, 0.25])) == 2
    assert np.isnan(reach_of(np.zeros(3)))
    assert np.isnan(reach_of(np.array([1.0, np.nan])))
    assert np.isnan(growth_of(np.array([1.0, 0.0])))


def untrained(**compiled):
    model = of_model(rnnlayers.GRU(UNITS), (TIME, 2))
    if compiled:
        model.compile(**compiled)
    return model


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (lambda: "a model", {}, "`model` must be a `keras.Model`; received 'a model'"),
        (lambda: keras.Sequential([rnnlayers.GRU(3)]), {}, "`model` must be built"),
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]),
            {},
            "`model` must have a recurrent layer such as `rnnlayers.LSTM`; .* has none",
        ),
        (untrained, {}, r"`loss` must be given .* not compiled with one. Call `model.compile"),
        (untrained, {"loss": "mse"}, "`loss` must be a function of targets and outputs.*'mse'"),
        (lambda: untrained(loss="mse"), {}, "`y` must hold the targets .*; received None"),
        (
            lambda: untrained(loss="mse"),
            {"y": np.ones((2, UNITS)), "loss_step": -1},
            r"`loss_step` needs outputs \(batch, timesteps, ...\).*returns \(2, 3\)",
        ),
    ],
)
def test_bad_arguments_are_refused(model, arguments, message, eagerly):
    with pytest.raises(ValueError, match=message):
        gradient_flow(model(), np.ones((2, TIME, 2), "f"), **arguments)
