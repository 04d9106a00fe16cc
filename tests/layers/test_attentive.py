"""A decoder over a whole sequence: its equations, the cell step by step, masks, models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import AttentionCell, AttentiveDecoder, GRUCell
from rnnlayers.decoding import BeamSearch, Greedy, decode
from rnnlayers.testing.contract import check_configuration
from tests.cases import BY_NAME, CORE, MASKS, some
from tests.cases import sample as sequences
from tests.cells.test_attentive import (
    FEATURES,
    SIZE,
    UNITS,
    WAYS,
    each_way,
    expected,
    make,
    sample,
)
from tests.numbers import assert_same, refused

pytestmark = pytest.mark.usefixtures("eagerly")

ALL = {"return_state": True, "return_attention": True}


def make_decoder(cell, **options):
    return AttentiveDecoder(cell, dtype=cell.dtype_policy, **{**ALL, **options})


def decoder_data(cell, **sizes):
    """Return inputs, memory, states and the mask of the memory, one row of it empty."""
    x, memory, states, memory_mask = sample(cell, **{"time": 6, **sizes})
    memory_mask[1:2] = False
    return x, memory, states, memory_mask


def step_by_step(cell, x, memory, states, mask, memory_mask):
    """Return what a decoder returns, from single calls of its cell."""
    prepared = cell.prepare(memory, memory_mask)
    outputs, all_weights = [], []
    for now in range(x.shape[1]):
        y, new, weights = cell(x[:, now], states, prepared)
        valid = mask[:, now, None]
        outputs.append(tf.where(valid, y, tf.zeros_like(y)))
        all_weights.append(tf.where(valid, weights, tf.zeros_like(weights)))
        states = [tf.where(valid, n, s) for n, s in zip(new, states, strict=True)]
    return tf.stack(outputs, 1), *states, tf.stack(all_weights, 1)


@each_way
@pytest.mark.parametrize("case", CORE, ids=str)
def test_it_follows_the_equations(case, way):
    score = "general" if case.name == "lstm" else "additive"
    cell = make(case, score, **way)
    x, memory, states, memory_mask = decoder_data(cell)
    mask = MASKS["every pattern"]
    outputs, *after, weights = make_decoder(cell)(
        x, memory, initial_state=states, mask=mask, memory_mask=memory_mask
    )
    wanted = expected(case, cell, score, x, memory, states, mask, memory_mask)
    assert_same([outputs, weights, *after], tf.nest.flatten(wanted), "float64")


def gradients_of(function, variables, *tensors):
    """Return the outputs, and the gradients of a scalar that weighs each of their elements."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function(*tensors)
        total = tf.add_n(
            [
                tf.reduce_sum(
                    o
                    * tf.reshape(tf.sin(1.7 * tf.range(tf.size(o), dtype=o.dtype) + k), tf.shape(o))
                )
                for k, o in enumerate(tf.nest.flatten(outputs))
            ]
        )
    sources = [*tf.nest.flatten(tensors), *(variable.value for variable in variables)]
    return outputs, tape.gradient(total, sources, unconnected_gradients="zero")


@each_way
@pytest.mark.parametrize(
    ("case", "score", "mask"),
    [
        (BY_NAME["lstm"], "general", "every pattern"),
        (BY_NAME["gru"], "additive", "no mask"),
        (BY_NAME["gru-reset-before"], "additive", "all masked"),
    ],
    ids=str,
)
def test_the_whole_sequence_and_single_steps_agree_gradients_too(case, score, mask, way):
    cell = make(case, score, **way)
    decoder = make_decoder(cell)
    x, memory, states, memory_mask = decoder_data(cell)
    tensors = [tf.constant(t) for t in (x, memory, *states)]
    given = None if mask == "no mask" else MASKS[mask]

    def whole(x, memory, *states):
        return decoder(x, memory, states, given, memory_mask, training=True)

    def steps(x, memory, *states):
        all_steps = np.ones(x.shape[:2], bool) if given is None else given
        return step_by_step(cell, x, memory, list(states), all_steps, memory_mask)

    ours = gradients_of(whole, cell.trainable_variables, *tensors)
    assert_same(ours, gradients_of(steps, cell.trainable_variables, *tensors), "float64")


