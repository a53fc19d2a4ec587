"""A job over pictures: every item ends as a result, skipped, or a failure with a reason; a model at a time if asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catalens.catalogue.sources import Entry, Item
from catalens.core.errors import AnswerError, InputError, ModelError
from catalens.core.types import Outcome, Record
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import Callbacks, Progress
from catalens.pipelines.journal import Journal
from catalens.pipelines.output import OutputRow
from catalens.pipelines.sidecars import Sidecars
from catalens.pipelines.stages import Picture, Stage, Step, Values
from tests.support.stages import FunctionStage


@pytest.fixture
def items(tmp_path: Path) -> list[Entry]:
    """Ten pictures, of which number 3 is broken."""
    made: list[Entry] = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
        if number == 3:
            path.write_bytes(path.read_bytes()[:20])
        made.append(Item(path.name, path, str(path), {"number": number}))
    return made


def many(items: Sequence[Entry]) -> list[Entry]:
    """Return thirty items that have ten pictures."""
    alike = [
        Item(f"{item.id}-{copy}", item.picture, item.source)
        for copy in (1, 2)
        for item in items
        if isinstance(item, Item)
    ]
    return [*items, *alike]


class Reader:
    """Says which picture it sees; counts what it is given; may be closed."""

    def __init__(self, name: str = "caption") -> None:
        self.name = name
        self.batches: list[list[str]] = []
        self.loads = 0
        self.alive = False
        self.bad: Callable[[Picture], Exception | None] = lambda _: None

    def load(self) -> Step:
        self.loads += 1
        self.alive = True
        return Step(self.run, batch_size=4, finish=self.close)

    def close(self) -> None:
        self.alive = False

    def run(self, pictures: Sequence[Picture]) -> list[Values]:
        assert self.alive
        self.batches.append([picture.record.id for picture in pictures])
        for picture in pictures:
            if error := self.bad(picture):
                raise error
        return [{self.name: f"{self.name} {picture.pixels().getpixel((0, 0))}"[:40]} for picture in pictures]

    @property
    def stage(self) -> Stage:
        return FunctionStage(self.name, self.load)


class Kept:
    """An output that keeps results in memory, and holds some from before."""

    def __init__(self, held: Sequence[str] = ()) -> None:
        self.held = held
        self.rows: dict[str, Values] = {}
        self.finished = False

    def holds(self, record: Record) -> bool:
        return record.id in self.held

    def write(self, results: Sequence[OutputRow]) -> None:
        for row in results:
            self.take(row.record, row.values)

    def take(self, record: Record, values: Values) -> None:
        self.rows[record.id] = dict(values)

    def finish(self) -> None:
        self.finished = True


def names(*numbers: int) -> list[str]:
    return [f"{number}.png" for number in numbers]


def test_every_picture_gets_its_own_result_in_order_and_a_bad_one_is_named(items: list[Entry]) -> None:
    reader, out = Reader(), Kept()
    seen: list[tuple[str, int]] = []
    shown: list[str] = []
    report = run_job(
        [*items, Outcome("row 11", "no picture")],
        [reader.stage],
        [out],
        callbacks=Callbacks(
            on_result=lambda record, _: shown.append(record.id),
            on_progress=lambda now: seen.append((now.what, now.done)),
        ),
    )
    assert out.rows == {name: {"caption": f"caption ({name[0]}, 0, 0)"} for name in names(0, 1, 2, 4, 5, 6, 7, 8, 9)}
    assert shown == list(out.rows)
    assert (report.done, report.skipped) == (9, 0)
    assert {failure.id for failure in report.failures} == {"row 11", "3.png"}
    assert out.finished
    assert max(map(len, reader.batches)) == 4
    assert seen[-1] == ("caption", 11)
    assert not reader.alive


def test_what_all_outputs_hold_is_skipped_and_without_work_no_model_is_loaded(items: list[Entry]) -> None:
    reader, out, other = Reader(), Kept(names(*range(10))), Kept(names(*range(9)))
    report = run_job(items, [reader.stage], [out])
    assert (report.done, report.skipped, reader.loads) == (0, 10, 0)
    report = run_job(items, [reader.stage], [out, other])
    assert (report.done, report.skipped, reader.loads) == (1, 9, 1)
    assert list(other.rows) == names(9)


def test_a_later_stage_finds_what_the_earlier_ones_gave(items: list[Entry]) -> None:
    reader, out = Reader(), Kept()
    longer = FunctionStage("longer", lambda: Step(lambda all: [{"long": len(each.values["caption"])} for each in all]))
    run_job(items, [reader.stage, longer], [out])
    assert out.rows["4.png"] == {"caption": "caption (4, 0, 0)", "long": 17}


def test_one_at_a_time_the_first_model_is_gone_before_the_second_comes(items: list[Entry]) -> None:
    first, second, out = Reader("first"), Reader("second"), Kept()
    alive: list[tuple[bool, bool]] = []

    def watch(_: Progress) -> None:
        alive.append((first.alive, second.alive))

    report = run_job(
        items, [first.stage, second.stage], [out], one_at_a_time=True, callbacks=Callbacks(on_progress=watch)
    )
    assert (True, True) not in alive
    assert {(True, False), (False, True)} <= set(alive)
    assert out.rows["0.png"] == {"first": "first (0, 0, 0)", "second": "second (0, 0, 0)"}
    assert (report.done, len(report.failures)) == (9, 1), "the broken picture is reported once"
    together = Kept()
    run_job(items, [Reader("first").stage, Reader("second").stage], [together])
    assert together.rows == out.rows


def test_a_picture_that_a_model_fails_for_costs_that_picture(items: list[Entry]) -> None:
    reader, out = Reader(), Kept()
    reader.bad = lambda picture: ValueError("cannot") if picture.record.id in names(5, 6) else None
    report = run_job(items, [reader.stage], [out])
    assert [failure.id for failure in report.failures] == names(3, 5, 6)
    assert "5.png: cannot" in str(report.failures[1].error)
    assert list(out.rows) == names(0, 1, 2, 4, 7, 8, 9)


def test_an_error_in_place_of_values_fails_that_picture_alone(items: list[Entry]) -> None:
    out = Kept()

    def run(pictures: Sequence[Picture]) -> list[Values | AnswerError]:
        return [AnswerError("nothing") if each.record.id == "7.png" else {"caption": "x"} for each in pictures]

    report = run_job(items, [FunctionStage("captions", lambda: Step(run))], [out])
    assert [failure.id for failure in report.failures] == names(3, 7)
    assert len(out.rows) == 8


def test_a_model_that_fails_every_time_stops_the_job_and_its_journal_stays(items: list[Entry], tmp_path: Path) -> None:
    reader, out = Reader(), Kept()
    reader.bad = lambda picture: ModelError("the server is gone") if picture.record.id != "0.png" else None
    journal = Journal(tmp_path / "job.part", "job")
    with pytest.raises(ModelError, match="stopped after 16 failures in a row; the last: the server is gone"):
        run_job(many(items), [reader.stage], [out], journal=journal)
    assert not out.finished
    assert not reader.alive
    assert journal.path.exists()


def test_answers_of_no_use_never_stop_a_job(items: list[Entry]) -> None:
    reader = Reader()
    reader.bad = lambda _: AnswerError("it refused")
    assert len(run_job(many(items), [reader.stage]).failures) == 30


def test_too_few_results_are_the_stage_s_fault(items: list[Entry]) -> None:
    report = run_job(items[:2], [FunctionStage("captions", lambda: Step(lambda _: []))])
    assert "captions: 0 results were returned for 1 pictures" in str(report.failures[0].error)


def test_pictures_come_as_small_as_every_model_allows(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (1600, 1200)).save(path)
    sizes: list[tuple[int, int]] = []

    def stage(size_wh: tuple[int, int] | None) -> Stage:
        def run(pictures: Sequence[Picture]) -> list[Values]:
            sizes.append(pictures[0].pixels().size)
            return [{}] * len(pictures)

        return FunctionStage("look", lambda: Step(run, size_wh))

    items = [Item("large", path, str(path))]
    run_job(items, [stage((100, 100)), stage((200, 100))])
    run_job(items, [stage((100, 100)), stage(None)])
    assert sizes[0][0] < 800
    assert min(sizes[0]) >= 100
    assert sizes[2] == (1600, 1200)


# Journals


class StoppedError(Exception):
    """Stands for whatever ends a process: it is no error of an item."""


def stop_after(count: int) -> Callable[[Record, Values], None]:
    done: list[str] = []

    def on_result(record: Record, _: Values) -> None:
        done.append(record.id)
        if len(done) == count:
            raise StoppedError

    return on_result


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_job_goes_on_where_it_was_and_gives_what_it_had(
    items: list[Entry], tmp_path: Path, *, one_at_a_time: bool
) -> None:
    journal, whole = tmp_path / "job.part", Kept()
    run_job(items, [Reader("first").stage, Reader("second").stage], [whole])
    with pytest.raises(StoppedError):
        run_job(
            items,
            [Reader("first").stage, Reader("second").stage],
            [Kept()],
            journal=Journal(journal, "job"),
            one_at_a_time=one_at_a_time,
            callbacks=Callbacks(on_result=stop_after(4)),
        )
    first, second, out = Reader("first"), Reader("second"), Kept()
    report = run_job(
        items, [first.stage, second.stage], [out], journal=Journal(journal, "job"), one_at_a_time=one_at_a_time
    )
    assert out.rows == whole.rows
    assert list(out.rows) == list(whole.rows), "in the order of the entries, not of the runs"
    assert report.done == 9
    again = {name for batch in second.batches for name in batch}
    assert "0.png" not in again
    assert again
    if one_at_a_time:
        assert first.batches == [], "the first stage was done for all"
    assert not journal.exists()


def test_a_line_that_was_cut_off_is_done_again(items: list[Entry], tmp_path: Path) -> None:
    path = tmp_path / "job.part"
    with pytest.raises(StoppedError):
        run_job(
            items,
            [Reader().stage],
            [Kept()],
            journal=Journal(path, "job"),
            callbacks=Callbacks(on_result=stop_after(4)),
        )
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:-5])
    reader, out = Reader(), Kept()
    run_job(items, [reader.stage], [out], journal=Journal(path, "job"))
    assert json.loads(lines[-1])[0] in reader.batches[0]
    assert len(out.rows) == 9


def test_a_journal_of_another_job_is_not_mixed_with_this_one(items: list[Entry], tmp_path: Path) -> None:
    path = tmp_path / "job.part"
    with pytest.raises(StoppedError):
        run_job(
            items, [Reader().stage], journal=Journal(path, ["blip", 1]), callbacks=Callbacks(on_result=stop_after(1))
        )
    with pytest.raises(InputError, match="another model or other options: finish it with those, or delete the file"):
        run_job(items, [Reader().stage], journal=Journal(path, ["blip", 2]))
    path.write_text("not a journal\n")
    with pytest.raises(InputError, match="not the journal"):
        run_job(items, [Reader().stage], journal=Journal(path, ["blip", 2]))


def test_an_output_that_cannot_write_costs_the_item(items: list[Entry], tmp_path: Path) -> None:
    (tmp_path / "5.txt").mkdir()
    report = run_job(items, [Reader().stage], [Sidecars("caption", if_exists="overwrite")])
    assert [failure.id for failure in report.failures] == names(3, 5)
    assert (tmp_path / "4.txt").read_text() == "caption (4, 0, 0)\n"


def test_items_that_come_between_two_rounds_wait_for_the_next_job(items: list[Entry]) -> None:
    class Growing:
        times = 0

        def __iter__(self) -> Iterator[Entry]:
            self.times += 1
            return iter(items if self.times > 1 else items[:5])

    out: Any = Kept()
    report = run_job(Growing(), [Reader("first").stage, Reader("second").stage], [out], one_at_a_time=True)
    assert list(out.rows) == names(0, 1, 2, 4)
    assert (report.done, len(report.failures)) == (4, 1)
