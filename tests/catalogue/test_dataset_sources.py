"""Parquet files and the layouts of published data sets, built from drawn pictures and read back."""

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from catalens.catalogue.sources import Item, open_source, read_picture
from catalens.core.errors import InputError
from catalens.core.types import Outcome
from tests.support.source_files import draw, drawn, errors, items

DATA = Path(os.environ.get("CATALENS_DATA", Path(__file__).parents[3] / "shared" / "data"))


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
