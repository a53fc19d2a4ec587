"""A JSON file that is rewritten in place changes in the values that are new, and nowhere else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalens.catalogue.sources import open_source
from catalens.core.errors import InputError
from tests.pipelines.test_csv_form import CUP, fill

PRETTY = """\
[
    {
        "image": "a.jpg",
        "price": 1.10,
        "nested": {"caption": "no", "x": [1,2]}
    },
    {"image": "b.jpg"}
]
"""
REWRITTEN = {
    "compact": (b'[{"image":"a.jpg","n":1e5}]', b'[{"image":"a.jpg","n":1e5,"caption":"a cup"}]'),
    "as Python writes it": (
        b'[{"image": "a.jpg", "t": "\\u00e9"}, {"image": "b.jpg"}]',
        b'[{"image": "a.jpg", "t": "\\u00e9", "caption": "a cup"}, {"image": "b.jpg"}]',
    ),
    "one a line": (
        b'[\r\n{"image": "a.jpg"},\r\n{"image": "b.jpg"}\r\n]\r\n',
        b'[\r\n{"image": "a.jpg", "caption": "a cup"},\r\n{"image": "b.jpg"}\r\n]\r\n',
    ),
    "indented": (
        PRETTY.encode(),
        PRETTY.replace("[1,2]}\n", '[1,2]},\n        "caption": "a cup"\n').encode(),
    ),
    "a value that is there": (
        b'[{"caption" : "" , "image": "a.jpg", "n": 1.10, "caption_": ""}]',
        b'[{"caption" : "a cup" , "image": "a.jpg", "n": 1.10, "caption_": ""}]',
    ),
    "a doubled name": (
        b'[{"caption": "x", "image": "a.jpg", "caption": ""}]',
        b'[{"caption": "x", "image": "a.jpg", "caption": "a cup"}]',
    ),
    "byte order mark": (
        b'\xef\xbb\xbf[{"image": "a.jpg"}]',
        b'\xef\xbb\xbf[{"image": "a.jpg", "caption": "a cup"}]',
    ),
    "not UTF-8": (
        b'[{"image": "a.jpg", "t": "caf\xe9"}]',
        b'[{"image": "a.jpg", "t": "caf\xe9", "caption": "a cup"}]',
    ),
    "lines in a .json": (
        b'{"image": "a.jpg", "n": 1.10}\n\n{"image":"b.jpg"}',
        b'{"image": "a.jpg", "n": 1.10, "caption": "a cup"}\n\n{"image":"b.jpg"}',
    ),
}


@pytest.mark.parametrize("kind", REWRITTEN)
def test_an_array(tmp_path: Path, kind: str) -> None:
    content, expected = REWRITTEN[kind]
    assert fill(tmp_path / "t.json", content, CUP) == expected
    assert fill(tmp_path / "t.json", expected, {"a.jpg": "a plate"}) == expected, "its text is to stay"
    plate = fill(tmp_path / "t.json", expected, {"a.jpg": "a plate"}, "overwrite")
    assert plate == expected.replace(b"a cup", b"a plate")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path: Path, encoding: str) -> None:
    content = '\ufeff[{"image": "a.jpg", "t": "\xe9"}]'.encode(encoding)
    expected = '\ufeff[{"image": "a.jpg", "t": "\xe9", "caption": "a cup"}]'.encode(encoding)
    assert fill(tmp_path / "t.json", content, CUP) == expected


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson"])
def test_lines_keep_their_spelling(tmp_path: Path, name: str) -> None:
    content = b'{"image": "a.jpg", "n": 1.10, "t": "\\u00e9"}\r\n{"n":1e5,"image":"b.jpg"}\n'
    written = fill(tmp_path / name, content, CUP)
    assert written == content.replace(b'e9"}', b'e9", "caption": "a cup"}')
    again = fill(tmp_path / name, written, {"a.jpg": "a plate"}, "overwrite")
    assert again == written.replace(b"a cup", b"a plate")


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
@pytest.mark.parametrize("content", [b"[]", b"", b"[\n]\n"])
def test_a_file_without_objects_gets_its_first(tmp_path: Path, name: str, content: bytes) -> None:
    rows = {"a.jpg": "a cup", "b.jpg": "a \u676f"}
    written = fill(tmp_path / name, content, rows).decode()
    array = content or name == "t.json"
    found = json.loads(written) if array else [json.loads(line) for line in written.splitlines()]
    assert found == [{"image": image, "caption": text} for image, text in rows.items()]
    assert "\u676f" in written
    assert [entry.id for entry in open_source(tmp_path / name)] == list(rows)


def test_new_pictures_come_in_the_form_of_the_others(tmp_path: Path) -> None:
    written = fill(tmp_path / "t.json", PRETTY.encode(), {"c.jpg": "\xe9"}).decode()
    added = '{\n        "image": "c.jpg",\n        "caption": "\xe9"\n    }'
    assert written == PRETTY.replace('"b.jpg"}', f'"b.jpg"}},\n    {added}')
    escaped = fill(tmp_path / "e.json", b'[{"image":"\\u00e9"}]', {"c.jpg": "\xe9"})
    assert escaped == b'[{"image":"\\u00e9"},{"image":"c.jpg","caption":"\\u00e9"}]'


@pytest.mark.parametrize("name", ["t.json.gz", "t.jsonl.gz", "t.csv.gz"])
def test_a_packed_table_stays_packed(tmp_path: Path, name: str) -> None:
    content = {"t.csv.gz": b"image,t\na.jpg,x\n"}.get(name, b'{"image": "a.jpg"}\n')
    written = gzip.decompress(fill(tmp_path / name, gzip.compress(content), CUP))
    assert written in (b"image,t,caption\na.jpg,x,a cup\n", b'{"image": "a.jpg", "caption": "a cup"}\n')


@pytest.mark.parametrize("content", [b'[{"image": "a.jpg"}, 3]', b'[{"image": "a.jpg"}', b'{"rows": [\n{"image": 1}]}'])
def test_a_damaged_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"t\.json, (item|line) \d: .*; correct the table, or name another"):
        fill(tmp_path / "t.json", content, CUP)
    assert (tmp_path / "t.json").read_bytes() == content


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(st.text().filter(lambda name: name not in ("image", "caption")), VALUES), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from([None, 1, "\t"]), st.sampled_from(["[]", "[] in ASCII", "lines"]))
def test_every_other_value_stays(
    tmp_path: Path, rows: list[dict[str, object]], indent: int | str | None, form: str
) -> None:
    rows = [{**row, "image": f"{at}.jpg"} for at, row in enumerate(rows)]
    if form == "lines":
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    else:
        text = json.dumps(rows, ensure_ascii=form != "[]", indent=indent)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return
    said = {"0.jpg": '\xe9 "cup"', "new.jpg": "x"}
    written = fill(tmp_path / "t.json", content, said).decode()
    found = (
        json.loads(written)
        if written.lstrip().startswith("[")
        else [json.loads(line) for line in written.split("\n") if line]
    )
    expected = [{**row, **({"caption": said["0.jpg"]} if at == 0 else {})} for at, row in enumerate(rows)]
    new = [{"image": image, "caption": text} for image, text in said.items() if image == "new.jpg" or not rows]
    assert found == expected + new
