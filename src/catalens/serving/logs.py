"""The log of the service: lines of ids and numbers, of this process and of its workers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from catalens.core.printing import printable
from catalens.core.redaction import redact

_QUOTING = (ValueError, LookupError, TypeError)
"""Errors whose messages quote values, and so perhaps what a caller sent."""
_OF_REQUESTS = ("catalens", "python_multipart")
"""Loggers of what is wrong with a picture, a text or a form, which are callers'."""

_log = logging.getLogger("catalens.serving")


class Formatter(logging.Formatter):
    """One line for each record: text, or JSON. Records hold ids and numbers, never pictures, texts or keys."""

    def __init__(self, *, as_json: bool) -> None:
        """Take the form."""
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        about: dict[str, Any] = getattr(record, "about", {})  # ids, numbers and routes, in which nothing is secret
        time, level, message = self.formatTime(record), record.levelname, redact(record.getMessage())
        trace = {"traceback": redact(self.formatException(record.exc_info))} if record.exc_info else {}
        if self._as_json:
            return json.dumps({"time": time, "level": level, "message": message} | about | trace)
        text = "\n".join([f"{time} {level} {message}", *trace.values()])
        return printable(text + "".join(f" {name}={value}" for name, value in about.items()))

    def formatException(  # noqa: N802 - logging's own name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return the traceback, without the messages of errors that may quote a request."""
        parts: list[str] = []
        error = ei[1]
        while error is not None:
            said = "" if isinstance(error, _QUOTING) else f": {error}"
            parts.append("".join([*traceback.format_tb(error.__traceback__), type(error).__name__, said]))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(reversed(parts))


def log_to_stderr(*names: str, as_json: bool) -> None:
    """Write what some loggers are told to the standard error of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(as_json=as_json))
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def log_in_service(*, as_json: bool) -> None:
    """Log what the service and its server say of themselves, and nothing of what is said of requests."""
    _hush()
    log_to_stderr("catalens.serving", "uvicorn.error", as_json=as_json)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_in_worker(*, as_json: bool) -> None:
    """Log what a worker says of itself, and nothing of what is said of requests."""
    _hush()
    log_to_stderr("catalens.serving", as_json=as_json)


def log_from_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what an event loop reports, without the arguments and tasks that its own way quotes."""
    what = str(context.get("message", "an error")).partition("(")[0]
    _log.error("event loop: %s", what, exc_info=context.get("exception"))


def _hush() -> None:
    for name in _OF_REQUESTS:  # without a handler, Python itself would print their warnings
        logging.getLogger(name).handlers = [logging.NullHandler()]
