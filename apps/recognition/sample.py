"""The embedded samples of series: gestures that are drawn, and scikit-learn's images of digits."""

import numpy as np
from sklearn.datasets import load_digits

from apps.recognition.examples import Example

SEED = 1
STEPS = (24, 64)  # of a gesture
CHANNELS = ("x", "y")

# Each gesture is a line through these points of the plane. Some are the same line in another order,
# so that where the pen was does not tell them apart.
TURN = np.linspace(0, 2 * np.pi, 33)
CORNERS = {
    "square": [(-1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1)],
    "square_back": [(-1, 1), (-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, 1), (1, -1), (-1, -1), (0, 1)],
    "zigzag": [(-1, 1), (-0.3, -1), (0.3, 1), (1, -1)],
    "tick": [(-1, 0), (-0.3, -1), (1, 1)],
    "letter_z": [(-1, 1), (1, 1), (-1, -1), (1, -1)],
}
CURVES = {
    "circle": (np.sin(TURN), np.cos(TURN)),
    "circle_back": (-np.sin(TURN), np.cos(TURN)),
    "eight": (np.sin(2 * TURN) / 2, np.cos(TURN)),
    "spiral": (TURN / 6.3 * np.sin(2 * TURN), TURN / 6.3 * np.cos(2 * TURN)),
}
GESTURES = {name: np.array(points, float) for name, points in CORNERS.items()} | {
    name: np.stack(points, axis=1) for name, points in CURVES.items()
}


def gestures(count: int, seed: int = SEED) -> list[Example]:
    """Draw gestures, equally many of each kind.

    Args:
        count: The number of gestures.
        seed: The seed of the drawing.

    Returns:
        Examples whose series is the place of the pen, `(timesteps, 2)`, at equal
        intervals of time.
    """
    rng = np.random.default_rng(seed)
    names = [*GESTURES]
    return [
        Example(f"gesture {n + 1}", draw(GESTURES[names[n % len(names)]], rng), "", name)
        for n, name in ((n, names[n % len(names)]) for n in range(count))
    ]


def draw(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a line through points as a hand does: crooked, unevenly fast, anywhere, of any size."""
    steps = rng.integers(STEPS[0], STEPS[1] + 1)
    reached = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    reached /= reached[-1]
    # The speed of the hand changes slowly and is never zero.
    speed = np.exp(0.5 * smooth(rng.normal(size=steps), 9))
    times = np.concatenate([[0], np.cumsum(speed[1:])])
    times = times / times[-1]
    start, end = rng.uniform(0, 0.04), rng.uniform(0.96, 1)
    places = start + (end - start) * times
    line = np.stack([np.interp(places, reached, axis) for axis in points.T], axis=1)
    angle, shear = rng.normal(0, 0.25), rng.normal(0, 0.2)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.diag(np.exp(rng.normal(0, 0.2, 2) + rng.normal(0, 0.3)))
    line = line @ scale @ np.array([[1, shear], [0, 1]]) @ turned
    wander = np.stack([smooth(rng.normal(size=steps), 7) for _ in range(2)], axis=1)
    line = line + 0.12 * wander + rng.normal(0, 0.02, line.shape) + rng.normal(0, 0.5, 2)
    return line.astype("float32")


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Return the moving average of noise, scaled to the deviation that the noise had."""
    return np.convolve(values, np.ones(width) / np.sqrt(width), "same")


def digits(pixels: bool) -> list[Example]:
    """Read scikit-learn's images of handwritten digits, 8 x 8, from its package.

    Args:
        pixels: Whether a step is a pixel, and not a row of eight.
    """
    data = load_digits()
    shape = (64, 1) if pixels else (8, 8)
    return [
        Example(f"digit {n + 1}", image.reshape(shape).astype("float32") / 16, "", str(label))
        for n, (image, label) in enumerate(zip(data.images, data.target, strict=True))
    ]
