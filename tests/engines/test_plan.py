"""What the compiled engine finds out about a step by tracing it."""

import pytest
from keras import ops

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell
from rnnlayers.engines.derivatives import AutomaticDerivative
from rnnlayers.engines.plan import make_plan
from tests.cases import randomize
from tests.engines import custom_cells


def plan_of(cell):
    """Return the plan of a built cell of three features."""
    x, constants = cell.prepare(ops.ones((1, 2, 3), cell.compute_dtype))
    return make_plan(cell, x, tuple(cell.get_initial_state(2)), cell.products(), constants)


@pytest.mark.parametrize(
    ("cell", "calls", "weights"),
    [
        # each call: name, state that is multiplied, leaf of the same gradient, sizes
        (LSTMCell, [("", 0, 0, (4, 16))], []),
        (GRUCell, [("", 0, None, (4, 12))], []),  # the gradient of one part is multiplied by r
        (ElmanCell, [("", 0, 0, (4, 4))], []),
        (custom_cells.PeepholeCell, [("", 0, None, (4, 8))], ["peephole"]),
        (custom_cells.TwiceCell, [("", 0, None, (4, 4)), ("", None, 0, (4, 4))], []),
        (
            custom_cells.ProjectedLSTMCell,
            [("", 0, 0, (2, 16)), ("projection", None, None, (4, 2))],
            [],
        ),
    ],
)
def test_a_plan_says_what_a_step_does(cell, calls, weights):
    plan = plan_of(randomize(cell(4)))
    assert plan.calls == calls
    assert [variable.name for variable in plan.variables] == weights


def test_a_plan_says_which_parts_have_a_gradient():
    plan = plan_of(randomize(custom_cells.ManyPartsCell(4)))
    assert (plan.leaves, plan.constants) == ([0, 1], [0])


def test_a_subclass_inherits_no_derivative():
    class Heir(LSTMCell):
        pass

    assert isinstance(plan_of(randomize(Heir(4))).derivative, AutomaticDerivative)
