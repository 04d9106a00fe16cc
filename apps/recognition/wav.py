"""WAV files in a graph: decoded, brought to one rate, averaged, trimmed, padded."""

import tensorflow as tf

from apps.recognition.audio import MARGIN, SILENCE

EMPTY = "wav must hold samples; received a file without any"
# The header of a WAV file of 16 bits in integers. \C is any byte.
HEADER = r"RIFF\C{4}WAVEfmt \C{4}\x01\x00\C{12}\x10\x00"
HEADER_BYTES = 36
FIRST_CHUNK = 12  # bytes before it
CHUNK_HEADER = 8  # bytes: the name of a chunk, and its size


def of_16_bits(wav: tf.Tensor) -> tf.Tensor:
    """Return which files `(batch,)` begin as a WAV file of 16 bits does, `(batch,)`."""
    matches = tf.strings.regex_full_match(tf.strings.substr(wav, 0, HEADER_BYTES), HEADER)
    channels, rate = channels_and_rate(wav)
    return matches & (channels > 0) & (rate > 0)


def channels_and_rate(wav: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return how many channels and how many samples a second the headers of files name, int64."""
    words = _words(tf.strings.substr(wav, 0, HEADER_BYTES), HEADER_BYTES)
    return words[..., 11], words[..., 12] + 2**16 * words[..., 13]


def most_samples(wav: tf.Tensor, rate: int) -> tf.Tensor:
    """Return how many samples files `(batch,)` may have at another rate, all rows padded, int64."""
    channels, own = channels_and_rate(wav)
    frames = tf.cast(tf.strings.length(wav), tf.float64) / 2
    channels, own = tf.cast(channels, tf.float64), tf.cast(own, tf.float64)
    each = tf.math.divide_no_nan(frames * rate, channels * own)
    longest = tf.reduce_max(tf.concat([each, [0.0]], axis=0))
    return tf.cast(longest * tf.cast(tf.size(each), tf.float64), tf.int64)


def _words(content: tf.Tensor, size: int) -> tf.Tensor:
    """Return `size` bytes as numbers of two bytes each, zeros behind the end."""
    return tf.cast(tf.io.decode_raw(content, tf.uint16, fixed_length=size), tf.int64)


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
        channels = samples_of(content)
        some = tf.raw_ops.Assert(condition=tf.size(channels) > 0, data=[EMPTY])
        with tf.control_dependencies([] if some is None else [some]):
            samples = averaged(channels)
        _, own = channels_and_rate(content)
        samples = tf.cond(own == rate, lambda: samples, lambda: resampled(samples, own, rate))
        return trimmed(samples, rate) if trim else samples

    rows = tf.map_fn(one, wav, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, 0))
    return rows.to_tensor(), tf.cast(rows.row_lengths(), tf.int32)


def samples_of(content: tf.Tensor) -> tf.Tensor:
    """Return the samples of a WAV file of 16 bits, `(samples, channels)`, from -1 to 1.

    They end with the file where its header says that there are more, as in a file that was written
    to a pipe. `tf.audio.decode_wav` refuses those, and chunks of an odd number of bytes.
    """
    length = tf.cast(tf.strings.length(content), tf.int64)

    def size(start: tf.Tensor) -> tf.Tensor:
        words = _words(tf.strings.substr(content, tf.minimum(start + 4, length), 4), 4)
        return words[0] + 2**16 * words[1]

    def is_other(start: tf.Tensor) -> tf.Tensor:
        name = tf.strings.substr(content, tf.minimum(start, length), 4)
        return (start + CHUNK_HEADER < length) & (name != "data")

    def after(start: tf.Tensor) -> list[tf.Tensor]:
        held = size(start)
        return [start + CHUNK_HEADER + held + held % 2]  # a chunk begins at an even place

    (start,) = tf.while_loop(is_other, after, [tf.constant(FIRST_CHUNK, tf.int64)])
    first = tf.minimum(start + CHUNK_HEADER, length)
    channels, _ = channels_and_rate(content)
    held = tf.minimum(size(start), length - first)
    data = tf.strings.substr(content, first, held - held % (2 * channels))
    return tf.reshape(tf.cast(tf.io.decode_raw(data, tf.int16), tf.float32) / 2**15, [-1, channels])


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
