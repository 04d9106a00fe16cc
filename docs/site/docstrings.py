"""What the reference changes in docstrings: equations are typeset, and examples are fenced.

Zensical loads `Typeset` into mkdocstrings. A docstring writes equations in the letters of the code,
`h = activation(W x + b + U h_prev)      a comment`; the page shows them as the papers print them.
"""

import html
import re
from typing import Any

import griffe
from latex2mathml.converter import convert

_DOCTEST = re.compile(r"(?m)^(?P<indent> *)>>> .*\n(?:(?P=indent)\S.*\n?)*")
_EQUATION = re.compile(r"(?P<left>[^=]+?) += (?P<right>.+?)(?: {3,}(?P<comment>\S.*))?")
_TOKEN = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z]*(?:_(?:\{[^}]*\}|\([^)]*\)|[A-Za-z0-9]+))*)"
    r"|(?P<number>\d+)|(?P<sign>\|[^|]*\||\)_[a-z]|<=|\^T|\^\d|[-+*/().,\[\];|^])|(?P<space> +)"
)
_GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "lambda", "nu", "phi"),
    *("sigma",),
}
_FUNCTIONS = {
    "activation": r"\phi",
    "recurrent_activation": r"\sigma",
    "output_activation": r"\psi",
    "sigmoid": r"\operatorname{sigmoid}",
    "softplus": r"\operatorname{softplus}",
    "softmax": r"\operatorname{softmax}",
    "relu": r"\operatorname{relu}",
    "sqrt": r"\operatorname{sqrt}",
    **{name: rf"\{name}" for name in ("exp", "log", "tanh", "max")},
    "sum": r"\sum",
    "Re": r"\operatorname{Re}",
}
_LEGEND = {  # of a sign in LaTeX and as a letter
    r"\phi": "φ is `activation`",
    r"\sigma": "σ is `recurrent_activation`",  # noqa: RUF001
    r"\psi": "ψ is `output_activation`",
}
_SIGNS = {"*": r"\odot ", "^T": r"^\top ", "<=": r"\le "}


class Typeset(griffe.Extension):
    """Changes each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Typeset equations and fence examples."""
        if obj.docstring:
            obj.docstring.value = fence_examples(typeset_equations(obj.docstring.value))


def fence_examples(text: str) -> str:
    """Return Markdown in which each example for `doctest` is a block of code."""

    def fenced(example: re.Match[str]) -> str:
        indent, code = example["indent"], example[0].rstrip("\n")
        return f"{indent}```pycon\n{code}\n{indent}```\n"

    return _DOCTEST.sub(fenced, text)


def typeset_equations(text: str) -> str:
    """Return a docstring with its indented equations as a table of MathML.

    Of a line that names another cell's equations, "as in `LSTMCell`", the text is shown. A block
    with any other line that is no equation in known letters stays as it is.
    """
    lines, done, at = text.split("\n"), [], 0
    while at < len(lines):
        block = []
        if at and not lines[at - 1].strip():
            while at + len(block) < len(lines) and lines[at + len(block)].startswith("    "):
                block.append(lines[at + len(block)].strip())
        table = _table(block) if block else None
        done.append(table or lines[at])
        at += len(block) if table else 1
    return "\n".join(done)


def _table(block: list[str]) -> str | None:
    rows, used = [], set()
    for line in block:
        if " as in `" in line:
            rows.append(f'<tr><td colspan="3">{_text(line)}</td></tr>')
            continue
        found = _EQUATION.fullmatch(line)
        if found is None:
            return None
        left, right = to_latex(found["left"]), to_latex(found["right"])
        if left is None or right is None:
            return None
        used |= {sign for sign in _LEGEND if sign in right}
        comment = _text(found["comment"] or "")
        rows.append(
            f"<tr><td>{convert(left)}</td><td>{convert('= ' + right)}</td><td>{comment}</td></tr>"
        )
    legend = ", ".join(text for sign, text in _LEGEND.items() if sign in used)
    table = f'<table class="equations" role="presentation">{"".join(rows)}</table>'
    return f"{table}\n\n{legend}." if legend else table


def _text(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def to_latex(code: str) -> str | None:
    r"""Return an expression in the letters of a docstring as LaTeX, or None if it is none.

    >>> to_latex("f * c_prev + i * g")
    'f\\odot c_{t-1}+i\\odot g'
    """
    parts, at = [], 0
    while at < len(code):
        token = _TOKEN.match(code, at)
        if token is None:
            return None
        at = token.end()
        if token["name"]:
            name = _name(token["name"])
            if name is None:
                return None
            parts.append(name)
        elif not token["space"]:
            sign = token["number"] or token["sign"]
            parts.append(_SIGNS.get(sign, sign))
    return _space(parts)


def _space(parts: list[str]) -> str:
    """Join parts, with a space where two letters would make one command."""
    text = ""
    for part in parts:
        if text and part and re.search(r"\\[A-Za-z]+$", text) and part[0].isalpha():
            text += " "
        elif text and part and text[-1].isalnum() and part[0].isalnum():
            text += r"\,"
        text += part
    return text


def _name(name: str) -> str | None:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    letter, *below = name.split("_")
    if letter in _GREEK:
        letter = rf"\{letter}"
    elif len(letter) > 2:
        letter = rf"\mathrm{{{letter}}}"
    if not below:
        return letter
    subscripts = ["t-1" if part == "prev" else part.strip("{}()") for part in below]
    return f"{letter}_{{{','.join(subscripts)}}}"
