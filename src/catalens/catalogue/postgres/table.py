"""The table of records: how it is made, and what it says of itself."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalens.catalogue.keywords import query_words
from catalens.catalogue.postgres.address import Address
from catalens.catalogue.records import exact, words_of
from catalens.core.errors import CatalogueError
from catalens.core.json_text import parse_json
from catalens.core.types import Record

if TYPE_CHECKING:
    from psycopg import Connection

FORMAT = 1
_MAX_GRAPH_DIM = 4000
"""The widest halfvec that pgvector builds a graph over; wider vectors are scanned."""
_MAX_TEXT = 250_000
"""Characters of a record that are searched by words; a tsvector ends at a megabyte."""

# English endings are stripped, and no word is too common to be searched for.
_WORDS = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_ts_config WHERE cfgname = 'catalens_words' AND pg_ts_config_is_visible(oid)) THEN
    CREATE TEXT SEARCH DICTIONARY catalens_stems (TEMPLATE = snowball, LANGUAGE = english);
    CREATE TEXT SEARCH CONFIGURATION catalens_words (COPY = pg_catalog.simple);
    ALTER TEXT SEARCH CONFIGURATION catalens_words ALTER MAPPING FOR asciiword, word WITH catalens_stems;
  END IF;
END $$
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a table says of itself: the encoder that made its vectors, and their width."""

    encoder_name: str
    dim: int


def read(connection: Connection[Any], address: Address) -> Facts | None:
    """Return what a table says of itself; None where there is none.

    Raises:
        CatalogueError: it was not made by Catalens, or by a newer one.
    """
    row = connection.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class'), to_regclass(%s) IS NULL", [_quoted(address)] * 2
    ).fetchone()
    if row is None or row[1]:
        return None
    try:
        about = parse_json(row[0] or "")["catalens"]
        found = Facts(about["encoder"], about["dim"])
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogueError(
            f"{address.shown} was not made by Catalens; name a new table with ?table=NAME, and add the pictures to it"
        ) from error
    if about["format"] != FORMAT:
        raise CatalogueError(f"{address.shown} has format {about['format']}, which needs a newer Catalens")
    return found


def create(connection: Connection[Any], address: Address, facts: Facts) -> None:
    """Create the table, unless another process has just done so."""
    from psycopg import sql

    table, name = sql.Identifier(address.table), address.table
    about = json.dumps({"catalens": {"format": FORMAT, "encoder": facts.encoder_name, "dim": facts.dim}})
    with connection.transaction():
        # Of several that find no table, one makes it.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('catalens'))")
        if read(connection, address) is not None:
            return
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(_WORDS)
        connection.execute(
            sql.SQL(
                "CREATE TABLE {} (row bigserial PRIMARY KEY, id text NOT NULL UNIQUE, source text NOT NULL, hash text, "
                "record json NOT NULL, fields jsonb NOT NULL, lower jsonb NOT NULL, words tsvector NOT NULL, "
                "vector halfvec({}) NOT NULL)"
            ).format(table, sql.Literal(facts.dim))
        )
        for kind, columns in (("fields", "gin (fields)"), ("words", "gin (words)")):
            connection.execute(
                sql.SQL("CREATE INDEX {} ON {} USING {}").format(
                    sql.Identifier(f"{name}_{kind}"), table, sql.SQL(columns)
                )
            )
        create_graph(connection, address, facts.dim)
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(about)))


def create_graph(connection: Connection[Any], address: Address, dim: int) -> None:
    """Build the HNSW graph over the vectors, if there is none."""
    from psycopg import sql

    if dim > _MAX_GRAPH_DIM:
        return
    connection.execute(
        sql.SQL(
            "CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (vector halfvec_cosine_ops) "
            "WITH (m = {}, ef_construction = {})"
        ).format(
            sql.Identifier(f"{address.table}_graph"),
            sql.Identifier(address.table),
            sql.Literal(address.m),
            sql.Literal(max(address.ef_construction, 2 * address.m)),
        )
    )


def drop_graph(connection: Connection[Any], address: Address) -> None:
    """Drop the graph, so that many records are stored quickly."""
    from psycopg import sql

    connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(f"{address.table}_graph")))


def lock_writers(connection: Connection[Any], address: Address) -> None:
    """Keep others from writing until the transaction ends; they may read."""
    from psycopg import sql

    connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(address.table)))


def rename(connection: Connection[Any], now: Address, then: Address) -> None:
    """Rename a table with its indexes, which are looked for under its name."""
    from psycopg import sql

    change = sql.SQL("ALTER TABLE {} RENAME TO {}")
    connection.execute(change.format(sql.Identifier(now.table), sql.Identifier(then.table)))
    change = sql.SQL("ALTER INDEX IF EXISTS {} RENAME TO {}")
    for kind in ("fields", "words", "graph"):
        names = (sql.Identifier(f"{each.table}_{kind}") for each in (now, then))
        connection.execute(change.format(*names))


def drop(connection: Connection[Any], address: Address) -> None:
    """Delete a table."""
    from psycopg import sql

    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(address.table)))


def filterable(record: Record) -> tuple[str, str]:
    """Return the fields as a filter sees them, and the texts among them in lower case, as JSON."""
    fields = {name: exact(value) for name, value in record.fields.items()}
    lower = {name: value.lower() for name, value in fields.items() if isinstance(value, str)}
    return json.dumps(fields, ensure_ascii=False), json.dumps(lower, ensure_ascii=False)


def searchable(record: Record) -> str:
    """Return the words of a record, as `to_tsvector` is given them."""
    return " ".join(plain_words(words_of(record)[:_MAX_TEXT]))


def plain_words(text: str) -> list[str]:
    """Return words of letters and digits alone, without accents, so that PostgreSQL's parser finds nothing to parse.

    >>> plain_words("Röd klänning, 10032_front.jpg")
    ['Rod', 'klanning', '10032', 'front', 'jpg']
    """
    folded = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return re.findall(r"[^\W_]+", folded)


def tsquery(text: str, without: list[str]) -> str | None:
    """Return a query for any word of a text, but not for all words of a text in `without`; None without words."""
    words = plain_words(" ".join(query_words(text)))
    if not words:
        return None
    unwanted = [" & ".join(found) for each in without if (found := plain_words(" ".join(query_words(each))))]
    excluded = f" & !({' | '.join(f'({each})' for each in unwanted)})" if unwanted else ""
    return f"({' | '.join(words)}){excluded}"


def _quoted(address: Address) -> str:
    return '"' + address.table.replace('"', '""') + '"'
