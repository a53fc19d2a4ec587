"""Responses: JSON, and JSON lines with an error record for each bad line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from catalens.core.errors import InputError
from catalens.serving.gathering import each
from catalens.serving.problems import error_record
from catalens.serving.service import Service

_LINES = "application/jsonlines"


def one_or_many(
    found: list[dict[str, Any] | Exception], request: Request, service: Service, *, are_many: bool
) -> Response:
    """Return one result, or several with errors among them.

    Raises:
        Exception: the only result is an error.
    """
    if are_many:
        return JSONResponse({"results": _rows(found, request, service)})
    if isinstance(found[0], Exception):
        raise found[0]
    return JSONResponse(found[0])


async def answer_lines(request: Request, service: Service, answer: Callable[[bytes], Awaitable[Any]]) -> Response:
    """Answer each line of a body, and return the answers in their order.

    Raises:
        InputError: there are no lines, or too many.
    """
    lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
    most = service.config.max_pictures
    if not 1 <= len(lines) <= most:
        raise InputError(f"{len(lines)} lines; send 1 to {most} in a request")
    rows = _rows(await each(answer, lines), request, service)
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    return Response(text, media_type=_LINES)


def _rows(found: Sequence[Any], request: Request, service: Service) -> list[Any]:
    id = request.state.request_id
    return [error_record(row, service, id) if isinstance(row, Exception) else row for row in found]
