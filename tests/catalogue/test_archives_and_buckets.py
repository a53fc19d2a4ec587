"""Tar archives in webdataset's layout, saved data sets, and pictures in a bucket."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from catalens.catalogue.opening import open_index
from catalens.catalogue.sources import Item, bucket, read_picture
from catalens.catalogue.sources.bucket import bucket_entries
from catalens.catalogue.sources.datasets import dataset_source, is_dataset
from catalens.catalogue.sources.records import CatalogueSource, is_catalogue, items_of
from catalens.catalogue.sources.tar import tar_source
from catalens.core.errors import InputError
from catalens.core.types import Outcome, Record
from catalens.pipelines.prefetch import read_item
from tests.support.indexes import DIM, vectors_of


def png(red: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_samples_of_an_archive(tmp_path: Path) -> None:
    files = {
        "a/001.png": png(1),
        "a/001.json": json.dumps({"title": "Tee", "price": 3, "deep": {"size": "L"}}).encode(),
        "a/001.txt": b"a red tee",
        "a/002.json": b'{"title": "no picture"}',
        "a/003.jpg": png(3),
        "a/003.json": b"{broken",
        "b/001.png": png(4),
    }
    found = list(tar_source(archive(tmp_path / "shard-7.tar", files)))
    assert [each.id for each in found] == [f"shard-7/{key}" for key in ("a/001", "a/002", "a/003", "b/001")]
    first, second, third, last = found
    assert isinstance(first, Item)
    assert first.fields == {"title": "Tee", "price": 3, "size": "L", "txt": "a red tee"}
    assert first.picture == files["a/001.png"]
    assert isinstance(second, Outcome)
    assert "no picture" in str(second.error)
    assert isinstance(third, Outcome)
    assert isinstance(last, Item)


def test_a_cut_archive_gives_what_it_holds(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", {f"{number}.png": png(number) for number in range(5)})
    path.write_bytes(path.read_bytes()[: 512 * 5 + 100])
    found = list(tar_source(path))
    assert [each.id for each in found if isinstance(each, Item)] == ["x/0", "x/1"]
    assert "cannot be read further" in str(found[-1].error)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="no archive"):
        tar_source(tmp_path / "gone.tar")


def test_a_saved_data_set(tmp_path: Path) -> None:
    """The layout of `Dataset.save_to_disk`, written with pyarrow alone."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'catalens[parquet]'")
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for part, name in enumerate(names):
        pictures = [{"bytes": png(part * 20 + number), "path": None} for number in range(20)]
        table = pa.table({"image": pictures, "label": [f"thing {part}-{number}" for number in range(20)]})
        with pa.OSFile(str(tmp_path / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=7)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    assert not is_dataset(tmp_path)
    (tmp_path / "dataset_info.json").write_text("{}")
    assert is_dataset(tmp_path)
    items = [each for each in dataset_source(tmp_path) if isinstance(each, Item)]
    assert len({item.id for item in items}) == 40
    assert items[21].picture == png(21)
    assert items[21].fields == {"label": "thing 1-1"}
    for item in (*items, items[3]):
        assert read_picture(item.source) == item.picture
    (tmp_path / names[1]).write_bytes((tmp_path / names[1]).read_bytes()[:900])
    cut = list(dataset_source(tmp_path))
    assert len([each for each in cut if isinstance(each, Item)]) >= 20
    assert "cannot be read" in str(cut[-1].error)  # type: ignore[union-attr]


def test_pictures_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'catalens[aws]'")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with moto.mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="shop")
        for key in ("photos/a.png", "photos/sub/b.png", "photos/notes.txt", "other/c.png"):
            client.put_object(Bucket="shop", Key=key, Body=png(9))
        entries = bucket_entries("s3://shop/photos/", client=client)
        items = [entry for entry in entries if isinstance(entry, Item)]
        assert [(item.id, dict(item.fields)) for item in items] == [
            ("a.png", {"name": "a"}),
            ("sub/b.png", {"name": "b", "folder": "sub"}),
        ]
        assert list(entries) == items, "a second iteration lists it anew"
        client.delete_object(Bucket="shop", Key="photos/sub/b.png")
        image, gone = (read_item(item, None) for item in items)
        assert isinstance(image, Image.Image)
        assert image.size == (4, 3)
        assert isinstance(gone, Outcome)
        assert "cannot be fetched" in str(gone.error)
        with pytest.raises(InputError, match="cannot be listed"):
            list(bucket_entries("s3://nobody/x", client=client))
    with pytest.raises(InputError, match="names no bucket"):
        bucket_entries("s3://")


def test_records_of_archives_buckets_and_tables_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"a/{number}.png": png(number) for number in range(4)}
    first, second = (archive(tmp_path / f"{name}.tar", files) for name in ("x", "y"))
    items = [item for path in (first, second) for item in tar_source(path) if isinstance(item, Item)]
    records = [Record(item.id, item.source, item.fields) for item in items]
    # In order, and in any order.
    for some in (records, records[::-1], records[2:3] * 2):
        again = [each for each in items_of(some) if isinstance(each, Item)]
        assert [item.picture for item in again] == [png(int(each.id[-1])) for each in some]
    first.unlink()
    found = list(items_of([records[0], Record("m", f"{second}#a/9.png"), records[5]]))
    assert ["cannot read" in str(getattr(each, "error", "")) for each in found] == [True, False, False]
    assert "no longer a picture" in str(getattr(found[1], "error", ""))
    monkeypatch.setattr(bucket, "_client", lambda: Objects({"k/1.png": png(7)}))
    (item,) = items_of([Record("1", "s3://shop/k/1.png")])
    assert isinstance(item, Item)
    image = read_item(item, None)
    assert isinstance(image, Image.Image)
    assert image.getpixel((0, 0)) == (7, 0, 0)
    assert read_picture("s3://shop/k/1.png") == png(7)


class Objects:
    """A bucket."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents

    def get_object(self, **place: str) -> dict[str, io.BytesIO]:
        return {"Body": io.BytesIO(self.contents[place["Key"]])}


def test_a_catalogue_is_a_source(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), (9, 0, 0)).save(tmp_path / "a.png")
    path = tmp_path / "shop.catalens"
    with open_index(path, encoder_name="enc", dim=DIM) as index:
        index.add([Record("a", str(tmp_path / "a.png"), {"n": 1})], vectors_of(1))
    assert is_catalogue(str(path))
    assert is_catalogue("postgresql:///shop")
    assert not any(map(is_catalogue, ("s3://shop/photos", str(tmp_path), str(tmp_path / "a.png"), "nothing")))
    source = CatalogueSource(str(path))
    for _ in range(2):
        (item,) = source
        assert isinstance(item, Item)
        assert (item.id, item.fields) == ("a", {"n": 1})


def test_an_archive_in_a_bucket_is_refused() -> None:
    with pytest.raises(InputError, match="fetch it first"):
        bucket_entries("s3://shop/shard-000.tar")
