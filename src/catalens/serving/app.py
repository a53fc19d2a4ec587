"""The application: routes over a service, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse, Response
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from catalens import __version__
from catalens.core.errors import CatalensError
from catalens.serving import capabilities, schemas
from catalens.serving.catalogues import add_catalogue_routes
from catalens.serving.config import ServeConfig
from catalens.serving.embeddings import embeddings
from catalens.serving.guard import Guard, Receive, Scope, Send
from catalens.serving.invocations import Invocation, invoke, invoke_picture
from catalens.serving.lane import Content
from catalens.serving.metrics import CONTENT_TYPE
from catalens.serving.payloads import JSON, JSON_LINES, is_picture_type, json_ask, media_type, read_ask, unsupported
from catalens.serving.problems import PROBLEM_JSON, ProblemError, as_problem, document, of_fields
from catalens.serving.replies import Json, answer_lines, one_or_many
from catalens.serving.runner import Runner, WorkerConfig
from catalens.serving.service import Service
from catalens.serving.worker import WorkerProcess

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": about, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, about in {
        "400": "The body cannot be read.",
        "401": "The key is missing or wrong.",
        "404": "There is no such model, catalogue or record.",
        "408": "The body came too slowly.",
        "413": "The body is too large.",
        "415": "The media type is not supported.",
        "422": "A field or a picture is not accepted.",
        "429": "The queue is full; see Retry-After.",
        "500": "A model cannot be loaded or failed, or the service has a fault; the same request fails again.",
        "502": "A model gave no usable answer.",
        "503": "A model is not there for now; see Retry-After.",
        "504": "There was no answer in time.",
    }.items()
}
_TELEMETRY = ("tracing", "metrics", "logs", "operation_spans", "auto_configure")
"""What FastAPI would send by itself, with paths, queries and messages of errors, once a provider is set."""
_INVOCATION_HEADER = "x-amzn-sagemaker-custom-attributes"


class _DirectRoutes:
    """Calls the endpoints of fixed paths that take a request and return a response; the framework answers the rest.

    The framework documents these routes. To find one and pass its layers would take a third of what HTTP costs.
    """

    def __init__(self, app: FastAPI, router: APIRouter) -> None:
        self._app = app
        self._routes = {route.path: route for route in router.routes if isinstance(route, APIRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            Exception: whatever the endpoint failed with.
        """
        route = self._routes.get(scope.get("path", ""))
        if route is None or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)


def create_app(config: ServeConfig, runner: Callable[[WorkerConfig], Runner] = WorkerProcess) -> Guard:
    """Return the ASGI application of a configuration.

    Args:
        config: of the service.
        runner: makes a worker; by default a process of its own.
    """
    return app_of(Service(config, runner))


def app_of(service: Service) -> Guard:
    """Return the ASGI application of a service that is not started yet; it is started and stopped with the app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    # FastAPI's own page of the routes would load its scripts from a CDN.
    app = FastAPIOffline(
        title="Catalens",
        version=__version__,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        telemetry=dict.fromkeys(_TELEMETRY, False),
    )
    app.state.service = service
    for kind in (CatalensError, ProblemError, ValidationError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _problem)
    bodies: dict[str, type[BaseModel]] = {}
    direct = APIRouter()
    for capability in capabilities.ALL:
        _add(direct, bodies, capability.path, _endpoint(capability, service), capability)
    _add_texts(direct, bodies, service)
    app.include_router(direct)
    _add_operations(app, service)
    _add_models(app, service)
    add_catalogue_routes(app, bodies, service, _PROBLEMS)
    app.openapi = lambda: _openapi(app, bodies)  # type: ignore[method-assign]
    return Guard(_DirectRoutes(app, direct), service)


def _endpoint(capability: capabilities.Capability[Any], service: Service) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        async def line(content: bytes) -> dict[str, Any]:
            ask = await json_ask(content, capability.request, service.config)
            return _single(await capability.answer(ask, service))

        if media_type(request) in JSON_LINES:
            return await answer_lines(request, service, line)
        ask = await read_ask(request, capability.request, service.config)
        return one_or_many(await capability.answer(ask, service), request, service, are_many=ask.are_many)

    return endpoint


def _single(found: Sequence[dict[str, Any] | Exception]) -> dict[str, Any]:
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _add(
    router: APIRouter,
    bodies: dict[str, type[BaseModel]],
    path: str,
    endpoint: Endpoint,
    about: capabilities.Capability[Any],
) -> None:
    bodies[path] = about.request
    router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=about.response,
        summary=about.summary,
        operation_id=path.removeprefix("/v1/").replace("-", "_"),
        tags=["pictures"],
        responses=_PROBLEMS,
    )


def _add_texts(router: APIRouter, bodies: dict[str, type[BaseModel]], service: Service) -> None:
    bodies |= {"/v1/descriptions": schemas.DescriptionsRequest, "/v1/embeddings": schemas.EmbeddingsRequest}
    bodies["/invocations"] = Invocation

    @router.post("/v1/descriptions", response_model=schemas.DescriptionsResponse, tags=["texts"], responses=_PROBLEMS)
    async def descriptions(request: Request) -> Response:
        """Describe known attributes."""
        from catalens.serving.fields import describe_fields

        ask = await read_ask(request, schemas.DescriptionsRequest, service.config)
        return Json(await describe_fields(ask.request, service))

    @router.post("/v1/embeddings", response_model=schemas.EmbeddingsResponse, tags=["texts"], responses=_PROBLEMS)
    async def embed(request: Request) -> Response:
        """Return vectors of texts and pictures, in OpenAI's shape."""
        ask = await read_ask(request, schemas.EmbeddingsRequest, service.config)
        return Json(await embeddings(ask.request, service))

    @router.post("/invocations", tags=["SageMaker"], responses=_PROBLEMS)
    async def invocations(request: Request) -> Response:
        """Answer any payload of a SageMaker endpoint."""
        kind = media_type(request)
        if kind in JSON_LINES:
            response: Response = await answer_lines(request, service, lambda line: invoke(line, service))
        elif is_picture_type(kind):
            response = Json(await invoke_picture(Content(await request.body()), service))
        elif kind in JSON:
            response = Json(await invoke(await request.body(), service))
        else:
            raise unsupported(kind, "application/json, application/jsonlines or image/*")
        given = request.headers.get(_INVOCATION_HEADER)
        if given is not None and len(given) <= 1024 and given.isascii() and given.isprintable():
            response.headers[_INVOCATION_HEADER] = given
        return response


