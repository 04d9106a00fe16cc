"""What can go wrong with a request, in TensorFlow's words and as HTTP says it."""

from http import HTTPStatus

import tensorflow as tf

# As TensorFlow Serving translates them (model_servers/http_server.cc).
STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "FAILED_PRECONDITION": HTTPStatus.BAD_REQUEST,
    "OUT_OF_RANGE": HTTPStatus.BAD_REQUEST,
    "UNIMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
}
# What only HTTP has a word for.
STATUS |= {
    "BODY_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "BODY_TOO_SLOW": HTTPStatus.REQUEST_TIMEOUT,
}
RETRY = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}  # answered with a Retry-After
ABOUT_THE_PLACE = ("Graph execution error", "Detected at node", "File ", "<stack", "[[")


class ServingError(Exception):
    """An answer that is an error.

    Args:
        code: A key of `STATUS`.
        message: For the client: what was expected, what came.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The status of the HTTP response."""
        return int(STATUS[self.code])

    @property
    def headers(self) -> dict[str, str]:
        """Further headers of the HTTP response."""
        return {"Retry-After": "1"} if self.code in RETRY else {}


def refused(message: str) -> ServingError:
    """Returns the error for a request that is wrong in itself."""
    return ServingError("INVALID_ARGUMENT", message)


def of_tensorflow(error: tf.errors.OpError) -> ServingError:
    """Returns what an error of an operator means to the client."""
    code = next(
        (name for name in STATUS if getattr(tf.errors, name, None) == error.error_code), "INTERNAL"
    )
    # The reason stands among lines about where in the graph it came up.
    lines = [line.strip() for line in (error.message or "").splitlines()]
    reasons = [line for line in lines if line and not line.startswith(ABOUT_THE_PLACE)]
    return ServingError(code, reasons[0] if reasons else code)
