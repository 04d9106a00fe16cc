"""The network: convolutions that make a grid of an image, and a decoder that looks at it."""

import keras

import rnnlayers
from apps.captioning.backbones import build_backbone
from apps.captioning.layers import Coordinates, ForEachCaption
from apps.captioning.settings import Settings
from apps.common.seq2seq.subwords import PAD, START, STOP
from apps.common.seq2seq.teacher_forcing import compile_taught


def build_model(
    settings: Settings, size: int, steps: int, backbone: keras.Model | None = None
) -> keras.Model:
    """Builds and compiles the model.

    Args:
        settings: What decides the run.
        size: How many pieces there are.
        steps: Training steps in an epoch.
        backbone: The network that sees, where it is not trained.
    """
    encoder = build_encoder(settings, backbone)
    # With words hidden, the next one has to be seen in the image rather than guessed from them:
    # what was never said in one sentence can be said then.
    hidden = keras.layers.Dropout(settings.word_dropout, noise_shape=(None, None, 1))
    decoder = [hidden, keras.layers.Dropout(settings.dropout)]
    if settings.decoder == "attention":
        cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(settings.units), "additive")
        decoder += [rnnlayers.AttentiveDecoder(cell), keras.layers.Dropout(settings.dropout)]
    model = rnnlayers.EncoderDecoder(
        encoder=encoder,
        # Read the other way round it says the next piece: as small as Keras begins, it says little.
        embedding=keras.layers.ReversibleEmbedding(
            size,
            settings.embedding_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.3),
            name="pieces",
        ),
        decoder=[
            *decoder,
            rnnlayers.GRU(settings.units, return_sequences=True),
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
    compile_taught(model, steps=steps, **{name: getattr(settings, name) for name in names})
    return model


def build_encoder(settings: Settings, backbone: keras.Model | None) -> keras.Model:
    """Builds the encoder: the cells of a grid, each with where it is, `(batch, cells, features)`.

    Args:
        settings: What decides the run.
        backbone: The network that is not trained, whose features are given; None for pixels.
    """
    if backbone is None:
        size = settings.image_size
        inputs = keras.Input((size, size, 3), dtype="uint8", name="pixels")
        grid = see(moved(inputs, settings), settings)
    else:
        inputs = keras.Input(backbone.output_shape[1:], name="features")
        grid = keras.layers.Dense(settings.units, activation="relu")(inputs)
    grid = Coordinates()(grid)
    memory = keras.layers.Reshape((-1, grid.shape[-1]))(grid)
    memory = keras.layers.Dropout(settings.dropout)(memory)
    memory = ForEachCaption(settings.each)(memory)
    return keras.Model(inputs, memory, name="encoder")


def see(pixels, settings: Settings):
    """Makes a grid `(batch, height, width, features)` of pixels, by convolutions to be trained."""
    if settings.backbone != "small":
        return build_backbone(settings.backbone, settings.image_size)(pixels)
    grid = keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for level in range(settings.levels):
        filters = settings.filters * 2**level
        for strides in (2, 1):
            convolve = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)
            grid = keras.layers.BatchNormalization()(convolve(grid))
            grid = keras.layers.ReLU()(grid)
    return grid


def moved(pixels, settings: Settings):
    """Mirrors, moves and scales images at random in training."""
    if settings.flip:
        pixels = keras.layers.RandomFlip("horizontal")(pixels)
    if settings.shift:
        shift = settings.shift
        pixels = keras.layers.RandomTranslation(shift, shift, fill_mode="nearest")(pixels)
        pixels = keras.layers.RandomZoom((-shift, shift), fill_mode="nearest")(pixels)
    return pixels
