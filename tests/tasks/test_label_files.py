"""Labels are read from whatever people keep them in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.tasks.label_files import MOST_BYTES, is_label_file, load_labels


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("lines.txt", "cup\n\n# not a label\n  red dress \n", ["cup", "red dress"]),
        ("lines.txt", "label\ncup", ["label", "cup"]),
        ("labels", "cup\nplate", ["cup", "plate"]),
        ("header.csv", "label,count\ncup,3\nplate,5\n", ["cup", "plate"]),
        ("header.csv", "id;Name;n\n1;Tasse;3\n2;Teller, groß;5\n", ["Tasse", "Teller, groß"]),
        ("other.csv", "thing,frequency\ncup,3\nplate,5.5\n", ["cup", "plate"]),
        ("bare.csv", "cup,3\nplate,5\n", ["cup", "plate"]),
        ("bare.csv", "cup,3\n", ["cup", "3"]),
        ("one.csv", "cup\nplate\n", ["cup", "plate"]),
        ("one.csv", "label\ncup\nplate\n", ["cup", "plate"]),
        ("row.csv", "cup, plate, bowl", ["cup", "plate", "bowl"]),
        ("quoted.csv", 'label\n"dress, red"\ncup\n', ["dress, red", "cup"]),
        ("comment.csv", "# mine\ncup\nplate\n", ["cup", "plate"]),
        ("tabs.tsv", "count\ttag\r\n3\tcup\r\n5\tred dress\r\n", ["cup", "red dress"]),
        ("list.json", '["cup", "red dress"]', ["cup", "red dress"]),
        ("list.json", '[{"id": 1, "label": "cup"}, {"name": "plate"}]', ["cup", "plate"]),
        ("list.json", '{"version": 2, "labels": ["cup"]}', ["cup"]),
        ("config.json", '{"id2label": {"0": "cup", "10": "bowl", "2": "plate"}}', ["cup", "plate", "bowl"]),
        ("class_index.json", '{"0": ["n03147509", "cup"], "1": ["n03959485", "plate"]}', ["cup", "plate"]),
        ("map.json", '{"plate": 1, "cup": 0}', ["cup", "plate"]),
        ("data.yaml", "nc: 2\nnames:\n  0: cup\n  1: plate\n", ["cup", "plate"]),
        ("data.yaml", "nc: 2\nnames: [cup, plate]\n", ["cup", "plate"]),
        ("numbered.txt", "0 cup\n1 red dress\n", ["cup", "red dress"]),
        ("numbered.txt", "1: cup\n2: plate\n", ["cup", "plate"]),
        ("counted.txt", "1 cup\n3 plates\n", ["1 cup", "3 plates"]),
        ("sizes.txt", "2 cups\n3 cups\n", ["2 cups", "3 cups"]),
        ("commas.txt", "cup, red dress", ["cup", "red dress"]),
        ("commas.txt", '"cup", "dress, red"', ["cup", "dress, red"]),
        ("bullets.txt", "# Labels\n- cup\n- t-shirt, red\n", ["cup", "t-shirt, red"]),
        ("quotes.txt", '"cup"\n"dress, red"\n', ["cup", "dress, red"]),
        ("quotes.txt", '"cup",\n"plate"', ["cup", "plate"]),
        ("inches.txt", '"cup"\n12" plate\n', ['"cup"', '12" plate']),
        ("annotations.json", '{"images": [], "categories": [{"id": 1, "name": "cup"}]}', ["cup"]),
        ("synsets.txt", "n01440764 tench, Tinca tinca\nn02123045 cat\n", ["tench, Tinca tinca", "cat"]),
        (
            "selected_tags.csv",
            "tag_id,name,category,count\n9999999,general,9,807858\n470575,1girl,0,4225150\n212816,long_hair,0,982\n"
            "1,hatsune_miku,4,9\n2,^_^,0,5\n3,o_o,0,5\n",
            ["1girl", "long hair", "hatsune miku", "^_^", "o_o"],
        ),
    ],
)
def test_labels_of_a_file(tmp_path: Path, name: str, text: str, labels: list[str]) -> None:
    file = tmp_path / name
    file.write_bytes(("﻿" + text).encode())
    assert load_labels(str(file)) == labels


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"# only this\n\n", "is an empty list"),
        ("empty.csv", b"\n", "is an empty list"),
        ("names.csv", b"first,second\ncup,red\nplate,blue\n", "none is named label"),
        ("table.json", b'{"a": 1}', "a label file is a list of texts"),
        ("number.json", b'["cup", 3]', "lists 3, which is not a text"),
        ("broken.json", b'["cup"', "not readable JSON"),
        ("deep.json", b"[" * 100_000, "not readable JSON"),
        ("no.yaml", b"- cup\n- no\n", "lists False, .* put it in quotes"),
        ("labels.xlsx", b"PK\x03\x04\x14\0\x06\0", "not a text file; save its labels as .txt"),
        ("photo.csv", b"label\ncup\n\xff\xd8\xff\xe0", "byte 0xff in line 3"),
    ],
)
def test_files_that_hold_no_labels_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_labels(str(tmp_path / name))
    assert name in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "labels.txt").write_bytes("été\r\ncup\r\n".encode(encoding))
    assert load_labels(str(tmp_path / "labels.txt")) == ["été", "cup"]


def test_a_large_value_is_not_put_into_the_message(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text(json.dumps({"words": ["cup"] * 10_000}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_labels(str(tmp_path / "large.json"))
    assert len(str(caught.value)) < 400


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as out:
        out.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="64 MiB"):
        load_labels(str(tmp_path / "huge.txt"))


def test_what_is_a_file_and_what_are_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cups").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_labels("cups") == ["cups"]
    with pytest.raises(InputError, match=r"no label file .*labels\.csv"):
        load_labels(str(tmp_path / "labels.csv"))
    assert load_labels("cup, version 1.0, file.txt") == ["cup", "version 1.0", "file.txt"]
    assert not is_label_file("a cup, " * 10_000)
    with pytest.raises(InputError, match="is a folder; name a file of labels in it"):
        load_labels(str(tmp_path))
    with pytest.raises(InputError, match="is an empty list"):
        load_labels(" , ")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.jsonl", '{"label": "cup"}\n"a, b"\n\n'),
        ("labels.yaml", "- cup\n- a, b\n"),
        ("labels.yml", "labels:\n- name: cup\n- 'a, b'\n"),
    ],
)
def test_json_lines_and_yaml(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_labels(str(tmp_path / name)) == ["cup", "a, b"]
