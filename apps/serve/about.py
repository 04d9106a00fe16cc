"""What a model says of itself: its card, and its warm-up requests as examples."""

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import yaml

from apps.common.signatures import CARD_FILE
from apps.serve.json_values import Tensors

MAX_EXAMPLE = 2**20  # bytes of an example as JSON
MAX_TEXT = 2000  # bytes of a text that people read
HEADER = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
ROW = re.compile(r"\| `([^`]+)` \| (?:input|output) \| `([^`]+)` \|(?:[^|]*\|){2} (.*?) \|")


class About(NamedTuple):
    """What the card of a model says."""

    card: str | None = None  # in Markdown, without its header
    trained_on: str | None = None
    meanings: Mapping[str, Mapping[str, str]] = {}  # of inputs and outputs, by signature


def read_about(path: Path) -> About:
    """Read the card of a version. Without one, or with one of another form, less is known."""
    try:
        text = (path / CARD_FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return About()
    header: Any = {}
    if found := HEADER.match(text):
        try:
            header = yaml.safe_load(found[1])
        except yaml.YAMLError:
            header = {}
        text = text[found.end() :].lstrip()
    trained = header.get("trained_on") if isinstance(header, dict) else None
    meanings: dict[str, dict[str, str]] = {}
    for signature, tensor, meaning in ROW.findall(text):
        meanings.setdefault(signature, {})[tensor] = meaning
    return About(text, trained if isinstance(trained, str) else None, meanings)


def example_of(requests: Iterable[Tensors]) -> dict[str, Any] | None:
    """Return the inputs of the most readable row of some requests, as `inputs` of a request.

    Args:
        requests: The inputs of requests. Those without rows are taken as they are.
    """
    best, best_score = None, -1
    for inputs in requests:
        rows = {len(tensor) for tensor in inputs.values() if np.ndim(tensor)}
        for row in range(max(rows, default=1)):
            one = {
                name: tensor[row : row + 1] if np.ndim(tensor) else tensor
                for name, tensor in inputs.items()
            }
            example = {name: _as_json(_exact(np.asarray(one[name])).tolist()) for name in one}
            size = len(orjson.dumps(example))
            if size <= MAX_EXAMPLE and (score := _readability(one)) > best_score:
                best, best_score = example, score
    return best


def _readability(inputs: Tensors) -> int:
    """Return 2 for inputs as people give them, less for empty, damaged or very long texts."""
    texts = [
        text
        for tensor in inputs.values()
        if np.asarray(tensor).dtype == object
        for text in np.asarray(tensor).ravel()
    ]
    if not all(texts):
        return 0
    binary = [text for text in texts if _text(text) is None]
    # Bytes that are no text are a file if there are many of them.
    readable = all(len(text) > MAX_TEXT // 20 for text in binary) and all(
        len(text) <= MAX_TEXT and re.search(rb"[A-Za-z]", text)
        for text in texts
        if text not in binary
    )
    return 2 if readable else 1


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _exact(tensor: np.ndarray) -> np.ndarray:
    """Return numbers that are written with no more digits than their dtype holds."""
    return tensor.astype(str).astype("float64") if tensor.dtype == "float32" else tensor


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if not isinstance(value, bytes):
        return value
    text = _text(value)
    return {"b64": base64.b64encode(value).decode()} if text is None else text
