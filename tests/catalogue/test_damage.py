"""Damaged catalogues: an error that names the record, never another answer; what can be read is saved."""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalens.catalogue import storage
from catalens.catalogue.checksums import record_checksum, vector_checksums
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.fusion import hybrid
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.repair import check_index, repair_index
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from tests.support.indexes import DIM, ask, vectors_of

N = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.catalens"


def records_of(n: int) -> list[Record]:
    return [Record(f"r{at}", f"{at}.jpg", {"title": f"item number{at}", "n": at}) for at in range(n)]


def filled(path: Path, n: int = N) -> Path:
    with EmbeddedIndex.open(path, encoder_name="enc@1", dim=DIM) as index:
        index.add(records_of(n), vectors_of(n), [f"h{at}" for at in range(n)])
    return path


def harm(path: Path, sql: str, *parameters: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql, parameters)
    connection.close()


def everything(index: EmbeddedIndex) -> list[object]:
    """Ask in every way that checksums cover."""
    query = vectors_of(1, seed=9)[0]
    return [
        ask(index, query, N),
        ask(index, query, N, parse_filter("n < 30")),
        list(index.records()),
        index.vectors(["r7"]).tolist(),
        index.scores(query).tolist(),
    ]


def by_words(index: EmbeddedIndex) -> list[Record]:
    """Ask for words, whose table is SQLite's: its damage may hide a record, but never changes one."""
    return [hit.record for hit in hybrid(index, "item number7", vectors_of(1, seed=9)[0], N)] + index.keyword("item", N)


def drop(*_: object) -> None:
    """Make a statement of expressions."""


def half(values: object) -> bytes:
    return np.asarray(values, dtype="<f2").tobytes()


HARMS: dict[str, tuple[str, tuple[object, ...], str]] = {
    "short vector": ("UPDATE vector SET vector = ? WHERE row = 8", (half(np.zeros(DIM - 1)),), "'r7'"),
    "long vector": ("UPDATE vector SET vector = ? WHERE row = 8", (half(np.zeros(DIM + 1)),), "'r7'"),
    "vector of NaN": ("UPDATE vector SET vector = ? WHERE row = 8", (half(np.full(DIM, np.nan)),), "'r7'"),
    "vector of inf": ("UPDATE vector SET vector = ? WHERE row = 8", (half(np.full(DIM, np.inf)),), "'r7'"),
    "zero vector": ("UPDATE vector SET vector = ? WHERE row = 8", (half(np.zeros(DIM)),), "'r7'"),
    "vector times 100": ("UPDATE vector SET vector = ? WHERE row = 8", (half(vectors_of(8)[7] * 100),), "'r7'"),
    "another unit vector": ("UPDATE vector SET vector = ? WHERE row = 8", (half(vectors_of(1, seed=3)),), "'r7'"),
    "text for a vector": ("UPDATE vector SET vector = ? WHERE row = 8", ("x" * 2 * DIM,), "'r7'"),
    "vector under another row": ("UPDATE vector SET row = 5000 WHERE row = 8", (), "vector"),
    "vector gone": ("DELETE FROM vector WHERE row = 8", (), "59 vectors where 60"),
    "record gone": ("DELETE FROM record WHERE row = 8", (), "row 8"),
    "bad JSON": ("UPDATE record SET fields = '{' WHERE row = 8", (), "'r7'"),
    "fields of another kind": ("UPDATE record SET fields = x'00' WHERE row = 8", (), "'r7'"),
    "other fields": ("UPDATE record SET fields = '{}' WHERE row = 8", (), "'r7'"),
    "other id": ("UPDATE record SET id = 'other' WHERE row = 8", (), "'other'"),
    "blob for an id": ("UPDATE record SET id = x'ff' WHERE row = 8", (), "record"),
    "empty state": ("DELETE FROM state", (), "state has 0 rows"),
    "state of another kind": ("UPDATE state SET dim = 'x'", (), "no sound dim"),
    "another width": ("UPDATE state SET dim = 8", (), "'r0'"),
}


@pytest.mark.parametrize("name", HARMS)
def test_damage_names_the_record_and_the_way_out(path: Path, name: str) -> None:
    sql, parameters, named = HARMS[name]
    harm(filled(path), sql, *parameters)
    ask_for = (lambda index: index.vectors(["r0"])) if name == "another width" else everything
    with (
        pytest.raises(CatalogueError, match=r"catalens index check .*shop.catalens --repair") as caught,
        EmbeddedIndex.open(path, read_only=True) as index,
    ):
        drop(ask_for(index), by_words(index))
    assert named in str(caught.value)


ASKED: dict[str, Callable[[EmbeddedIndex], object]] = {
    "query": lambda index: ask(index, vectors_of(1, seed=9)[0], N),
    "filtered": lambda index: ask(index, vectors_of(1, seed=9)[0], N, parse_filter("n < 30")),
    "hybrid": lambda index: hybrid(index, "item number7", vectors_of(1, seed=9)[0], N),
    "keyword": lambda index: index.keyword("item", N),
    "records": lambda index: list(index.records()),
}


