"""Responses, all of them JSON."""

from typing import Any

import orjson
from starlette.responses import Response

from apps.serve.errors import ServingError


def json_response(content: Any, status: int = 200) -> Response:
    """Return a response with an object."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def error_response(error: ServingError) -> Response:
    """Return a response with an error, as TensorFlow Serving words it."""
    response = json_response({"error": str(error)}, error.status)
    response.headers.update(error.headers)
    return response
