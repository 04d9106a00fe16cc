"""The network: an encoder that makes a grid of cells of an image, and a decoder that reads it."""

import keras

import rnnlayers
from apps.captioning.layers import Coordinates, ForEachCaption
from apps.captioning.settings import Settings
from apps.common.cells import recurrent, step
from apps.common.seq2seq.special import PAD, START, STOP
from apps.common.seq2seq.teacher_forcing import compile_with_teacher_forcing


def build_model(
    settings: Settings, size: int, steps: int, backbone: keras.Model | None = None
) -> keras.Model:
    """Build and compile the model.

    Args:
        settings: The settings of the run.
        size: The number of pieces in the vocabulary.
        steps: Training steps in an epoch.
        backbone: The network of `keras.applications`; None for the small one.
    """
    encoder = build_encoder(settings, backbone)
    # A hidden word cannot be guessed from the words before it and must be read off the image. This
    # is what lets the model describe combinations that no training caption has.
    hide_words = keras.layers.Dropout(settings.word_dropout, noise_shape=(None, None, 1))
    decoder = [hide_words, keras.layers.Dropout(settings.dropout)]
    if settings.decoder == "attention":
        cell = rnnlayers.AttentionCell(step(settings.cell, settings.units), "additive")
        decoder += [rnnlayers.AttentiveDecoder(cell), keras.layers.Dropout(settings.dropout)]
    model = rnnlayers.EncoderDecoder(
        encoder=encoder,
        # The same matrix makes the logits, for which Keras' default initial values are too small.
        embedding=keras.layers.ReversibleEmbedding(
            size,
            settings.embedding_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.3),
            name="pieces",
        ),
        decoder=[
            *decoder,
            recurrent(settings.cell, settings.units, return_sequences=True),
            keras.layers.Dropout(settings.dropout),
            keras.layers.Dense(settings.embedding_size, name="outputs"),
        ],
        start_token_id=START,
        stop_token_id=STOP,
        pad_token_id=PAD,
        name="captioning",
    )
    model.build((encoder.input_shape, (None, None)))
    names = ("epochs", "learning_rate", "max_norm", "smoothing")
    compile_with_teacher_forcing(
        model, steps=steps, **{name: getattr(settings, name) for name in names}
    )
    return model


def build_encoder(settings: Settings, backbone: keras.Model | None) -> keras.Model:
    """Build the encoder: the cells of a grid with their positions, `(batch, cells, features)`.

    Args:
        settings: The settings of the run.
        backbone: As in `build_model`. If it is frozen, the encoder takes its features.
    """
    if settings.frozen:
        inputs = keras.Input(backbone.output_shape[1:], name="features")
        grid = keras.layers.Dense(settings.units, activation="relu")(inputs)
    else:
        size = settings.image_size
        inputs = keras.Input((size, size, 3), dtype="uint8", name="pixels")
        pixels = augment(inputs, settings)
        grid = convolve(pixels, settings) if backbone is None else backbone(pixels)
    grid = Coordinates()(grid)
    memory = keras.layers.Reshape((-1, grid.shape[-1]))(grid)
    memory = keras.layers.Dropout(settings.dropout)(memory)
    memory = ForEachCaption(settings.each)(memory)
    return keras.Model(inputs, memory, name="encoder")


def augment(pixels, settings: Settings):
    """Mirror, move and scale images at random in training."""
    if settings.flip:
        pixels = keras.layers.RandomFlip("horizontal")(pixels)
    if settings.shift:
        shift = settings.shift
        pixels = keras.layers.RandomTranslation(shift, shift, fill_mode="nearest")(pixels)
        pixels = keras.layers.RandomZoom((-shift, shift), fill_mode="nearest")(pixels)
    return pixels


def convolve(pixels, settings: Settings):
    """Apply the small network: `(batch, height, width, features)` of pixels."""
    grid = keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for level in range(settings.levels):
        filters = settings.filters * 2**level
        for strides in (2, 1):
            convolution = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)
            grid = keras.layers.BatchNormalization()(convolution(grid))
            grid = keras.layers.ReLU()(grid)
    return grid
