"""From errors to RFC 9457 problem documents; the one table of statuses."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from catalens.core.errors import (
    AnswerError,
    CatalensError,
    CatalogueError,
    InputError,
    ModelError,
    UnavailableError,
)
from catalens.serving.batcher import OverloadedError, StoppingError
from catalens.serving.lane import UnloadableError
from catalens.serving.service import Service, UnknownNameError

PROBLEM_JSON = "application/problem+json"
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownNameError, 404),
    (InputError, 422),
    (OverloadedError, 429),
    (StoppingError, 503),
    (AnswerError, 502),
    (UnavailableError, 503),
    (UnloadableError, 500),
    (ModelError, 500),
    (CatalogueError, 503),
    (CatalensError, 503),
)
_UNREAD = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""Problems of bodies of which the rest is not waited for: what it says would be taken for the next request."""
_MAX_DETAIL = 2000
_log = logging.getLogger("catalens.serving")
_KINDS = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "list[str]": "a list of texts",
    "PictureInput": "an object with an image",
}
"""What pydantic calls the alternatives of a field, in words."""


class ProblemError(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def as_problem(error: Exception, service: Service) -> ProblemError:
    """Return what an error is to a caller; a fault of the program tells nothing of itself, and no path is named."""
    problem = _as_problem(error)
    problem.detail = service.without_paths(problem.detail)
    if problem.status in _UNREAD:
        problem.headers["Connection"] = "close"
    return problem


def error_record(error: Exception, service: Service, request_id: str) -> dict[str, Any]:
    """Return what stands in the place of a result that failed; a fault of the program is logged."""
    problem = as_problem(error, service)
    log_fault(problem, error, request_id)
    return {"error": document(problem, request_id)}


def log_fault(problem: ProblemError, error: Exception, request_id: str) -> None:
    """Log the error behind a problem that says no more than that the log does.

    What a model failed with is in the problem itself, or in its worker's log; it may quote the request.
    """
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ModelError):
        _log.error("request %s failed: %s", request_id, type(error).__name__, exc_info=error)


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ValidationError):
        return _of_validation(error)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == 500 and not isinstance(error, UnloadableError | ModelError):
        return ProblemError(500, "the service failed; its log says more under this request's id")
    headers = {}
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    elif status == 503:
        headers["Retry-After"] = "1"
    return ProblemError(status, str(error)[:_MAX_DETAIL], headers)


def document(problem: ProblemError, request_id: str) -> dict[str, Any]:
    """Return the problem document."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request_id,
    }


def _of_validation(error: ValidationError) -> ProblemError:
    """Name the fields and what they should be, never what was sent."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return of_fields([(each["loc"], each["type"], each["msg"]) for each in found])


def of_fields(found: Iterable[tuple[tuple[int | str, ...], str, str]]) -> ProblemError:
    """Return the problem of fields that are not accepted: each its place, pydantic's type of error, and its message.

    A field with alternatives has an error for each of them; together they are one sentence.

    >>> of_fields([(("k", "str"), "string_type", "…"), (("k", "list[str]", 0), "string_type", "…")]).detail
    'k: send a text or a list of texts'
    """
    status, parts, kinds = 422, [], dict[str, list[str]]()
    for loc, kind, message in found:
        status = 400 if kind == "json_invalid" else status
        branch = next((at for at, part in enumerate(loc) if at and part in _KINDS), len(loc))
        name = ".".join(str(part)[:50] for part in loc[:branch]) or "body"
        if branch < len(loc):
            kinds.setdefault(name, []).append(_KINDS[str(loc[branch])])
        elif kind == "extra_forbidden":
            parts.append(f"{name} is not known here; /docs lists the fields")
        else:
            parts.append(f"{name}: {message[:300]}")
    parts += [f"{name}: send {' or '.join(dict.fromkeys(each))}" for name, each in kinds.items()]
    return ProblemError(status, "; ".join(parts[:10])[:_MAX_DETAIL])
