"""Keyword search: words, ranked by BM25, over an FTS5 table in whatever SQLite connection is given.

Case and accents do not count, and English endings are stripped ("dresses" finds "dress").
Other languages keep their endings: the stemmer leaves words it has no rule for alone.

Source:
    Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; the formula
    and its constants (k1 1.2, b 0.75) are those of FTS5's `bm25()`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

_MAX_WORDS = 64


def create(connection: sqlite3.Connection) -> None:
    """Make the table."""
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2')")


def put(connection: sqlite3.Connection, row: int, text: str) -> None:
    """Store the words of a row number."""
    connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, text))


def find(
    connection: sqlite3.Connection, text: str, *, condition: str = "1", parameters: Iterable[str] = ()
) -> Iterator[int]:
    """Give row numbers of records with any of the words, best first, lazily; ties in row order.

    Args:
        connection: has the table `words`, and `record` if the condition speaks of it.
        text: anything a person may type; nothing in it is syntax.
        condition: SQL over `record`, applied before the ranking.
        parameters: of the condition.
    """
    query = _any_word(text)
    if not query:
        return
    joined = "" if condition == "1" else "JOIN record ON record.row = words.rowid"
    rows = connection.execute(
        f"SELECT words.rowid FROM words {joined} WHERE words MATCH ? AND {condition} ORDER BY bm25(words), words.rowid",
        (query, *parameters),
    )
    for (row,) in rows:
        yield row


def _any_word(text: str) -> str:
    """Quote each word, so that FTS5's operators and a person's punctuation are only text.

    >>> _any_word("red t-shirt OR")
    '"red" OR "t-shirt" OR "OR"'
    """
    # What cannot be stored cannot be found: NUL ends SQLite's strings, lone surrogates are no text.
    cleaned = text.replace("\0", " ").encode(errors="replace").decode()
    words = dict.fromkeys(cleaned.split())
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in list(words)[:_MAX_WORDS])
