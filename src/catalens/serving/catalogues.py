"""/v1/search and /v1/catalogues: the configured catalogues, by name."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel

from catalens.core.errors import CatalensError
from catalens.serving.browsing import Id, Name, add_browsing_routes, count_records
from catalens.serving.payloads import Ask, read_ask
from catalens.serving.problems import ProblemError
from catalens.serving.replies import Json
from catalens.serving.reviewing import add_review_routes
from catalens.serving.schemas import RecordRequest, SearchRequest, SearchResponse
from catalens.serving.service import Service, UnknownNameError
from catalens.serving.stages import CatalogueJob


def add_catalogue_routes(
    app: FastAPI, bodies: dict[str, type[BaseModel]], service: Service, problems: dict[int | str, dict[str, Any]]
) -> None:
    """Add the routes; those that write exist only where writing is enabled."""
    bodies["/v1/search"] = SearchRequest

    @app.post("/v1/search", response_model=SearchResponse, tags=["catalogues"], responses=problems)
    async def search(request: Request) -> Response:
        """Search a catalogue by text, by picture, or by both."""
        ask = await read_ask(request, SearchRequest, service.config)
        return Json({"hits": await _search(ask, service)})

    @app.get("/v1/catalogues", tags=["catalogues"])
    async def catalogues() -> dict[str, Any]:
        """List the catalogues, with their numbers of records."""
        names = service.config.catalogues
        return {
            "catalogues": [{"name": name, **await _counted(name, service)} for name in names],
            "pictures": service.config.pictures,
            "reviews": service.config.reviews,
        }

    @app.get("/v1/catalogues/{catalogue}/records/{id:path}", tags=["catalogues"], responses=problems)
    async def record(catalogue: Name, id: Id) -> dict[str, Any]:
        """Return a record."""
        found: dict[str, Any] | None = await service.catalogue(catalogue, CatalogueJob("get", ids=(id,)))
        if found is None:
            raise UnknownNameError("there is no record of that id")
        return found

    add_browsing_routes(app, service, problems)
    if service.config.reviews:
        add_review_routes(app, bodies, service, problems)
    if service.config.writable:
        _add_writing(app, bodies, service, problems)


async def _counted(name: str, service: Service) -> dict[str, Any]:
    """Return the number of records; of a catalogue that cannot be opened why, since the others are still there."""
    try:
        return {"records": await service.in_thread(partial(count_records, service.catalogue_path(name)))}
    except CatalensError as error:
        return {"records": None, "error": service.without_paths(str(error))}


def _add_writing(
    app: FastAPI, bodies: dict[str, type[BaseModel]], service: Service, problems: dict[int | str, dict[str, Any]]
) -> None:
    bodies["/v1/catalogues/{catalogue}/records"] = RecordRequest

    @app.post("/v1/catalogues/{catalogue}/records", tags=["catalogues"], responses=problems)
    async def add(catalogue: Name, request: Request) -> Response:
        """Add a record, or replace it."""
        ask = await read_ask(request, RecordRequest, service.config)
        content = _one(ask)
        job = CatalogueJob("add", ids=(ask.request.id,), fields=tuple(ask.request.fields.items()))
        return Json({"id": ask.request.id, "outcome": await service.catalogue(catalogue, job, content)})

    @app.delete("/v1/catalogues/{catalogue}/records/{id:path}", tags=["catalogues"], responses=problems)
    async def remove(catalogue: Name, id: Id) -> dict[str, Any]:
        """Delete a record."""
        removed = await service.catalogue(catalogue, CatalogueJob("remove", ids=(id,)))
        if not removed:
            raise UnknownNameError("there is no record of that id")
        return {"id": id, "outcome": "removed"}


async def _search(ask: Ask[SearchRequest], service: Service) -> list[dict[str, Any]]:
    asked = ask.request
    if not service.config.catalogues:
        raise UnknownNameError("no catalogue is configured")
    job = CatalogueJob(
        "search",
        text=tuple(asked.text),
        minus=tuple(asked.minus),
        where=asked.where,
        k=asked.k,
        mode=asked.mode,
        min_score=asked.min_score,
    )
    name = asked.catalogue or next(iter(service.config.catalogues))
    found: list[dict[str, Any]] = await service.catalogue(name, job, _one(ask) if ask.pictures else None)
    return found


def _one(ask: Ask[Any]) -> Any:  # noqa: ANN401 - Content
    if len(ask.pictures) != 1:
        raise ProblemError(422, "send one picture")
    if isinstance(ask.pictures[0], Exception):
        raise ask.pictures[0]
    return ask.pictures[0]
