"""Load a data set: the embedded sample, one of the TensorFlow Datasets catalogue, or a path.

The data module of an application has three functions, `from_sample`, `from_catalogue` and
`from_path`, each with the options that concern it. `load` calls the one that `source` names.
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from apps.common.refusal import Refusal


class Described(Protocol):
    """A data set with a description."""

    origin: str

    def counts(self) -> str:
        """Return in words how many examples it has."""


Data = TypeVar("Data", bound=Described)


def load(
    source: str,
    *,
    from_sample: Callable[..., Data],
    from_catalogue: Callable[..., Data],
    from_path: Callable[..., Data],
    **options: Any,
) -> Data:
    """Load a data set and print where it came from.

    Args:
        source: `"sample"`, `"tfds"`, or the path of a folder or a file.
        from_sample: Returns the embedded sample.
        from_catalogue: Returns the data set from the TensorFlow Datasets catalogue.
        from_path: Returns what a folder or a file holds; its first argument is the path.
        **options: Further arguments of these functions, as the command line names them.

    Returns:
        The data, with training and test examples apart.

    Raises:
        Refusal: If the source is none of these or cannot be used, or if an option has no effect
            with it.
        OSError: If a file cannot be read.
    """
    if source == "sample":
        read = from_sample
    elif source == "tfds":
        read = from_catalogue
    elif (place := Path(source)).exists() and source:
        read = functools.partial(from_path, place)
    else:
        raise Refusal(
            f"source must be 'sample', 'tfds', or the path of an existing folder or file; received "
            f"{source!r}, and {place.resolve()} does not exist"
        )
    taken = inspect.signature(read).parameters
    defaults = _defaults(from_sample, from_catalogue, from_path)
    if unknown := options.keys() - defaults.keys():
        raise TypeError(f"unknown options {sorted(unknown)}; there are {sorted(defaults)}")
    for option, value in options.items():
        if option not in taken and value != defaults[option]:
            raise Refusal(
                f"{option} has no effect with source {source!r}: leave it out; received {value!r}"
            )
    data = read(**{option: value for option, value in options.items() if option in taken})
    print(f"Data: {data.origin}: {data.counts()}")
    return data


def _defaults(*functions: Callable) -> dict[str, Any]:
    """Return the default of each optional argument of the functions."""
    return {
        parameter.name: parameter.default
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is not parameter.empty
    }