@pytest.mark.parametrize("way", some(list(WAYS.values())))
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_traced_function_gives_the_same_at_every_shape(way, jit_compile, not_eagerly):
    cell = make(score="additive", **way)
    decoder = make_decoder(cell)
    x, memory, states, memory_mask = decoder_data(cell)
    decoder(x, memory)

    def differentiated(x, memory, memory_mask, mask, *states):
        def whole(x, memory, *states):
            return decoder(x, memory, list(states), mask, memory_mask, training=jit_compile)

        return gradients_of(whole, cell.trainable_variables, x, memory, *states)

    def spec(*shape, dtype="float64"):
        return tf.TensorSpec((None, *shape), dtype)

    masks = [spec(None, dtype="bool")] * 2
    before = [spec(state.shape[1]) for state in states]
    traced = tf.function(
        differentiated,
        input_signature=[spec(None, FEATURES), spec(None, SIZE), *masks, *before],
        jit_compile=jit_compile,
        autograph=False,
    )
    mask = MASKS["every pattern"]
    for batch, time, source in [(6, 6, 4)] if jit_compile else [(2, 3, 2), (2, 0, 3), (0, 3, 2)]:
        tensors = x[:batch, :time], memory[:batch, :source], memory_mask[:batch, :source]
        tensors = [*tensors, mask[:batch, :time], *(state[:batch] for state in states)]
        tensors = [tf.constant(tensor) for tensor in tensors]
        ours = traced(*tensors)
        tf.config.run_functions_eagerly(True)
        assert_same(ours, differentiated(*tensors), "float64")
        tf.config.run_functions_eagerly(False)


@each_way
def test_from_zeros_and_the_output_that_is_fed_may_be_left_out(way):
    cell = make(BY_NAME["gru"], **way)
    decoder = make_decoder(cell)
    x, memory, states, _ = decoder_data(cell)
    zeros = [np.zeros_like(state) for state in states]
    assert_same(decoder(x, memory), decoder(x, memory, initial_state=zeros))
    if "y" in cell.state_names:
        some = [*states[:-1], np.zeros_like(states[-1])]
        assert_same(decoder(x, memory, states[0]), decoder(x, memory, some))


@each_way
def test_masks_come_with_the_inputs_and_go_on(way):
    words = np.where(MASKS["every pattern"], 2, 0)
    source = np.where(np.resize([1, 1, 0], (6, 3)), 1, 0)
    embedding = keras.layers.Embedding(3, 4, mask_zero=True)
    cell = AttentionCell(GRUCell(UNITS), **way)
    decoder = AttentiveDecoder(cell, return_attention=True)
    inputs = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    outputs, weights = decoder(embedding(inputs[0]), embedding(inputs[1]))
    last = rnnlayers.GRU(3, return_sequences=True, zero_output_for_mask=True)(outputs)
    outputs, weights, last = keras.Model(inputs, [outputs, weights, last])([words, source])
    assert_same(
        decoder(
            embedding.embeddings.numpy()[words],
            embedding.embeddings.numpy()[source],
            mask=words > 0,
            memory_mask=source > 0,
        ),
        (outputs, weights),
    )
    for values in (outputs, weights, last):
        np.testing.assert_array_equal(np.any(values, -1), words > 0)
    assert not np.any(weights[..., 2])


