"""The routes of the server: TensorFlow Serving's REST API, health, metrics, the page."""

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from apps.serve import examples
from apps.serve.callers import Callers
from apps.serve.errors import ServingError, invalid_argument
from apps.serve.gate import Gate
from apps.serve.json_tensors import PIECE, size_of, write_outputs
from apps.serve.json_values import Tensors
from apps.serve.metrics import Metrics
from apps.serve.models import LOG, Chosen, Models
from apps.serve.reading import SMALL, Reader
from apps.serve.responses import error_response, json_response
from apps.serve.settings import Limits

PAGE = Path(__file__).with_name("page")
PAGE_HEADERS = {
    # The recorder of sounds is a script that the page makes, and so is what it has recorded.
    "Content-Security-Policy": "default-src 'self'; script-src 'unsafe-inline' blob:; "
    "style-src 'unsafe-inline'; img-src 'self' blob: data:; media-src blob:; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
MODEL = "/v1/models/{name}"
VERSION_PATHS = {
    "": {},
    "/versions/{version}": {"version": "integer"},
    "/labels/{label}": {"label": "string"},
}
BODIES = {
    "predict": {"signature_name": "string", "instances": "array", "inputs": None},
    "classify": {"signature_name": "string", "examples": "array", "context": "object"},
}
BODIES["regress"] = BODIES["classify"]


class Direct(APIRoute):
    """A route whose function takes the request itself, so that FastAPI need not take it apart.

    For small requests that is a good part of the work outside the model.
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """Return the function of the route."""
        return self.endpoint


def make_app(
    models: Models,
    metrics: Metrics,
    limits: Limits,
    *,
    refresh_every: float = 1.0,
    api_key: str | None = None,
    allow_hosts: tuple[str, ...] = (),
    allow_origins: tuple[str, ...] = (),
) -> FastAPI:
    """Return the ASGI application.

    Args:
        models: The models to serve.
        metrics: The counters.
        limits: The limits of a request.
        refresh_every: Seconds between searches for new versions.
        api_key: The key of requests; see `Callers`.
        allow_hosts: Names by which the server may be called, besides those of loopback.
        allow_origins: Other sites whose pages may send requests.
    """
    reader = Reader(limits)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(_watch(models, refresh_every))
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await reader.close()

    app = FastAPI(
        title="rnnlayers",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    page = assemble_page()

    # Routes are tried in their order, so what is asked most comes first.
    for verb, body in BODIES.items():
        infer = _inference(models, reader, limits, verb)
        for version_path, parameters in VERSION_PATHS.items():
            codes = (400, 404, 408, 413, 415, 429, 500, 503, 504)
            described = _described(
                f"Make a model {verb}.", *codes, parameters=parameters, body=body
            )
            path = f"{MODEL}{version_path}:{verb}"
            options = {"methods": ["POST"], "route_class_override": Direct, **described}
            app.router.add_api_route(path, infer, **options)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(page, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)

    @app.get("/healthz", **_described("Whether every model has a version that is loaded.", 503))
    async def health() -> Response:
        if models.ready():
            return json_response({"status": "ready"})
        return json_response({"status": "not ready"}, 503)

    @app.get("/models", **_described("The names of the models."))
    async def names() -> Response:
        return json_response({"models": sorted(models.sources)})

    about = _described(
        "What a model is trained on, and an example of each of its inputs.", 404, parameters={}
    )

    @app.get("/models/{name}", **about)
    async def describe(name: str) -> Response:
        with models.use(name, None, None) as chosen:
            servable = chosen.servable
            content = {
                "name": name,
                "version": str(chosen.version),
                "trained_on": servable.about.trained_on,
                "card": servable.about.card is not None,
                "meanings": servable.about.meanings,
                "examples": servable.examples,
            }
        return json_response(content)

    @app.get("/models/{name}/card", include_in_schema=False)
    async def card(name: str) -> Response:
        with models.use(name, None, None) as chosen:
            text = chosen.servable.about.card
        if text is None:
            raise ServingError("NOT_FOUND", f"{name} has no model card")
        return Response(text, media_type="text/markdown; charset=utf-8")

    async def prometheus() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    # The second path is TensorFlow Serving's.
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        app.add_api_route(path, prometheus, include_in_schema=False)

    async def status(request: Request) -> Response:
        return json_response(models.status(*_addressed(request)))

    async def metadata(request: Request) -> Response:
        name, *version = _addressed(request)
        with models.use(name, *version) as chosen:
            spec = {"name": name, "signature_name": "", "version": str(chosen.version)}
            return json_response({"model_spec": spec, "metadata": chosen.servable.metadata()})

    for version_path, parameters in VERSION_PATHS.items():
        for path, answer, summary in (
            (MODEL + version_path, status, "The states of the versions of a model."),
            (f"{MODEL}{version_path}/metadata", metadata, "The signatures of a model."),
        ):
            described = _described(summary, 400, 404, parameters=parameters)
            app.add_api_route(path, answer, methods=["GET"], **described)

    app.add_exception_handler(ServingError, lambda _, error: error_response(error))
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_middleware(
        Gate,
        limits=limits,
        metrics=metrics,
        callers=Callers(api_key, allow_hosts, allow_origins),
        is_model=lambda n: n in models.sources,
    )
    if allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allow_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )
    return app


def assemble_page() -> str:
    """Return the page with its style and its scripts, so that it loads nothing."""
    return re.sub(
        r"{{(.+?)}}",
        lambda name: (PAGE / name[1]).read_text("utf-8"),
        (PAGE / "index.html").read_text("utf-8"),
    )


async def _watch(models: Models, every: float) -> None:
    while True:
        try:
            await models.refresh(patience=every)
        except Exception:  # such as a config that is being edited; loaded models go on
            LOG.exception("cannot search for models")
        await asyncio.sleep(every)


def _inference(models: Models, reader: Reader, limits: Limits, verb: str) -> Callable:
    """Return the function that answers requests of one kind."""

    async def infer(request: Request) -> Response:
        parts = [part async for part in request.stream()]
        with models.use(*_addressed(request)) as chosen:
            try:
                async with asyncio.timeout(limits.timeout):
                    outputs, by_row = await _outputs(chosen, reader, limits, verb, parts)
            except TimeoutError as error:
                raise ServingError(
                    "DEADLINE_EXCEEDED", f"The model did not answer within {limits.timeout:g} s"
                ) from error
        if verb == "predict":
            write: Callable[[], bytes] = functools.partial(write_outputs, outputs, by_row)
        else:
            write = functools.partial(examples.write_results, verb, outputs)
        is_large = size_of(*outputs.values()) > PIECE
        answer = await asyncio.to_thread(write) if is_large else write()
        return Response(answer, media_type="application/json")

    return infer


async def _outputs(
    chosen: Chosen, reader: Reader, limits: Limits, verb: str, parts: list[bytes]
) -> tuple[Tensors, bool]:
    """Return the outputs of a model, and whether its request came by row."""
    request = await reader(parts, verb, chosen.servable.readable)
    inputs = request.inputs
    if verb != "predict":
        signature = chosen.servable.signatures[request.signature]
        arguments = verb, request.document, signature, limits.max_rows
        if sum(map(len, parts)) > SMALL:
            inputs = await asyncio.to_thread(examples.read_request, *arguments)
        else:
            inputs = examples.read_request(*arguments)
    return await chosen.predict(request.signature, inputs), request.by_row


def _addressed(request: Request) -> tuple[str, int | None, str | None]:
    """Return the model, the version and the label that a path names."""
    parts = request.path_params
    version = parts.get("version")
    if version is not None and (len(version) > 19 or int(version) >= 2**63):
        raise invalid_argument(f"Failed to convert version: {version} to numeric.")
    return parts["name"], None if version is None else int(version), parts.get("label")


async def _no_such_route(request: Request, error: HTTPException) -> Response:
    response = json_response({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _described(
    summary: str,
    *errors: int,
    parameters: dict[str, str] | None = None,
    body: dict[str, str | None] | None = None,
) -> dict[str, Any]:
    """Return the OpenAPI description of a route, which `/openapi.json` answers with."""
    anything = {"application/json": {"schema": {"type": "object"}}}
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    extra: dict[str, Any] = {"summary": summary}
    if parameters is not None:
        extra["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": kind}}
            for name, kind in {"name": "string", **parameters}.items()
        ]
    if body is not None:
        properties = {name: {"type": kind} if kind else {} for name, kind in body.items()}
        schema = {"type": "object", "properties": properties}
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    failed = {"description": "An error.", "content": {"application/json": {"schema": error}}}
    return {
        "response_class": Response,
        "responses": {200: {"description": "The answer.", "content": anything}}
        | dict.fromkeys(errors, failed),
        "openapi_extra": extra,
    }
