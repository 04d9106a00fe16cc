"""Recordings of every kind, spectra, and WAV files in a graph."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from scipy.signal import resample

from apps.common.refusal import Refusal
from apps.recognition import audio
from apps.recognition.audio import read_audio, resampled, trimmed
from apps.recognition.features import FLOOR, JoinedSteps, MaskedSpans, Spectra
from apps.recognition.wav import EMPTY, decode, of_16_bits

RATE = 8000


def tone(seconds=0.2, rate=RATE, hertz=440.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("f4")


def written(samples, rate=RATE, subtype="PCM_16", kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("subtype", "kind", "error"),
    [
        ("PCM_16", "WAV", 1e-4),
        ("PCM_U8", "WAV", 1e-2),
        ("PCM_24", "WAV", 1e-6),
        ("FLOAT", "WAV", 1e-7),
        ("DOUBLE", "WAV", 1e-7),
        ("ULAW", "WAV", 2e-2),
        ("PCM_16", "FLAC", 1e-4),
        ("VORBIS", "OGG", 5e-2),
    ],
)
def test_recordings_of_every_kind(subtype, kind, error):
    samples, rate = read_audio(written(tone(), subtype=subtype, kind=kind), "x.wav")
    assert (rate, samples.dtype) == (RATE, np.float32)
    np.testing.assert_allclose(samples, tone(), atol=error)


def test_channels_are_averaged_and_silent_ones_left_out():
    left, right = tone(), tone(hertz=300)
    both, _ = read_audio(written(np.stack([left, right], 1), subtype="FLOAT"), "x.wav")
    np.testing.assert_allclose(both, (left + right) / 2, atol=1e-6)
    one, _ = read_audio(written(np.stack([left, 0 * left], 1), subtype="FLOAT"), "x.wav")
    np.testing.assert_allclose(one, left, atol=1e-6)
    none, _ = read_audio(written(np.zeros((80, 2))), "x.wav")
    assert none.shape == (80,)


@pytest.mark.parametrize("said", [40, 41, 10**6, 2**32 - 1])
def test_a_header_that_lies_about_the_length(said):
    honest = written(tone())
    place = honest.index(b"data") + 4
    lying = honest[:place] + np.uint32(said).tobytes() + honest[place + 4 :]
    expected = tone()[: said // 2]
    np.testing.assert_allclose(read_audio(lying, "x.wav")[0], expected, atol=1e-4)
    np.testing.assert_allclose(in_graph([lying])[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (written(np.zeros(0, "f4")), "the recording holds no samples"),
        (b"This is a text, not a recording.\n" * 9, "is no sound WAV, FLAC or OGG file"),
        (b"", "is no sound WAV, FLAC or OGG file"),
        (written(np.array([0.0, np.nan, 0.1]), subtype="FLOAT"), "samples must be finite"),
        (written(np.zeros(601 * 1000), rate=1000), "at most 600 seconds; it has 601"),
    ],
    ids=["none", "text", "empty", "nan", "long"],  # a WAV file of floats holds the time
)
def test_what_is_no_recording_is_refused(content, words):
    with pytest.raises(Refusal, match=words) as refusal:
        read_audio(content, "some/x.wav")
    assert "some/x.wav" in str(refusal.value)


def test_96_khz_becomes_the_tone_that_it_is():
    low = resampled(tone(rate=96_000), 96_000, RATE)
    assert low.shape == (1600,)
    np.testing.assert_allclose(low[100:-100], tone()[100:-100], atol=5e-3)


def test_trimming_keeps_a_margin():
    samples = np.concatenate([np.zeros(2000), tone(), np.zeros(3000)]).astype("f4")
    margin = int(audio.MARGIN * RATE)
    kept = trimmed(samples, RATE)
    loud = np.flatnonzero(np.abs(samples) > audio.SILENCE * 0.5)
    np.testing.assert_array_equal(kept, samples[loud[0] - margin : loud[-1] + 1 + margin])
    assert trimmed(np.zeros(9, "f4"), RATE).shape == (9,)


# In the graph


def in_graph(contents, trim=False):
    samples, lengths = decode(tf.constant(contents), RATE, trim)
    assert not any(row[length:].any() for row, length in zip(samples.numpy(), lengths, strict=True))
    return [row[:length] for row, length in zip(samples.numpy(), lengths, strict=True)]


@pytest.mark.parametrize("rate", [8000, 16_000, 11_025, 4000, 44_100])
def test_the_graph_decodes_as_the_reader_does(rate):
    contents = [
        written(np.stack([tone(0.05, rate), tone(0.05, rate, 300)], 1), rate),
        written(tone(0.1 + 1 / rate, rate), rate),  # one sample more: odd and even numbers
        written(tone(3 / rate, rate), rate),
    ]
    for content, found in zip(contents, in_graph(contents), strict=True):
        samples, own = read_audio(content, "x.wav")
        length = max(1, len(samples) * RATE // own)
        expected = samples if own == RATE else resample(samples.astype("f8"), length)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_graph_trims_as_the_reader_does():
    samples = np.concatenate([np.zeros(2000), tone(), np.zeros(3000)]).astype("f4")
    (found,) = in_graph([written(samples)], trim=True)
    np.testing.assert_allclose(found, trimmed(read_audio(written(samples), "x")[0], RATE))


def test_files_of_16_bits_are_told_from_others():
    loud = np.random.default_rng(0).normal(0, 0.3, 300_000).clip(-1, 1)  # any byte in its head
    right = [written(tone()), written(np.stack([tone()] * 2, 1), 44_100), written(loud, 96_000)]
    wrong = [written(tone(), subtype=kind) for kind in ("PCM_U8", "PCM_24", "FLOAT", "ULAW")]
    found = of_16_bits(tf.constant([*right, *wrong, b"", b"This is a text.\n" * 9])).numpy()
    assert found.tolist() == [True] * 3 + [False] * 6


def test_the_graph_finds_the_samples_among_other_chunks():
    plain = written(tone())
    place = plain.index(b"data")
    for text in (b"", b"odd", b"even"):
        more = b"LIST" + np.uint32(len(text)).tobytes() + text + bytes(len(text) % 2)
        (found,) = in_graph([plain[:place] + more + plain[place:] + more])
        np.testing.assert_allclose(found, tone(), atol=1e-4)


def test_the_graph_refuses_a_file_without_samples():
    empty = written(np.zeros(0, "f4"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=EMPTY):
        decode(tf.constant([empty]), RATE, False)


# Spectra


def mel_matrix(bands, size, rate, lowest):
    """Triangles over the mel scale of O'Shaughnessy, 1127 ln(1 + f / 700), without the mean."""
    mel = lambda hertz: 1127 * np.log1p(hertz / 700)  # noqa: E731
    edges = np.linspace(mel(lowest), mel(rate / 2), bands + 2)
    frequencies = mel(np.linspace(0, rate / 2, size))
    matrix = np.zeros((size, bands))
    for band, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        rising = (frequencies - low) / (middle - low)
        falling = (high - frequencies) / (high - middle)
        matrix[:, band] = np.maximum(0, np.minimum(rising, falling))
    matrix[0] = 0
    return matrix


