"""One door to every data set: the TensorFlow Datasets catalogue, a path, or the embedded sample.

A data set is a module of this package with three functions, `from_sample`, `from_catalogue` and
`from_path(path)`, each with the options that concern it. They return `Splits`, or a `Series` where
the examples are windows of one. `load` finds the module by its name.
"""

import functools
import importlib
import inspect
from pathlib import Path

from apps.common.sources.series import Series
from apps.common.sources.splits import Splits

DATA_SETS = {
    "captions": "captions",
    "imdb_reviews": "reviews",
    "series": "series",
    "tiny_shakespeare": "texts",
    "translations": "pairs",
}


def load(name: str, source: str, **options) -> Splits | Series:
    """Loads a data set and says on standard output where it came from.

    Args:
        name: A data set, as the TensorFlow Datasets catalogue calls it, `"captions"`, `"series"`
            or `"translations"`.
        source: `"sample"`, `"tfds"`, or the path of a folder or a file.
        **options: What the three functions of the data set take, such as the names of columns.
            One that does not concern the source has no effect.

    Returns:
        The examples, training and test apart.

    Raises:
        ValueError: If the source is none of these, or if what it holds cannot be used.
        OSError: If a file cannot be read.
    """
    data_set = importlib.import_module(f"{__name__}.{DATA_SETS[name]}")
    if source == "sample":
        read = data_set.from_sample
    elif source == "tfds":
        read = data_set.from_catalogue
    elif (path := Path(source)).exists():
        read = functools.partial(data_set.from_path, path)
    else:
        raise ValueError(
            f"source must be 'sample', 'tfds', or the path of a folder or a file that exists; "
            f"received {source!r}, and there is nothing at {path.resolve()}"
        )
    taken = inspect.signature(read).parameters
    data = read(**{option: value for option, value in options.items() if option in taken})
    print(f"Data: {name} from {data.origin}: {data.counts()}")
    return data
