"""The embedded sample of speech: digits spoken by a synthesizer. Nobody would take it for people.

A voice is a train of pulses, and a breath is noise; three resonances shape the voice (Klatt 1980).
Each digit is a row of sounds, each sound glides to the next, and speakers differ in pitch, in the
length of the throat and in pace.
"""

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from apps.recognition.examples import Example

RATE = 8000  # samples a second
SEED = 1
BLOCK = 40  # samples for which the resonances stand still
BANDWIDTHS = (80, 100, 140)  # Hz
GLIDE = 0.35  # of a sound, before and after it


class Sound(NamedTuple):
    """A sound: its length, how loud voice and noise are, and its resonances."""

    seconds: float
    voice: float
    noise: float
    formants: tuple[int, int, int]  # Hz
    pitch_of_noise: int = 2500  # Hz


class Speaker(NamedTuple):
    """A speaker of the synthesizer."""

    name: str
    pitch: float  # Hz
    throat: float  # 1 is that of the formants
    pace: float  # 1 is the length of the sounds


S = Sound(0.12, 0, 0.5, (400, 1700, 2600), 3500)
F = Sound(0.08, 0, 0.12, (500, 1100, 2400), 2000)
V = Sound(0.05, 0.4, 0.06, (350, 1100, 2300), 2000)
R = Sound(0.07, 0.7, 0, (350, 1100, 1600))
N = Sound(0.09, 0.4, 0, (280, 1300, 2300))
T = Sound(0.03, 0, 0.5, (350, 1700, 2600), 3000)
STOP = Sound(0.05, 0, 0, (350, 1700, 2600))
OPEN, CLOSE = Sound(0.13, 1, 0, (750, 1200, 2400)), Sound(0.1, 0.8, 0, (330, 2100, 2600))
WORDS: dict[str, tuple[Sound, ...]] = {
    "0": (
        Sound(0.08, 0.3, 0.25, (300, 1700, 2600), 3500),
        Sound(0.09, 1, 0, (400, 1900, 2550)),
        R,
        Sound(0.16, 1, 0, (500, 900, 2400)),
    ),
    "1": (Sound(0.08, 0.7, 0, (300, 700, 2200)), Sound(0.14, 1, 0, (650, 1200, 2400)), N),
    "2": (T, Sound(0.2, 0.9, 0, (320, 900, 2300))),
    "3": (Sound(0.07, 0, 0.08, (400, 1400, 2500)), R, Sound(0.18, 0.9, 0, (280, 2250, 2900))),
    "4": (F, Sound(0.18, 1, 0, (550, 850, 2400)), R),
    "5": (F, OPEN, CLOSE, V),
    "6": (S, Sound(0.09, 0.9, 0, (400, 1900, 2550)), STOP, T, S),
    "7": (
        *(S, Sound(0.1, 1, 0, (550, 1800, 2500)), V),
        *(Sound(0.07, 0.8, 0, (550, 1400, 2400)), N),
    ),
    "8": (Sound(0.12, 1, 0, (480, 1900, 2500)), CLOSE, STOP, T),
    "9": (N, OPEN, CLOSE, N),
}
SPEAKERS = (
    *(Speaker("ada", 210, 1.15, 0.95), Speaker("ben", 110, 0.95, 1.1)),
    *(Speaker("cleo", 180, 1.08, 1.0), Speaker("dan", 130, 1.0, 0.85)),
    *(Speaker("eva", 240, 1.2, 1.05), Speaker("finn", 95, 0.9, 1.0)),
)


def spoken_digits(takes: int, seed: int = SEED) -> list[Example]:
    """Speak each digit.

    Args:
        takes: Recordings of each digit by each speaker.
        seed: The seed of what differs from take to take.
    """
    rng = np.random.default_rng(seed)
    return [
        Example(f"{word}_{speaker.name}_{take}", speak(word, speaker, rng), speaker.name, word)
        for take in range(takes)
        for word in WORDS
        for speaker in SPEAKERS
    ]


def speak(word: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Speak a digit, `(samples,)`, between silences."""
    sounds = WORDS[word]
    pace = speaker.pace * np.exp(rng.normal(0, 0.12))
    lengths = [s.seconds * pace * np.exp(rng.normal(0, 0.12)) for s in sounds]
    ends = np.cumsum(lengths)
    steps = np.arange(0, ends[-1], BLOCK / RATE)
    # Each sound stands still in its middle, and glides to the next.
    points = np.stack([ends - (1 - GLIDE) * np.array(lengths), ends - GLIDE * np.array(lengths)], 1)
    track = np.array([[s.voice, s.noise, *s.formants, s.pitch_of_noise] for s in sounds])
    glided = np.stack(
        [np.interp(steps, points.ravel(), np.repeat(column, 2)) for column in track.T], axis=1
    )
    voice, noise, formants, centre = glided[:, 0], glided[:, 1], glided[:, 2:5], glided[:, 5]
    formants = formants * speaker.throat * np.exp(rng.normal(0, 0.03, (1, 3)))
    spoken = _resonant(_pulses(len(steps), speaker, rng) * np.repeat(voice, BLOCK), formants)
    hiss = rng.normal(size=len(steps) * BLOCK) * np.repeat(noise, BLOCK)
    hissed = _resonant(hiss, np.minimum(centre, 0.45 * RATE)[:, None], (900,))
    samples = spoken / (np.abs(spoken).max() + 1e-9) + 0.6 * hissed / (np.abs(hissed).max() + 1e-9)
    silences = rng.uniform(0.01, 0.12, 2)
    samples = np.pad(samples, [int(silence * RATE) for silence in silences])
    samples += 0.004 * rng.normal(size=samples.shape)
    loudness = 0.4 * np.exp(rng.normal(0, 0.4))
    return np.clip(loudness * samples / np.abs(samples).max(), -1, 1).astype("float32")


def _pulses(blocks: int, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return the pulses of a voice whose pitch falls."""
    count = blocks * BLOCK
    first, last = speaker.pitch * np.exp(rng.normal(0, 0.06, 2)) * (1.08, 0.88)
    pitch = np.linspace(first, last, count) * (1 + 0.01 * rng.normal(size=count))
    turns = np.floor(np.cumsum(pitch) / RATE)
    return np.diff(turns, prepend=0.0)


def _resonant(
    samples: np.ndarray, formants: np.ndarray, widths: tuple[int, ...] = BANDWIDTHS
) -> np.ndarray:
    """Send samples through resonances that change from block to block."""
    for formant, width in zip(formants.T, widths, strict=True):
        decay = np.exp(-np.pi * width / RATE)
        turn = 2 * decay * np.cos(2 * np.pi * formant / RATE)
        state, parts = np.zeros(2), []
        for block, a in zip(samples.reshape(-1, BLOCK), turn, strict=True):
            part, state = lfilter([1 - a + decay**2], [1, -a, decay**2], block, zi=state)
            parts.append(part)
        samples = np.concatenate(parts)
    return samples
