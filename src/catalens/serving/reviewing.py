"""/v1/catalogues/NAME/review: a question for a reviewer, decisions, undo and progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel

from catalens.catalogue.opening import open_index
from catalens.catalogue.review import Review, ReviewConflictError, check_reviewable
from catalens.catalogue.review_tables import Item
from catalens.serving.browsing import Name
from catalens.serving.payloads import read_ask
from catalens.serving.problems import ProblemError
from catalens.serving.replies import Json
from catalens.serving.schemas import DecisionRequest, ReviewerRequest
from catalens.serving.service import Service

T = TypeVar("T")
_PATH = "/v1/catalogues/{catalogue}/review"


def add_review_routes(
    app: FastAPI, bodies: dict[str, type[BaseModel]], service: Service, problems: dict[int | str, dict[str, Any]]
) -> None:
    """Add the routes."""
    bodies |= {f"{_PATH}/next": ReviewerRequest, f"{_PATH}/undo": ReviewerRequest}
    bodies[f"{_PATH}/decisions"] = DecisionRequest

    @app.get(_PATH, tags=["reviews"], responses=problems)
    async def review(catalogue: Name) -> dict[str, Any]:
        """Return how far the review of a catalogue is, and its questions with every label."""
        return await _with_review(service, catalogue, _about)

    @app.post(f"{_PATH}/next", tags=["reviews"], responses=problems)
    async def following(catalogue: Name, request: Request) -> Response:
        """Return a question, which is kept for the reviewer for a while; null where none is left."""
        name = (await read_ask(request, ReviewerRequest, service.config)).request.reviewer
        return await _asked(service, catalogue, lambda review: review.take(name))

    @app.post(f"{_PATH}/undo", tags=["reviews"], responses=problems)
    async def undo(catalogue: Name, request: Request) -> Response:
        """Withdraw the reviewer's last decision, and return its question; null where there is none."""
        name = (await read_ask(request, ReviewerRequest, service.config)).request.reviewer
        return await _asked(service, catalogue, lambda review: review.undo(name))

    @app.post(f"{_PATH}/decisions", tags=["reviews"], responses=problems | {"409": problems["422"]})
    async def decide(catalogue: Name, request: Request) -> Response:
        """Store a decision."""
        made = (await read_ask(request, DecisionRequest, service.config)).request

        def work(review: Review) -> dict[str, Any]:
            found = review.decide(made.reviewer, made.item, made.verdict, made.value, token=made.token)
            return {"verdict": found.verdict, "before": found.before, "after": found.after, "at": found.decided_at}

        return Json(await _with_review(service, catalogue, work))


async def _asked(service: Service, catalogue: str, take: Callable[[Review], Item | None]) -> Response:
    def work(review: Review) -> dict[str, Any]:
        item = take(review)
        return {"item": None if item is None else _row(review, item), "progress": review.progress().row()}

    return Json(await _with_review(service, catalogue, work))


def _row(review: Review, item: Item) -> dict[str, Any]:
    with open_index(review.path, read_only=True) as index:
        (record,) = index.get([item.id])
    return {
        "item": item.number,
        "id": item.id,
        "question": item.question,
        "candidates": [{"label": label, "score": share} for label, share in item.candidates],
        "before": item.before,
        "reason": item.reason,
        "fields": {} if record is None else dict(record.fields),
    }


def _about(review: Review) -> dict[str, Any]:
    questions = {name: {"words": each.words, "labels": each.labels} for name, each in review.questions().items()}
    return {"progress": review.progress().row(), "questions": questions}


async def _with_review(service: Service, name: str, work: Callable[[Review], T]) -> T:
    path = service.catalogue_path(name)
    check_reviewable(path)

    def opened() -> T:
        with Review(path) as review:
            return work(review)

    try:
        return await service.in_thread(opened)
    except ReviewConflictError as error:
        raise ProblemError(409, str(error)) from error
