"""Keras' own `model.export`: what it writes of these layers runs, and gives the model's numbers."""

import keras
import pytest
import tensorflow as tf

import rnnlayers
from tests.cases import CORE, sample
from tests.numbers import assert_same

MODELS = {
    **{str(case): (lambda case=case: [case.make_layer(return_sequences=True)]) for case in CORE},
    "last output": lambda: [rnnlayers.LSTM(4)],
    "backwards": lambda: [rnnlayers.GRU(4, go_backwards=True, return_sequences=True)],
    "both directions": lambda: [
        rnnlayers.Bidirectional(rnnlayers.LSTM(4, return_sequences=True)),
        rnnlayers.GRU(3),
    ],
    "masked": lambda: [keras.layers.Masking(), rnnlayers.LSTM(4)],
}
SHAPES = {"any length": (None, None, 3), "known length": (None, 5, 3), "known batch": (2, 5, 3)}


def make(layers, shape):
    model = keras.Sequential([keras.Input(batch_shape=SHAPES[shape]), *MODELS[layers]()])
    x = sample(2, 5)
    x[0, 3:] = 0.0  # what `Masking` masks
    return model, x, model.predict(x, verbose=0)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ("both directions", "any length"),
        *(
            pytest.param(layers, shape, marks=pytest.mark.slow)
            for layers in MODELS
            for shape in SHAPES
            if (layers, shape) != ("both directions", "any length")
        ),
    ],
)
def test_onnx(layers, shape, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x, expected = make(layers, shape)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (answer,) = session.run(None, {session.get_inputs()[0].name: x})
    assert_same(answer, expected)


@pytest.mark.parametrize(
    "shape",
    ["any length", *(pytest.param(s, marks=pytest.mark.slow) for s in [*SHAPES][1:])],
)
def test_a_saved_model_holds_no_compiled_part(shape, tmp_path):
    model, x, expected = make("both directions", shape)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")  # its functions need it to stay
    assert_same(loaded.serve(x), expected)
    saved = (tmp_path / "model" / "saved_model.pb").read_bytes()
    assert not any(part in saved for part in (b"_XlaMustCompile", b"RnnlayersLayer"))
    assert_same(model.predict(x, verbose=0), expected)  # the live model is as it was


def test_litert(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model, x, expected = make("last output", "known length")
    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    runtime = interpreter.Interpreter(str(tmp_path / "model.tflite"))
    given, answered = runtime.get_input_details()[0], runtime.get_output_details()[0]
    runtime.resize_tensor_input(given["index"], x.shape)
    runtime.allocate_tensors()
    runtime.set_tensor(given["index"], x)
    runtime.invoke()
    assert_same(runtime.get_tensor(answered["index"]), expected)


def test_a_stateful_model_is_refused_with_what_to_do(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), rnnlayers.LSTM(4, stateful=True)])
    with pytest.raises(ValueError, match="`return_state=True`"):
        rnnlayers.export_model(model, tmp_path / "model")
