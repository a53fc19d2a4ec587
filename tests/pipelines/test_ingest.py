"""Nothing is lost silently, nothing is done twice, and nothing bad spreads to its neighbours."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.memory import MemoryIndex
from catalens.catalogue.sources import Entry, Item, open_source
from catalens.core.errors import CatalogueError, InputError
from catalens.core.protocols import LocalIndex
from catalens.core.types import Outcome, Record, Vectors
from catalens.models.fakes import FakeEncoder
from catalens.pipelines.events import Progress
from catalens.pipelines.ingest import Replaced, Report, ingest
from catalens.pipelines.prefetch import content_hash, map_ahead, read_item

POISON = (255, 0, 255)


def drawn(number: int, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, (number % 200, number // 200, 7)).save(stream, kind)
    return stream.getvalue()


def poisonous() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 8), POISON).save(stream, "PNG")
    return stream.getvalue()


def products(n: int) -> list[Item]:
    return [Item(f"p{i}", drawn(i), f"shop#{i}", {"title": f"product {i}"}) for i in range(n)]


@pytest.fixture(params=["memory", "embedded"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalIndex]:
    if request.param == "memory":
        yield MemoryIndex("fake-16", 16)
    else:
        with EmbeddedIndex.open(tmp_path / "catalogue", encoder_name="fake-16", dim=16) as embedded:
            yield embedded


def ids(index: LocalIndex) -> list[str]:
    return sorted(record.id for record in index.records())


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.skipped, report.removed, len(report.failures)


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("catalens-decode")]


class Allergic(FakeEncoder):
    """Fails, in one way or another, over any batch with a poisonous picture."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        rows = super().encode_images(images)
        for row, image in zip(rows, images, strict=True):
            if image.getpixel((0, 0)) == POISON:
                if self.way == "raises":
                    raise RuntimeError("the device is on fire")
                if self.way == "short":
                    return rows[:-1]
                row[3] = np.nan
        return rows


