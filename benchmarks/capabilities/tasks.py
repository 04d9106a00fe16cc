"""The tasks: what a network reads, what it must answer at which steps, and how it is scored."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # inputs, answers, and which steps count


class Task(NamedTuple):
    """A task.

    Attributes:
        about: What must be learned, for the page.
        outputs: Size of the answer: the number of classes, or 1 for a number.
        batch: Returns inputs `(rows, time, features)`, answers `(rows, time)` and the steps that
            count `(rows, time)`, from a generator and a number of rows.
        test: The batches on which a trained network is scored, by name; the first is the score.
        score: "error", the mean squared error, or "accuracy", or "bits" per answer.
        guess: The score of the best guess that does not read the inputs.
        seconds: Processor time for training.
        known: A published result of a similar set-up, for the page.
    """

    about: str
    outputs: int
    batch: Callable[[np.random.Generator, int], Batch]
    test: dict[str, Batch]
    score: str
    guess: float
    seconds: float
    known: str = ""


def one_hot(symbols: np.ndarray, count: int) -> np.ndarray:
    """Return `(..., count)` with a one at each symbol."""
    return np.eye(count, dtype="float32")[symbols]


def last_step(rows: int, time: int) -> np.ndarray:
    """Return zeros `(rows, time)` with ones at the last step."""
    counts = np.zeros((rows, time), "float32")
    counts[:, -1] = 1
    return counts


def adding(rng: np.random.Generator, rows: int, time: int) -> Batch:
    """Add the two marked numbers of a long sequence (Hochreiter and Schmidhuber, 1997)."""
    numbers = rng.uniform(size=(rows, time)).astype("float32")
    marks = np.zeros_like(numbers)
    every = np.arange(rows)
    marks[every, rng.integers(0, time // 2, rows)] = 1
    marks[every, rng.integers(time // 2, time, rows)] = 1
    answers = np.zeros_like(numbers)
    answers[:, -1] = (numbers * marks).sum(1)
    return np.stack([numbers, marks], -1), answers, last_step(rows, time)


COPIED, SYMBOLS = 10, 8


def copy_memory(rng: np.random.Generator, rows: int, time: int) -> Batch:
    """Repeat ten symbols after `time` blanks (Arjovsky, Shah and Bengio, 2016)."""
    symbols = rng.integers(1, SYMBOLS + 1, (rows, COPIED))
    inputs = np.zeros((rows, time + 2 * COPIED), "int64")
    inputs[:, :COPIED] = symbols
    inputs[:, -COPIED - 1] = SYMBOLS + 1  # from here on, repeat
    answers = np.zeros_like(inputs)
    answers[:, -COPIED:] = symbols
    counts = np.zeros(inputs.shape, "float32")
    counts[:, -COPIED:] = 1
    return one_hot(inputs, SYMBOLS + 2), answers, counts


def parity(rng: np.random.Generator, rows: int, longest: int, shortest: int = 1) -> Batch:
    """Say after each bit whether the number of ones so far is odd."""
    bits = rng.integers(0, 2, (rows, longest))
    counts = np.zeros(bits.shape, "float32")
    counts[:, shortest - 1 :] = 1
    return one_hot(bits, 2), np.cumsum(bits, 1) % 2, counts


MODULUS = 5


def modular(rng: np.random.Generator, rows: int, longest: int, shortest: int = 1) -> Batch:
    """Say after each number of a sum of +, - and * what it is modulo 5, from left to right."""
    numbers = rng.integers(0, MODULUS, (rows, longest))
    operators = rng.integers(0, 3, (rows, longest))
    symbols = np.where(np.arange(longest) % 2, MODULUS + operators, numbers)
    answers, value = np.zeros_like(symbols), np.zeros(rows, "int64")
    for step in range(longest):
        if step % 2 == 0:
            n, before = numbers[:, step], operators[:, step - 1] if step else np.zeros(rows)
            results = np.stack([value + n, value - n, value * n]) % MODULUS
            value = np.choose(before.astype("int64"), results)
        answers[:, step] = value
    counts = np.zeros(symbols.shape, "float32")
    counts[:, shortest - 1 :: 2] = 1
    return one_hot(symbols, MODULUS + 3), answers, counts


def drawn_from(inputs: np.ndarray, classes: np.ndarray) -> Callable[[Any, int], Batch]:
    """Return a function that draws rows of a data set whose class is asked at the last step."""

    def batch(rng: np.random.Generator, rows: int) -> Batch:
        chosen = rng.integers(0, len(inputs), rows)
        return at_the_end(inputs[chosen], classes[chosen])

    return batch


def at_the_end(inputs: np.ndarray, classes: np.ndarray) -> Batch:
    """Return a batch whose class is asked at the last step."""
    rows, time, _ = inputs.shape
    answers = np.zeros((rows, time), "int64")
    answers[:, -1] = classes
    return inputs, answers, last_step(rows, time)


def images(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    about: str,
    seconds: float,
    *,
    permuted: bool,
    known: str = "",
) -> Task:
    """Return a task of images that are read pixel by pixel, in order or in a fixed random order."""
    pixels = train[0].reshape(len(train[0]), -1).shape[1]
    order = np.random.default_rng(0).permutation(pixels) if permuted else np.arange(pixels)

    def sequences(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), pixels)[:, order]
        return flat[..., None].astype("float32")

    held_out = at_the_end(sequences(test[0]), test[1])
    return Task(
        about,
        10,
        drawn_from(sequences(train[0]), train[1]),
        {"test": held_out},
        "accuracy",
        float(np.bincount(test[1]).max() / len(test[1])),
        seconds,
        known,
    )


def digits(*, permuted: bool) -> Task:
    """Return the digits of scikit-learn, 8 x 8 pixels, of which 500 are held out."""
    values, classes = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        values / 16, classes, test_size=500, random_state=0, stratify=classes
    )
    order = "in a fixed random order" if permuted else "in order"
    about = f"name a digit from its 64 pixels, read one by one {order}"
    return images((x, y), (x_test, y_test), about, 10, permuted=permuted)


def mnist(folder: str, *, permuted: bool) -> Task:
    """Return MNIST, from a folder of its four IDX files, or from TensorFlow Datasets ("tfds")."""
    if folder == "tfds":
        import tensorflow_datasets as tfds

        parts = [
            tfds.load("mnist", split=split, batch_size=-1, as_supervised=True)
            for split in ("train", "test")
        ]
        parts = [tuple(np.asarray(array) for array in part) for part in parts]
    else:
        parts = [
            tuple(
                read_idx(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
            )
            for part in ("train", "t10k")
        ]
    train, test = ((pixels / 255.0, classes.astype("int64")) for pixels, classes in parts)
    known = "LSTM 98.8, coRNN 99.3 % (Rusch and Mishra, 2021)"
    about = "name a digit of MNIST from its 784 pixels"
    return images(train, test, about, 300, permuted=permuted, known=known)


def read_idx(folder: str, name: str) -> np.ndarray:
    """Return the array of an IDX file, plain or compressed."""
    plain = Path(folder) / name
    packed = plain.with_name(f"{name}.gz")
    if not plain.exists() and not packed.exists():
        raise FileNotFoundError(f"{plain} (or .gz) is missing; --mnist names its folder.")
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, "u1", offset=4 + 4 * rank).reshape(shape)


def characters(text: str, time: int = 100) -> Task:
    """Return the task of naming the next character of a text, whose last tenth is held out."""
    letters = sorted(set(text))
    ids = np.array([letters.index(c) for c in text])
    cut = len(ids) * 9 // 10

    def windows(starts: np.ndarray) -> Batch:
        rows = ids[starts[:, None] + np.arange(time + 1)]
        counts = np.ones((len(starts), time), "float32")
        counts[:, : time // 2] = 0  # these are read, to have something to go on
        return one_hot(rows[:, :-1], len(letters)), rows[:, 1:], counts

    frequencies = np.bincount(ids[:cut], minlength=len(letters)) + 1
    held_out = windows(np.arange(cut, len(ids) - time - 1, time // 2)[:500])
    probabilities = frequencies / frequencies.sum()
    guess = -np.log2(probabilities[held_out[1][held_out[2] > 0]]).mean()
    return Task(
        f"name the next of {len(letters)} characters; bits for each, after 50 that were read",
        len(letters),
        lambda rng, rows: windows(rng.integers(0, cut - time - 1, rows)),
        {"test": held_out},
        "bits",
        float(guess),
        20,
    )


def all_tasks(text: str, mnist_folder: str | None = None) -> dict[str, Task]:
    """Return the tasks by name."""
    rng = np.random.default_rng(1)
    variance = 2 / 12  # of the sum of two uniform numbers
    tasks = {
        f"adding {time}": Task(
            f"add the two marked ones of {time} numbers",
            1,
            lambda rng, rows, time=time: adding(rng, rows, time),
            {"test": adding(rng, 500, time)},
            "error",
            variance,
            seconds,
            known,
        )
        for time, seconds, known in (
            (200, 20, ""),
            (600, 40, "GRU 5e-5, LSTM .164 (Bai, Kolter and Koltun, 2018; 70,000 parameters)"),
        )
    }
    tasks |= {
        f"copy {time}": Task(
            f"repeat ten symbols after {time} blanks",
            SYMBOLS + 2,
            lambda rng, rows, time=time: copy_memory(rng, rows, time),
            {"test": copy_memory(rng, 200, time)},
            "accuracy",
            1 / SYMBOLS,
            seconds,
        )
        for time, seconds in ((100, 20), (500, 40))
    }
    for name, make, guess, about in (
        ("parity", parity, 0.5, "say after each bit whether the number of ones so far is odd"),
        (
            "modular",
            modular,
            1 / MODULUS,
            "say after each number of a calculation with +, - and * what it is modulo 5, from left "
            "to right",
        ),
    ):
        tasks[name] = Task(
            f"{about}; trained on 40 steps, scored on steps 41 to 500",
            2 if name == "parity" else MODULUS,
            lambda rng, rows, make=make: make(rng, rows, 40),
            {"steps 41 to 500": make(rng, 200, 500, 41), "steps 1 to 40": make(rng, 200, 40)},
            "accuracy",
            guess,
            10,
        )
    tasks |= {"digits": digits(permuted=False), "permuted digits": digits(permuted=True)}
    tasks["characters"] = characters(text)
    if mnist_folder is not None:
        for name, permuted in (("MNIST", False), ("permuted MNIST", True)):
            tasks[name] = mnist(mnist_folder, permuted=permuted)
    return tasks
