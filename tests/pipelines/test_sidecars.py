"""Text files beside pictures: what is there already is kept or changed as asked, and never half written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.sidecars import IF_EXISTS, IfExists, Sidecars, merged
from catalens.pipelines.xmp_sidecars import XmpSidecars
from catalens.render.xmp import read_xmp


@pytest.fixture
def picture(tmp_path: Path) -> Record:
    path = tmp_path / "photos" / "shirt.front.jpg"
    path.parent.mkdir()
    path.write_bytes(b"")
    return Record("shirt.front.jpg", str(path))


def caption(text: str) -> Mapping[str, Any]:
    return {"caption": text}


def test_a_sidecar_lies_beside_its_picture_under_its_name(picture: Record) -> None:
    out = Sidecars("caption", ending=".caption")
    assert not out.holds(picture)
    out.write([OutputRow(picture, caption("ein rotes Hemd"))])
    assert Path(picture.source).with_name("shirt.front.caption").read_bytes() == b"ein rotes Hemd\n"
    assert out.holds(picture)


@pytest.mark.parametrize(
    ("if_exists", "text"),
    [("skip", "old"), ("overwrite", "new"), ("append", "old, new"), ("prepend", "new, old")],
)
def test_a_text_that_is_there_is_treated_as_asked(picture: Record, if_exists: IfExists, text: str) -> None:
    path = Path(picture.source).with_suffix(".txt")
    path.write_bytes(b"\xef\xbb\xbfold\r\n")
    out = Sidecars("caption", if_exists=if_exists)
    assert out.holds(picture) == (if_exists == "skip")
    out.write([OutputRow(picture, caption("new"))])
    assert path.read_text("utf-8-sig").strip() == text


@given(st.text(max_size=20).map(str.strip), st.text(min_size=1, max_size=20), st.sampled_from(IF_EXISTS))
def test_a_job_that_goes_on_adds_nothing_twice(old: str, new: str, if_exists: IfExists) -> None:
    once = merged(old, new, if_exists)
    assert merged(once, new, if_exists) == once
    assert new in once or if_exists == "skip"


def test_several_captions_are_one_a_line(picture: Record) -> None:
    Sidecars("captions").write([OutputRow(picture, {"captions": ["a shirt", "a red shirt"]})])
    assert Path(picture.source).with_suffix(".txt").read_text() == "a shirt\na red shirt\n"


def test_two_pictures_never_share_a_sidecar(tmp_path: Path) -> None:
    records = [Record(name, str(tmp_path / name)) for name in ("a.jpg", "a.png")]
    for record in records:
        Path(record.source).touch()
    out = Sidecars("caption")
    out.write([OutputRow(records[0], caption("first"))])
    with pytest.raises(InputError, match=r"a\.txt, which is that of .*a\.jpg"):
        out.holds(records[1])
    with pytest.raises(InputError, match="rename one"):
        out.write([OutputRow(records[1], caption("second"))])
    assert (tmp_path / "a.txt").read_text() == "first\n"


def test_sidecars_may_have_a_folder_of_their_own_and_never_leave_it(tmp_path: Path) -> None:
    out = Sidecars("caption", folder=tmp_path / "texts")
    for id in ("shoes/1.jpg", "../../2.jpg", "/etc/3.jpg", "cell[4]"):
        out.write([OutputRow(Record(id, f"data.parquet#image[{id}]"), caption(id))])
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt"))
    assert written == ["texts/2.txt", "texts/cell[4].txt", "texts/etc/3.txt", "texts/shoes/1.txt"]


def test_a_picture_that_is_no_file_has_no_place_beside_it() -> None:
    with pytest.raises(InputError, match="name a folder or a table"):
        Sidecars("caption").holds(Record("3", "data.parquet#image[3]"))


@pytest.mark.parametrize("ending", ["txt", ".", "", "./x", ".a/b"])
def test_an_ending_that_is_none_is_refused(ending: str) -> None:
    with pytest.raises(InputError, match=r"looks like \.txt"):
        Sidecars("caption", ending=ending)


@pytest.mark.parametrize("ending", [".jpg", ".PNG", ".caption.webp", ".csv", ".JSONL", ".tsv.gz", ".parquet"])
def test_a_text_is_never_called_a_picture_or_a_table(ending: str) -> None:
    with pytest.raises(
        InputError, match=rf"{ending.lower().rpartition('.')[2]} files are (pictures|tables).*\.caption"
    ):
        Sidecars("caption", ending=ending)


@pytest.mark.parametrize("name", ["scan.ppm", "a.PPM"])
def test_a_picture_of_any_ending_is_never_taken_for_its_own_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"P6 1 1 255 abc")
    out = Sidecars("caption", ending=path.suffix, if_exists="overwrite")
    with pytest.raises(InputError, match="the picture itself"):
        out.write([OutputRow(Record(path.name, str(path)), caption("new"))])
    assert path.read_bytes() == b"P6 1 1 255 abc"


def test_a_sidecar_that_is_no_text_is_left_alone(picture: Record) -> None:
    path = Path(picture.source).with_suffix(".txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        Sidecars("caption", if_exists="append").write([OutputRow(picture, caption("new"))])
    assert path.read_bytes() == b"\xff\xfe\x00"


@pytest.mark.parametrize("old", [b"caf\xe9", b"\xff\xfe\x00", b"\x00\x01\xff", b""])
def test_a_sidecar_that_is_replaced_need_not_be_text(picture: Record, old: bytes) -> None:
    path = Path(picture.source).with_suffix(".txt")
    path.write_bytes(old)
    Sidecars("caption", if_exists="overwrite").write([OutputRow(picture, caption("new"))])
    assert path.read_bytes() == b"new\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_text_that_is_added_to_keeps_its_encoding_and_line_ends(picture: Record, encoding: str) -> None:
    path = Path(picture.source).with_suffix(".txt")
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    path.write_bytes(f"{mark}caf\xe9\r\nnoir\r\n".encode(encoding))
    Sidecars("caption", if_exists="append").write([OutputRow(picture, caption("\u4e00"))])
    assert path.read_bytes() == f"{mark}caf\xe9\r\nnoir\r\n\u4e00\r\n".encode(encoding)


def test_a_picture_without_labels_adds_nothing(picture: Record) -> None:
    path = Path(picture.source).with_suffix(".txt")
    path.write_bytes(b"old")
    Sidecars("labels", if_exists="append").write([OutputRow(picture, {"labels": []})])
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("if_exists", ["overwrite", "append"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_named_and_not_waited_for(
    picture: Record, make: Callable[[Path], None], if_exists: IfExists
) -> None:
    path = Path(picture.source).with_suffix(".txt")
    make(path)
    with pytest.raises(InputError, match=r"shirt\.front\.txt cannot be written: it is not a file"):
        Sidecars("caption", if_exists=if_exists).write([OutputRow(picture, caption("new"))])


def test_an_empty_xmp_file_is_none_and_what_is_no_file_is_named(picture: Record) -> None:
    path = Path(picture.source).with_suffix(".xmp")
    path.write_bytes(b"\n")
    out = XmpSidecars()
    assert not out.holds(picture)
    out.write([OutputRow(picture, caption("a shirt"))])
    assert read_xmp(path.read_bytes()).description == "a shirt"
    assert out.holds(picture)
    path.unlink()
    os.mkfifo(path)
    assert not out.holds(picture)
    with pytest.raises(InputError, match=r"shirt\.front\.xmp cannot be written: it is not a file"):
        out.write([OutputRow(picture, caption("a shirt"))])
