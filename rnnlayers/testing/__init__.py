"""The contract of a cell and of a layer, as functions for the tests of other authors too.

They need no test framework. A cell that passes `check_cell` runs on every engine. A layer that
passes `check_layer` can be masked, stacked, trained, compiled and saved like those of this library.
"""

from rnnlayers.testing.cells import check_cell
from rnnlayers.testing.contract import ContractError
from rnnlayers.testing.layers import check_layer

__all__ = ["ContractError", "check_cell", "check_layer"]
