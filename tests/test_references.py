"""Every paper that a document or the library names has its address in docs/references.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "references.md").read_text("utf-8")
DOCUMENTS = [
    path
    for folder in (".", "docs", "apps/*", "benchmarks", "benchmarks/results", "saved_models")
    for path in sorted(ROOT.glob(f"{folder}/*.md"))
    if path.name != "references.md"
]
MODULES = sorted((ROOT / "rnnlayers").rglob("*.py"))
NAME = r"(?:van |de )?[A-ZŁŠŽÉ][\w-]+"
CITATION = re.compile(
    rf"({NAME})"
    rf"(?: et al\.|(?:, {NAME})*,? and {NAME}|(?:, {NAME})*(?=,? \(\d))"
    r",? \(?((?:19|20)\d\d)\b"
)


def citations(text):
    """Return the first author and the year of each paper named in a text."""
    text = re.sub(r"(?:,? [A-Z]\.)+(?= \()", "", " ".join(text.split()))  # Elman, J. L. (1990)
    text = re.sub(r"\b[A-Z]\. ?(?=[A-Z])", "", text)  # R. Pascanu, T. Mikolov (2013)
    return set(CITATION.findall(text))


LISTED = {
    citation
    for entry in re.split(r"\n(?=- |\| |#)", PAGE)
    if "<https://" in entry
    for citation in citations(entry)
}


def prose(path):
    """Return a document, or the docstrings of a module."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return "\n\n".join(ast.get_docstring(node) or "" for node in nodes)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("attention (Luong et al. 2015).", {("Luong", "2015")}),
        ("Schuster and Paliwal\n(1997), Bidirectional", {("Schuster", "1997")}),
        ("Kool, van Hoof and Welling (2019), Buy 4", {("Kool", "2019")}),
        ("Wu et al. (2016) and Zeng et al., 2023", {("Wu", "2016"), ("Zeng", "2023")}),
        ("Elman (1990), Finding", {("Elman", "1990")}),
        ("Elman, J. L. (1990). Finding", {("Elman", "1990")}),
        ("- P. J. Werbos (1990), Back", {("Werbos", "1990")}),
        ("- R. Pascanu, T. Mikolov, Y. Bengio (2013), On", {("Pascanu", "2013")}),
        ("test images of 2016 (Keras 3)", set()),
    ],
)
def test_what_counts_as_a_citation(text, found):
    assert citations(text) == found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_papers_that_a_document_names_have_an_address(path):
    assert citations(prose(path)) - LISTED == set()


def test_papers_that_the_library_names_have_an_address():
    named = {citation: path.name for path in MODULES for citation in citations(prose(path))}
    assert len(named) > 15
    assert {citation: named[citation] for citation in named.keys() - LISTED} == {}


def test_every_document_with_papers_leads_to_the_list():
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        if citations(text) and path.parent.name != "results":
            assert "references.md" in text or "<https://arxiv.org" in text, path.relative_to(ROOT)


def test_every_entry_of_the_list_has_an_address():
    for entry in re.split(r"\n(?=- |\n|#)", PAGE):
        if entry.startswith("- "):
            assert re.search(r"<https://[^\s>]+>", entry), entry
