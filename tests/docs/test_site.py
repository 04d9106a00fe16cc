"""What the site changes on the way from the repository to its pages."""

from pathlib import PurePosixPath

import pytest

from docs.site import pages, reference
from docs.site.build import check_navigation
from docs.site.docstrings import fence_examples, to_latex, typeset_equations

README = pages.ROOT / "README.md"


@pytest.mark.parametrize(
    ("code", "latex"),
    [
        ("f * c_prev + i * g", r"f\odot c_{t-1}+i\odot g"),
        ("recurrent_activation(W_i x + b_i)", r"\sigma(W_{i}x+b_{i})"),
        ("(1 - alpha) * B x", r"(1-\alpha)\odot B\,x"),
        ("U - U^T", r"U-U^\top "),
        ("s_(k-1)", "s_{k-1}"),
        ("N(W x)_z", r"N(W\,x)_z"),
        ("as in `LSTMCell`", None),
    ],
)
def test_equations_in_the_letters_of_the_code_become_latex(code, latex):
    assert to_latex(code) == latex


def test_a_block_of_equations_becomes_a_table_and_other_text_stays():
    text = "A cell.\n\n    h = activation(U h_prev)      the state\n\nMore.\n\n    not an equation"
    typeset = typeset_equations(text)
    assert typeset.count("<tr>") == 1
    assert "<td>the state</td>" in typeset
    assert "φ is `activation`." in typeset
    assert typeset.endswith("More.\n\n    not an equation")


def test_examples_are_fenced():
    text = "Example:\n\n>>> 1 + 1\n2\n\nThe end."
    assert fence_examples(text) == "Example:\n\n```pycon\n>>> 1 + 1\n2\n```\n\nThe end."


def test_links_move_with_their_files():
    places = pages.place_files()
    target = pages.ROOT / "docs" / "cells.md"

    def moved(text, home=None):
        return pages.move_links(text, target, PurePosixPath("cells.md"), places, home)

    assert moved("[all](../apps/textgen/README.md#data)") == "[all](apps/textgen.md#data)"
    assert moved("[`../README.md`](../README.md)") == "[rnnlayers](index.md)"
    assert moved("![a](figures/bptt.svg)") == "![a](images/bptt.svg)"
    assert moved("[code](../pyproject.toml)") == "code"
    assert moved("[code](../pyproject.toml)", "https://x.y") == (
        "[code](https://x.y/blob/HEAD/pyproject.toml)"
    )
    assert moved("```\n[all](../README.md)\n```") == "```\n[all](../README.md)\n```"


def test_formulas_become_mathml_but_not_in_code():
    assert "<math" in pages.set_mathematics("The norm $|u|^T$.")
    for text in ("`$x$`", "\n\n    cp $FROM $TO\n", "It costs $5 or $6.", "```\n$x$\n```"):
        assert pages.set_mathematics(text) == text


def test_every_public_name_has_a_place_in_the_reference(tmp_path):
    written = reference.write_reference(tmp_path)
    assert {f"reference/{path.name}" for path in tmp_path.glob("*.md")} == set(written)
    assert "::: rnnlayers.LSTMCell" in (tmp_path / "layers.md").read_text("utf-8")


def test_a_page_that_no_menu_has_is_an_error(tmp_path):
    (tmp_path / "a.md").write_text("# A")
    check_navigation({"project": {"nav": [{"A": ["a.md"]}]}}, tmp_path)
    (tmp_path / "b.md").write_text("# B")
    with pytest.raises(ValueError, match=r"lacks \['b.md'\]"):
        check_navigation({"project": {"nav": [{"A": ["a.md"]}]}}, tmp_path)
