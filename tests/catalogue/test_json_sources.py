"""Products in JSON lines and arrays, built from drawn pictures and read back."""

import gzip
import json
from pathlib import Path

import pytest

from catalens.catalogue.sources import Item, open_source, read_picture
from tests.support.source_files import data_address, draw, drawn, errors, items


class TestJsonLines:
    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz"])
    def test_an_array_is_read_item_by_item(self, tmp_path: Path, indent: int | None, name: str) -> None:
        draw(tmp_path / "1.png")
        rows: list[object] = [
            *({"id": str(at), "image": "1.png", "title": "], {" * at} for at in range(3)),
            5,
            {"id": "4", "image": data_address("blue")},
            {"id": "5", "image": ["1.png", data_address("green")]},
        ]
        content = json.dumps(rows, indent=indent).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        found = list(open_source(path))
        assert [entry.id for entry in found] == ["0", "1", "2", "", "4", "5", "5#2"]
        (outcome,) = errors(found)
        assert str(outcome.error).startswith(f"{name}, item 4: a JSON object is needed")
        for entry, colour in ((found[4], "blue"), (found[6], "green")):
            assert isinstance(entry, Item)
            assert read_picture(entry.source) == entry.picture == drawn(colour)

    def test_an_array_cut_short_says_what_was_not_read(self, tmp_path: Path) -> None:
        draw(tmp_path / "1.png")
        text = json.dumps([{"id": str(at), "image": "1.png"} for at in range(50)])
        (tmp_path / "a.json").write_text(text[: len(text) // 2])
        found = list(open_source(tmp_path / "a.json"))
        assert len(found) > 20
        (outcome,) = errors(found)
        assert "the rest of the array was not read" in str(outcome.error)

    def test_nested_values_are_spread_out(self, tmp_path: Path) -> None:
        draw(tmp_path / "1.png")
        row: dict[str, object] = {
            "file_name": "1.png",
            "attributes": {"Neck": "Round", "title": "x"},
            "title": "Tee",
            "tags": ["a", "b"],
        }
        row |= {"ok": True, "price": 9.5, "n": None, "vector": [0.1, 0.2], "big": 2**70, "nan": float("nan")}
        path = tmp_path / "metadata.jsonl"
        path.write_text(json.dumps(row) + "\n")
        (item,) = items(open_source(tmp_path))
        assert item.fields == {
            "Neck": "Round", "attributes.title": "x", "title": "Tee", "tags": "a; b", "ok": True, "price": 9.5,
            "big": str(2**70),
        }  # fmt: skip

    def test_bad_lines_are_named(self, tmp_path: Path) -> None:
        draw(tmp_path / "1.png")
        lines = [
            '{"id": 1, "image": "1.png"}', "{broken", "", "[1]", '{"id": 2}', '{"id": 3, "image": 7}',
            '{"id": 4, "image": "1.png", "t": "\\ud800"}', "[" * 100_000,
        ]  # fmt: skip
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join(lines))
        found = list(open_source(path))
        assert isinstance(found[0], Item)
        told = [(outcome.id, str(outcome.error).split(":")[0]) for outcome in errors(found)]
        lines_told = [("", 2), ("", 4), ("2", 5), ("3", 6), ("4", 7), ("", 8)]
        assert told == [(id, f"a.jsonl, line {line}") for id, line in lines_told]

    def test_columns_may_come_late(self, tmp_path: Path) -> None:
        draw(tmp_path / "1.png")
        (tmp_path / "a.ndjson").write_text('{"id": 1}\n{"id": 2, "image": "1.png"}\n')
        assert [entry.id for entry in open_source(tmp_path / "a.ndjson")] == ["1", "2"]

    @pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
    def test_pictures_may_stand_in_the_lines_as_data_addresses(self, tmp_path: Path, name: str) -> None:
        rows = [{"image": data_address("red"), "title": "a"}, {"image": {"bytes": data_address("blue")}}]
        text = "\n" + "\n\n".join(map(json.dumps, rows))
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        found = items(open_source(path))
        assert [item.picture for item in found] == [drawn("red"), drawn("blue")]
        assert [item.source for item in found] == [f"{path}#image[0]", f"{path}#image[1]"]
        assert [item.fields for item in found] == [{"title": "a"}, {}]
        assert [read_picture(item.source) for item in found] == [drawn("red"), drawn("blue")]
