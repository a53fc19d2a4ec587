"""The embedded index as a file: who may open it, who may write, what is said when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from catalens.catalogue.filters import parse_filter
from catalens.catalogue.index import EmbeddedIndex
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from catalens.core.vectors import unit_rows
from tests.support.indexes import DIM, ask, vectors_of


def records_of(n: int, first: int = 0) -> list[Record]:
    return [Record(f"r{at}", "", {"title": f"item {at}", "n": at}) for at in range(first, first + n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my products.catalogue"


def filled(path: Path, n: int = 10) -> EmbeddedIndex:
    index = EmbeddedIndex.open(path, encoder_name="enc", dim=DIM)
    index.add(records_of(n), vectors_of(n))
    return index


def test_what_was_added_is_there_when_opened_again(path: Path) -> None:
    filled(path).close()
    with EmbeddedIndex.open(path) as index:
        assert (index.encoder_name, index.dim, len(index)) == ("enc", DIM, 10)
        assert ask(index, vectors_of(10)[3], 1)[0].record == records_of(10)[3]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_encoder_is_refused_with_the_way_out(path: Path) -> None:
    filled(path).close()
    with pytest.raises(CatalogueError, match=r"filled by enc .*with other; use.*--model enc, or .*--model other"):
        EmbeddedIndex.open(path, encoder_name="other")
    with pytest.raises(CatalogueError, match=r"16 wide.*32 wide.*catalens index reencode .* --model enc"):
        EmbeddedIndex.open(path, encoder_name="enc", dim=32)


def test_files_that_are_no_catalogue_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("id,name\n" * 1000)
    (tmp_path / "empty").touch()
    with sqlite3.connect(tmp_path / "foreign") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    expected = {"text": "damaged", "empty": "empty file", "foreign": "another program", ".": "is a folder",
                "nowhere": "catalens index add", "no/where": "catalens index add"}  # fmt: skip
    for name, sentence in expected.items():
        with pytest.raises(CatalogueError, match=sentence) as caught:
            EmbeddedIndex.open(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    for name, sentence in {"no/where": "no folder", "text": "damaged", "foreign": "another program"}.items():
        with pytest.raises(CatalogueError, match=sentence):
            EmbeddedIndex.open(tmp_path / name, encoder_name="enc", dim=DIM)
    assert (tmp_path / "text").read_text() == "id,name\n" * 1000


def test_another_version_is_refused(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CatalogueError, match="version 99"):
        EmbeddedIndex.open(path)


def test_damage_is_an_error_and_not_an_answer(path: Path) -> None:
    filled(path, 500).close()
    content = bytearray(path.read_bytes())
    content[16384:] = os.urandom(len(content) - 16384)
    path.write_bytes(bytes(content))
    with pytest.raises(CatalogueError, match="damaged"), EmbeddedIndex.open(path) as index:
        ask(index, vectors_of(1)[0], 3)


def test_a_creation_that_was_cut_off_is_taken_up(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert len(filled(path)) == 10


def test_reading_only_refuses_to_write(path: Path) -> None:
    filled(path).close()
    with EmbeddedIndex.open(path, read_only=True) as index:
        assert len(ask(index, vectors_of(1)[0], 20)) == 10
        with pytest.raises(CatalogueError, match="reading only"):
            index.add(records_of(1), vectors_of(1))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_can_be_searched(path: Path) -> None:
    filled(path).close()
    path.parent.chmod(0o555)
    try:
        with EmbeddedIndex.open(path, read_only=True) as index:
            assert len(index) == 10
    finally:
        path.parent.chmod(0o755)


def test_a_closed_index_says_so(path: Path) -> None:
    index = filled(path)
    index.close()
    with pytest.raises(CatalogueError, match="closed"):
        len(index)


def test_a_second_writer_waits_and_is_refused_while_readers_go_on(path: Path) -> None:
    with filled(path), EmbeddedIndex.open(path, wait_s=0.1) as other:
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogueError, match="written by another process"):
            other.add(records_of(1), vectors_of(1))
        assert len(ask(other, vectors_of(1)[0], 20)) == 10
        writer.execute("ROLLBACK")
        writer.close()
        other.add(records_of(1, first=10), vectors_of(1))
        assert len(other) == 11


def test_a_second_writer_is_queued(path: Path) -> None:
    with filled(path) as index:
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        writer.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, writer.execute, ["ROLLBACK"])
        release.start()
        index.add(records_of(1, first=10), vectors_of(1))
        release.join()
        writer.close()
        assert len(index) == 11


def test_readers_see_what_others_write(path: Path) -> None:
    with filled(path) as writer, EmbeddedIndex.open(path) as reader:
        query, where = vectors_of(1, seed=3)[0], parse_filter("n >= 5")
        for step in range(3):
            writer.add(records_of(2, first=10 + 2 * step), vectors_of(2, seed=step))
            writer.remove([f"r{step}"])
            assert ask(reader, query, 50) == ask(writer, query, 50)
            assert len(ask(reader, query, 50, where)) == 7 + 2 * step
        assert len(ask(reader, query, 50)) == 13


def test_a_failed_batch_leaves_nothing(path: Path) -> None:
    with filled(path) as index:

        class Unlucky(Mapping[str, str]):
            """Fields that can be looked at once: by the check before the transaction, not by the writing in it."""

            looks = 0

            def __getitem__(self, name: str) -> str:
                return "value"

            def __iter__(self) -> Iterator[str]:
                self.looks += 1
                if self.looks > 1:
                    raise RuntimeError("in the middle of the batch")
                return iter(["name"])

            def __len__(self) -> int:
                return 1

        with pytest.raises(RuntimeError, match="in the middle"):
            index.add([*records_of(3, first=10), Record("bad", "", Unlucky())], vectors_of(4))
        assert len(index) == 10
        index.add(records_of(1, first=10), vectors_of(1))
        assert len(index) == 11


def test_threads_may_share_one_object(path: Path) -> None:
    with filled(path, 200) as index:
        expected = ask(index, vectors_of(1)[0], 10)
        wrong: list[object] = []

        def ask_often() -> None:
            for _ in range(20):
                found = ask(index, vectors_of(1)[0], 10)
                if found != expected:
                    wrong.append(found)

        threads = [threading.Thread(target=ask_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        index.add(records_of(5, first=200), -np.repeat(vectors_of(1), 5, axis=0))
        for thread in threads:
            thread.join()
        assert wrong == []


def test_reencoding_changes_all_or_nothing(path: Path) -> None:
    with filled(path, 30) as index, EmbeddedIndex.open(path) as reader:
        index.build_graph()
        assert ask(reader, vectors_of(30)[7], 1)[0].record.id == "r7"
        wide = unit_rows(np.random.default_rng(1).standard_normal((30, 8)))
        ids = [record.id for record in index.records()]

        with pytest.raises(CatalogueError, match=r"1 records have no new one.*'r29'"):
            index.reencode("enc2", 8, [(ids[:20], wide[:20]), (ids[20:29], wide[20:29])])
        assert index.encoder_name == "enc"
        assert ask(index, vectors_of(30)[7], 1)[0].record.id == "r7"

        index.reencode("enc2", 8, [(ids[:20], wide[:20]), (ids[20:29], wide[20:29])], drop_missing=True)
        assert (index.encoder_name, index.dim, len(index)) == ("enc2", 8, 29)
        assert ask(index, wide[7], 1)[0].record.id == "r7"
        with pytest.raises(CatalogueError, match="re-encoded meanwhile, with enc2"):
            ask(reader, vectors_of(30)[7], 1)


def test_the_graph_agrees_with_the_scan_whatever_happened_since(path: Path) -> None:
    with filled(path, 400) as index, EmbeddedIndex.open(path) as exact:
        index.build_graph()
        assert len(list(path.parent.glob("*.hnsw"))) == 1
        index.add(records_of(10, first=400), vectors_of(10, seed=1))
        index.add(records_of(3), vectors_of(3, seed=2))
        index.remove([f"r{at}" for at in range(100, 150)])
        for seed in range(8):
            query = vectors_of(1, seed=seed)[0]
            found = ask(index, query, 10)
            exact.drop_graph()
            best = ask(exact, query, 10)
            # The graph is approximate and built by several threads; what it gives must be right, and nearly all of it.
            true = {hit.record.id: hit.score for hit in ask(exact, query, len(exact))}
            assert all(true[hit.record.id] == hit.score for hit in found)
            assert len({hit.record.id for hit in found} & {hit.record.id for hit in best}) >= 7
            index.build_graph()
            assert ask(index, query, 400) == ask(exact, query, 400)
        assert len(list(path.parent.glob("*.hnsw"))) == 1


def test_a_graph_that_lost_too_many_gives_way_to_the_scan(path: Path) -> None:
    with filled(path, 300) as index:
        index.build_graph()
        near = [hit.record.id for hit in ask(index, vectors_of(1)[0], 200)]
        index.remove(near)
        assert len(ask(index, vectors_of(1)[0], 20)) == 20


@pytest.mark.parametrize("harm", ["deleted", "truncated", "garbage"])
def test_a_harmed_side_file_harms_nothing(path: Path, harm: str) -> None:
    with filled(path, 300) as index:
        index.build_graph()
    (side,) = path.parent.glob("*.hnsw")
    content = side.read_bytes()
    side.unlink()
    if harm != "deleted":
        side.write_bytes(content[:1000] if harm == "truncated" else os.urandom(len(content)))
    with EmbeddedIndex.open(path) as index:
        assert [hit.record.id for hit in ask(index, vectors_of(300)[42], 1)] == ["r42"]
        index.build_graph()
        assert [hit.record.id for hit in ask(index, vectors_of(300)[42], 1)] == ["r42"]
    assert len(list(path.parent.glob("*.hnsw"))) == 1


def test_a_graph_of_nothing_is_no_error(path: Path) -> None:
    with EmbeddedIndex.open(path, encoder_name="enc", dim=DIM) as index:
        index.build_graph()
        assert ask(index, vectors_of(1)[0], 5) == []
        index.add(records_of(3), vectors_of(3))
        assert len(ask(index, vectors_of(1)[0], 5)) == 3


def test_a_filter_that_is_asked_again_sees_what_was_written_since(path: Path) -> None:
    one, true = parse_filter("on = 1"), parse_filter("on = true")
    vectors = vectors_of(3)
    with EmbeddedIndex.open(path, encoder_name="enc", dim=DIM) as index:
        index.add([Record("one", "/a", {"on": 1}), Record("true", "/b", {"on": True})], vectors[:2])
        for _ in range(2):
            assert [hit.record.id for hit in ask(index, vectors[0], 5, one)] == ["one"]
            assert [hit.record.id for hit in ask(index, vectors[0], 5, true)] == ["true"]
        index.add([Record("new", "/c", {"on": True})], vectors[2:])
        assert {hit.record.id for hit in ask(index, vectors[0], 5, true)} == {"true", "new"}
        index.remove(["true"])
        assert {hit.record.id for hit in ask(index, vectors[0], 5, true)} == {"new"}
