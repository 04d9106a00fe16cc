"""One door to every data set: the TensorFlow Datasets catalogue, a path, or the embedded sample.

A data set is a module of this package with three functions, `from_sample()`, `from_catalogue()`
and `from_path(path, **options)`, each of which returns `Splits`. `load` finds it by its name.
"""

import importlib
from pathlib import Path

from apps.common.sources.splits import Splits

DATA_SETS = {"imdb_reviews": "reviews"}


def load(name: str, source: str, **options) -> Splits:
    """Loads a data set and says on standard output where it came from.

    Args:
        name: A data set, as the TensorFlow Datasets catalogue calls it.
        source: `"sample"`, `"tfds"`, or the path of a folder or a file.
        **options: What the data set's `from_path` takes, such as the names of columns.

    Returns:
        The examples, training and test apart.

    Raises:
        ValueError: If the source is none of these, or if what it holds cannot be used.
        OSError: If a file cannot be read.
    """
    data_set = importlib.import_module(f"{__name__}.{DATA_SETS[name]}")
    if source == "sample":
        splits = data_set.from_sample()
    elif source == "tfds":
        splits = data_set.from_catalogue()
    elif (path := Path(source)).exists():
        splits = data_set.from_path(path, **options)
    else:
        raise ValueError(
            f"source must be 'sample', 'tfds', or the path of a folder or file that exists; "
            f"received {source!r}, and there is nothing at {path.resolve()}"
        )
    print(f"Data: {name} from {splits.origin}: {splits.counts()}")
    return splits