def test_spectra_are_those_of_the_equations():
    spectra = Spectra(RATE, 200, 80, 20, "log_mel")
    samples = np.random.default_rng(0).normal(0, 0.1, 333)
    padded = np.concatenate([np.zeros(120), samples, np.zeros(-333 % 80)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    frames = [padded[n : n + 200] * window for n in range(0, len(padded) - 199, 80)]
    energy = np.abs(np.fft.rfft(frames, 256)) ** 2
    expected = np.log(energy @ mel_matrix(20, 129, RATE, 20) + FLOOR)
    found = spectra(samples[None].astype("f4")).numpy()[0]
    assert len(found) == spectra.count(333) == 5
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_cepstra_have_thirteen_coefficients():
    spectra = Spectra(RATE, 200, 80, 20, "mfcc")
    logarithms = Spectra(RATE, 200, 80, 20, "log_mel")(tone()[None]).numpy()[0]
    found = spectra(tone()[None]).numpy()[0]
    assert found.shape == (20, 13)
    n = np.arange(20)
    basis = np.cos(np.pi / 20 * (n + 0.5)[:, None] * np.arange(13)[None]) * np.sqrt(2 / 20)
    np.testing.assert_allclose(found, logarithms @ basis, atol=1e-3)


def test_a_spectrum_never_hears_what_comes_later():
    spectra = Spectra(RATE, 200, 80, 20, "log_mel")
    samples = np.random.default_rng(0).normal(0, 0.1, (1, 800)).astype("f4")
    changed = samples.copy()
    changed[:, 400:] = 0
    before, after = spectra(samples).numpy(), spectra(changed).numpy()
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert not np.allclose(before[:, 5], after[:, 5])


def test_steps_are_joined_with_zeros_at_the_end():
    steps = np.arange(10, dtype="f4").reshape(1, 5, 2)
    joined = JoinedSteps(2)(steps).numpy()
    assert joined.shape == (1, 3, 2, 2)
    np.testing.assert_array_equal(joined[0, 2], [[8, 9], [0, 0]])


def test_masks_are_one_span_of_steps_and_one_of_channels():
    layer = MaskedSpans(0.5, 0.5)
    ones, length = np.ones((64, 20, 8), "f4"), np.repeat([20, 10], 32)
    np.testing.assert_array_equal(layer(ones, length), ones)
    masked = layer(ones, length, training=True).numpy() == 0
    for row, count in zip(masked, length, strict=True):
        rows, columns = row.all(axis=1), row.all(axis=0)
        for places, most in ((rows, count / 2 + 1), (columns, 8 / 2 + 1)):
            assert places.sum() <= most
            assert np.abs(np.diff(np.concatenate([[0], places, [0]]))).sum() in (0, 2)
        np.testing.assert_array_equal(row, rows[:, None] | columns[None])
        assert not rows[count:].any()
    assert masked.any(axis=(1, 2)).mean() > 0.8
