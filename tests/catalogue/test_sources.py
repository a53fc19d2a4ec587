"""Every layout is built on disk from drawn pictures and read back."""

import gzip
import json
import os
import tracemalloc
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from catalens.catalogue.sources import Entry, Item, Layout, lines, open_source, read_picture
from catalens.core import folders
from catalens.core.errors import InputError
from catalens.core.types import Outcome

DATA = Path(os.environ.get("CATALENS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def drawn(colour: str = "red") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (12, 16), colour).save(stream, "PNG")
    return stream.getvalue()


def data_address(colour: str) -> str:
    return f"data:image/png;base64,{b64encode(drawn(colour)).decode()}"


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn())


def items(entries: Iterable[Entry]) -> list[Item]:
    found = list(entries)
    assert not errors(found)
    return [entry for entry in found if isinstance(entry, Item)]


def errors(entries: Iterable[Entry]) -> list[Outcome]:
    return [entry for entry in entries if isinstance(entry, Outcome)]


class TestFolder:
    def test_every_picture_by_path_in_a_stable_order(self, tmp_path: Path) -> None:
        draw(tmp_path / "b.png", tmp_path / "shoes" / "red" / "a.png", tmp_path / "a.PNG")
        (tmp_path / "notes.txt").write_text("no picture")
        source = open_source(tmp_path)
        assert source.layout == "folder"
        assert [item.id for item in items(source)] == ["a.PNG", "b.png", "shoes/red/a.png"]
        assert list(source) == list(source)
        last = items(source)[-1]
        assert last.picture == tmp_path / "shoes" / "red" / "a.png"
        assert last.source == str(last.picture)
        assert last.fields == {"name": "a", "folder": "shoes/red"}

    def test_files_without_an_ending_are_told_by_their_first_bytes(self, tmp_path: Path) -> None:
        draw(tmp_path / "e3b0c44298fc")
        (tmp_path / "README").write_text("text")
        (tmp_path / "empty").touch()
        os.mkfifo(tmp_path / "pipe")
        assert [item.id for item in items(open_source(tmp_path))] == ["e3b0c44298fc"]

    def test_images_that_are_not_read_are_counted(self, tmp_path: Path) -> None:
        for name in ("a.jxl", "b.JXL", "sub/c.jp2", "notes.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        draw(tmp_path / "a.png")
        source = open_source(tmp_path)
        for _ in range(2):  # counted anew each time
            assert len(items(source)) == 1
            assert source.missed.notice == "3 files passed over: .jxl 2, .jp2 1"

    def test_a_folder_that_cannot_be_listed_is_an_outcome_and_missed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "a.png", tmp_path / "sub" / "locked" / "b.png")
        listed = folders._sorted_entries

        def refusing(folder: Path) -> list[os.DirEntry[str]]:
            if folder.name == "locked":
                raise PermissionError(13, "Permission denied")
            return listed(folder)

        monkeypatch.setattr(folders, "_sorted_entries", refusing)
        source = open_source(tmp_path)
        assert [outcome.id for outcome in errors(source)] == ["sub/locked"]
        assert source.missed.folders == ["sub/locked"]
        with pytest.raises(InputError, match=r"locked: the folder cannot be listed \(Permission denied\)"):
            open_source(tmp_path / "sub" / "locked")

    def test_what_is_no_file_is_named(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
        os.mkfifo(tmp_path / "pipe.jpg")
        gone, pipe = errors(open_source(tmp_path))
        assert (gone.id, pipe.id) == ("gone.png", "pipe.jpg")
        assert "there is no picture file" in str(gone.error)
        assert "is a folder, pipe or device; a picture is a plain file" in str(pipe.error)

    def test_a_name_that_is_not_text_is_an_outcome(self, tmp_path: Path) -> None:
        try:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(drawn())
        except OSError:
            pytest.skip("this file system refuses such names")
        draw(tmp_path / "ok.png")
        (outcome,) = errors(open_source(tmp_path))
        assert outcome.id == "caf?.png"
        assert "rename the file" in str(outcome.error)
        str(outcome.error).encode()

    def test_paths_are_absolute_so_that_they_hold_from_anywhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "a.png")
        monkeypatch.chdir(tmp_path)
        assert items(open_source("."))[0].source == str(tmp_path / "a.png")


class TestCsv:
    def write(self, folder: Path, text: str | bytes, name: str = "products.csv") -> Path:
        draw(folder / "images" / "1.png", folder / "images" / "2.png")
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_columns_become_id_picture_and_fields(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "sku,image,title,price,year,code,note\n0012,images/1.png,Red tee,9.50,2012,007,\n")
        (item,) = items(open_source(path))
        assert item.id == "0012"
        assert item.picture == tmp_path / "images" / "1.png"
        assert item.fields == {"title": "Red tee", "price": 9.5, "year": 2012, "code": "007"}

    def test_without_an_id_column_the_path_is_the_id(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "file_name,title\n./images/1.png,a\nimages\\2.png,b\n")
        assert [item.id for item in items(open_source(path))] == ["images/1.png", "images/2.png"]

    def test_columns_can_be_named(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,nummer,bild\nx,1,images/1.png\n")
        (item,) = items(open_source(path, image_column="bild", id_column="nummer"))
        assert (item.id, item.fields) == ("1", {"id": "x"})

    def test_quoted_newlines_and_commas_and_the_lines_of_bad_rows(self, tmp_path: Path) -> None:
        text = (
            'id,image,title\n1,images/1.png,"two\nlines, one cell"\n'
            "2,images/2.png\n\n3,images/2.png,a,b\n4,images/9.png,x\n5,,x\n,images/1.png,x\n1,images/1.png,again\n"
        )
        found = list(open_source(self.write(tmp_path, text)))
        assert isinstance(found[0], Item)
        assert found[0].fields == {"title": "two\nlines, one cell"}
        told = [(outcome.id, str(outcome.error)) for outcome in errors(found)]
        assert [id for id, _ in told] == ["", "", "4", "5", "", "1"]
        for (_, error), line, reason in zip(
            told,
            (4, 6, 7, 8, 9, 10),
            (
                "2 cells",
                "4 cells",
                "9.png",
                "nothing in",
                "no id",
                "'1' was used before, in products.csv, lines 2 to 3",
            ),
            strict=True,
        ):
            assert error.startswith(f"products.csv, line {line}: ")
            assert reason in error

    def test_a_quote_left_open_costs_named_lines_only(self, tmp_path: Path) -> None:
        filler = "".join(f"x{n},images/1.png,{'w' * 90}\n" for n in range(2000))
        path = self.write(tmp_path, f'id,image,title\n1,images/1.png,"open\n{filler}')
        found = list(open_source(path))
        assert "quote left open" in str(errors(found)[0].error)
        assert any(isinstance(entry, Item) for entry in found)

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    @pytest.mark.parametrize(
        ("rows", "place", "opened"),
        [
            ('2,images/2.png,"open\n4,images/1.png,x\n5,images/1.png,y', "lines 3 to 5", 3),
            ('"2\n3",images/2.png,"open\n4,images/1.png,x', "lines 3 to 5", 4),
            ('2,images/2.png,"', "line 3", 3),
        ],
    )
    def test_a_quote_that_is_never_closed_hides_no_row(
        self, tmp_path: Path, rows: str, place: str, opened: int, end: str
    ) -> None:
        first, last = open_source(self.write(tmp_path, f"id,image,title\n1,images/1.png,ok\n{rows}{end}"))
        assert first.id == "1"
        assert isinstance(last, Outcome)
        assert last.error == (
            f"products.csv, {place}: the quote opened in line {opened} is never closed, so nothing from line 3 to the "
            'end was read; close it, or write "" where a value has a quote mark'
        )

    def test_a_quote_closed_by_that_of_another_row_merges_nothing(self, tmp_path: Path) -> None:
        text = 'id,image,title\n1,images/1.png,"open\n2,images/2.png,"x"\n3,images/2.png,"two\nlines"\n'
        bad, good = open_source(self.write(tmp_path, text))
        assert isinstance(bad, Outcome)
        assert str(bad.error).startswith("products.csv, lines 2 to 3: ")
        assert "is a quote left open?" in str(bad.error)
        assert isinstance(good, Item)
        assert good.fields == {"title": "two\nlines"}

    def test_careless_quotes_within_a_line_are_read_as_before(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'id,image,title\n1,images/1.png,"Rib" tee 5"\n2,images/2.png,a "b" c\n')
        assert [item.fields["title"] for item in items(open_source(path))] == ['Rib tee 5"', 'a "b" c']

    def test_a_header_with_an_open_quote_is_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'id,image,"title\n1,images/1.png,a\n')
        with pytest.raises(InputError, match=r"products\.csv: the quote opened in line 1 is never closed"):
            open_source(path)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_encodings_are_found_out(self, tmp_path: Path, encoding: str) -> None:
        path = self.write(tmp_path, "id,image,title\n1,images/1.png,Crème brûlée\n".encode(encoding))
        assert items(open_source(path))[0].fields == {"title": "Crème brûlée"}

    def test_an_encoding_that_cannot_be_found_out_is_told_and_can_be_named(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image,title\n1,images/1.png,テスト\n2,images/2.png,plain\n".encode("shift_jis"))
        (outcome,) = errors(open_source(path))
        assert outcome.id == "1"
        assert "name its encoding" in str(outcome.error)
        assert items(open_source(path, encoding="shift_jis"))[0].fields == {"title": "テスト"}

    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_the_delimiter_is_found_out(self, tmp_path: Path, delimiter: str) -> None:
        text = delimiter.join(("id", "image", '"title, long"')) + "\n" + delimiter.join(("1", "images/1.png", "a, b"))
        assert items(open_source(self.write(tmp_path, text)))[0].fields == {"title, long": "a, b"}

    @pytest.mark.parametrize("name", ["products.tsv", "products.tab", "products.TSV.gz"])
    def test_a_file_that_says_it_has_tabs_is_split_at_tabs(self, tmp_path: Path, name: str) -> None:
        text = b"image\ttitle, colour, size\nimages/1.png\ta, b, c\n"
        path = self.write(tmp_path, gzip.compress(text) if name.endswith(".gz") else text, name)
        assert items(open_source(path))[0].fields == {"title, colour, size": "a, b, c"}

    def test_a_file_that_only_says_it_has_tabs_is_read_all_the_same(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "image,title\nimages/1.png,a\n", "products.tsv")
        assert items(open_source(path))[0].fields == {"title": "a"}

    def test_repeated_names_are_told_apart(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image,tag,tag,\n1,images/1.png,a,b,c\n", "products.tsv.csv")
        assert items(open_source(path))[0].fields == {"tag": "a", "tag.1": "b"}

    def test_addresses_are_not_fetched(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image_url\n1,https://example.com/1.jpg\n")
        (outcome,) = errors(open_source(path))
        assert "'https://example.com/1.jpg': pictures are not fetched; download" in str(outcome.error)

    @pytest.mark.parametrize("id", ["id,", ""])
    def test_pictures_may_stand_in_the_table_as_data_addresses(self, tmp_path: Path, id: str) -> None:
        rows = [
            (1, data_address("red")),
            (2, "images/2.png"),
            (3, data_address("blue")),
            (4, "data:image/png;base64,xx"),
        ]
        text = f"{id}image,title\n\n" + "".join(f'{f"{n}," if id else ""}"{cell}",a\n' for n, cell in rows)
        path = self.write(tmp_path, text)
        *good, bad = open_source(path)
        found = items(good)
        assert [item.picture for item in found] == [drawn("red"), tmp_path / "images/2.png", drawn("blue")]
        assert [item.id for item in found] == (
            ["1", "2", "3"] if id else ["products[0]", "images/2.png", "products[2]"]
        )
        assert [item.source for item in found] == [
            f"{path}#image[0]", str(tmp_path / "images/2.png"), f"{path}#image[2]"
        ]  # fmt: skip
        assert isinstance(bad, Outcome)
        assert str(bad.error).startswith("products.csv, line 6: the picture given as a data: address: ")

    def test_pictures_in_the_table_are_found_again_in_any_order(self, tmp_path: Path) -> None:
        colours = ["red", "green", "blue"]
        text = "image,title\n" + "".join(f'"{data_address(colour)}","a\nb"\n' for colour in colours)
        path = self.write(tmp_path, text)
        for row in (0, 1, 2, 1, 2, 0):
            assert read_picture(f"{path}#image[{row}]") == drawn(colours[row])
        for gone in (f"{path}#image[3]", f"{path}#other[0]", f"{path}#title[0]"):
            with pytest.raises(InputError, match="there is no longer a picture"):
                read_picture(gone)
        path.write_text(f'image\n"{data_address("white")}"\n')
        assert read_picture(f"{path}#image[0]") == drawn("white")

    def test_names_that_no_file_can_have(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, f"id,image\n1,{'x' * 5000}.png\n2,a\0b.png\n3,images\n4,C:\\pics\\1.png\n")
        assert [outcome.id for outcome in errors(open_source(path))] == ["1", "2", "3", "4"]

    def test_a_gzip_file_cut_short_says_so(self, tmp_path: Path) -> None:
        rows = "".join(f"{n},images/1.png,{os.urandom(40).hex()}\n" for n in range(2000))
        whole = gzip.compress(f"id,image,title\n{rows}".encode())
        path = self.write(tmp_path, whole[: len(whole) // 2], "products.csv.gz")
        found = list(open_source(path))
        assert len(found) > 500
        assert "the rest of the file cannot be read" in str(errors(found)[-1].error)

    def test_reads_a_large_file_lazily(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image\n1,images/1.png\n")
        with path.open("r+b") as file:
            file.seek(2**33)
            file.write(b"\n")
        assert next(iter(open_source(path))) == Item("1", tmp_path / "images/1.png", str(tmp_path / "images/1.png"))

    def test_lines_may_end_in_carriage_returns(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image,title\r1,images/1.png,a\r2,images/2.png,b\r3,images/9.png,c\r")
        found = list(open_source(path))
        assert [entry.fields for entry in found if isinstance(entry, Item)] == [{"title": "a"}, {"title": "b"}]
        assert [str(outcome.error).split(":")[0] for outcome in errors(found)] == ["products.csv, line 4"]

    @pytest.mark.parametrize("mark", [";", ",", "\t", "|"])
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_first_line_may_say_the_separator(self, tmp_path: Path, mark: str, encoding: str) -> None:
        lines = [f"sep={mark}"] + [mark.join(row) for row in (["id", "image", "a b"], ["1", "images/1.png", "x"])]
        lines.append(mark.join(["2", "images/9.png", "y"]))
        found = list(open_source(self.write(tmp_path, "\r\n".join(lines).encode(encoding))))
        assert [entry.fields for entry in found if isinstance(entry, Item)] == [{"a b": "x"}]
        assert [str(outcome.error).split(":")[0] for outcome in errors(found)] == ["products.csv, line 4"]

    def test_a_line_over_the_limit_costs_itself_only(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lines, "MAX_LINE", 1 << 20)
        long = "x" * (3 << 20)
        path = self.write(tmp_path, f"id,image,title\n1,images/1.png,a\n2,images/2.png,{long}\n3,images/2.png,c\n")
        packed = path.with_name("p.csv.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        for each in (path, packed):
            found = list(open_source(each))
            assert [entry.id for entry in found if isinstance(entry, Item)] == ["1", "3"]
            (outcome,) = errors(found)
            assert "line 3: the line is longer than" in str(outcome.error)
        rows = [{"id": "1", "image": "images/1.png"}, {"id": "2", "image": long}, {"id": "3", "image": "images/2.png"}]
        (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
        found = list(open_source(tmp_path / "p.jsonl"))
        assert [entry.id for entry in found if isinstance(entry, Item)] == ["1", "3"]
        assert "the line is longer than" in str(errors(found)[0].error)

    def test_one_endless_line_does_not_fill_the_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lines, "MAX_LINE", 1 << 20)
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(b"x" * (64 << 20), 1))
        tracemalloc.start()
        try:
            assert max(map(len, lines.read_lines(path))) <= 1 << 20
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()

    def test_many_columns_are_read_in_linear_time(self, tmp_path: Path) -> None:
        names = [*(f"c{at}" for at in range(20_000)), *["c7"] * 20_000, "image"]
        path = self.write(tmp_path, ",".join(names) + "\n" + ",".join(["x"] * 40_000) + ",images/1.png\n")
        (item,) = items(open_source(path))
        assert len(item.fields) == 40_000
        assert "c7.20000" in item.fields
        with pytest.raises(InputError, match="and 39961 more") as caught:
            open_source(path, image_column="nowhere")
        assert len(str(caught.value)) < 2000

    def test_numbers_are_numbers_however_they_are_written(self, tmp_path: Path) -> None:
        header = "id,image,price,euro,mixed,size,code,stock\n"
        rows = [
            '1,images/1.png,"1,234.50","1.234,50","12,50",38,0012,"1,234"',
            '2,images/1.png,20,"12,5",9.50,XL,7,n/a',
            '3,images/1.png,"1,000",1.000,11,40,8,5',
        ]
        fields = [item.fields for item in items(open_source(self.write(tmp_path, header + "\n".join(rows))))]
        assert [each["price"] for each in fields] == [1234.5, 20, 1000]
        assert [each["euro"] for each in fields] == [1234.5, 12.5, 1000]
        assert [each["mixed"] for each in fields] == [12.5, 9.5, 11]
        assert [each["size"] for each in fields] == ["38", "XL", "40"]
        assert [each["code"] for each in fields] == ["0012", "7", "8"]
        assert [each.get("stock") for each in fields] == [1234, None, 5]

    def test_a_rare_word_leaves_a_column_numbers(self, tmp_path: Path) -> None:
        text = (
            "id,image,price\n" + "".join(f"{at},images/1.png,{at}\n" for at in range(99)) + "99,images/1.png,ask us\n"
        )
        values = [item.fields["price"] for item in items(open_source(self.write(tmp_path, text)))]
        assert values == [*range(99), "ask us"]

    def test_a_cell_may_name_several_pictures(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image,title\n7,images/1.png; images/2.png;images/9.png,Tee\n8,images/2.png,x\n")
        found = list(open_source(path))
        assert [entry.id for entry in found] == ["7", "7#2", "7#3", "8"]
        assert [outcome.id for outcome in errors(found)] == ["7#3"]
        named = [entry for entry in found if isinstance(entry, Item)]
        assert [entry.picture for entry in named[:2]] == [tmp_path / "images" / "1.png", tmp_path / "images" / "2.png"]
        assert named[1].fields == {"title": "Tee"}
        path = self.write(tmp_path, "image,title\nimages/1.png|images/2.png,Tee\n")
        assert [item.id for item in items(open_source(path))] == ["images/1.png", "images/2.png"]


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


class TestParquet:
    pa = pytest.importorskip("pyarrow", reason='reading parquet needs pip install "catalens[parquet]"')

    def write(self, path: Path, columns: dict[str, object], **options: object) -> Path:
        import pyarrow.parquet as pq

        pq.write_table(self.pa.table(columns), path, **options)
        return path

    def images(self, *values: object) -> object:
        return self.pa.array(values, self.pa.struct([("bytes", self.pa.binary()), ("path", self.pa.string())]))

    def test_hugging_face_pictures_and_map_columns(self, tmp_path: Path) -> None:
        draw(tmp_path / "b.png")
        pictures = self.images(
            {"bytes": drawn(), "path": "a.png"}, {"bytes": None, "path": "b.png"}, {"bytes": None, "path": None}, None
        )
        maps = self.pa.array([[("Neck", "Round")], [], None, None], self.pa.map_(self.pa.string(), self.pa.string()))
        path = self.write(tmp_path / "x.parquet", {"id": [7, 8, 9, 10], "image": pictures, "attributes": maps})
        source = open_source(path)
        assert source.total == 4
        first, second, *bad = source
        assert first == Item("7", drawn(), f"{path}#image[0]", {"Neck": "Round"})
        assert isinstance(second, Item)
        assert second.picture == tmp_path / "b.png"
        assert [(entry.id, entry.error) for entry in errors(bad)] == [
            ("9", "x.parquet, row 2: nothing in the picture's column 'image'"),
            ("10", "x.parquet, row 3: nothing in the picture's column 'image'"),
        ]

    def test_a_bytes_column_of_any_name_and_ids_from_row_numbers(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "x.parquet", {"jpg": [drawn("red"), b""], "title": ["a", "b"]})
        first, second = open_source(path)
        assert first == Item("x[0]", drawn("red"), f"{path}#jpg[0]", {"title": "a"})
        assert isinstance(second, Outcome)

    def test_pictures_are_found_again_from_their_source(self, tmp_path: Path) -> None:
        pictures = [drawn(colour) for colour in ("red", "green", "blue", "black", "white")]
        path = self.write(tmp_path / "x.parquet", {"image": self.images(*({"bytes": p} for p in pictures))},
                          row_group_size=2)  # fmt: skip
        assert [read_picture(item.source) for item in items(open_source(path))] == pictures
        assert read_picture("folder/a#b[1].png") == Path("folder/a#b[1].png")
        for gone in (f"{path}#image[5]", f"{path}#other[0]", f"{tmp_path}/no.parquet#image[0]"):
            with pytest.raises(InputError, match="parquet"):
                read_picture(gone)

    def test_a_row_group_is_read_once_for_the_rows_that_follow_each_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import pyarrow.parquet as pq

        read: list[int] = []
        whole = pq.ParquetFile.read_row_group

        def counted(file: pq.ParquetFile, group: int, **how: object) -> object:
            read.append(group)
            return whole(file, group, **how)

        monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
        pictures = [os.urandom(20) for _ in range(12)]
        path = self.write(tmp_path / "x.parquet", {"image": pictures}, row_group_size=5)
        assert [read_picture(f"{path}#image[{row}]") for row in range(12)] == pictures
        assert read == [0, 1, 2]
        with ThreadPoolExecutor(4) as threads:
            rows = [*range(12)] * 5
            found = threads.map(read_picture, [f"{path}#image[{row}]" for row in rows])
            assert list(found) == [pictures[row] for row in rows]
        self.write(path, {"image": pictures[::-1]}, row_group_size=6)
        assert read_picture(f"{path}#image[11]") == pictures[0]

    def test_a_folder_of_shards_is_one_source(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            self.write(tmp_path / f"{name}.parquet", {"image": [drawn()] * 2})
        source = open_source(tmp_path)
        assert [item.id for item in items(source)] == ["a[0]", "a[1]", "b[0]", "b[1]"]
        assert source.total == 4

    def test_a_damaged_part_costs_only_its_rows(self, tmp_path: Path) -> None:
        pictures = [os.urandom(500) for _ in range(300)]
        path = self.write(tmp_path / "x.parquet", {"image": pictures}, row_group_size=100, write_page_checksum=True,
                          use_dictionary=False)  # fmt: skip
        content = bytearray(path.read_bytes())
        content[60_000:61_000] = bytes(1000)
        path.write_bytes(content)
        found = list(open_source(path))
        assert [entry.picture for entry in found if isinstance(entry, Item)] == pictures[:100] + pictures[200:]
        assert [str(outcome.error).split(":")[0] for outcome in errors(found)] == ["x.parquet, rows 100 to 199"]

    def test_a_large_row_group_is_not_held_whole(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "x.parquet", {"image": [os.urandom(50_000) for _ in range(800)]},
                          use_dictionary=False, write_batch_size=8, data_page_size=100_000)  # fmt: skip
        before = self.pa.total_allocated_bytes()
        held = max(self.pa.total_allocated_bytes() - before for _ in open_source(path))
        assert held < 10_000_000 < path.stat().st_size

    def test_the_shared_products(self) -> None:
        path = DATA / "fashion" / "val.parquet"
        if not path.exists():
            pytest.skip("the shared product data is not here")
        found = items(open_source(path))
        assert len(found) == open_source(path).total == 1500
        assert found[0].fields["Sleeve Length"] == "Short Sleeves"
        assert read_picture(found[-1].source) == found[-1].picture


class TestKaggle:
    def folder(self, tmp_path: Path) -> Path:
        draw(tmp_path / "images" / "15970.jpg", tmp_path / "images" / "39386.jpg")
        (tmp_path / "styles.csv").write_text(
            "id,gender,articleType,year,usage,productDisplayName\n"
            "15970,Men,Shirts,2011,Casual,Turtle Check Men Navy Blue Shirt\n"
            "39386,Men,Jeans,2012,NA,Peter England, Men, Party Jeans\n"
            "39403,Men,Jeans,2012,Casual,No picture\n"
            "39404,Men\n"
        )
        (tmp_path / "styles").mkdir()
        data = {
            "price": 895, "brandName": "Turtle", "articleAttributes": {"Pattern": "Checked", "Fit": "NA"},
            "productDescriptors": {"description": {"value": "<p>Navy &amp; grey<br>shirt</p><style>p {}</style>"}},
        }  # fmt: skip
        (tmp_path / "styles" / "15970.json").write_text(json.dumps({"data": data}))
        return tmp_path

    @pytest.mark.parametrize("inside", [".", "styles.csv"])
    def test_table_pictures_and_json_come_together(self, tmp_path: Path, inside: str) -> None:
        source = open_source(self.folder(tmp_path) / inside)
        assert source.layout == "kaggle"
        shirt, jeans, *bad = source
        assert isinstance(shirt, Item)
        assert shirt.picture == tmp_path / "images" / "15970.jpg"
        assert shirt.fields == {
            "gender": "Men", "articleType": "Shirts", "year": 2011, "usage": "Casual", "price": 895,
            "brandName": "Turtle", "productDisplayName": "Turtle Check Men Navy Blue Shirt", "Pattern": "Checked",
            "description": "Navy & grey\nshirt",
        }  # fmt: skip
        assert isinstance(jeans, Item)
        assert jeans.fields["productDisplayName"] == "Peter England, Men, Party Jeans"
        assert "usage" not in jeans.fields
        told = [(outcome.id, str(outcome.error)) for outcome in errors(bad)]
        assert [id for id, _ in told] == ["39403", ""]
        assert all(text in error for (_, error), text in zip(told, ("line 4", "line 5: 2 cells"), strict=True))

    @pytest.mark.parametrize("text", ["{", "[]", '{"data": [1]}', "\xff"])
    def test_a_broken_json_is_told(self, tmp_path: Path, text: str) -> None:
        (self.folder(tmp_path) / "styles" / "15970.json").write_text(text, encoding="latin-1")
        told = errors(open_source(tmp_path))[0]
        assert told.id == "15970"
        assert "15970.json" in str(told.error)


class TestBerkeley:
    def folder(self, tmp_path: Path, *listings: object) -> Path:
        draw(tmp_path / "images" / "small" / "8c" / "8ccb.jpg")
        for name, text in (
            (
                "images/metadata/images.csv.gz",
                "image_id,height,width,path\n81a,16,12,8c/8ccb.jpg\n82a,1,1,8c/gone.jpg\n",
            ),
            ("listings/metadata/listings_0.json.gz", "\n".join(map(json.dumps, listings))),
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode()))
        return tmp_path

    chair: ClassVar[dict[str, object]] = {
        "item_id": "B07", "domain_name": "amazon.de", "main_image_id": "81a", "other_image_id": ["x"],
        "item_name": [
            {"language_tag": "de_DE", "value": "Stuhl"}, {"language_tag": "en_GB", "value": "Chair"},
            {"language_tag": "en_US", "value": "Chair, US"},
        ],
        "bullet_point": [{"language_tag": "de_DE", "value": "rot"}, {"language_tag": "de_DE", "value": "bequem"}],
        "product_type": [{"value": "CHAIR"}], "model_year": [{"value": 2017}], "country": "DE",
        "item_dimensions": {"height": {"normalized_value": {"unit": "inches", "value": 31.5}, "unit": "cm"}},
        "item_weight": [{"normalized_value": {"unit": "pounds", "value": 9.9}, "unit": "kg", "value": 4.5}],
        "node": [{"node_id": 1, "node_name": "/Home/Chairs"}],
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("languages", "name"),
        [(("en",), "Chair"), (("en_US", "en"), "Chair, US"), (("fr", "de"), "Stuhl"), (("fr",), "Stuhl")],
    )
    def test_listings_in_the_wanted_language(self, tmp_path: Path, languages: tuple[str, ...], name: str) -> None:
        source = open_source(self.folder(tmp_path, self.chair), languages=languages)
        assert source.layout == "berkeley"
        (item,) = items(source)
        assert item.id == "B07@amazon.de"
        assert item.picture == tmp_path / "images" / "small" / "8c" / "8ccb.jpg"
        assert item.fields == {
            "item_id": "B07", "domain_name": "amazon.de", "item_name": name, "bullet_point": "rot; bequem",
            "product_type": "CHAIR", "model_year": 2017, "country": "DE", "height_inches": 31.5,
            "item_weight_pounds": 9.9, "node": "/Home/Chairs",
        }  # fmt: skip

    def test_what_is_missing_or_odd_is_told(self, tmp_path: Path) -> None:
        odd = {"item_id": "C", "main_image_id": "81a", "item_weight": [{"unit": None}], "color": [{}], "style": [[]]}
        bad: list[dict[str, object]] = [{"item_id": "A"}, {"item_id": "B", "main_image_id": "99"}]
        bad += [
            {"item_id": "D", "main_image_id": "82a"},
            {"main_image_id": "81a"},
            {"item_id": "E", "main_image_id": [1]},
        ]
        entries = list(open_source(self.folder(tmp_path, odd, *bad)))
        assert isinstance(entries[0], Item)
        assert [outcome.id for outcome in errors(entries)] == ["A", "B", "D", "", "E"]
        assert str(errors(entries)[0].error).startswith("listings_0.json.gz, line 2: ")

    def test_a_table_of_images_that_cannot_be_used(self, tmp_path: Path) -> None:
        (self.folder(tmp_path, self.chair) / "images/metadata/images.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
        with pytest.raises(InputError, match=r"images\.csv\.gz.*image_id and path"):
            open_source(tmp_path)


class TestUnusable:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", b"", "no header"),
            ("a.csv", b"id,title\n1,a\n", "it has 'id', 'title'.*call it one of 'image', 'picture'"),
            ("a.jsonl", b"", "no readable line"),
            ("a.jsonl", b"{\n{\n", "no readable line; line 1: not JSON"),
            ("a.jsonl", b'{"id": 1}\n', "it has 'id'"),
            ("a.parquet", b"PAR1 not really", "cannot be read as parquet"),
            ("a.csv.gz", b"not gzip", "cannot read the header"),
            ("a.xlsx", b"PK", r"accepted are \.csv, \.tsv"),
            ("a", b"", r"accepted are \.csv, \.tsv"),
        ],
    )
    def test_files(self, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / name)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file or folder"):
            open_source(tmp_path / "none", layout="csv")

    @pytest.mark.parametrize("layout", ["csv", "jsonl", "parquet", "kaggle", "berkeley", "web"])
    def test_a_layout_forced_on_what_has_not_got_it(self, tmp_path: Path, layout: str) -> None:
        with pytest.raises(InputError, match=tmp_path.name if layout != "web" else "known are folder, csv"):
            open_source(tmp_path, layout=layout)  # type: ignore[arg-type]

    @pytest.mark.parametrize("layout", ["csv", "jsonl"])
    def test_a_folder_that_is_said_to_be_a_table(self, tmp_path: Path, layout: Layout) -> None:
        with pytest.raises(InputError, match=f"{tmp_path.name} is a folder, and the layout '{layout}' is of a file"):
            open_source(tmp_path, layout=layout)

    def test_options_that_would_be_ignored_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"'sku'.*for a table only"):
            open_source(tmp_path, id_column="sku")
        with pytest.raises(InputError, match="for CSV and JSON lines only"):
            open_source(tmp_path, encoding="utf-8")
        (tmp_path / "a.csv").write_text("id,image\n")
        with pytest.raises(InputError, match="unknown encoding 'utf-88'"):
            open_source(tmp_path / "a.csv", encoding="utf-88")
        with pytest.raises(InputError, match="no column 'pic'; it has 'id', 'image'"):
            open_source(tmp_path / "a.csv", image_column="pic")