def _add_operations(app: FastAPI, service: Service) -> None:
    config = service.config

    def ready() -> Response:
        status = 200 if service.is_ready else 503
        return Json({"status": "ready" if status == 200 else "starting", "workers": service.states()}, status)

    @app.get("/health/live", tags=["operations"])
    async def live() -> dict[str, str]:
        """Return 200 as long as the process answers."""
        return {"status": "live"}

    @app.get("/health/ready", tags=["operations"], responses={503: {"description": "Models are not warm yet."}})
    async def health_ready() -> Response:
        """Return 200 when every eager model is warm."""
        return ready()

    @app.get("/ping", tags=["SageMaker"], responses={503: {"description": "Models are not warm yet."}})
    async def ping() -> Response:
        """Return 200 when every eager model is warm, as SageMaker asks."""
        return ready()

    @app.get("/execution-parameters", tags=["SageMaker"])
    async def execution_parameters() -> dict[str, Any]:
        """Return what batch transform should send at a time."""
        return {
            "MaxConcurrentTransforms": max(model.max_batch for model in config.models.values()),
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, config.max_body_bytes // 2**20),
        }

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return Prometheus metrics."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def _add_models(app: FastAPI, service: Service) -> None:
    def model(name: str) -> dict[str, Any]:
        found = service.config.models[name]
        states = {
            lane.removeprefix(f"{name}-"): state
            for lane, state in service.states().items()
            if lane.startswith(f"{name}-")
        }
        encoder = None if found.encoder is None else service.without_paths(found.encoder)
        about = {"encoder": encoder, "reader": service.without_paths(found.reader), "state": states}
        return {"id": name, "object": "model", "created": 0, "owned_by": "catalens", **about}

    @app.get("/v1/models", tags=["operations"])
    async def models() -> dict[str, Any]:
        """Return the models that are served, in OpenAI's shape."""
        return {"object": "list", "data": [model(name) for name in service.config.models]}

    @app.get("/v1/models/{name}", tags=["operations"], responses=_PROBLEMS)
    async def one_model(name: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
        """Return one of the models that are served, in OpenAI's shape."""
        return model(service.model_name(name))


async def _problem(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = ProblemError(error.status_code, _why(error), error.headers)
    elif isinstance(error, RequestValidationError):
        # A query's or a path's: `loc` begins with which of them it is.
        error = of_fields([(tuple(each["loc"][1:]), each["type"], each["msg"]) for each in error.errors()])
    problem = as_problem(error, request.app.state.service)
    body = document(problem, request.state.request_id)
    return Json(body, problem.status, problem.headers, media_type=PROBLEM_JSON)


def _why(error: HTTPException) -> str:
    """Return a sentence where the framework has only the status's own words."""
    if error.status_code == 404:
        return "there is no such route; /docs lists all of them"
    if error.status_code == 405:
        return f"this route takes {(error.headers or {}).get('Allow', 'another method')}"
    return str(error.detail)


def _openapi(app: FastAPI, bodies: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the document, with the bodies that routes read by themselves."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = found["components"]["schemas"]
        components["Problem"] = schemas.Problem.model_json_schema()
        for path, schema in bodies.items():
            made = schema.model_json_schema(ref_template="#/components/schemas/{model}")
            components |= made.pop("$defs", {})
            components[schema.__name__] = made
            content: dict[str, Any] = {
                "application/json": {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
            }
            if "images" in schema.model_fields:
                picture = {"type": "string", "format": "binary"}
                content["image/*"] = {"schema": picture}
                form = {"type": "object", "properties": {"image": picture}, "required": ["image"]}
                content["multipart/form-data"] = {"schema": form}
            for method in ("post", "put"):
                if method in found["paths"][path]:
                    found["paths"][path][method]["requestBody"] = {"required": True, "content": content}
        app.openapi_schema = found
    return app.openapi_schema