@pytest.mark.parametrize("how", ASKED)
@pytest.mark.parametrize("name", [name for name in HARMS if name not in ("empty state", "state of another kind")])
def test_each_way_of_asking_gives_the_truth_or_an_error(path: Path, name: str, how: str) -> None:
    """A way that does not look at what is damaged may answer, and then as before."""
    with EmbeddedIndex.open(filled(path)) as index:
        expected = ASKED[how](index)
    sql, parameters, _ = HARMS[name]
    harm(path, sql, *parameters)
    try:
        with EmbeddedIndex.open(path, read_only=True) as index:
            found = ASKED[how](index)
    except CatalogueError:
        return
    if how == "records" and name == "record gone":
        return  # a gap in the rows looks like a removal; `check_index` and every search find it
    assert found == expected


@pytest.mark.parametrize("name", HARMS)
def test_check_and_repair(path: Path, name: str) -> None:
    assert check_index(filled(path)).problems == ()
    sql, parameters, _ = HARMS[name]
    harm(path, sql, *parameters)
    found = check_index(path)
    assert found.problems
    if name == "another width":  # every vector looks too long, so only the records are saved
        return
    repaired = repair_index(path, encoder_name="enc@1")
    assert check_index(path).problems == ()
    assert repaired.damaged.is_file()
    with EmbeddedIndex.open(path) as index:
        assert (index.encoder_name, index.dim) == ("enc@1", DIM)
        expected = [record for record in records_of(N) if "state" in name or record.id != "r7"]
        assert [record.id for record in index.records()] == [record.id for record in expected]
        assert len(index) == repaired.kept == len(expected)
        assert [record.id for record in repaired.lost] == (["r7"] if "vector" in name else [])
        index.add(repaired.lost, vectors_of(8)[7:8][: len(repaired.lost)])
        assert ask(index, vectors_of(8)[3], 1)[0].record.id == "r3"
        assert index.keyword("number3", 1)[0].id == "r3"


def test_random_damage_never_gives_another_answer(path: Path) -> None:
    filled(path, 300)
    whole = path.read_bytes()
    with EmbeddedIndex.open(path, read_only=True) as index:
        expected = everything(index)
    chance = random.Random(7)
    refused = 0
    for _ in range(80):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 4, 64])):
            content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.2:
            at = chance.randrange(0, len(content), 4096)
            content[at : at + 4096] = bytes(len(content[at : at + 4096]))
        path.write_bytes(content)
        try:
            with EmbeddedIndex.open(path, read_only=True) as index:
                found, worded = everything(index), by_words(index)
        except CatalogueError:
            refused += 1
            continue
        assert found == expected
        assert all(record == records_of(300)[int(record.id[1:])] for record in worded)
    assert refused > 20


