"""WAV files in a graph: decoded, brought to one rate, averaged, trimmed, padded."""

import tensorflow as tf

from apps.recognition.audio import MARGIN, SILENCE

EMPTY = "wav must hold samples; received a file without any"
# The head of a WAV file of 16 bits, as TensorFlow decodes it. \C is any byte.
HEAD = r"RIFF\C{4}WAVEfmt \C{4}\x01\x00\C{12}\x10\x00"
HEAD_BYTES = 36


def of_16_bits(wav: tf.Tensor) -> tf.Tensor:
    """Return which files `(batch,)` begin as a WAV file of 16 bits does, `(batch,)`."""
    return tf.strings.regex_full_match(tf.strings.substr(wav, 0, HEAD_BYTES), HEAD)


def decode(wav: tf.Tensor, rate: int, trim: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode WAV files `(batch,)` as `apps.recognition.audio` reads them.

    Args:
        wav: The bytes of each file, of 16 bits a sample.
        rate: The samples a second to return.
        trim: Whether silence is cut at both ends.

    Returns:
        The samples, `(batch, samples)`, zeros behind the end of each, and their lengths.
    """

    def one(content: tf.Tensor) -> tf.Tensor:
        channels, own = tf.audio.decode_wav(content)
        some = tf.raw_ops.Assert(condition=tf.size(channels) > 0, data=[EMPTY])
        with tf.control_dependencies([] if some is None else [some]):
            channels = tf.identity(channels)
        samples = averaged(channels)
        samples = tf.cond(own == rate, lambda: samples, lambda: resampled(samples, own, rate))
        return trimmed(samples, rate) if trim else samples

    rows = tf.map_fn(one, wav, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, 0))
    return rows.to_tensor(), tf.cast(rows.row_lengths(), tf.int32)


def averaged(channels: tf.Tensor) -> tf.Tensor:
    """Return the mean of the channels `(samples, channels)` that are not silent, `(samples,)`."""
    sounding = tf.cast(tf.reduce_any(channels != 0, axis=0), tf.float32)
    count = tf.maximum(tf.reduce_sum(sounding), 1)
    return tf.linalg.matvec(channels, sounding) / count


def resampled(samples: tf.Tensor, rate: tf.Tensor, wanted: int) -> tf.Tensor:
    """Bring samples `(samples,)` to another rate by Fourier's transform.

    Frequencies above half of the lower rate are left out; one exactly at half of it counts half.
    """
    count = tf.shape(samples)[0]
    scaled = tf.cast(count, tf.int64) * wanted // tf.cast(rate, tf.int64)
    length = tf.maximum(1, tf.cast(scaled, tf.int32))
    lower = tf.minimum(count, length)
    kept = tf.signal.rfft(samples[None, :], [count])[0, : lower // 2 + 1]
    # The frequency at half of an even lower length stands for two of the longer transform.
    factor = tf.cond(length > count, lambda: 0.5, lambda: 2.0)
    even = tf.logical_and(lower % 2 == 0, length != count)
    last = tf.where(even, factor, 1.0)
    weights = tf.concat([tf.ones([lower // 2]), [last]], axis=0)
    kept = kept * tf.cast(weights, tf.complex64)
    kept = tf.pad(kept, [[0, length // 2 + 1 - tf.shape(kept)[0]]])
    scale = tf.cast(length, tf.float32) / tf.cast(count, tf.float32)
    return tf.signal.irfft(kept[None, :], [length])[0] * scale


def trimmed(samples: tf.Tensor, rate: int) -> tf.Tensor:
    """Cut silence at both ends of samples `(samples,)`."""
    loudness = tf.abs(samples)
    loud = tf.where(loudness > SILENCE * tf.reduce_max(loudness))[:, 0]
    margin = int(MARGIN * rate)

    def cut() -> tf.Tensor:
        return samples[tf.maximum(tf.cast(0, tf.int64), loud[0] - margin) : loud[-1] + 1 + margin]

    return tf.cond(tf.size(loud) > 0, cut, lambda: samples)
