"""Keyword search: words, ranked by BM25, over an FTS5 table in whatever SQLite connection is given.

Case and accents do not count, and English endings are stripped ("dresses" finds "dress").
Other languages keep their endings: the stemmer leaves words it has no rule for alone.

Source:
    Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; the formula
    and its constants (k1 1.2, b 0.75) are those of FTS5's `bm25()`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

_MAX_WORDS = 64


def create(connection: sqlite3.Connection) -> None:
    """Make the table."""
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2')")


def put(connection: sqlite3.Connection, row: int, text: str) -> None:
    """Store the words of a row number."""
    connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, text))


def find(connection: sqlite3.Connection, text: str, *, without: Sequence[str] = ()) -> Iterator[int]:
    """Return row numbers of records with any of the words, best first, lazily; ties in row order.

    Args:
        connection: has the table `words`.
        text: anything a person may type; nothing in it is syntax.
        without: texts of the same kind; a record that has all the words of one is left out.
    """
    query = _expression(text, without)
    if not query:
        return
    sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words), rowid"
    rows = connection.execute(sql, (query,))
    for (row,) in rows:
        yield row


def _expression(text: str, without: Sequence[str]) -> str:
    """Ask FTS5 for any word of a text, but for all words of any text that is not wanted.

    >>> _expression("red t-shirt OR", ["long sleeves", "floral"])
    '("red" OR "t-shirt" OR "OR") NOT (("long" "sleeves") OR ("floral"))'
    """
    wanted = " OR ".join(_quoted(text)[:_MAX_WORDS])
    unwanted = " OR ".join(f"({' '.join(words)})" for words in map(_quoted, without) if words)
    return f"({wanted}) NOT ({unwanted})" if wanted and unwanted else wanted


def _quoted(text: str) -> list[str]:
    """Quote each word, so that FTS5's operators and a person's punctuation are only text."""
    return ['"' + word.replace('"', '""') + '"' for word in _distinct(text)]


def _distinct(text: str) -> list[str]:
    # What cannot be stored cannot be found: NUL ends SQLite's strings, lone surrogates are not text.
    cleaned = text.replace("\0", " ").encode(errors="replace").decode()
    return list(dict.fromkeys(cleaned.split()))


def query_words(text: str) -> list[str]:
    """Return the first distinct words of what a person typed or pasted, as servers are asked for them.

    >>> query_words("red  red dress")
    ['red', 'dress']
    """
    return _distinct(text)[:_MAX_WORDS]
