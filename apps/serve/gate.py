"""What every request passes before it is answered: the key, the limits, the log."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.common.cli import check
from apps.serve.answers import error_response
from apps.serve.errors import ServingError
from apps.serve.metrics import Metrics

LOG = logging.getLogger("apps.serve")
GONE = 499  # the status of requests whose client did not wait for an answer
OPEN = ("/", "/healthz")  # asked without a key: nothing of the models is told there
QUIET = ("/healthz", "/metrics", "/monitoring/prometheus/metrics")  # asked by machines


@dataclass(frozen=True)
class Limits:
    """What a request may ask for; beyond it, it is refused."""

    max_body: int = 32 * 2**20  # bytes of a request
    max_rows: int = 1024  # of a request
    max_length: int = 100_000  # steps of a sequence
    max_concurrent: int = 256  # requests answered at once; more are refused with 429
    timeout: float = 30.0  # seconds for the body of a request to arrive, and again for its answer

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["max_body", "max_rows", "max_length", "max_concurrent"]
        check(self, sizes, lambda size: size >= 1, "at least 1")
        check(self, ["timeout"], lambda seconds: seconds > 0, "above 0")


class Gate:
    """Lets requests through to an application, within limits, and logs how they went.

    What users send is not logged: of a request its route, model, size and time.

    Args:
        app: The application.
        limits: What is refused.
        metrics: What is counted.
        api_key: What requests have to bring, as `Authorization: Bearer` or `X-API-Key`; none if
            None.
        is_model: Tells whether a model has this name; others are not counted by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        api_key: str | None,
        is_model: Callable[[str], bool],
    ):
        self.app = app
        self.limits = limits
        self.metrics = metrics
        self.api_key = api_key
        self.is_model = is_model
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), GONE

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            self._check(scope)
            await self.app(scope, self._limited(receive), noted)
        except ServingError as error:
            await error_response(error)(scope, receive, noted)
        except Exception:
            LOG.exception("failed")
            if status == GONE:  # nothing has been sent yet
                error = ServingError("INTERNAL", "The server failed; its log says more")
                await error_response(error)(scope, receive, noted)
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)
            self._note(scope, status, time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self.api_key is not None and scope["path"] not in OPEN:
            given = headers.get("x-api-key") or headers.get("authorization", "")
            given = given.removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self.api_key.encode()):
                raise ServingError("UNAUTHENTICATED", "This server asks for an API key")
        if scope["method"] == "POST" and self.in_flight > self.limits.max_concurrent:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{self.limits.max_concurrent:,} requests are being answered; try again later",
            )
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.limits.max_body:
            raise self._too_large()

    def _too_large(self) -> ServingError:
        return ServingError(
            "BODY_TOO_LARGE", f"The body of a request may have {self.limits.max_body:,} bytes"
        )

    def _limited(self, receive: Receive) -> Receive:
        """Returns a way to receive a body that is neither too large nor too slow."""
        size, more = 0, True
        deadline = asyncio.get_running_loop().time() + self.limits.timeout

        async def limited() -> Message:
            nonlocal size, more
            if not more:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise ServingError(
                    "BODY_TOO_SLOW", f"The body did not arrive within {self.limits.timeout:g} s"
                ) from error
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > self.limits.max_body:
                raise self._too_large()
            return message

        return limited

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        name = scope.get("path_params", {}).get("name", "")
        model = name if self.is_model(name) else ""
        self.metrics.requests.labels(model, route, status).inc()
        self.metrics.seconds.labels(model, route).observe(seconds)
        level = logging.DEBUG if route in QUIET else logging.INFO
        if LOG.isEnabledFor(level):
            fields = {"method": scope["method"], "route": route, "model": model}
            fields |= {"status": status, "seconds": round(seconds, 4)}
            LOG.log(level, "request", extra={"fields": fields})
