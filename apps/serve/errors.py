"""Errors of requests, by TensorFlow's codes and HTTP's status. It needs no TensorFlow."""

import itertools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# As TensorFlow Serving maps them (model_servers/http_server.cc).
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
# Codes of our own, for what only HTTP names.
STATUS |= {
    "BODY_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "BODY_TOO_SLOW": HTTPStatus.REQUEST_TIMEOUT,
    "UNSUPPORTED_ENCODING": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
# The numbers of TensorFlow's codes.
CODES = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
RETRY = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}  # answered with a Retry-After
ASSERTION = re.compile(r".*?assertion failed: \[(.*?)\](?: \[Op:.*|\s*\[\[.*)?$")
LOCATION_PREFIXES = ("Graph execution error", "Detected at node", "File ", "<stack", "[[")


class ServingError(Exception):
    """An error that answers a request.

    Args:
        code: A key of `STATUS`.
        message: For the client: what was expected and what was received.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple:
        return type(self), (self.code, str(self))

    @property
    def status(self) -> int:
        """The status of the HTTP response."""
        return int(STATUS[self.code])

    @property
    def headers(self) -> dict[str, str]:
        """Further headers of the HTTP response."""
        if self.code == "UNSUPPORTED_ENCODING":
            return {"Accept-Encoding": "gzip"}
        return {"Retry-After": "1"} if self.code in RETRY else {}


def invalid_argument(message: str) -> ServingError:
    """Return the error for a request that cannot be answered as it is."""
    return ServingError("INVALID_ARGUMENT", message)


def from_tensorflow(error: "tf.errors.OpError") -> ServingError:
    """Return an error of TensorFlow as one for the client."""
    code = CODES.get(error.error_code, "INTERNAL")
    # The reason stands among lines about its place in the graph.
    lines = [line.strip() for line in (error.message or "").splitlines()]
    reasons = [line for line in lines if line and not line.startswith(LOCATION_PREFIXES)]
    return ServingError(code, plain(reasons[0]) if reasons else code)


def plain(reason: str) -> str:
    """Return the sentence of an assertion without what TensorFlow writes around it.

    `assertion failed: [x must be above 0] [Condition x > 0 did not hold] [x =] [-1]` becomes
    `x must be above 0`.
    """
    if not (found := ASSERTION.match(reason)):
        return reason
    parts = found[1].split("] [")
    own = list(itertools.takewhile(lambda part: not part.startswith("Condition "), parts))
    return " ".join(" ".join(own or parts).split()).rstrip(". ")
