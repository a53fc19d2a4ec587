"""`catalens index check`: damage is named, and what is sound is saved."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.support.ran import Run


def test_a_sound_catalogue_has_no_problems(run: Run, catalogue: Path) -> None:
    ran = run("index", "check", catalogue)
    assert (ran.code, ran.rows[0]["records"], ran.rows[0]["problems"]) == (0, 6, 0)


def test_a_damaged_vector_is_named_and_encoded_again(run: Run, catalogue: Path) -> None:
    before = run("search", catalogue, "red", "-k", 6).rows
    with sqlite3.connect(catalogue) as file:
        table, column = next(
            (table, column[1])
            for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for column in file.execute(f"PRAGMA table_info({table})").fetchall()
            if column[1] == "vector"
        )
        file.execute(f"UPDATE {table} SET {column} = zeroblob(length({column})) WHERE rowid = 1")
    file.close()
    assert run("search", catalogue, "red").code == 3
    ran = run("index", "check", catalogue)
    assert ran.code == 1
    assert "--repair" in ran.err
    ran = run("index", "check", catalogue, "--repair")
    assert ran.code == 0
    assert (ran.rows[0]["kept"], ran.rows[0]["encoded"]) == (5, 1)
    assert {row["id"]: row["score"] for row in run("search", catalogue, "red", "-k", 6).rows} == {
        row["id"]: row["score"] for row in before
    }
