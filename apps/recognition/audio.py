"""Recordings: files of any rate and any number of channels as samples from -1 to 1."""

import io
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample

from apps.common.refusal import Refusal

SUFFIXES = (".wav", ".flac", ".ogg")
SILENCE = 0.02  # of the loudest sample; what is below at both ends is cut by `trim`
MARGIN = 0.05  # seconds that are kept around what is louder
MAX_SECONDS = 600


def read_audio(content: bytes, place: Path | str) -> tuple[np.ndarray, int]:
    """Decode a recording, and average its channels.

    A channel without any sound is left out, since it would make the others quieter.

    Args:
        content: The bytes of a WAV, FLAC or OGG file.
        place: The file, for messages.

    Returns:
        The samples, `(samples,)`, float32, and the samples a second.

    Raises:
        Refusal: If it is no recording, holds no sample, or one that is not finite.
    """
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).rpartition(": ")[2].strip()
        raise Refusal(
            f"{place} is no sound WAV, FLAC or OGG file ({reason}): remove it, or convert it again"
        ) from error
    if not samples.size:
        raise Refusal(f"{place}: the recording holds no samples: remove it")
    if not np.isfinite(samples).all():
        raise Refusal(f"{place}: samples must be finite; the recording holds NaN or infinity")
    if len(samples) > MAX_SECONDS * rate:
        raise Refusal(
            f"{place}: recordings may have at most {MAX_SECONDS} seconds; it has "
            f"{len(samples) / rate:.0f}: cut it"
        )
    sounding = samples.any(axis=0)
    return samples[:, sounding if sounding.any() else slice(None)].mean(axis=1), rate


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Bring samples to another rate, by Fourier's transform as the exported model does."""
    if rate == wanted:
        return samples
    return resample(samples, resampled_length(len(samples), rate, wanted)).astype("float32")


def resampled_length(count: int, rate: int, wanted: int) -> int:
    """Return how many samples there are at another rate, at least one."""
    return max(1, count * wanted // rate)


def at_rate(samples: np.ndarray, rate: int, wanted: int, trim: bool) -> np.ndarray:
    """Bring samples to another rate, and cut silence at both ends if that is asked for."""
    samples = resampled(samples, rate, wanted)
    return trimmed(samples, wanted) if trim else samples


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Cut silence at both ends."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE * np.abs(samples).max())
    if not len(loud):
        return samples
    margin = int(MARGIN * rate)
    return samples[max(0, loud[0] - margin) : loud[-1] + 1 + margin]
