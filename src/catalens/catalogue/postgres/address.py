"""The address of a table of records in PostgreSQL, and a connection to its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from catalens.catalogue.postgres.errors import errors_named
from catalens.core.errors import CatalogueError, InputError

if TYPE_CHECKING:
    from psycopg import Connection

_DEFAULT_TABLE = "catalens"
_LONGEST_NAME = 40  # bytes: a limit of PostgreSQL is 63, and names of indexes are longer than their table's
_SETTINGS = {"m": 16, "ef_construction": 64, "ef_search": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed address.

    Attributes:
        shown: the address without its password and settings, for messages.
        database: the address as libpq takes it.
        table: name of the table.
        m: links per node of the HNSW graph of a new table.
        ef_construction: candidates while that graph is built.
        ef_search: candidates while a graph is searched.
    """

    shown: str
    database: str
    table: str
    m: int
    ef_construction: int
    ef_search: int


def parse_address(uri: str) -> Address:
    """Parse `postgresql://[user[:password]@]host[:port]/database[?table=name&m=…&ef_construction=…&ef_search=…]`.

    Everything else, such as `sslmode=require`, is libpq's.

    Raises:
        InputError: a setting that is not a whole number, or a table's name that cannot be one.

    >>> address = parse_address("postgresql://me:secret@localhost/shop?table=shoes&sslmode=require")
    >>> address.shown, address.database
    ('postgresql://localhost/shop?table=shoes', 'postgresql://me:secret@localhost/shop?sslmode=require')
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InputError(f"the address of a PostgreSQL server cannot be read: {error}") from error
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    table = given.pop("table", _DEFAULT_TABLE)
    host = parts.netloc.rpartition("@")[2]
    shown = f"postgresql://{host}{parts.path}?table={table}"
    if not table or len(table.encode()) > _LONGEST_NAME or "\0" in table:
        raise InputError(f"{shown}: the name of a table has 1 to {_LONGEST_NAME} bytes")
    numbers = {}
    for name, default in _SETTINGS.items():
        value = given.pop(name, str(default))
        if not value.isdecimal() or int(value) < 1:
            raise InputError(f"{shown}: {name}={value} is not a whole number above 0")
        numbers[name] = int(value)
    query = urlencode(given, quote_via=quote)
    database = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    return Address(shown=shown, database=database, table=table, **numbers)


def connect(address: Address, *, read_only: bool, wait_s: float) -> Connection[Any]:
    """Return a connection that waits no longer for another writer than `wait_s` seconds.

    Raises:
        CatalogueError: psycopg is missing, or the server cannot be reached or refuses.
    """
    try:
        import psycopg
    except ImportError as error:
        raise CatalogueError("PostgreSQL needs psycopg; install it with: pip install 'catalens[postgres]'") from error
    options = {
        "lock_timeout": f"{max(1, int(wait_s * 1000))}ms",
        "default_transaction_read_only": "on" if read_only else "off",
        "hnsw.iterative_scan": "strict_order",
        "client_min_messages": "warning",
    }
    with errors_named(address.shown):
        connection = psycopg.connect(address.database, autocommit=True, connect_timeout=10, application_name="catalens")
        try:
            for name, value in options.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        except BaseException:
            connection.close()
            raise
    return connection
