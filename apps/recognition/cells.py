"""The recurrences of the library by the name of the option `--cell`."""

import re

import keras

import rnnlayers
from apps.common.refusal import Refusal

# They read more than the inputs of a step.
OTHERS = {"GRUD": "it needs the times between measurements", "EchoState": "it does not learn"}
COMMON = ("lstm", "gru", "elman", "peephole_lstm", "min_gru", "lru")  # for a message


def names() -> dict[str, type]:
    """Return the layers of the library by name: `lstm`, `peephole_lstm`, `min_gru`, ..."""
    every = (getattr(rnnlayers, name) for name in rnnlayers.__all__)
    return {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower(): kind
        for kind in every
        if isinstance(kind, type)
        and issubclass(kind, rnnlayers.Recurrent)
        and kind is not rnnlayers.Recurrent
        and kind.__name__ not in OTHERS
    }


def check_cell(cell: str) -> None:
    """Refuse a cell that the library does not have.

    Raises:
        Refusal: If there is none of this name.
    """
    known = names()
    if cell not in known:
        from difflib import get_close_matches

        near = get_close_matches(cell, known, len(COMMON)) or COMMON
        raise Refusal(
            f"cell must be one of the {len(known)} layers of the library, such as "
            f"{', '.join(near)}; received {cell!r}"
        )


def recurrent(cell: str, units: int) -> keras.Layer:
    """Create the layer of a cell, which returns its states of all steps."""
    return names()[cell](units, return_sequences=True)
