"""What the network reads of recordings: spectra, and spans that are masked in training."""

import keras
import tensorflow as tf

PACKAGE = "apps.recognition"
FLOOR = 1e-6  # of the energy of a band: a silent recording is finite
LOWEST = 20.0  # Hz
COEFFICIENTS = 13  # of a cepstrum


@keras.saving.register_keras_serializable(PACKAGE)
class Spectra(keras.Layer):
    """Samples to logarithmic mel spectra, or to mel frequency cepstral coefficients.

    A spectrum reads the `frame` samples until the end of its own `hop`, so it never waits for later
    ones: before the first sample there is silence. Of `n` samples there are ceil(n / hop) spectra.

    Args:
        rate: Samples a second.
        frame: Samples of a spectrum.
        hop: Samples between two spectra.
        bands: Mel bands, from 20 Hz to half of the rate.
        kind: `log_mel` or `mfcc`.
    """

    def __init__(self, rate: int, frame: int, hop: int, bands: int, kind: str, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.frame = frame
        self.hop = hop
        self.bands = bands
        self.kind = kind
        self.transform = 1 << (frame - 1).bit_length()  # samples: the next power of two

    @property
    def size(self) -> int:
        """The number of features of a spectrum."""
        return self.bands if self.kind == "log_mel" else min(COEFFICIENTS, self.bands)

    def call(self, samples):
        """Compute spectra `(batch, spectra, size)` of samples `(batch, samples)`."""
        rest = -tf.shape(samples)[1] % self.hop
        padded = tf.pad(samples, [[0, 0], [self.frame - self.hop, rest]])
        return self.of_frames(padded)

    def of_frames(self, samples: tf.Tensor) -> tf.Tensor:
        """Compute the spectra of samples that begin with those before the first hop."""
        waves = tf.signal.stft(samples, self.frame, self.hop, self.transform)
        energy = tf.math.square(tf.math.real(waves)) + tf.math.square(tf.math.imag(waves))
        matrix = tf.signal.linear_to_mel_weight_matrix(
            self.bands, self.transform // 2 + 1, self.rate, LOWEST, self.rate / 2
        )
        logarithms = tf.math.log(tf.linalg.matmul(energy, matrix) + FLOOR)
        if self.kind == "log_mel":
            return logarithms
        return tf.signal.mfccs_from_log_mel_spectrograms(logarithms)[..., : self.size]

    def count(self, samples):
        """Return how many spectra there are of a number of samples."""
        return (samples + self.hop - 1) // self.hop

    def compute_output_shape(self, input_shape):
        """Return the shape of the spectra."""
        steps = None if input_shape[1] is None else self.count(input_shape[1])
        return (input_shape[0], steps, self.size)

    def get_config(self):
        """Return the arguments."""
        config = {"rate": self.rate, "frame": self.frame, "hop": self.hop, "bands": self.bands}
        return {**super().get_config(), **config, "kind": self.kind}


@keras.saving.register_keras_serializable(PACKAGE)
class JoinedSteps(keras.Layer):
    """Several steps as one.

    `(batch, steps, size)` become `(batch, ceil(steps / stride), stride, size)`.

    Args:
        stride: The number of steps that become one; zeros complete the last.
    """

    def __init__(self, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, inputs):
        """Join the steps."""
        # Never the remainder of a negative number, which other runtimes round otherwise.
        rest = (self.stride - tf.shape(inputs)[1] % self.stride) % self.stride
        padded = tf.pad(inputs, [[0, 0], [0, rest], [0, 0]])
        batch, steps = tf.shape(padded)[0], tf.shape(padded)[1]
        return tf.reshape(padded, [batch, steps // self.stride, self.stride, inputs.shape[-1]])

    def compute_output_shape(self, input_shape):
        """Return the shape of the joined steps."""
        batch, steps, size = input_shape
        return (batch, None if steps is None else -(-steps // self.stride), self.stride, size)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedSpans(keras.Layer):
    """Zeros in a span of steps and in a span of channels, in training alone (Park et al. 2019).

    Each example has spans of its own, whose sizes are drawn evenly from none to the largest.

    Args:
        steps: The largest part of the steps of an example.
        channels: The largest part of the channels.
    """

    def __init__(self, steps: float, channels: float, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps
        self.channels = channels
        self.random = keras.random.SeedGenerator()

    def call(self, inputs, length, training=False):
        """Mask inputs `(batch, steps, channels)`, of which `length` steps count, `(batch,)`."""
        if not training:
            return inputs
        size = tf.fill(tf.shape(length), inputs.shape[-1])
        rows = self._outside(tf.shape(inputs)[1], length, self.steps)
        columns = self._outside(inputs.shape[-1], size, self.channels)
        kept = tf.logical_and(rows[:, :, None], columns[:, None, :])
        return tf.where(kept, inputs, tf.zeros_like(inputs))

    def _outside(self, count, length, part):
        """Return which of `count` places are outside of a span, `(batch, count)`."""
        shape, length = tf.shape(length), tf.cast(length, tf.float32)
        width = keras.random.uniform(shape, seed=self.random) * part * length
        start = keras.random.uniform(shape, seed=self.random) * (length - width)
        places = tf.cast(tf.range(count), tf.float32)[None, :]
        return tf.logical_or(places < start[:, None], places >= (start + width)[:, None])

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "steps": self.steps, "channels": self.channels}
