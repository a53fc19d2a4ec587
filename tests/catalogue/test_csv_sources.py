"""Tables of products in CSV, built from drawn pictures and read back."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from catalens.catalogue.sources import Item, lines, open_source, read_picture
from catalens.core.errors import InputError
from catalens.core.types import Outcome
from tests.support.source_files import data_address, draw, drawn, errors, items


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

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_is_known_without_its_mark(self, tmp_path: Path, encoding: str) -> None:
        path = self.write(tmp_path, "image,title\r\nimages/1.png,Été\r\n".encode(encoding))
        assert [item.fields["title"] for item in items(open_source(path))] == ["Été"]

    def test_rows_of_empty_cells_are_no_rows(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'image,title\nimages/1.png,a\n,\n" ",""\nimages/2.png,b\n, \n')
        assert [entry.id for entry in open_source(path)] == ["images/1.png", "images/2.png"]

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

    def test_the_address_of_a_file_has_its_path_in_the_message(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "id,image\n1,file:///data/a%20cup.jpg\n")
        (outcome,) = errors(open_source(path))
        assert str(outcome.error).endswith("give its path, '/data/a cup.jpg'")

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
        for cell in (
            "images/1.png|images/2.png",
            '"images/1.png, images/2.png"',
            '"[""images/1.png"", ""images/2.png""]"',
            "\"['images/1.png', 'images/2.png']\"",
            "\"['images/1.png' 'images/2.png']\"",
        ):
            path = self.write(tmp_path, f"image,title\n{cell},Tee\n")
            assert [item.id for item in items(open_source(path))] == ["images/1.png", "images/2.png"]

    def test_a_cell_that_begins_as_a_deep_list_is_one_bad_row(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, f"image,title\n{'[' * 100_000},Tee\nimages/1.png,Tee\n")
        found = list(open_source(path))
        good = items(each for each in found if isinstance(each, Item))
        assert (len(errors(found)), good[0].id) == (1, "images/1.png")