@each_way
def test_padding_changes_nothing(way):
    cell = make(**way)
    decoder = make_decoder(cell)
    x, memory, states, memory_mask = decoder_data(cell)
    mask = MASKS["every pattern"]
    loud = np.where(mask[..., None], x, 1e3), np.where(memory_mask[..., None], memory, 1e3)
    assert_same(
        decoder(*loud, initial_state=states, mask=mask, memory_mask=memory_mask),
        decoder(x, memory, initial_state=states, mask=mask, memory_mask=memory_mask),
        "float64",
    )


@each_way
def test_mixed_precision_stays_near_and_finite(way):
    results = []
    for dtype in ("float32", "mixed_float16"):
        cell = make(dtype=dtype, **way)
        x, memory, _, memory_mask = decoder_data(cell)
        tensors = [tf.constant(0.3 * t, tf.float32) for t in (x, memory)]
        decoder = make_decoder(cell)

        def whole(x, memory, decoder=decoder, memory_mask=memory_mask):
            return decoder(
                x, memory, mask=MASKS["every pattern"], memory_mask=memory_mask, training=True
            )

        outputs, gradients = gradients_of(whole, cell.trainable_variables, *tensors)
        assert {o.dtype.name for o in outputs} == {cell.compute_dtype}
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        results.append(outputs)
    for single, half in zip(*results, strict=True):
        np.testing.assert_allclose(tf.cast(half, "float32"), single, atol=0.02)


@each_way
def test_dropout_draws_one_mask_a_sequence(way, monkeypatch):
    cell = make(inner={"dropout": 0.5, "recurrent_dropout": 0.5}, **way)
    decoder = make_decoder(cell)
    x, memory, states, memory_mask = decoder_data(cell)
    rng = np.random.default_rng(0)
    on_inputs, on_state = rng.normal(size=(6, cell.cell.kernel.shape[0])), rng.normal(size=(6, 4))
    # Of one step or, where all steps are dropped at once, of `(time, batch, features)`.
    monkeypatch.setattr(cell.cell, "drop_inputs", lambda inputs: inputs * on_inputs)
    monkeypatch.setattr(cell.cell, "draw_recurrent_dropout_mask", lambda h: tf.constant(on_state))
    prepared = cell.prepare(memory, memory_mask)
    outputs, *after, weights = decoder(
        x, memory, initial_state=states, memory_mask=memory_mask, training=True
    )
    for now in range(6):
        y, states, looks = cell(x[:, now], states, prepared, training=True)
        assert_same((outputs[:, now], weights[:, now]), (y, looks), "float64")
    assert_same(after, states, "float64")
    calm = decoder(x, memory, memory_mask=memory_mask)[0]
    assert np.max(np.abs(calm - outputs)) > 0.01


@pytest.mark.slow
@each_way
def test_a_model_is_saved_with_its_optimizer(way, tmp_path):
    attention = rnnlayers.AdditiveAttention(3)
    inputs = keras.Input((None, FEATURES)), keras.Input((None, SIZE)), keras.Input((UNITS,))
    decoder = AttentiveDecoder(AttentionCell(GRUCell(UNITS, dropout=0.1), attention, 5, **way))
    model = keras.Model(inputs, decoder(inputs[0], inputs[1], initial_state=[inputs[2]]))
    model.compile("adam", "mse", jit_compile=False)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=shape) for shape in [(8, 6, FEATURES), (8, 3, SIZE), (8, UNITS)]]
    model.fit(data, np.full((8, 6, 5), 0.5), verbose=0)
    names = [weight.path for weight in model.weights]
    assert len(set(names)) == len(names)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again(data), model(data))
    assert_same(again.optimizer.variables, model.optimizer.variables)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = keras.models.clone_model(model)
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_same(fresh(data), model(data))


@pytest.mark.slow
@each_way
def test_fit_gives_the_same_weights_under_xla(way, not_eagerly):
    rng = np.random.default_rng(0)
    data = [rng.normal(size=shape) for shape in [(8, 3, FEATURES), (8, 2, SIZE)]]
    weights = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((3, FEATURES)), keras.Input((2, SIZE))
        decoder = AttentiveDecoder(AttentionCell(GRUCell(UNITS), **way))
        model = keras.Model(inputs, decoder(*inputs))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        before = model.get_weights()
        model.fit(data, np.ones((8, 3, UNITS)), batch_size=4, shuffle=False, verbose=0)
        assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
        weights.append(model.get_weights())
    assert_same(*weights)


