"""The paths of TensorFlow Serving's REST API, as it reads them."""

import re

from apps.serve.errors import invalid_argument

# From model_servers/http_rest_api_util.cc. Its own words may be in capitals, except the last. A
# slash at the end belongs to no path.
_MODEL = r"/v1/models/([^/:]+)(?:/(versions)/([0-9]+)|/(labels)/([^/:]+))?"
_PATHS = {
    "POST": re.compile(rf"(?i:{_MODEL}):(classify|regress|predict)"),
    "GET": re.compile(rf"(?i:{_MODEL})(?:/(metadata))?"),
}
_ALL_MODELS = re.compile("(?i)/v1/models")


def canonical(method: str, path: str) -> str:
    """Return a path with the API's own words in small letters.

    Args:
        method: `GET` or `POST`. Other methods have no path.
        path: The path, decoded.

    Raises:
        ServingError: If the path is one of the API's and malformed.
    """
    if not path.lower().startswith("/v1/"):
        return path
    if method == "GET" and _ALL_MODELS.fullmatch(path):
        raise invalid_argument("Missing model name in request.")
    if method not in _PATHS or not (found := _PATHS[method].fullmatch(path)):
        raise invalid_argument(f"Malformed request: {method} {path}")
    name, _, version, _, label, last = found.groups()
    named = f"/v1/models/{name}"
    if version is not None:
        named += f"/versions/{version}"
    elif label is not None:
        named += f"/labels/{label}"
    if last is None:
        return named
    return named + ("/" if method == "GET" else ":") + last
