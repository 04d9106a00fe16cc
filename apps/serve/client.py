"""A client of TensorFlow Serving's REST API, whoever answers it."""

import base64
import time
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np

RETRY = (429, 503)
MOST_SECONDS = 60  # that an answer may tell us to wait


class Client:
    """Asks models that `apps.serve` or TensorFlow Serving serves.

    Args:
        address: Where it listens, such as `http://127.0.0.1:8501`.
        api_key: The key that it asks for.
        timeout: Seconds to wait for an answer.
        retries: How often to ask again when it is busy, after as long as it says.
        http: What to ask with, instead of a connection of our own.

    Example:
        client = Client("http://127.0.0.1:8501")
        client.predict("sentiment", {"text": ["A fine film."]})["probability"]
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8501",
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 3,
        http: httpx.Client | None = None,
    ):
        self.http = http or httpx.Client(base_url=address, timeout=timeout)
        self.headers = {} if api_key is None else {"X-API-Key": api_key}
        self.retries = retries

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a model by name; one that has no name is `outputs`.

        Args:
            model: The name of the model.
            inputs: By name arrays or nested lists; bytes are sent as such.
            signature: What to ask the model for.
            version: The version to ask; the newest, if neither it nor a label is given.
            label: The label of the version to ask.

        Raises:
            RuntimeError: If the server refuses; the message is its own.
            httpx.HTTPError: If there is no answer.
        """
        columns = {name: _encoded(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": columns}
        outputs = self._ask("POST", f"{_path(model, version, label)}:predict", body)["outputs"]
        named = outputs if isinstance(outputs, dict) and "b64" not in outputs else None
        return {name: _decoded(value) for name, value in (named or {"outputs": outputs}).items()}

    def status(self, model: str, version: int | None = None) -> dict[int, str]:
        """Returns the state of each version of a model, such as `AVAILABLE`.

        Raises:
            RuntimeError: If there is no such model.
            httpx.HTTPError: If there is no answer.
        """
        found = self._ask("GET", _path(model, version, None))["model_version_status"]
        return {int(status["version"]): status["state"] for status in found}

    def metadata(self, model: str) -> dict[str, Any]:
        """Returns the signatures of a model, each with its `inputs` and `outputs`.

        Raises:
            RuntimeError: If there is no such model.
            httpx.HTTPError: If there is no answer.
        """
        found = self._ask("GET", f"{_path(model, None, None)}/metadata")
        return found["metadata"]["signature_def"]["signature_def"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        for left in reversed(range(self.retries + 1)):
            response = self.http.request(method, path, json=body, headers=self.headers)
            if response.status_code not in RETRY or not left:
                break
            wait = response.headers.get("Retry-After", "1")
            time.sleep(min(int(wait) if wait.isdigit() else 1, MOST_SECONDS))
        if response.is_error:
            try:
                reason = response.json()["error"]
            except (ValueError, KeyError, TypeError):  # of something between the server and us
                reason = response.text[:200]
            raise RuntimeError(f"{response.status_code}: {reason}")
        return response.json()


def _path(model: str, version: int | None, label: str | None) -> str:
    path = f"/v1/models/{model}"
    if version is not None:
        return f"{path}/versions/{version}"
    return path if label is None else f"{path}/labels/{label}"


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _encoded(value.tolist())
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value


def _decoded(value: Any) -> np.ndarray:
    """Returns numbers as NumPy takes them; strings and bytes as objects, which keep all of them."""
    array = np.array(value)
    if array.dtype.kind == "U":
        return np.array(value, object)
    if array.dtype == object:
        return np.vectorize(lambda item: base64.b64decode(item["b64"]), otypes="O")(array)
    return array