class TestWhatIsDone:
    def test_every_good_picture_is_done_and_every_bad_one_named(self, tmp_path: Path, index: LocalIndex) -> None:
        for i in range(300):
            (tmp_path / f"{i:03}.jpg").write_bytes(drawn(i, (30, 40), "JPEG"))
        whole = (tmp_path / "017.jpg").read_bytes()
        for number, content in ((17, whole[: len(whole) // 2]), (64, b""), (299, b"not a picture")):
            (tmp_path / f"{number:03}.jpg").write_bytes(content)
        (tmp_path / "gone.jpg").symlink_to("nowhere")
        bad = ["017.jpg", "064.jpg", "299.jpg", "gone.jpg"]
        encoder = FakeEncoder()

        report = ingest(open_source(tmp_path), encoder, index, workers=3, batch_size=32)

        assert counts(report) == (297, 0, 0, 0, 4)
        assert sorted(outcome.id for outcome in report.failures) == bad
        assert all(outcome.id in str(outcome.error) for outcome in report.failures)
        assert ids(index) == sorted({f"{i:03}.jpg" for i in range(300)} - set(bad))
        assert encoder.batches == [32] * 9 + [9]
        assert report.done == 301
        assert not decoding_threads()

    def test_vectors_and_records_belong_together(self, index: LocalIndex) -> None:
        ingest(products(50), FakeEncoder(), index, workers=3, batch_size=7)
        pictures = [Image.open(BytesIO(drawn(i))) for i in range(50)]
        assert np.allclose(
            index.vectors([f"p{i}" for i in range(50)]), FakeEncoder().encode_images(pictures), atol=2e-3
        )
        assert Record("p4", "shop#4", {"title": "product 4"}) in list(index.records())

    @pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (2, 5), (4, 64)])
    def test_order_batches_and_threads_change_nothing(self, workers: int, batch_size: int) -> None:
        one, other = MemoryIndex("fake-16", 16), MemoryIndex("fake-16", 16)
        shuffled = products(40)
        random.shuffle(shuffled)
        ingest(products(40), FakeEncoder(), one, workers=2, batch_size=16)
        ingest(shuffled, FakeEncoder(), other, workers=workers, batch_size=batch_size)
        assert one.hashes() == other.hashes()
        assert np.array_equal(one.vectors(ids(one)), other.vectors(ids(one)))

    def test_nothing_to_do(self, index: LocalIndex) -> None:
        report = ingest([], FakeEncoder(), index)
        assert counts(report) == (0, 0, 0, 0, 0)

    def test_what_the_source_could_not_read_is_in_the_report(self, index: LocalIndex) -> None:
        told = Outcome("", "a.csv, line 3: 2 cells")
        report = ingest([told, *products(2)], FakeEncoder(), index)
        assert report.failures == (told,)
        assert report.added == 2


class TestSecondRun:
    def test_skips_what_is_unchanged(self, index: LocalIndex) -> None:
        ingest(products(30), FakeEncoder(), index)
        encoder = FakeEncoder()
        report = ingest(products(30), encoder, index)
        assert counts(report) == (0, 0, 30, 0, 0)
        assert encoder.batches == []

    def test_does_not_decode_what_is_unchanged(self) -> None:
        (item,) = products(1)
        hashes: list[str] = []

        def is_new(content: bytes | None) -> bool:
            assert content is not None
            hashes.append(content_hash(content, item))
            return len(hashes) == 1

        assert isinstance(read_item(item, (8, 8), is_new), Image.Image)
        assert read_item(item, (8, 8), is_new) is None
        assert hashes[0] == hashes[1]

    def test_an_index_whose_pictures_are_unchanged_is_not_decoded_for(
        self, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ingest(products(3), FakeEncoder(), index)
        monkeypatch.setattr("catalens.pipelines.prefetch.read_image", None)  # calling it would fail each picture
        report = ingest([replace(item, fields={"price": 1.0}) for item in products(3)], FakeEncoder(), index)
        assert counts(report) == (0, 3, 0, 0, 0)

    def test_new_fields_keep_the_vector(self, index: LocalIndex) -> None:
        first = products(30)
        ingest(first, FakeEncoder(), index)
        before = index.vectors([item.id for item in first])
        second = [*first[:10], *(replace(item, fields={"price": 3.5}) for item in first[10:])]
        encoder = FakeEncoder()
        report = ingest(second, encoder, index, batch_size=8)
        assert counts(report) == (0, 20, 10, 0, 0)
        assert encoder.batches == []
        assert np.array_equal(index.vectors([item.id for item in first]), before)
        assert {record.id for record in index.records() if record.fields == {"price": 3.5}} == {
            item.id for item in first[10:]
        }

    def test_a_new_picture_is_encoded_again(self, index: LocalIndex) -> None:
        first = products(10)
        ingest(first, FakeEncoder(), index)
        encoder = FakeEncoder()
        report = ingest([replace(first[0], picture=drawn(99)), *first[1:]], encoder, index)
        assert counts(report) == (0, 1, 9, 0, 0)
        assert encoder.batches == [1]

    def test_a_picture_from_another_place_that_takes_an_id_is_told(self, index: LocalIndex) -> None:
        same, moved, changed, taken = products(4)
        ingest([same, moved, changed, taken], FakeEncoder(), index)
        report = ingest(
            [
                same,
                replace(moved, source="elsewhere#1"),
                replace(changed, picture=drawn(98)),
                replace(taken, picture=drawn(99), source="elsewhere#3"),
            ],
            FakeEncoder(),
            index,
        )
        assert counts(report) == (0, 3, 1, 0, 0)
        assert report.replaced == (Replaced("p3", "shop#3", "elsewhere#3"),)

    def test_an_id_prefix_keeps_sources_apart(self, tmp_path: Path, index: LocalIndex) -> None:
        for place, folder in enumerate(("a", "b")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "1.png").write_bytes(drawn(place))
            (tmp_path / folder / "2.png").write_bytes(b"no picture")
        ingest(open_source(tmp_path / "a"), FakeEncoder(), index)
        report = ingest(open_source(tmp_path / "b", id_prefix="b/"), FakeEncoder(), index)
        assert ids(index) == ["1.png", "b/1.png"]
        assert counts(report) == (1, 0, 0, 0, 1)
        assert [outcome.id for outcome in report.failures] == ["b/2.png"]
        assert report.replaced == ()

    def test_scattered_new_pictures_fill_whole_batches(self, index: LocalIndex) -> None:
        everything = products(200)
        ingest(everything[::2], FakeEncoder(), index)
        encoder = FakeEncoder()
        ingest(everything, encoder, index, batch_size=25)
        assert encoder.batches == [25] * 4

    def test_failures_are_tried_again(self, index: LocalIndex) -> None:
        broken, *others = products(5)
        report = ingest([replace(broken, picture=b"x"), *others], FakeEncoder(), index)
        assert [outcome.id for outcome in report.failures] == ["p0"]
        assert counts(ingest(products(5), FakeEncoder(), index)) == (1, 0, 4, 0, 0)


class TestPrune:
    def test_removes_what_is_gone_only_when_asked(self, index: LocalIndex) -> None:
        ingest(products(10), FakeEncoder(), index)
        ingest(products(6), FakeEncoder(), index)
        assert len(ids(index)) == 10
        report = ingest(products(6), FakeEncoder(), index, prune=True)
        assert counts(report) == (0, 0, 6, 4, 0)
        assert ids(index) == [f"p{i}" for i in range(6)]

    def test_of_a_source_with_a_prefix_only_its_own_are_removed(self, tmp_path: Path, index: LocalIndex) -> None:
        ingest(products(3), FakeEncoder(), index)
        for name in ("1.png", "2.png"):
            (tmp_path / name).write_bytes(drawn(1))
        ingest(open_source(tmp_path, id_prefix="x/"), FakeEncoder(), index)
        (tmp_path / "1.png").unlink()
        report = ingest(open_source(tmp_path, id_prefix="x/"), FakeEncoder(), index, prune=True)
        assert counts(report) == (0, 0, 1, 1, 0)
        assert ids(index) == ["p0", "p1", "p2", "x/2.png"]

    def test_keeps_what_is_behind_a_link_whose_drive_is_missing(self, tmp_path: Path, index: LocalIndex) -> None:
        shop, drive = tmp_path / "shop", tmp_path / "drive"
        for path in (shop / "1.png", drive / "2.png"):
            path.parent.mkdir()
            path.write_bytes(drawn(1))
        (shop / "far").symlink_to(drive)
        ingest(open_source(shop), FakeEncoder(), index)
        drive.rename(tmp_path / "unmounted")
        report = ingest(open_source(shop), FakeEncoder(), index, prune=True)
        assert (report.removed, ids(index)) == (0, ["1.png", "far/2.png"])
        (notice,) = report.notices
        assert notice == (
            "1 record was kept, as pictures may still be there: far could not be listed, or is empty as without its "
            "drive; delete it to forget the record"
        )

    def test_names_all_folders_whose_records_it_keeps(self, tmp_path: Path, index: LocalIndex) -> None:
        pictures = [tmp_path / "shop" / name / "1.png" for name in "ab"]
        for path in pictures:
            path.parent.mkdir(parents=True)
            path.write_bytes(drawn(1))
        ingest(open_source(tmp_path / "shop"), FakeEncoder(), index)
        for path in pictures:
            path.unlink()
        (notice,) = ingest(open_source(tmp_path / "shop"), FakeEncoder(), index, prune=True).notices
        assert notice == (
            "2 records were kept, as pictures may still be there: a, b could not be listed, or are empty as without a "
            "drive; delete them to forget the records"
        )

    def test_keeps_what_failed_but_is_there(self, index: LocalIndex) -> None:
        ingest(products(3), FakeEncoder(), index)
        now: list[Entry] = [replace(products(1)[0], picture=b""), Outcome("p1", "no picture")]
        report = ingest(now, FakeEncoder(), index, prune=True)
        assert report.removed == 1
        assert ids(index) == ["p0", "p1"]

    @pytest.mark.parametrize("entries", [[], [Outcome("", "the rest of the file cannot be read"), products(1)[0]]])
    def test_removes_nothing_when_unsure(self, index: LocalIndex, entries: list[Entry]) -> None:
        ingest(products(3), FakeEncoder(), index)
        report = ingest(entries, FakeEncoder(), index, prune=True)
        assert report.removed == 0
        assert "nothing was removed" in str(report.failures[-1].error)
        assert len(ids(index)) == 3


class TestBadCompany:
    @pytest.mark.parametrize("way", ["raises", "short", "nan"])
    def test_a_poisonous_picture_loses_only_itself(self, index: LocalIndex, way: str) -> None:
        poisoned = [replace(item, picture=poisonous()) if item.id in ("p3", "p17") else item for item in products(40)]
        encoder = Allergic(way)
        report = ingest(poisoned, encoder, index, batch_size=16)
        assert [outcome.id for outcome in report.failures] == ["p3", "p17"]
        assert all(str(outcome.error).startswith("shop#") for outcome in report.failures)
        assert ids(index) == sorted({f"p{i}" for i in range(40)} - {"p3", "p17"})
        assert len(encoder.batches) <= 1 + 2 * (1 + 2 * 4)

    def test_a_record_that_the_index_refuses_loses_only_itself(self, index: LocalIndex) -> None:
        items = products(20)
        items[5] = replace(items[5], fields={"title": "a\0b"})
        report = ingest(items, FakeEncoder(), index)
        assert [outcome.id for outcome in report.failures] == ["p5"]
        assert report.added == 19

    def test_pictures_many_times_too_large_wait_at_a_smaller_size(self) -> None:
        image = read_item(Item("a", drawn(1, (1000, 640)), "a"), (32, 32))
        assert isinstance(image, Image.Image)
        assert image.size == (100, 64)


class TestInterruption:
    def test_what_was_written_stays_and_the_threads_end(self, index: LocalIndex) -> None:
        class Interrupted(FakeEncoder):
            def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
                if len(self.batches) == 2:
                    raise KeyboardInterrupt
                return super().encode_images(images)

        with pytest.raises(KeyboardInterrupt):
            ingest(products(100), Interrupted(), index, workers=3, batch_size=10)
        assert not decoding_threads()
        assert ids(index) == sorted(f"p{i}" for i in range(20))
        assert counts(ingest(products(100), FakeEncoder(), index)) == (80, 0, 20, 0, 0)

    def test_a_source_that_breaks_off(self, index: LocalIndex) -> None:
        def broken() -> Iterator[Item]:
            yield from products(100)[:60]
            raise OSError("the disk was pulled out")

        with pytest.raises(OSError, match="pulled out"):
            ingest(broken(), FakeEncoder(), index, workers=2, batch_size=10)
        assert not decoding_threads()
        assert 0 < len(ids(index)) < 60

    def test_killed_at_any_moment_and_resumed_without_doing_anything_twice(self, tmp_path: Path) -> None:
        pictures, log, file = tmp_path / "pictures", tmp_path / "log", tmp_path / "catalogue"
        pictures.mkdir()
        log.touch()
        for i in range(200):
            (pictures / f"{i}.png").write_bytes(drawn(i))
        written = 0
        for kills, stop_after in enumerate((3, 7, 12), start=1):
            child = subprocess.Popen([sys.executable, __file__, str(pictures), str(log), str(file)])
            try:
                until = time.monotonic() + 120  # a guard only; it takes a second
                while len(log.read_text().split()) < stop_after and time.monotonic() < until:
                    time.sleep(0.002)
            finally:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
            encoded = sum(map(int, log.read_text().split()))
            with EmbeddedIndex.open(file) as index:
                assert len(index) > written
                assert encoded - len(index) <= 5 * kills  # at most the batch in hand, at each kill
                written = len(index)
        encoder = FakeEncoder()
        with EmbeddedIndex.open(file) as index:
            report = ingest(open_source(pictures), encoder, index)
            assert counts(report) == (200 - written, 0, written, 0, 0)
            assert sum(encoder.batches) == 200 - written
            assert len(index) == 200


class TestFlow:
    def test_decoding_goes_on_while_a_result_is_in_use(self) -> None:
        third_done = threading.Event()

        def work(number: int) -> int:
            if number == 2:
                third_done.set()
            return number

        results = map_ahead(work, range(10), workers=2, ahead=lambda: 4)
        assert next(results) == 0
        assert third_done.wait(60)
        assert list(results) == list(range(1, 10))

    def test_without_workers_items_are_worked_on_in_the_callers_thread_when_their_turn_comes(self) -> None:
        worked: list[tuple[int, int]] = []

        def work(number: int) -> int:
            worked.append((number, threading.get_ident()))
            return number

        results = map_ahead(work, range(3), workers=0, ahead=lambda: 3)
        assert [next(results), next(results)] == [0, 1]
        assert worked == [(0, threading.get_ident()), (1, threading.get_ident())]

    def test_few_items_are_taken_ahead(self) -> None:
        taken = 0

        def counted() -> Iterator[Item]:
            nonlocal taken
            for taken, item in enumerate(products(500), start=1):  # noqa: B007 - read below
                yield item

        class Watching(FakeEncoder):
            def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
                ahead.append(taken - sum(self.batches))
                return super().encode_images(images)

        ahead: list[int] = []
        ingest(counted(), Watching(), MemoryIndex("fake-16", 16), workers=2, batch_size=32)
        assert max(ahead) <= 3 * 32 + 16

    @pytest.mark.parametrize("slow", ["decoding", "encoding", "writing"])
    def test_time_is_put_down_to_the_stage_that_took_it(self, slow: str) -> None:
        def wait(stage: str) -> None:
            time.sleep(0.01 * (slow == stage))

        def source() -> Iterator[Item]:
            for item in products(40):
                wait("decoding")
                yield item

        class Encoder(FakeEncoder):
            def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
                wait("encoding")
                return super().encode_images(images)

        class Index(MemoryIndex):
            def add(
                self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None
            ) -> None:
                wait("writing")
                super().add(records, vectors, hashes)

        told: list[Progress] = []
        report = ingest(source(), Encoder(), Index("fake-16", 16), batch_size=8, on_progress=told.append)
        assert report.seconds[slow] >= 0.01 * (40 if slow == "decoding" else 40 / 8)
        assert sum(report.seconds.values()) <= report.elapsed_s
        assert [progress.done for progress in told] == sorted(progress.done for progress in told)
        assert told[-1].done == report.done == 40
        assert told[-1].items_per_s >= report.items_per_s == 40 / report.elapsed_s

    @pytest.mark.parametrize("slow", ["decoding", "encoding", "writing"])
    def test_the_slowest_stage_is_what_limits(self, slow: str) -> None:
        seconds: dict[str, float] = {"decoding": 1.0, "encoding": 1.0, "writing": 1.0}
        seconds[slow] = 1.5
        report = Report(added=9, updated=0, skipped=0, removed=0, failures=(), seconds=seconds, elapsed_s=4.0)
        assert (report.limited_by, report.items_per_s) == (slow, 2.25)

    def test_another_encoder_is_refused_before_any_work(self) -> None:
        encoder = FakeEncoder(8)
        with pytest.raises(CatalogueError, match="'fake-16', not of 'fake-8'"):
            ingest(products(3), encoder, MemoryIndex("fake-16", 16))
        assert encoder.batches == []

    @pytest.mark.parametrize(("workers", "batch_size"), [(0, 64), (2, 0)])
    def test_numbers_that_make_no_sense(self, workers: int, batch_size: int) -> None:
        with pytest.raises(InputError, match="at least 1"):
            ingest([], FakeEncoder(), MemoryIndex("fake-16", 16), workers=workers, batch_size=batch_size)


def _until_killed(pictures: str, log: str, file: str) -> None:
    """Ingest slowly, in batches of 5, and log the size of each batch that was encoded."""

    class Logging(FakeEncoder):
        def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
            time.sleep(0.01)
            with Path(log).open("a") as stream:
                stream.write(f"{len(images)}\n")
            return super().encode_images(images)

    with EmbeddedIndex.open(file, encoder_name="fake-16", dim=16) as index:
        ingest(open_source(pictures), Logging(), index, batch_size=5)


if __name__ == "__main__":
    _until_killed(*sys.argv[1:])
