"""Responses: JSON, and JSON lines with an error record for each bad line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from catalens.core.errors import InputError
from catalens.serving.gathering import each
from catalens.serving.problems import error_record
from catalens.serving.service import Service

_LINES = "application/jsonlines"


class Json(JSONResponse):
    """JSON of plain values: ten times as fast as the base class where there are vectors, which is most of an answer."""

    def render(self, content: object) -> bytes:
        """Return the body."""
        return json_bytes(content)


def json_bytes(content: object) -> bytes:
    """Return a value as JSON; a number that JSON has no form for is null."""
    return to_json(content, inf_nan_mode="null")


def one_or_many(
    found: list[dict[str, Any] | Exception], request: Request, service: Service, *, are_many: bool
) -> Response:
    """Return one result, or several with errors among them.

    Raises:
        Exception: the only result is an error.
    """
    if are_many:
        return Json({"results": _rows(found, request, service)})
    if isinstance(found[0], Exception):
        raise found[0]
    return Json(found[0])


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
    return Response(b"".join(json_bytes(row) + b"\n" for row in rows), media_type=_LINES)


def _rows(found: Sequence[Any], request: Request, service: Service) -> list[Any]:
    id = request.state.request_id
    return [error_record(row, service, id) if isinstance(row, Exception) else row for row in found]
