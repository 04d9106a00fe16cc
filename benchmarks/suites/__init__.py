"""The suites, in the order in which they run. A new one adds a module and a line."""

from benchmarks.suites import (
    accuracy,
    applications,
    cells,
    collectives,
    csv_memory,
    decoding,
    eager,
    encoder_decoder,
    family,
    feeding,
    fit,
    kept_memory,
    length,
    memory,
    variants,
)

SUITES = {
    "cells": cells.SUITE,
    "length": length.SUITE,
    "variants": variants.SUITE,
    "eager": eager.SUITE,
    "fit": fit.SUITE,
    "memory": memory.SUITE,
    "encoder_decoder": encoder_decoder.SUITE,
    "decoding": decoding.SUITE,
    "feeding": feeding.SUITE,
    "csv_memory": csv_memory.SUITE,
    "kept_memory": kept_memory.SUITE,
    "applications": applications.SUITE,
    "collectives": collectives.SUITE,
    "accuracy": accuracy.SUITE,
    "family": family.SUITE,
}
