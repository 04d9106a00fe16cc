"""The network: a bidirectional encoder, and a decoder with attention over its outputs."""

import keras
from keras import ops

import rnnlayers
from apps.common.cells import recurrent, step
from apps.common.seq2seq.special import PAD, START, STOP
from apps.common.seq2seq.teacher_forcing import compile_with_teacher_forcing
from apps.translation.settings import Settings


def build_model(settings: Settings, sizes: tuple[int, int], steps: int) -> keras.Model:
    """Build and compile the model.

    Args:
        settings: The settings of the run.
        sizes: The vocabulary sizes of the source and the target language.
        steps: Training steps in an epoch.
    """
    model = rnnlayers.EncoderDecoder(
        encoder=build_encoder(settings, sizes[0]),
        embedding=keras.layers.ReversibleEmbedding(
            sizes[1], settings.embedding_size, name="pieces"
        ),
        decoder=[
            keras.layers.Dropout(settings.dropout),
            rnnlayers.AttentiveDecoder(
                rnnlayers.AttentionCell(step(settings.cell, settings.units), settings.attention)
            ),
            keras.layers.Dropout(settings.dropout),
            recurrent(settings.cell, settings.units, return_sequences=True),
            keras.layers.Dropout(settings.dropout),
            keras.layers.Dense(settings.embedding_size, name="outputs"),
        ],
        start_token_id=START,
        stop_token_id=STOP,
        pad_token_id=PAD,
        sampling_rate=keras.optimizers.schedules.PolynomialDecay(
            0.0, steps * settings.epochs, settings.sampling_rate
        )
        if settings.sampling_rate
        else 0.0,
        name="translation",
    )
    model.build(((None, None), (None, None)))
    names = ("epochs", "learning_rate", "max_norm", "smoothing")
    options = {name: getattr(settings, name) for name in names}
    compile_with_teacher_forcing(model, steps=steps, **options)
    return model


def build_encoder(settings: Settings, size: int) -> keras.Model:
    """Build the encoder: ids `(batch, source)` to `(batch, source, units)`, and the mask."""
    ids = keras.Input((None,), dtype="int32", name="source")
    mask = ops.not_equal(ids, PAD)
    memory = keras.layers.Embedding(size, settings.embedding_size)(ids)
    for _ in range(settings.encoder_layers):
        memory = keras.layers.Dropout(settings.dropout)(memory)
        layer = recurrent(settings.cell, settings.units // 2, return_sequences=True)
        memory = rnnlayers.Bidirectional(layer)(memory, mask=mask)
    memory = keras.layers.Dropout(settings.dropout)(memory)
    return keras.Model(ids, [memory, mask], name="encoder")