@each_way
@pytest.mark.parametrize("options", [{}, {"return_state": True}, {"return_attention": True}, ALL])
def test_shapes_and_masks_are_announced(way, options):
    cell = make(score="additive", dtype="float32", **way)
    decoder = AttentiveDecoder(cell, **options)
    results = decoder(tf.ones((2, 5, FEATURES)), tf.ones((2, 3, SIZE)))
    results = results if isinstance(results, tuple) else (results,)
    announced = decoder.compute_output_shape((2, 5, FEATURES), (2, 3, SIZE))
    announced = announced if isinstance(announced[0], tuple) else (announced,)
    assert [tuple(r.shape) for r in results] == list(announced)
    count = 1 + len(cell.state_names) * ("return_state" in options)
    assert len(results) == count + ("return_attention" in options)
    masks = decoder.compute_mask(None, "mask")
    assert masks == (["mask", *[None] * (len(results) - 1)] if len(results) > 1 else "mask")
    check_configuration(AttentiveDecoder(AttentionCell(GRUCell(UNITS), **way), **options))


class Translator(tf.Module):
    """Both uses of one cell: over a whole target, and token by token."""

    def __init__(self, way, words=7):
        self.words = words
        self.cell = make(score="additive", dtype="float32", **way)
        self.decoder = make_decoder(self.cell)
        # A table of the size of the cell's features, and the way back to words.
        rng = np.random.default_rng(3)
        self.table = tf.Variable(rng.normal(size=(words, FEATURES)), dtype=tf.float32)
        self.output = tf.Variable(3 * rng.normal(size=(6, words)), dtype=tf.float32)

    def log_probs(self, targets, memory, memory_mask):
        inputs = tf.gather(self.table, tf.pad(targets, [[0, 0], [1, 0]])[:, :-1])
        outputs, *_, weights = self.decoder(inputs, memory, memory_mask=memory_mask)
        return tf.nn.log_softmax(outputs @ self.output), weights

    def translate(self, memory, memory_mask, sampler):
        batch = tf.shape(memory)[0]
        prepared = self.cell.prepare(memory, memory_mask)

        def step(tokens, states):
            outputs, states, weights = self.cell(tf.gather(self.table, tokens), states, prepared)
            return outputs @ self.output, states, weights

        return decode(
            step,
            self.cell.get_initial_state(batch),
            tf.zeros(batch, tf.int32),
            sampler,
            stop_token_id=1,
            max_length=8,
            source_mask=memory_mask,
        )


@each_way
@pytest.mark.parametrize("sampler", some([BeamSearch(4, 0.5, num_return=3), Greedy()]))
def test_decoding_gives_the_scores_and_weights_that_teacher_forcing_gives(sampler, way):
    translator = Translator(way)
    _, memory, _, memory_mask = decoder_data(translator.cell)
    memory = tf.constant(memory, tf.float32)
    result = translator.translate(memory, memory_mask, sampler)
    for rank in range(result.tokens.shape[1]):
        tokens, lengths = result.tokens[:, rank], result.lengths[:, rank]
        log_probs, weights = translator.log_probs(tokens, memory, memory_mask)
        there = tf.sequence_mask(lengths, tf.shape(tokens)[1])
        chosen = tf.gather(log_probs, tokens, batch_dims=2)
        total = tf.reduce_sum(tf.where(there, chosen, 0), -1)
        penalty = getattr(sampler, "length_penalty", 0.0)
        total /= ((5 + tf.cast(lengths, tf.float32)) / 6) ** penalty
        np.testing.assert_allclose(result.scores[:, rank], total, rtol=1e-4, atol=1e-5)
        shown = tf.where(there[..., None], weights, 0)
        np.testing.assert_allclose(result.extras[:, rank], shown, atol=1e-5)


