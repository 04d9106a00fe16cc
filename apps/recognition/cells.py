"""The recurrences of the library by the name of the option `--cell`."""

import re
from difflib import get_close_matches

import keras

import rnnlayers
from apps.common.refusal import Refusal

# Layers that cannot be the recurrence, and why.
OTHERS = {
    "grud": "it reads the times between measurements",
    "echo_state": "it does not learn",
    "projected_lstm": "its projection has a size of its own",
    "intersection": "its units are the inputs, so it has no number of its own",
}
COMMON = ("lstm", "gru", "elman", "peephole_lstm", "min_gru", "lru")  # for a message


def layers_by_name() -> dict[str, type]:
    """Return the layers that can be the recurrence: `lstm`, `peephole_lstm`, `min_gru`, ..."""
    every = (getattr(rnnlayers, name) for name in rnnlayers.__all__)
    named = {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower(): kind
        for kind in every
        if isinstance(kind, type)
        and issubclass(kind, rnnlayers.Recurrent)
        and kind is not rnnlayers.Recurrent
    }
    return {name: kind for name, kind in named.items() if name not in OTHERS}


def check_cell(cell: str) -> None:
    """Refuse a cell that the library does not have, or that cannot be the recurrence here.

    Raises:
        Refusal: If there is none of this name, or `OTHERS` has it.
    """
    if cell in OTHERS:
        raise Refusal(f"cell cannot be {cell}, since {OTHERS[cell]}: choose another")
    known = layers_by_name()
    if cell not in known:
        near = get_close_matches(cell, known, len(COMMON)) or COMMON
        raise Refusal(
            f"cell must be one of the {len(known)} layers of the library, such as "
            f"{', '.join(near)}; received {cell!r}"
        )


def recurrent(cell: str, units: int) -> keras.Layer:
    """Create the layer of a cell, which returns its states of all steps."""
    return layers_by_name()[cell](units, return_sequences=True)
