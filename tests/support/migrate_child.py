"""Migrates an index, and may kill itself just before one of its reads and writes; says how many there were."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from catalens.catalogue import migrating, storage
from catalens.models.fakes import FakeEncoder
from catalens.pipelines.migrating import reencode_beside
from catalens.pipelines.session import Session, SessionConfig


def counted(call: Callable[..., Any], tick: Callable[[], None]) -> Callable[..., Any]:
    """Return a function that ticks before each call of another."""

    def wrapper(*arguments: Any, **options: Any) -> Any:
        tick()
        return call(*arguments, **options)

    return wrapper


def count_everything(tick: Callable[[], None], kinds: str) -> None:
    """Tick before each transaction of a file, change of a folder, statement of a table, and request to a server."""
    places: list[tuple[Any, str]] = [(storage, "reading"), (storage, "writing"), (Path, "unlink"), (Path, "replace")]
    if "postgres" in kinds:
        from psycopg import Connection

        places.append((Connection, "execute"))
    if "opensearch" in kinds:
        from opensearchpy import Transport

        places.append((Transport, "perform_request"))
    for owner, name in places:
        setattr(owner, name, counted(getattr(owner, name), tick))


def migrate(source: str, destination: str) -> None:
    """Copy to the destination, or, without one, re-encode."""
    if destination:
        migrating._AT_ONCE = 10
        migrating.migrate(source, destination)
    else:
        with Session(SessionConfig(workers=1)) as session:
            reencode_beside(source, FakeEncoder(24), session=session)


def main(source: str, destination: str, kill_at: int) -> None:
    """Migrate."""
    numbers = count(1)

    def tick() -> None:
        if next(numbers) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    count_everything(tick, source + destination)
    migrate(source, destination)
    print(next(numbers) - 1)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
