"""Copies between any two kinds of index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from catalens.catalogue.migrating import migrate
from catalens.catalogue.opening import open_index
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from tests.support.indexes import DIM, vectors_of

OPENSEARCH = pytest.mark.opensearch
RECORDS = [Record(f"r{at}", f"{at}.jpg", {"title": f"Item {at}", "price": at / 4}) for at in range(1200)]
HASHES = [f"hash {at}" for at in range(1200)]


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return the address of a new index of a kind."""
    return lambda kind: str(tmp_path / "c.catalens") if kind == "file" else request.getfixturevalue(kind).new()


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("file", "postgres"),
        ("postgres", "file"),
        ("postgres", "postgres"),
        pytest.param("file", "opensearch", marks=OPENSEARCH),
        pytest.param("opensearch", "file", marks=OPENSEARCH),
        pytest.param("postgres", "opensearch", marks=OPENSEARCH),
        pytest.param("opensearch", "opensearch", marks=OPENSEARCH),
    ],
)
def test_everything_arrives_and_a_stopped_copy_continues(
    new: Callable[[str], str], source: str, destination: str
) -> None:
    here, there = new(source), new(destination)
    with open_index(here, encoder_name="enc@2", dim=DIM) as index:
        index.add(RECORDS, vectors_of(1200), HASHES)

    def stop(done: int, total: int) -> None:
        assert total == 1200
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(here, there, on_progress=stop)
    with open_index(there) as index:
        assert len(index) == 500
        index.add([Record("r7", "elsewhere")], vectors_of(1))
    done = migrate(here, there)
    assert (done.copied, done.skipped, done.records) == (701, 499, 1200)
    with open_index(there, encoder_name="enc@2", dim=DIM, read_only=True) as index:
        assert sorted(index.records(), key=lambda record: int(record.id[1:])) == RECORDS
        assert index.hashes() == dict(zip((record.id for record in RECORDS), HASHES, strict=True))
        assert index.vectors([record.id for record in RECORDS]) == pytest.approx(vectors_of(1200), abs=1e-3)
    assert migrate(here, there).copied == 0


def test_a_destination_of_another_encoder_is_refused(new: Callable[[str], str]) -> None:
    here, there = new("file"), new("postgres")
    open_index(here, encoder_name="a", dim=DIM).close()
    open_index(there, encoder_name="b", dim=DIM).close()
    with pytest.raises(CatalogueError, match="filled by b"):
        migrate(here, there)
    with pytest.raises(CatalogueError, match="into itself"):
        migrate(here, here)
