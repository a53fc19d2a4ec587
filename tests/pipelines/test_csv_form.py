"""A table that is rewritten in place changes in the cells that are new, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.result_table import Table

COLUMNS = {"image": "image", "caption": "caption"}


def fill(path: Path, content: bytes, captions: dict[str, str], if_exists: str = "skip") -> bytes:
    path.write_bytes(content)
    table = Table(path, "caption", columns=COLUMNS, if_exists=if_exists)  # type: ignore[arg-type]
    table.write([OutputRow(Record(name, name), {"caption": text}) for name, text in captions.items()])
    table.finish()
    return path.read_bytes()


CUP = {"a.jpg": "a cup"}
REWRITTEN = {
    "cp1252, quoted decimals": (
        'image;t;price\r\na.jpg;"\xc9t\xe9 ""x""";"12,50"\r\n'.encode("cp1252"),
        'image;t;price;caption\r\na.jpg;"\xc9t\xe9 ""x""";"12,50";a cup\r\n'.encode("cp1252"),
    ),
    "lines in two encodings": (
        b"image,t\na.jpg,\xe9\nb.jpg,\xc3\xa9\n",
        b"image,t,caption\na.jpg,\xe9,a cup\nb.jpg,\xc3\xa9,\n",
    ),
    "byte order mark": (b"\xef\xbb\xbfimage,t\na.jpg,x\n", b"\xef\xbb\xbfimage,t,caption\na.jpg,x,a cup\n"),
    "sep=;": (b"sep=;\r\nimage;t\r\na.jpg;x\r\n", b"sep=;\r\nimage;t;caption\r\na.jpg;x;a cup\r\n"),
    "doubled columns": (b"image,t,t,\na.jpg,1,2,3\n", b"image,t,t,,caption\na.jpg,1,2,3,a cup\n"),
    "all in quotes": (b'"image","t"\n"a.jpg",""\n', b'"image","t","caption"\n"a.jpg","","a cup"\n'),
    "some in quotes": (b'image,t\na.jpg,"x"\n', b'image,t,caption\na.jpg,"x",a cup\n'),
    "blanks and empty lines": (b"image , t\n\n a.jpg , x \n\n", b"image , t,caption\n\n a.jpg , x ,a cup\n\n"),
    "rows of empty cells": (b'image,t\n,\n"",\na.jpg,x\n,\n', b'image,t,caption\n,,\n"",,\na.jpg,x,a cup\n,,\n'),
    "no last line end": (b"image,t\na.jpg,x", b"image,t,caption\na.jpg,x,a cup"),
    "carriage returns": (b"image,t\ra.jpg,x\r", b"image,t,caption\ra.jpg,x,a cup\r"),
    "a cell of two lines": (b'image,t\r\na.jpg,"1\n2"\r\n', b'image,t,caption\r\na.jpg,"1\n2",a cup\r\n'),
    "a cell that is there": (b"caption,image,n\n,a.jpg,1.10\n", b"caption,image,n\na cup,a.jpg,1.10\n"),
}


@pytest.mark.parametrize("kind", REWRITTEN)
def test_csv(tmp_path: Path, kind: str) -> None:
    content, expected = REWRITTEN[kind]
    assert fill(tmp_path / "t.csv", content, CUP) == expected


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path: Path, encoding: str) -> None:
    content, expected = "\ufeffimage,t\r\na.jpg,\xe9\r\n", "\ufeffimage,t,caption\r\na.jpg,\xe9,a cup\r\n"
    assert fill(tmp_path / "t.csv", content.encode(encoding), CUP) == expected.encode(encoding)
    unmarked = fill(tmp_path / "t.csv", content[1:].encode(encoding), CUP)
    assert unmarked == expected[1:].encode(encoding)


def test_new_pictures_come_in_the_form_of_the_others(tmp_path: Path) -> None:
    written = fill(tmp_path / "t.csv", b'"image";"t"\r\n"a.jpg";"x"', {"b.jpg": "two; cups"})
    assert written == b'"image";"t";"caption"\r\n"a.jpg";"x";""\r\n"b.jpg";"";"two; cups"\r\n'


def test_a_text_that_the_encoding_lacks_is_refused_by_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written in cp1252, in which t\.csv is; save the table as UTF-8"):
        fill(tmp_path / "t.csv", "image,t\na.jpg,\xe9\n".encode("cp1252"), {"a.jpg": "\u8863"})


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    columns = {"image": ["a.jpg"], "n": pa.array([1], pa.int16()), "when": pa.array([0], pa.timestamp("ms"))}
    pq.write_table(pa.table(columns).replace_schema_metadata({"made": "by hand"}), path)
    fill(path, path.read_bytes(), CUP)
    table = pq.read_table(path)
    assert table.schema.field("n").type == pa.int16()
    assert table.schema.field("when").type == pa.timestamp("ms")
    assert table.schema.metadata[b"made"] == b"by hand"
    assert table.column("caption").to_pylist() == ["a cup"]
