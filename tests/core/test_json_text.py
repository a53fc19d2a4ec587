"""Whatever Catalens reads as JSON, deep nesting is an error that names the file, not a fault of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.pipelines.shards import _json_lines
from tests.support.ran import Run

DEEP = "[" * 200_000


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "PHOTO", "--schema", "fashion", "--calibration", "DEEP"],
        ["attributes", "PHOTO", "--sources", "DEEP"],
        ["tag", "PHOTO", "--labels", "DEEP"],
        ["tag", "DEEP", "--labels", "a,b"],
        ["finetune", "prepare", "DEEP", "--out", "OUT"],
        ["eval", "captions", "DEEP"],
        ["index", "add", "OUT", "DEEP"],
    ],
)
@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_deep_json_is_a_sentence(run: Run, photos: list[Path], tmp_path: Path, command: list[str], ending: str) -> None:
    deep = tmp_path / f"deep{ending}"
    deep.write_text(DEEP)
    places = {"PHOTO": photos[0], "DEEP": deep, "OUT": tmp_path / "out.parquet"}
    ran = run(*[places.get(each, each) for each in command])
    assert ran.code in (1, 2, 3)
    assert "Traceback" not in ran.err
    assert len(ran.err) < 2_000


CONTENTS = (b"\xff\xfe\x00", b'question,answer\n"' + b"x" * 200_000 + b'",y\n', b"5", b"{}")


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".csv"])
def test_a_file_of_questions_that_cannot_be_read_is_a_sentence(
    run: Run, tmp_path: Path, content: bytes, ending: str
) -> None:
    file = tmp_path / f"questions{ending}"
    file.write_bytes(content)
    assert run("finetune", "prepare", file, "--out", tmp_path / "out.parquet").code in (1, 2, 3)


def test_a_damaged_row_of_an_open_shard_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "_open.jsonl"
    file.write_text(DEEP + "\n")
    with pytest.raises(InputError, match=r"_open\.jsonl is damaged \(it is nested too deeply\); remove it"):
        list(_json_lines(file))
