"""The journal of a job: what was noted is read back, whatever a kill left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.pipelines.journal import Journal, Note

A, B = ("a", "a.jpg"), ("b", "b.jpg")


def noted(path: Path, *notes: tuple[tuple[str, str], Note]) -> None:
    journal = Journal(path, "job")
    journal.append(notes)
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_line_that_a_kill_cut_off_is_dropped_and_the_next_one_stands_by_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "job.part"
    noted(path, (A, Note(1, {"caption": "red"})), (B, Note(1, {"caption": "blue"})))
    path.write_bytes(path.read_bytes()[:-cut])
    assert Journal(path, "job").read() == {A: Note(1, {"caption": "red"})}
    noted(path, (B, Note(1, {"caption": "green"})))
    assert Journal(path, "job").read() == {A: Note(1, {"caption": "red"}), B: Note(1, {"caption": "green"})}


def test_the_latest_note_of_an_item_counts(tmp_path: Path) -> None:
    noted(tmp_path / "job.part", (A, Note(1, {"caption": "red"})), (A, Note(2, {"caption": "red", "tags": []})))
    assert Journal(tmp_path / "job.part", "job").read() == {A: Note(2, {"caption": "red", "tags": []})}
