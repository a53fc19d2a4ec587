"""Failures of PostgreSQL as errors that name the cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalens.core.errors import CatalogueError

if TYPE_CHECKING:
    from psycopg import Error

_CURES = {
    "08": "no server answers there, or it went away",
    "42P01": "the table was dropped; open it again, which makes it anew, and add the same source again",
    "28": "the server does not know this user and password; write them as postgresql://USER:PASSWORD@HOST/DATABASE",
    "3D": "there is no such database; create it with: createdb NAME",
    "42501": "this user may not do that; grant it rights on the table and the schema",
    "25006": "the database is read-only, as a standby is; write to the primary server",
    "53100": "the server's disk is full; free some, then add the same source again",
    "53300": "the server has no connection left; close some, or raise max_connections",
    "53200": "the server is out of memory; give it more",
    "55P03": "another process has been writing for too long; try again when it is done",
    "57P": "the server is being stopped or started; try again",
}
_CONNECTING = (
    (r"authentication failed|role .* does not exist|no pg_hba\.conf entry|no password supplied", "28"),
    (r"database .* does not exist", "3D"),
    (r"too many clients|remaining connection slots", "53300"),
)
_NO_EXTENSION = "the server has no pgvector; install it, then run: CREATE EXTENSION vector"


@contextmanager
def errors_named(shown: str) -> Iterator[None]:
    """Raise what PostgreSQL refuses as a CatalogueError that names the table and the cure."""
    from psycopg import Error

    try:
        yield
    except Error as error:
        raise CatalogueError(f"{shown}: {_sentence(error)}") from error


def _sentence(error: Error) -> str:
    from psycopg import OperationalError

    said = " ".join(str(error).split())[:300]
    state = error.sqlstate or ""
    if "extension" in said and "vector" in said:
        return f"{_NO_EXTENSION} ({said})"
    if isinstance(error, OperationalError) and not state:  # of connecting, which libpq tells in words only
        state = next((code for pattern, code in _CONNECTING if re.search(pattern, said)), "08")
    cure = next((cure for code, cure in _CURES.items() if state.startswith(code)), None)
    return f"{cure} ({said})" if cure else said