def test_a_damaged_index_of_words_is_found_by_a_check_and_made_anew(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    ((row, block),) = connection.execute("SELECT id, block FROM words_data ORDER BY length(block) DESC LIMIT 1")
    at = block.index(b"number")
    with connection:
        connection.execute(
            "UPDATE words_data SET block = ? WHERE id = ?", (block[:at] + b"n" + block[at + 1 :].swapcase(), row)
        )
    connection.close()
    assert check_index(path).problems
    assert repair_index(path).kept == N
    assert check_index(path).problems == ()
    with EmbeddedIndex.open(path) as index:
        assert index.keyword("number7", 1)[0].id == "r7"


def test_a_schema_that_is_not_text_is_damage(path: Path) -> None:
    content = filled(path).read_bytes()
    path.write_bytes(content.replace(b"tablestatestate", b"tables\xf4atestate"))
    with pytest.raises(CatalogueError, match=r"schema cannot be read"):
        EmbeddedIndex.open(path)


def test_a_graph_file_with_one_changed_bit_is_not_used(path: Path) -> None:
    with EmbeddedIndex.open(filled(path, 300)) as index:
        index.build_graph()
        expected = ask(index, vectors_of(1, seed=4)[0], 5)
        assert index.notices == ()
    (side,) = path.parent.glob("*.hnsw")
    whole = side.read_bytes()
    for at in range(0, len(whole), len(whole) // 20):
        content = bytearray(whole)
        content[at] ^= 16
        side.write_bytes(content)
        with EmbeddedIndex.open(path, read_only=True) as index:
            assert ask(index, vectors_of(1, seed=4)[0], 5) == expected
            ask(index, vectors_of(1, seed=4)[0], 5)
            (notice,) = index.notices
            assert "damaged; searches are exact" in notice
            assert f"catalens index graph {path}" in notice
    assert "the graph cannot be used" in check_index(path).problems[0]


@pytest.mark.parametrize(
    "entry", ["{", "{}", "[]", '{"name": "../x", "size": 1, "space": "", "next_row": 1, "sha256": ""}']
)
def test_a_damaged_entry_of_the_graph_means_exact_searches(path: Path, entry: str) -> None:
    harm(filled(path), "UPDATE state SET hnsw = ?", entry)
    with EmbeddedIndex.open(path) as index:
        assert ask(index, vectors_of(8)[7], 1)[0].record.id == "r7"
        assert len(index.notices) == 1
        index.build_graph()
        assert ask(index, vectors_of(8)[7], 1)[0].record.id == "r7"
        assert len(index.notices) == 1


def test_without_usearch_searches_are_exact_and_building_names_the_cure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedIndex.open(filled(path)) as index:
        index.build_graph()
        expected = ask(index, vectors_of(1, seed=4)[0], 5)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with EmbeddedIndex.open(path) as index:
        assert ask(index, vectors_of(1, seed=4)[0], 5) == expected
        assert "usearch is not installed" in index.notices[0]
        with pytest.raises(CatalogueError, match=r"pip install .catalens\[graph\]"):
            index.build_graph()


def test_a_file_that_is_deleted_while_it_is_written_is_noticed(path: Path) -> None:
    filled(path)
    with EmbeddedIndex.open(path) as index:
        path.unlink()
        with pytest.raises(CatalogueError, match="was deleted or replaced"):
            index.add(records_of(1), vectors_of(1))
    filled(path)
    with EmbeddedIndex.open(path) as index:
        path.rename(path.with_name("moved"))
        filled(path)
        with pytest.raises(CatalogueError, match="was deleted or replaced"):
            index.remove(["r1"])


VERSION_1 = {
    "state": """encoder TEXT NOT NULL, dim INTEGER NOT NULL, space TEXT NOT NULL,        -- random, and changes
        next_row INTEGER NOT NULL, removed INTEGER NOT NULL,   -- rows ever removed
        hnsw TEXT                   -- what is known of the side file, as JSON: see hnsw.py
    """,
    "record": "row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, fields TEXT NOT NULL, hash TEXT",
    "vector": "row INTEGER PRIMARY KEY, vector BLOB NOT NULL",
}


def old_version(path: Path) -> Path:
    """Make of a catalogue one of version 1, as the first release wrote it."""
    filled(path)
    connection = sqlite3.connect(path)
    with connection:
        for table, columns in VERSION_1.items():
            connection.execute(f"ALTER TABLE {table} RENAME TO new_{table}")
            connection.execute(f"CREATE TABLE {table} ({columns})")
            names = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"INSERT INTO {table} SELECT {names} FROM new_{table}")
            connection.execute(f"DROP TABLE new_{table}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    return path


def test_a_catalogue_of_version_1_is_read_as_it_is_and_upgraded_by_the_first_write(path: Path) -> None:
    with EmbeddedIndex.open(filled(path)) as index:
        expected = everything(index)
    path.unlink()
    old_version(path)
    before = path.read_bytes()
    with EmbeddedIndex.open(path, read_only=True) as index:
        assert everything(index) == expected
    assert check_index(path).problems == ()
    assert path.read_bytes() == before
    with EmbeddedIndex.open(path) as index, EmbeddedIndex.open(path) as other:
        assert everything(other) == expected
        index.remove(["nobody"])
        assert everything(index) == everything(other) == expected
        other.add(records_of(1), vectors_of(1))
        assert len(index) == N
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM vector WHERE checksum IS NULL").fetchone() == (0,)
    assert connection.execute("SELECT records FROM state").fetchone() == (N,)
    connection.close()
    assert check_index(path).problems == ()


@pytest.mark.parametrize("values", [np.full(DIM, np.nan), np.zeros(DIM), vectors_of(1)[0] * 100, np.zeros(DIM + 1)])
def test_vectors_of_version_1_are_checked_for_what_a_vector_must_be(path: Path, values: object) -> None:
    harm(old_version(path), "UPDATE vector SET vector = ? WHERE row = 8", half(values))
    with EmbeddedIndex.open(path) as index, pytest.raises(CatalogueError, match="'r7'"):
        ask(index, vectors_of(1)[0], 3)


@pytest.mark.parametrize("dim", [1, 3, 16, 254])
def test_checksums_change_with_any_bit_and_with_the_row(dim: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((5, dim)).astype(np.float16)
    rows = np.arange(5)
    sums = vector_checksums(rows, vectors)
    assert sums.tolist() == [vector_checksums(rows[at : at + 1], vectors[at : at + 1])[0] for at in range(5)]
    assert not set(sums) & set(vector_checksums(rows + 1, vectors))
    for bit in range(16):
        changed = vectors.view(np.uint16).copy()
        changed[2, bit % dim] ^= 1 << bit
        assert (vector_checksums(rows, changed.view(np.float16)) != sums).tolist() == [False, False, True, False, False]
    texts = ("id", "source", "{}", None)
    different = {record_checksum(1, *texts), record_checksum(2, *texts), record_checksum(1, "id", "source", "{}", "")}
    assert len(different) == 3


def test_checksums_are_the_same_for_ever() -> None:
    """They are in files: another value is another format."""
    assert vector_checksums(np.array([7]), np.arange(8, dtype=np.float16)[None]).tolist() == [-3866523109219731309]
    assert record_checksum(7, "id", "source", '{"a": 1}', None) == 1555894750
    assert storage.SCHEMA_VERSION == 2
