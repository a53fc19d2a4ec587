"""An index of any kind is re-encoded beside the old one and swapped; a kill at any moment changes nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.catalogue.migrating import migrate
from catalens.catalogue.opening import open_index
from catalens.catalogue.replacing import replacement_of
from catalens.core.errors import CatalogueError, InputError
from catalens.core.protocols import Index
from catalens.core.types import Record
from catalens.models.fakes import FakeEncoder
from catalens.pipelines.migrating import Reencoding, reencode_beside, reencode_into
from catalens.pipelines.session import Session, SessionConfig
from tests.support import migrate_child
from tests.support.indexes import ask, vectors_of

OPENSEARCH = pytest.param("opensearch", marks=pytest.mark.opensearch)
KINDS = ["file", "postgres", OPENSEARCH]
OLD, NEW = FakeEncoder(16), FakeEncoder(24)
N = 30
KILLS = 3
"""Moments at which a migration is killed, besides each of the last ones, where the swap is."""

NewIndex = Callable[[str], str]


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> NewIndex:
    """Return the address of a new index of a kind."""
    numbers = iter(range(1000))

    def address(kind: str) -> str:
        if kind == "file":
            return str(tmp_path / f"{next(numbers)}.catalens")
        found: str = request.getfixturevalue(kind).new()
        return found

    return address


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{at:02}.png" for at in range(N)]
    for at, path in enumerate(found):
        Image.new("RGB", (8, 8), (at, 2 * at, 3 * at)).save(path)
    return found


def fill(uri: str, photos: list[Path]) -> None:
    records = [Record(path.name, str(path), {"n": at}) for at, path in enumerate(photos)]
    with open_index(uri, encoder_name=OLD.name, dim=OLD.dim) as index:
        index.add(records, encoded(OLD, photos), [f"hash {path.name}" for path in photos])


def encoded(encoder: FakeEncoder, photos: list[Path]) -> Any:
    return encoder.encode_images([Image.open(path).convert("RGB") for path in photos])


def reencode(uri: str, **options: Any) -> Reencoding:
    with Session(SessionConfig(workers=1)) as session:
        return reencode_beside(uri, NEW, session=session, **options)


def holds(index: Index, encoder: FakeEncoder, photos: list[Path]) -> None:
    """Compare everything that an index holds."""
    assert index.encoder_name == encoder.name
    records = sorted(index.records(), key=lambda record: record.id)
    assert records == [Record(path.name, str(path), {"n": at}) for at, path in enumerate(photos)]
    assert index.hashes() == {path.name: f"hash {path.name}" for path in photos}
    np.testing.assert_allclose(index.vectors([path.name for path in photos]), encoded(encoder, photos), atol=1e-3)
    assert ask(index, encoded(encoder, photos[3:4])[0], 1)[0].record.id == photos[3].name
    assert len(index) == len(photos)


@pytest.mark.parametrize("kind", KINDS)
def test_the_new_index_takes_the_old_one_s_place(new: NewIndex, photos: list[Path], kind: str) -> None:
    uri = new(kind)
    fill(uri, photos)
    before = open_index(uri)
    assert (reencode(uri).encoded, reencode(uri).encoded) == (N, 0)
    with open_index(uri, encoder_name=NEW.name, dim=NEW.dim) as index:
        holds(index, NEW, photos)
        assert len(index.keyword("05.png", 3)) > 0
    # Whoever had it open must not search or fill the new one with vectors of the old encoder.
    with pytest.raises(CatalogueError, match=r"re-encoded meanwhile|blocked for writing"):
        before.add([Record("late", "")], vectors_of(1))
    if kind != "opensearch":  # there the old index goes on answering under its own name, or is noticed by its answers
        with pytest.raises(CatalogueError, match="re-encoded meanwhile"):
            ask(before, vectors_of(1)[0], 1)
    before.close()
    with closing(replacement_of(uri)) as replacement:
        assert replacement.kept()
        assert len(replacement.drop()) == 1
        assert (replacement.kept(), list(replacement.drop())) == (False, [])
    with pytest.raises(InputError, match="is of fake-24 already"):
        reencode(uri)
    with open_index(uri) as index:
        holds(index, NEW, photos)
        index.add([Record("one more", "")], NEW.encode_texts(["x"]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_old_index_is_kept_and_another_one_refused_until_it_is_dropped(
    new: NewIndex, photos: list[Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = new(kind)
    fill(uri, photos)
    kept = reencode(uri).kept
    assert kept is not None
    old = {"file": kept, "postgres": f"{uri}_old"}.get(kind, uri.replace(uri.split("/")[-1], kept))
    with open_index(old, read_only=True) as index:
        holds(index, OLD, photos)
    with Session(SessionConfig(workers=1)) as session:
        with pytest.raises(CatalogueError, match=r"is kept .* --drop"):
            reencode_beside(uri, OLD, session=session)
        with closing(replacement_of(uri)) as replacement:
            replacement.drop()
        assert reencode_beside(uri, OLD, session=session).encoded == N
    with open_index(uri) as index:
        holds(index, OLD, photos)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_meanwhile_is_in_the_new_index(new: NewIndex, photos: list[Path], kind: str) -> None:
    uri = new(kind)
    fill(uri, photos[:-2])
    done = False

    def write(_done: int, _total: int) -> None:
        nonlocal done
        if not done:
            done = True
            with open_index(uri) as index:
                records = [Record(path.name, str(path), {"n": N - 2 + at}) for at, path in enumerate(photos[-2:])]
                index.add([*records, Record("gone", "")], np.concatenate([encoded(OLD, photos[-2:]), vectors_of(1)]))
                index.remove(["gone", photos[0].name])

    reencode(uri, on_progress=write)
    with open_index(uri) as index:
        assert sorted(record.id for record in index.records()) == [path.name for path in photos[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_unreadable_pictures_leave_the_old_index_in_use(new: NewIndex, photos: list[Path], kind: str) -> None:
    uri = new(kind)
    fill(uri, photos)
    photos[4].unlink()
    done = reencode(uri)
    assert ([each.id for each in done.failures], done.encoded, done.kept) == ([photos[4].name], N - 1, None)
    with open_index(uri, read_only=True) as index:
        assert (index.encoder_name, len(index)) == (OLD.name, N)
    with Session(SessionConfig(workers=1)) as session, pytest.raises(CatalogueError, match=r"unfinished .* --drop"):
        reencode_beside(uri, FakeEncoder(32), session=session)
    done = reencode(uri, skip_unreadable=True)
    assert (done.encoded, done.skipped) == (0, N - 1)
    with open_index(uri) as index:
        assert (index.encoder_name, len(index)) == (NEW.name, N - 1)


def test_a_copy_may_have_another_encoder(new: NewIndex, photos: list[Path]) -> None:
    here, there = new("file"), new("postgres")
    fill(here, photos)
    with Session(SessionConfig(workers=1)) as session:
        assert reencode_into(here, there, NEW, session=session).encoded == N
    with open_index(here) as index, open_index(there) as other:
        holds(index, OLD, photos)
        holds(other, NEW, photos)


MOVES = [
    ("file", "file"),
    ("file", "postgres"),
    ("postgres", "file"),
    pytest.param("file", "opensearch", marks=pytest.mark.opensearch),
    pytest.param("opensearch", "postgres", marks=pytest.mark.opensearch),
    ("file", None),
    ("postgres", None),
    pytest.param("opensearch", None, marks=pytest.mark.opensearch),
]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize(("source", "destination"), MOVES)
def test_a_killed_migration_goes_on_to_the_same_end(
    new: NewIndex, photos: list[Path], source: str, destination: str | None
) -> None:
    def fresh() -> tuple[str, str]:
        here = new(source)
        fill(here, photos)
        return here, new(destination) if destination else ""

    total = run_child(*fresh(), 0)
    last = range(total - (0 if destination else 9), total + 1)
    for kill_at in sorted({*np.linspace(1, total - 1, KILLS).astype(int).tolist(), *last}):
        here, there = fresh()
        assert run_child(here, there, kill_at) == -signal.SIGKILL
        with open_index(here) as index:  # in use all the while, with the old vectors or the new ones
            holds(index, NEW if index.encoder_name == NEW.name else OLD, photos)
        if there:
            migrate(here, there)
        else:
            reencode(here)
        with open_index(there or here) as index:
            holds(index, OLD if there else NEW, photos)
        if not there:
            with closing(replacement_of(here)) as replacement:
                assert replacement.kept()


def run_child(source: str, destination: str, kill_at: int) -> int:
    """Run a migration, and return how many reads and writes it made, or its negative signal."""
    command = [sys.executable, migrate_child.__file__, source, destination, str(kill_at)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode or int(done.stdout.split()[-1])
