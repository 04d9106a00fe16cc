"""Data sets of the TensorFlow Datasets catalogue. Without a network they fail at once."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from apps.common.refusal import Refusal


def read(name: str, splits: Sequence[str]) -> list[list]:
    """Read splits of a catalogue data set as `(input, target)` pairs of NumPy values.

    A data set that is not yet on the disk is downloaded and prepared.

    Args:
        name: The name in the catalogue.
        splits: The names of the splits.

    Returns:
        The examples of each split.

    Raises:
        Refusal: If the data set is not on the disk and cannot be downloaded.
    """
    return _read(_prepared(name), splits)


def read_pairs(name: str, splits: Sequence[str]) -> tuple[list[list[tuple[str, str]]], list[str]]:
    """Read splits of a data set of translations, as `read` does.

    Returns:
        Pairs of texts for each split, and the names of the two languages.
    """
    import tensorflow_datasets as tfds

    builder = _prepared(name)
    keys = builder.info.supervised_keys or ()
    texts = [key for key in keys if isinstance(builder.info.features[key], tfds.features.Text)]
    if len(texts) < 2:
        raise Refusal(f"source 'tfds': {name} is no data set of translations")
    pairs = [
        [tuple(text.decode("utf-8", "replace") for text in pair) for pair in part]
        for part in _read(builder, splits)
    ]
    return pairs, list(keys)


def read_texts(name: str, splits: Sequence[str]) -> list[str]:
    """Read splits of a data set whose examples have a `text`, as `read` does.

    Returns:
        The text of each split, its examples joined.
    """
    import tensorflow_datasets as tfds

    data_sets = _prepared(name).as_dataset(split=list(splits))
    return [
        b"".join(example["text"] for example in tfds.as_numpy(part)).decode("utf-8", "replace")
        for part in data_sets
    ]


def read_captions(name: str) -> Iterator[Iterator[tuple[bytes, list[str]]]]:
    """Read the splits `train`, `val` and `test` of a data set of images with captions.

    Yields:
        For each split an iterator of encoded images with their captions.
    """
    import tensorflow_datasets as tfds

    builder = _prepared(name)
    features = builder.info.features
    if not {"image", "captions"} <= set(features):
        raise Refusal(f"source 'tfds': {name} is no data set of images with `captions`")
    wanted = tfds.decode.PartialDecoding(
        {"image": True, "captions": {"text"}}, {"image": tfds.decode.SkipDecoding()}
    )
    for split in ("train", "val", "test"):
        rows = builder.as_dataset(split=split, decoders=wanted)
        yield (
            (row["image"], [text.decode("utf-8", "replace") for text in row["captions"]["text"]])
            for row in tfds.as_numpy(rows)
        )


class Labelled(NamedTuple):
    """A data set whose examples have a label."""

    parts: dict[str, list[tuple[Any, str]]]  # by split: values and the names of labels
    rate: int | None  # samples a second, of recordings
    is_image: bool


def read_labelled(name: str) -> Labelled:
    """Read the splits `train` and, if there is one, `test` of a data set of labelled examples.

    The values of a sequence of several features become `(timesteps, features)`.

    Raises:
        Refusal: If the data set has no recordings, images or sequences with a label.
    """
    import tensorflow_datasets as tfds

    builder = _prepared(name)
    features, keys = builder.info.features, builder.info.supervised_keys or ()
    label = features[keys[1]] if len(keys) == 2 else None
    if not isinstance(label, tfds.features.ClassLabel):
        raise Refusal(f"source 'tfds': {name} is no data set of examples with a label")
    given = features[keys[0]]
    rate = None
    if isinstance(given, tfds.features.Audio):
        rate = given.sample_rate
        if rate is None:
            raise Refusal(f"source 'tfds': {name} does not say how many samples a second it has")
    splits = [split for split in ("train", "test") if split in builder.info.splits]
    parts = {
        split: [(_values(value), label.int2str(int(number))) for value, number in rows]
        for split, rows in zip(splits, _read(builder, splits), strict=True)
    }
    return Labelled(parts, rate, isinstance(given, tfds.features.Image))


def _values(value: Any) -> Any:
    """Return a value, or several features over time as one array."""
    import numpy as np

    if not isinstance(value, dict):
        return value
    columns = [np.asarray(value[key], "float32") for key in sorted(value)]
    steps = max(len(column) for column in columns)
    return np.stack([column for column in columns if column.shape == (steps,)], axis=1)


def _prepared(name: str) -> Any:
    """Return the builder of a data set that is on the disk."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager, downloader, util

    # With its default of ten retries, the catalogue waits for minutes if there is no network.
    downloader.MAX_RETRIES = 0
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        builder = tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise Refusal(f"source 'tfds': the catalogue has no data set {name!r}") from error
    try:
        builder.download_and_prepare()  # does nothing if the data set is on the disk
    except (OSError, util.DownloadError, download_manager.NonMatchingChecksumError) as error:
        raise Refusal(
            f"source 'tfds': {name} is not in {builder.data_dir} and cannot be downloaded "
            f"({type(error).__name__}); without a network choose 'sample' or a folder"
        ) from error
    return builder


def _read(builder: Any, splits: Sequence[str]) -> list[list]:
    import tensorflow_datasets as tfds

    data_sets = builder.as_dataset(split=list(splits), as_supervised=True)
    return [list(tfds.as_numpy(data_set)) for data_set in data_sets]