def test_both_uses_are_exported(tmp_path, in_process, not_eagerly):
    translator = Translator(WAYS["input feeding"])
    translator.decoder(tf.ones((1, 1, FEATURES)), tf.ones((1, 1, SIZE)))  # builds
    memory = tf.TensorSpec((None, None, SIZE), tf.float32)
    mask = tf.TensorSpec((None, None), tf.bool)

    def serve(memory, memory_mask):
        result = translator.translate(memory, memory_mask, BeamSearch(3))
        return {"tokens": result.tokens, "scores": result.scores, "attention": result.extras}

    def score(targets, memory, memory_mask):
        return translator.log_probs(targets, memory, memory_mask)[0]

    rnnlayers.export_model(
        translator,
        tmp_path,
        {
            "serving_default": (serve, {"memory": memory, "memory_mask": mask}),
            "score": (
                score,
                {
                    "targets": tf.TensorSpec((None, None), tf.int32),
                    "memory": memory,
                    "memory_mask": mask,
                },
            ),
        },
        tolerance=1e-4,
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, m: AttentiveDecoder(GRUCell(4)), ["cell", "AttentionCell"]),
        (lambda x, m: build(engine="quick"), ["engine", "quick"]),
        (lambda x, m: build()(x, m[:, 0]), ["memory", "(2, 5)"]),
        (lambda x, m: build()(x, m, [np.ones((2, 3))]), ["initial_state", "h", "[4]", "(2, 3)"]),
        (lambda x, m: build()(x, m, [np.ones((2, 4))] * 2), ["initial_state", "[4]"]),
        (lambda x, m: build()(x, m, np.ones((2, 1, 4))), ["initial_state", "(2, 1, 4)"]),
        (lambda x, m: build()(x, m, mask=np.ones((2, 5))), ["mask", "(2, 4)", "(2, 5)"]),
        (lambda x, m: build()(x, m, mask=np.ones((2, 4, 1))), ["mask", "(2, 4, 1)"]),
        (lambda x, m: build()(x, m, memory_mask=np.ones(2)), ["mask", "memory", "(2,)"]),
        (lambda x, m: build()(x[0], m), ["ndim"]),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with refused(*words):
        call(np.ones((2, 4, FEATURES), "float32"), np.ones((2, 3, SIZE), "float32"))


def build(**options):
    return AttentiveDecoder(AttentionCell(GRUCell(UNITS)), **options)


@pytest.mark.parametrize("options", [{}, {"attend": "before"}, {"input_feeding": True}], ids=str)
@pytest.mark.parametrize("attention", ["general", "additive"])
def test_what_masked_places_hold_reaches_neither_outputs_nor_gradients(attention, options):
    cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(4), attention, **options)
    decoder = rnnlayers.AttentiveDecoder(cell)
    valid = np.array([[1, 1, 1, 0, 0], [1] * 5], bool)
    there = np.array([[1] * 6, [1, 1, 0, 0, 1, 1]], bool)
    results = []
    for padding in (0.0, np.nan, np.inf):
        x = np.where(valid[..., None], sequences(2, 5), np.float32(padding))
        memory = np.where(there[..., None], sequences(2, 6, 4, seed=2), np.float32(padding))
        x, memory = tf.constant(x), tf.constant(memory)
        with tf.GradientTape() as tape:
            tape.watch([x, memory])
            outputs = decoder(x, memory, mask=valid, memory_mask=there, training=True)
            total = tf.reduce_sum(outputs**2)
        weights = [variable.value for variable in decoder.trainable_variables]
        results.append([outputs, *tape.gradient(total, [x, memory, *weights])])
    for other in results[1:]:
        assert_same(other, results[0])
