"""What is special to PostgreSQL: its refusals, and its graph. The contract is in tests/contracts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalens.catalogue.filters import parse_filter
from catalens.catalogue.opening import open_index
from catalens.catalogue.postgres.index import PostgresIndex
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from catalens.core.vectors import unit_rows
from tests.support.indexes import DIM, ask, vectors_of
from tests.support.servers import Server, postgres_folder, postgres_server

pytestmark = pytest.mark.slow


@pytest.fixture
def database(postgres: Server) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as connection:
        yield connection


def table_of(uri: str) -> str:
    return uri.rpartition("table=")[2]


def records_of(n: int) -> list[Record]:
    return [Record(f"r{at}", "", {"n": at}) for at in range(n)]


def test_another_encoder_width_or_table_is_refused(postgres: Server, database: Any) -> None:
    uri = postgres.new()
    open_index(uri, encoder_name="everyday@3", dim=DIM).close()
    with pytest.raises(CatalogueError, match="was filled by everyday@3"):
        open_index(uri, encoder_name="starter@4", dim=DIM)
    with pytest.raises(CatalogueError, match=f"vectors {DIM} wide .* is 8 wide now; re-encode it with: .* migrate"):
        open_index(uri, dim=8)
    with pytest.raises(CatalogueError, match="there is no table"):
        open_index(postgres.new(), encoder_name="enc", dim=DIM, read_only=True)
    foreign = postgres.new()
    database.execute(f"CREATE TABLE {table_of(foreign)} (id int)")
    with pytest.raises(CatalogueError, match="not made by Catalens"):
        open_index(foreign, encoder_name="enc", dim=DIM)


def test_no_database_and_no_right_are_told_apart(postgres: Server, database: Any) -> None:
    with pytest.raises(CatalogueError, match="createdb"):
        open_index(postgres.url.replace("/postgres?", "/nothing?"))
    uri = postgres.new()
    open_index(uri, encoder_name="enc", dim=DIM).close()
    database.execute("CREATE ROLE reader LOGIN")
    with (
        open_index(uri.replace("postgres:@", "reader:@"), read_only=True) as index,
        pytest.raises(CatalogueError, match="grant it rights"),
    ):
        len(index)


def test_a_dropped_table_and_a_lost_connection_are_named(postgres: Server, database: Any) -> None:
    uri = postgres.new()
    index = open_index(uri, encoder_name="enc", dim=DIM)
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'catalens'")
    with pytest.raises(CatalogueError, match=r"stopped or started|went away"):
        len(index)
    index.close()
    index = open_index(uri)
    database.execute(f"DROP TABLE {table_of(uri)}")
    with pytest.raises(CatalogueError, match="table was dropped"):
        index.add(records_of(1), vectors_of(1))
    index.close()


def test_a_batch_is_one_transaction(postgres: Server) -> None:
    with open_index(postgres.new(), encoder_name="enc", dim=DIM) as index:
        with pytest.raises(CatalogueError):
            index.add([*records_of(5), Record(np.random.default_rng(0).bytes(9000).hex(), "")], vectors_of(6))
        assert len(index) == 0


def test_the_graph_is_used_and_filters_still_come_before_k(postgres: Server, database: Any) -> None:
    vectors = unit_rows(np.random.default_rng(2).standard_normal((4000, 32)))
    uri = postgres.new()
    with PostgresIndex.open(uri, encoder_name="enc", dim=32) as index:
        with index.loading():
            index.add(records_of(4000), vectors)
            assert database.execute(f"SELECT to_regclass('{table_of(uri)}_graph')").fetchone() == (None,)
        database.execute(f"ANALYZE {table_of(uri)}")
        plan = database.execute(
            f"EXPLAIN SELECT id FROM {table_of(uri)} ORDER BY vector <=> (SELECT vector FROM {table_of(uri)} "
            "WHERE id = 'r1') LIMIT 10"
        ).fetchall()
        assert "_graph" in str(plan)
        found = index.query(vectors[:40], 10)
        best = np.argsort(-(vectors[:40] @ vectors.T), axis=1)[:, :10]
        right = sum(
            len({int(hit.record.id[1:]) for hit in hits} & set(row.tolist()))
            for hits, row in zip(found, best, strict=True)
        )
        assert right >= 380
        rare = ask(index, vectors[0], 10, parse_filter("n >= 3993"))
        assert sorted(int(hit.record.id[1:]) for hit in rare) == list(range(3993, 4000))
        database.execute(f"DROP INDEX {table_of(uri)}_graph")  # as a loader that was killed leaves it
    open_index(uri).close()
    assert database.execute(f"SELECT to_regclass('{table_of(uri)}_graph')").fetchone() != (None,)


@pytest.fixture
def folder() -> Iterator[Path]:
    with postgres_folder() as found:
        yield found


def test_a_server_killed_in_mid_load_loses_nothing_and_doubles_nothing(folder: Path) -> None:
    vectors, acknowledged = vectors_of(2000), 0
    with postgres_server(folder) as server:
        uri = server.new()
        index = open_index(uri, encoder_name="enc", dim=DIM)
        postmaster = int((folder / "postmaster.pid").read_text().split()[0])
        killer = threading.Timer(0.7, os.kill, (postmaster, signal.SIGQUIT))  # at once, without a checkpoint
        killer.start()
        with pytest.raises(CatalogueError, match=r"stopped or started|went away"):  # noqa: PT012 - wherever it is
            while True:
                start = acknowledged % 2000
                index.add(records_of(2000)[start : start + 20], vectors[start : start + 20])
                acknowledged += 20
        killer.join()
        index.close()
    with postgres_server(folder), open_index(uri) as index:
        ids = [record.id for record in index.records()]
        assert len(ids) == len(set(ids))
        assert set(ids) >= {f"r{at}" for at in range(min(acknowledged, 2000))}
        index.add(records_of(2000), vectors)
        assert len(index) == len({record.id for record in index.records()}) == 2000
