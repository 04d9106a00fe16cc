"""Middleware for every request: who may ask, the limits, the log."""

import asyncio
import logging
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.serve.bodies import Body, Room, check_encoding, too_large
from apps.serve.callers import Callers
from apps.serve.errors import ServingError
from apps.serve.metrics import Metrics
from apps.serve.paths import canonical
from apps.serve.protocol import CONNECTION, GONE, POLLED, TASK
from apps.serve.responses import error_response
from apps.serve.settings import Limits

LOG = logging.getLogger("apps.serve")
CLIENT_GONE = 499  # the status of requests whose client did not wait for an answer


class Gate:
    """Middleware that checks requests, counts them and logs them.

    The log holds the route, model, status and time of a request, and nothing that users send.
    What is polled, such as `/healthz`, is logged at level debug.

    Args:
        app: The application behind it.
        limits: The limits of a request.
        metrics: The counters.
        callers: Who may ask.
        is_model: Returns whether a model has this name. Other names are not counted by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        callers: Callers,
        is_model: Callable[[str], bool],
    ):
        self.app = app
        self.limits = limits
        self.metrics = metrics
        self.callers = callers
        self.is_model = is_model
        self.in_flight = 0
        self.room = Room(limits.max_bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), CLIENT_GONE
        headers = Headers(scope=scope)
        method = scope["method"]
        # A HEAD is a GET whose answer is left out.
        scope = {**scope, "method": "GET" if method == "HEAD" else method}
        scope.get("state", {})[TASK] = asyncio.current_task()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        encoding = headers.get("content-encoding", "")
        body = Body(receive, encoding, self.limits.max_body, self.limits.timeout, self.room)
        try:
            self._check(scope, headers)
            scope["path"] = canonical(scope["method"], scope["path"])
            check_encoding(encoding)
            await self.app(scope, body, send_and_note)
        except ServingError as error:
            await error_response(error)(scope, receive, send_and_note)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError as error:
            if GONE in error.args:
                status = CLIENT_GONE  # even if an answer had begun
            else:  # the server ends
                ended = ServingError("UNAVAILABLE", "The server ends before it has an answer")
                await error_response(ended)(scope, receive, send_and_note)
        except Exception:
            connection = scope.get("state", {}).get(CONNECTION)
            if connection is not None and connection.is_closing():
                status = CLIENT_GONE
                return
            LOG.exception("failed")
            if status == CLIENT_GONE:  # nothing has been sent yet
                error = ServingError("INTERNAL", "The server failed; its log has the reason")
                await error_response(error)(scope, receive, send_and_note)
        finally:
            body.close()
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)
            self._record(scope, method, status, time.perf_counter() - began)

    def _check(self, scope: Scope, headers: Headers) -> None:
        self.callers.check(scope["method"], scope["path"], headers)
        if scope["method"] == "POST" and self.in_flight > self.limits.max_concurrent:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{self.limits.max_concurrent:,} requests are in progress already; try again later",
            )
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.limits.max_body:
            raise too_large(self.limits.max_body)

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        name = scope.get("path_params", {}).get("name", "")
        model = name if self.is_model(name) else ""
        self.metrics.requests.labels(model, route, status).inc()
        self.metrics.seconds.labels(model, route).observe(seconds)
        level = logging.DEBUG if route in POLLED else logging.INFO
        if LOG.isEnabledFor(level):
            fields = {"method": method, "route": route, "model": model}
            fields |= {"status": status, "seconds": round(seconds, 4)}
            LOG.log(level, "request", extra={"fields": fields})
