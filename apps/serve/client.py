"""A client of TensorFlow Serving's REST API. It needs neither TensorFlow nor Keras."""

import base64
import time
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np

RETRY = (429, 503)
MAX_WAIT = 60  # seconds, if the server asks for more


class Client:
    """A client for models that `apps.serve` or TensorFlow Serving serves.

    Args:
        address: The address of the server.
        api_key: The key that the server requires, if it does.
        timeout: Seconds to wait for an answer.
        retries: How often to repeat a request while the server is busy. The server says how many
            seconds to wait before each.
        http: An HTTP client to use instead of a new one.

    Example:
        client = Client("http://127.0.0.1:8501")
        client.predict("my_model", {"text": ["A fine film."]})
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
        """Return the outputs of a model by name. A single output is called `outputs`.

        Args:
            model: The name of the model.
            inputs: Arrays or nested lists by name. Bytes arrive as bytes.
            signature: The signature of the model that answers.
            version: The version. Without version and label it is the newest.
            label: The label of a version.

        Raises:
            RuntimeError: If the server answers with an error. The message is the server's.
            httpx.HTTPError: If the server does not answer.
        """
        columns = {name: _encoded(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": columns}
        outputs = self._request("POST", f"{_path(model, version, label)}:predict", body)["outputs"]
        named = outputs if isinstance(outputs, dict) and "b64" not in outputs else None
        return {name: _decoded(value) for name, value in (named or {"outputs": outputs}).items()}

    def status(self, model: str, version: int | None = None) -> dict[int, str]:
        """Return the state of each version of a model, such as `AVAILABLE`.

        Raises:
            RuntimeError: If there is no such model.
            httpx.HTTPError: If the server does not answer.
        """
        answer = self._request("GET", _path(model, version, None))
        return {int(one["version"]): one["state"] for one in answer["model_version_status"]}

    def metadata(self, model: str) -> dict[str, Any]:
        """Return the signatures of a model, each with its `inputs` and `outputs`.

        Raises:
            RuntimeError: If there is no such model.
            httpx.HTTPError: If the server does not answer.
        """
        answer = self._request("GET", f"{_path(model, None, None)}/metadata")
        return answer["metadata"]["signature_def"]["signature_def"]

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        for retries_left in reversed(range(self.retries + 1)):
            response = self.http.request(method, path, json=body, headers=self.headers)
            if response.status_code not in RETRY or not retries_left:
                break
            wait = response.headers.get("Retry-After", "1")
            time.sleep(min(int(wait) if wait.isdigit() else 1, MAX_WAIT))
        if response.is_error:
            try:
                reason = response.json()["error"]
            except (ValueError, KeyError, TypeError):  # a proxy's answer
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
    """Return an array. Strings and bytes become objects, since NumPy would cut trailing zeros."""
    array = np.array(value)
    if array.dtype.kind == "U":
        return np.array(value, object)
    if array.dtype == object:
        return np.vectorize(lambda item: base64.b64decode(item["b64"]), otypes="O")(array)
    return array
