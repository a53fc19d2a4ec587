"""Responses: JSON, and JSON lines with an error record for each bad line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from catalens.core.errors import InputError
from catalens.serving.config import ServeConfig
from catalens.serving.gathering import each
from catalens.serving.problems import as_problem, document

_LINES = "application/jsonlines"


def error_record(error: Exception, request: Request) -> dict[str, Any]:
    """Return what stands in the place of a result that failed."""
    return {"error": document(as_problem(error), request.state.request_id)}


def one_or_many(found: list[dict[str, Any] | Exception], request: Request, *, are_many: bool) -> Response:
    """Return one result, or several with errors among them.

    Raises:
        Exception: the only result is an error.
    """
    if are_many:
        rows = [error_record(each, request) if isinstance(each, Exception) else each for each in found]
        return JSONResponse({"results": rows})
    if isinstance(found[0], Exception):
        raise found[0]
    return JSONResponse(found[0])


async def answer_lines(request: Request, config: ServeConfig, answer: Callable[[bytes], Awaitable[Any]]) -> Response:
    """Answer each line of a body, and return the answers in their order.

    Raises:
        InputError: there are no lines, or too many.
    """
    lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= config.max_pictures:
        raise InputError(f"{len(lines)} lines; send 1 to {config.max_pictures} in a request")

    found = await each(answer, lines)
    rows = [error_record(row, request) if isinstance(row, Exception) else row for row in found]
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    return Response(text, media_type=_LINES)
