"""An encoder and a decoder as one model: training, steps, generation, saving, export."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers import AttentionCell, AttentiveDecoder, EncoderDecoder, GRUCell, LSTMCell
from rnnlayers.decoding import BeamSearch, Greedy
from tests.cases import some
from tests.numbers import assert_same, refused
from tests.versions import has_reversible_embedding, weighs_masks_in_metrics

pytestmark = pytest.mark.usefixtures("eagerly")

VOCABULARY, SOURCE, START, STOP = 11, 13, 1, 2
IDS = {"start_token_id": START, "stop_token_id": STOP}

DECODERS = {
    "attention after": lambda: AttentiveDecoder(AttentionCell(GRUCell(6), units=5)),
    "attention before": lambda: AttentiveDecoder(
        AttentionCell(LSTMCell(6), "additive", attend="before")
    ),
    "input feeding": lambda: AttentiveDecoder(AttentionCell(GRUCell(6), input_feeding=True)),
    "no attention": lambda: rnnlayers.LSTM(6, return_sequences=True),
    "a stack": lambda: [
        keras.layers.Dropout(0.3),
        AttentiveDecoder(AttentionCell(GRUCell(6), "dot")),
        rnnlayers.LSTM(4, return_sequences=True, recurrent_dropout=0.1),
        keras.layers.LayerNormalization(),
    ],
    "states of several sizes": lambda: [
        AttentiveDecoder(AttentionCell(rnnlayers.ProjectedLSTMCell(6, 4), input_feeding=True)),
        rnnlayers.Stack(
            [rnnlayers.ZoneoutCell(LSTMCell(4)), rnnlayers.ProjectedLSTM(6, 4)],
            residual=True,
            return_sequences=True,
        ),
    ],
}
SLOW = ("input feeding", "no attention")  # a stack has layers without attention, too
each_decoder = pytest.mark.parametrize(
    "decoder",
    [
        pytest.param(make, id=name, marks=pytest.mark.slow if name in SLOW else ())
        for name, make in DECODERS.items()
    ],
)


def make_encoder():
    ids = keras.Input((None,), dtype="int32")
    present = ops.not_equal(ids, 0)
    vectors = keras.layers.Embedding(SOURCE, 4)(ids)
    layer = rnnlayers.Bidirectional(rnnlayers.GRU(3, return_sequences=True))
    return keras.Model(ids, [layer(vectors, mask=present), present])


def make_model(decoder=DECODERS["attention after"], **options):
    options = {"head": keras.layers.Dense(VOCABULARY), **IDS, **options}
    model = EncoderDecoder(
        make_encoder(), keras.layers.Embedding(VOCABULARY, 5), decoder(), **options
    )
    model.build(((None, None), (None, None)))
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:  # larger than usual, so that tokens differ
        weight.assign(rng.normal(0, 0.8, weight.shape))
    return model


def sample(batch=4, source=6, target=5):
    rng = np.random.default_rng(0)
    sources = rng.integers(1, SOURCE, (batch, source)).astype("int32")
    targets = rng.integers(3, VOCABULARY, (batch, target)).astype("int32")
    targets[:, 0] = START
    sources[0, 3:], targets[0, 4:] = 0, 0
    sources[1, 0] = 0  # a hole at the start
    return sources, targets


@each_decoder
def test_a_step_continues_what_teacher_forcing_does_at_once(decoder):
    model = make_model(decoder)
    sources, targets = sample()
    encoded = model.encode(sources)
    states, memory = encoded.states, model.prepare(encoded)
    steps = []
    for token in targets.T:
        logits, states, attention = model.decode_step(token, states, memory)
        steps.append(logits)
        assert (attention is None) == (memory is None)
    expected = model((sources, targets))
    seen = targets != 0
    assert_same(np.stack(steps, 1)[seen], expected.numpy()[seen])


def likeliest(model, sources, tokens):
    """Return the likeliest tokens to follow, other than those that start and pad."""
    logits = model((sources, tokens))[:, -1].numpy()
    logits[:, [0, START]] = -np.inf
    return np.argmax(logits, -1).astype("int32")


@each_decoder
def test_greedy_generation_is_the_likeliest_token_again_and_again(decoder):
    model = make_model(decoder)
    sources, _ = sample()
    tokens = np.full((4, 1), START, "int32")
    for _ in range(4):
        tokens = np.c_[tokens, likeliest(model, sources, tokens)]
    result = model.generate(sources, max_length=4)
    for row, length, expected in zip(
        result.tokens[:, 0].numpy(), result.lengths[:, 0].numpy(), tokens[:, 1:], strict=True
    ):
        np.testing.assert_array_equal(row[:length], expected[:length])
        assert length == 4 or row[length - 1] == STOP


@pytest.mark.slow
@each_decoder
def test_a_beam_over_a_batch_is_that_of_each_source_alone(decoder):
    model = make_model(decoder)
    sources, _ = sample()
    search = BeamSearch(3, num_return=2, length_penalty=0.6)
    together = model.generate(sources, search, max_length=4)
    for row, source in enumerate(sources):
        alone = model.generate(source[None], search, max_length=4)
        time = alone.tokens.shape[-1]
        np.testing.assert_array_equal(together.tokens[row, :, :time], alone.tokens[0])
        assert_same(together.scores[row], alone.scores[0])


def test_scores_are_those_of_the_sequences_under_teacher_forcing():
    model = make_model()
    sources, _ = sample()
    result = model.generate(sources, BeamSearch(3), max_length=6)
    tokens = result.tokens[:, 0].numpy()
    given = np.c_[np.full(len(tokens), START), tokens[:, :-1]].astype("int32")
    chances = ops.log_softmax(model((sources, given))).numpy()
    picked = np.take_along_axis(chances, tokens[..., None], -1)[..., 0]
    lengths = result.lengths[:, 0].numpy()
    expected = [row[:length].sum() for row, length in zip(picked, lengths, strict=True)]
    assert_same(result.scores[:, 0], np.array(expected, "float32"))


@each_decoder
def test_padding_changes_nothing(decoder):
    model = make_model(decoder)
    sources, targets = sample()
    longer = np.pad(sources, ((0, 0), (0, 3))), np.pad(targets, ((0, 0), (0, 2)))
    seen = targets != 0
    assert_same(model(longer).numpy()[:, :5][seen], model((sources, targets)).numpy()[seen])


@weighs_masks_in_metrics
def test_losses_and_metrics_leave_padded_targets_out():
    sources, targets = sample()
    results = []
    for width in (0, 4):
        model = make_model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=["accuracy"])
        padded = np.pad(targets, ((0, 0), (0, width)))
        results.append(model.evaluate((sources, padded), padded, verbose=0))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)
    seen = targets != 0
    chances = ops.log_softmax(model((sources, targets))).numpy()
    picked = np.take_along_axis(chances, targets[..., None], -1)[..., 0]
    assert results[0][0] == pytest.approx(-picked[seen].mean(), rel=1e-5)


def losses_of(decoder, epochs, **options):
    """Train a model to repeat its targets, and return the loss of each epoch."""
    keras.utils.set_random_seed(1)
    model = make_model(decoder)
    sources, targets = sample(8)
    labels = np.c_[targets[:, 1:], np.zeros(8, "int32")]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, **options)
    return model.fit((sources, targets), labels, epochs=epochs, verbose=0).history["loss"]


@pytest.mark.parametrize("decoder", some(sorted(DECODERS)))
def test_it_learns(decoder):
    decoder = DECODERS[decoder]
    first, *_, last = losses_of(decoder, 4)
    assert last < 0.95 * first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        (name, jit_compile)
        for name in DECODERS
        for jit_compile in (False, True)
        # One of the decoders that wait for themselves is enough to compile.
        if (name, jit_compile) != ("attention before", True)
    ],
)
def test_it_learns_where_it_is_compiled(name, jit_compile, not_eagerly):
    first, *_, last = losses_of(DECODERS[name], 4, jit_compile=jit_compile)
    assert last < 0.95 * first


@has_reversible_embedding
def test_one_embedding_serves_both_ways():
    embedding = keras.layers.ReversibleEmbedding(VOCABULARY, 5)
    cell = AttentionCell(GRUCell(6), units=5)
    model = EncoderDecoder(make_encoder(), embedding, AttentiveDecoder(cell), **IDS)
    sources, targets = sample()
    assert model((sources, targets)).shape == (4, 5, VOCABULARY)
    assert sum(weight is embedding.embeddings for weight in model.weights) == 1


def test_sources_may_be_anything():
    encoder = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(6, 3)])
    encoder.add(keras.layers.Reshape((-1, 6)))
    model = EncoderDecoder(
        encoder,
        keras.layers.Embedding(VOCABULARY, 5),
        DECODERS["attention after"](),
        keras.layers.Dense(VOCABULARY),
        **IDS,
    )
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    assert model((images, sample(2)[1])).shape == (2, 5, VOCABULARY)
    result = model.generate(images, max_length=4)
    assert result.extras.shape == (2, 1, result.tokens.shape[-1], 36)
    sampler = BeamSearch(2, coverage_penalty=1.0)
    encoded = model.encode(images)
    everywhere = encoded._replace(mask=tf.ones((2, 36), tf.bool))
    found, expected = (
        model.generate_encoded(one, sampler, max_length=4) for one in (encoded, everywhere)
    )
    assert_same(found.scores, expected.scores)


def test_a_coverage_penalty_needs_attention():
    model = make_model(DECODERS["no attention"])
    with refused("coverage_penalty", "AttentiveDecoder"):
        model.generate(sample()[0], BeamSearch(2, coverage_penalty=1.0), max_length=4)


# Scheduled sampling


def test_without_sampling_training_sees_the_targets():
    sources, targets = sample()
    plain, never = (
        make_model(),
        make_model(sampling_rate=keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1.0)),
    )
    expected = plain((sources, targets), training=True)
    assert_same(never((sources, targets), training=True), expected)


def test_sampled_everywhere_it_is_the_model_that_goes_on_by_itself():
    model = make_model(sampling_rate=1.0, sampling_passes=6)
    sources, targets = sample(target=6)
    targets[:, 1:] = 3  # whatever they are, they are all replaced
    own = np.full((4, 1), START, "int32")
    for _ in range(5):
        own = np.c_[own, np.argmax(model((sources, own))[:, -1], -1).astype("int32")]
    # A token may be the one that pads, which is then masked as any padding is: leave those rows.
    rows = (own != 0).all(1)
    assert rows.any()
    assert_same(model((sources, targets), training=True)[rows], model((sources, own))[rows])


def test_the_rate_is_the_part_that_is_replaced():
    model = make_model(sampling_rate=0.25, seed=3)
    targets = np.full((200, 20), 5, "int32")
    targets[:, 0], targets[:, 15:] = START, 0
    encoded = model.encode(np.ones((200, 4), "int32"))
    mixed = np.asarray(model._mix_targets(ops.convert_to_tensor(targets), encoded))
    assert (mixed[:, 0] == START).all()
    assert (mixed[:, 15:] == 0).all()
    said = np.argmax(model((np.ones((200, 4), "int32"), targets)), -1)[:, :14]
    differs = said != 5
    assert np.mean(mixed[:, 1:15][differs] != 5) == pytest.approx(0.25, abs=0.03)
    assert (mixed[:, 1:15] == np.where(mixed[:, 1:15] == 5, 5, said)).all()


# Saving and export


@pytest.mark.slow
@each_decoder
def test_it_is_saved_and_loaded(decoder, tmp_path):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 0.5)
    model = make_model(decoder, sampling_rate=schedule, sampling_passes=2, seed=4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(loaded(sample()), model(sample()))
    generated = (m.generate(sample()[0], max_length=3) for m in (loaded, model))
    assert_same(*((result.tokens, result.scores) for result in generated))
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())


def test_it_is_exported_whole_and_step_by_step(tmp_path, in_process, not_eagerly):
    model = make_model(DECODERS["a stack"])
    sources, _ = sample()

    def translate(sources):
        result = model.generate(sources, BeamSearch(3), max_length=6)
        return {"tokens": result.tokens, "scores": result.scores, "attention": result.extras}

    steps = rnnlayers.StepEndpoints(model)
    spec = tf.TensorSpec([None, None], tf.int32)
    encoded = steps.encode(sources)
    path = rnnlayers.export_model(
        model,
        tmp_path,
        {
            "serving_default": (translate, {"sources": spec}),
            "encode": (steps.encode, {"sources": spec}),
            "decode_step": (steps.decode_step, steps.signature(spec)),
        },
        {
            "serving_default": {"sources": sources},
            "encode": {"sources": sources},
            "decode_step": {"token": [START] * 4, **encoded},
        },
    )
    served = tf.saved_model.load(path)
    answer = served.signatures["serving_default"](sources=tf.constant(sources))
    expected = translate(sources)
    np.testing.assert_array_equal(answer["tokens"], expected["tokens"])
    assert_same(answer["scores"], expected["scores"])


@each_decoder
def test_flat_steps_are_those_of_the_model(decoder):
    model = make_model(decoder)
    sources, targets = sample()
    steps = rnnlayers.StepEndpoints(model)
    encoded = steps.encode(sources)
    spec = steps.signature(tf.TensorSpec([None, None], tf.int32))
    assert spec.keys() == {"token", *encoded}
    assert all(spec[name].shape.is_compatible_with(encoded[name].shape) for name in encoded)
    tokens, attentions = targets.T, []
    for time, token in enumerate(tokens):
        found = steps.decode_step(token, **encoded)
        expected = ops.log_softmax(model((sources, targets[:, : time + 1])))[:, -1]
        seen = targets[:, time] != 0
        assert_same(found["log_probability"].numpy()[seen], expected.numpy()[seen])
        attentions.append(found.get("attention"))
        encoded |= {name: found[name] for name in found.keys() & encoded.keys()}
    assert all((weights is None) == ("values" not in encoded) for weights in attentions)


# Errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": None}, "ReversibleEmbedding"),
        ({"start_token_id": 0}, "three different ids"),
        ({"sampling_rate": 1.5}, "`sampling_rate` must be a number in [0, 1]"),
        ({"sampling_passes": 0}, "`sampling_passes` must be a positive integer"),
    ],
)
def test_arguments_out_of_range_are_refused(options, words):
    with refused(words):
        make_model(**options)


@pytest.mark.parametrize(
    "decoder",
    [
        lambda: keras.layers.Dense(3),
        lambda: [DECODERS["attention after"](), DECODERS["attention after"]()],
        lambda: rnnlayers.GRU(3),
        lambda: rnnlayers.GRU(3, return_sequences=True, return_state=True),
        lambda: rnnlayers.GRU(3, return_sequences=True, go_backwards=True),
        lambda: AttentiveDecoder(AttentionCell(GRUCell(3)), return_attention=True),
    ],
    ids=["no recurrence", "two memories", "last output", "states", "backwards", "attention"],
)
def test_layers_that_make_no_decoder_are_refused(decoder):
    with refused("`decoder`"):
        make_model(decoder)


def test_the_likeliest_token_is_the_default():
    model = make_model()
    sources, _ = sample()
    greedy = model.generate(sources, Greedy(), max_length=5)
    np.testing.assert_array_equal(model.generate(sources, max_length=5).tokens, greedy.tokens)


@pytest.mark.parametrize("attend", ["after", "before"])
def test_the_mask_that_an_encoder_passes_on_counts_everywhere(attend):
    encoder = keras.Sequential(
        [
            keras.layers.Embedding(20, 6, mask_zero=True),
            rnnlayers.GRU(4, return_sequences=True),
        ]
    )
    model = rnnlayers.EncoderDecoder(
        encoder,
        keras.layers.Embedding(12, 5),
        rnnlayers.AttentiveDecoder(rnnlayers.AttentionCell(rnnlayers.GRUCell(8), attend=attend)),
        keras.layers.Dense(12),
        start_token_id=2,
        stop_token_id=3,
    )
    source, padded = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0, 0]])
    targets = np.array([[2, 4, 5, 6]])
    logits = model((padded, targets))
    assert_same(logits, model((source, targets)))
    if attend == "after":
        tf.config.run_functions_eagerly(False)
        assert_same(tf.function(model)((padded, targets)), logits)
        tf.config.run_functions_eagerly(True)
    encoded = model.encode(padded)
    first, *_ = model.decode_step(tf.constant([2]), encoded.states, model.prepare(encoded))
    assert_same(first, logits[:, 0])
    shorter, longer = (model.generate(s, max_length=5) for s in (source, padded))
    assert_same(longer.tokens, shorter.tokens)
    assert_same(longer.extras[..., :3], shorter.extras)
    steps = rnnlayers.StepEndpoints(model)
    assert_same(steps.encode(padded)["mask"], padded != 0)


@pytest.mark.parametrize("attend", ["after", "before"])
def test_a_source_without_a_place_gives_numbers(attend):
    cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(8), attend=attend)
    model = rnnlayers.EncoderDecoder(
        rnnlayers.GRU(4, return_sequences=True),
        keras.layers.Embedding(12, 5),
        rnnlayers.AttentiveDecoder(cell),
        keras.layers.Dense(12),
        start_token_id=2,
        stop_token_id=3,
    )
    nothing = np.ones((2, 0, 5), "float32")
    assert np.all(np.isfinite(model((nothing, np.array([[2, 4], [2, 5]])))))
    assert np.all(np.isfinite(model.generate(nothing, max_length=4).scores))
