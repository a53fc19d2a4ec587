"""Every kind of source that `catalens enrich` takes, and XMP inside picture files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catalens.render.xmp import XmpWords, merged_xmp, read_xmp
from tests.support.ran import Run
from tests.support.shards import rows_of

FAKE = ("--model", "fake")
COLOURS = {"a": (200, 0, 0), "b": (0, 200, 0), "c": (0, 0, 200)}

Make = Callable[[Path], object]


def jpeg(name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), COLOURS[name]).save(file, "JPEG")
    return file.getvalue()


def photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for name in COLOURS:
        (folder / "photos" / f"{name}.jpg").write_bytes(jpeg(name))
    return folder / "photos"


def table(folder: Path, name: str, delimiter: str = ",") -> Path:
    photos(folder)
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "image", "title"])
        writer.writerows([each, f"photos/{each}.jpg", f"title {each}"] for each in COLOURS)
    return folder / name


def json_lines(folder: Path) -> Path:
    photos(folder)
    rows = [{"id": each, "image": f"photos/{each}.jpg", "title": f"title {each}"} for each in COLOURS]
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "x.jsonl"


def parquet(folder: Path) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    columns = {"id": list(COLOURS), "image": [jpeg(each) for each in COLOURS], "title": [f"title {x}" for x in COLOURS]}
    pq.write_table(pa.table(columns), folder / "x.parquet")
    return folder / "x.parquet"


def archives(folder: Path) -> str:
    for number, each in enumerate(COLOURS, start=8):
        with tarfile.open(folder / f"shard-{number:03}.tar", "w") as tar:
            for ending, content in ((".jpg", jpeg(each)), (".json", json.dumps({"title": f"title {each}"}).encode())):
                info = tarfile.TarInfo(each + ending)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return str(folder / "shard-{008..010}.tar")


def saved_data_set(folder: Path) -> Path:
    pa = pytest.importorskip("pyarrow")
    pictures = [{"bytes": jpeg(each), "path": None} for each in COLOURS]
    rows = pa.table({"id": list(COLOURS), "image": pictures, "title": [f"title {each}" for each in COLOURS]})
    with pa.OSFile(str(folder / "data-0.arrow"), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def berkeley(folder: Path) -> Path:
    small, metadata = folder / "images" / "small" / "00", folder / "images" / "metadata"
    listings = folder / "listings" / "metadata"
    for each in (small, metadata, listings):
        each.mkdir(parents=True)
    rows = ["image_id,height,width,path"]
    for name in COLOURS:
        (small / f"{name}.jpg").write_bytes(jpeg(name))
        rows.append(f"{name},16,24,00/{name}.jpg")
    (metadata / "images.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    title = "item_name"
    lines = [
        {"item_id": each, "main_image_id": each, title: [{"language_tag": "en_US", "value": f"title {each}"}]}
        for each in COLOURS
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (listings / "listings_0.json.gz").write_bytes(gzip.compress(content))
    return folder


def kaggle(folder: Path) -> Path:
    (folder / "images").mkdir()
    ids = {"a": "101", "b": "102", "c": "103"}
    for name, number in ids.items():
        (folder / "images" / f"{number}.jpg").write_bytes(jpeg(name))
    columns = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
    rows = [f"{number},Men,Apparel,Topwear,Shirts,Red,Fall,2011,Casual,title {name}" for name, number in ids.items()]
    (folder / "styles.csv").write_text("\n".join([columns, *rows]) + "\n")
    return folder


SOURCES: dict[str, Make] = {
    "folder": photos,
    "CSV": lambda folder: table(folder, "x.csv"),
    "TSV": lambda folder: table(folder, "x.tsv", "\t"),
    "JSON lines": json_lines,
    "parquet": parquet,
    "archives": archives,
    "saved data set": saved_data_set,
    "Amazon Berkeley Objects": berkeley,
    "Kaggle": kaggle,
    "pattern": lambda folder: f"{photos(folder)}/*.jpg",
}


def vectors_of(folder: Path) -> list[list[float]]:
    return [row["vector"] for row in rows_of(folder)]


@pytest.fixture
def expected(run: Run, tmp_path: Path) -> list[list[float]]:
    """The vectors of the three pictures."""
    (tmp_path / "first").mkdir()
    out = tmp_path / "expected"
    assert run("enrich", photos(tmp_path / "first"), "--do", "vectors", "--output", out, *FAKE).code == 0
    return vectors_of(out)


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_every_source_gives_one_row_a_picture(
    run: Run, tmp_path: Path, expected: list[list[float]], make: Make
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    source, out = make(folder), tmp_path / "out"
    ran = run("enrich", source, "--do", "vectors", "--output", out, *FAKE)
    assert ran.code == 0, ran.err
    rows = rows_of(out)
    assert [row["vector"] for row in rows] == expected
    assert len({row["id"] for row in rows}) == 3
    if make not in (photos, SOURCES["pattern"]):
        assert all("title a" in json.dumps(dict(row["fields"])) for row in rows[:1]), rows[0]


def test_a_bucket(run: Run, tmp_path: Path, expected: list[list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'catalens[aws]'")
    from catalens.catalogue.sources import bucket

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        bucket._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="shop")
        for name in COLOURS:
            client.put_object(Bucket="shop", Key=f"photos/{name}.jpg", Body=jpeg(name))
        arguments = ("enrich", "s3://shop/photos/", "--do", "vectors", *FAKE)
        assert run(*arguments, "--output", tmp_path / "out").code == 0
        assert vectors_of(tmp_path / "out") == expected
        path = tmp_path / "c.catalens"
        assert run(*arguments, "--index", path).code == 0
        assert run("enrich", path, "--do", "vectors", "--output", tmp_path / "again", *FAKE).code == 0
    bucket._client.cache_clear()
    assert vectors_of(tmp_path / "again") == expected


def test_a_catalogue_is_enriched_with_its_records_fields(run: Run, tmp_path: Path, expected: list[list[float]]) -> None:
    (tmp_path / "source").mkdir()
    path, out = tmp_path / "shop.catalens", tmp_path / "out"
    assert run("index", "add", path, table(tmp_path / "source", "x.csv"), *FAKE).code == 0
    ran = run("enrich", path, "--do", "vectors,tags", "--text", "{title}: {tags}", "--output", out, *FAKE)
    assert ran.code == 0, ran.err
    rows = rows_of(out)
    assert ([row["id"] for row in rows], vectors_of(out)) == (["a", "b", "c"], expected)
    assert rows[1]["text"].startswith("title b: ")
    # Into itself: the results become fields of the same records.
    assert run("enrich", path, "--do", "tags", "--index", path, *FAKE).code == 0
    found = run("index", "list", path, "--json").rows
    assert [(row["id"], row["fields"]["title"], "tags" in row["fields"]) for row in found] == [
        (each, f"title {each}", True) for each in COLOURS
    ]


@pytest.fixture
def exiftool() -> str:
    found = shutil.which("exiftool")
    if found is None:
        pytest.skip("exiftool is not installed")
    return found


def test_words_inside_picture_files_leave_everything_else(run: Run, tmp_path: Path, exiftool: str) -> None:
    folder = photos(tmp_path)
    person = merged_xmp(None, XmpWords(description="Oma", keywords=["family"])).replace(b"urn:catalens:xmp:1", b"urn:x")
    Image.new("RGB", (24, 16)).save(folder / "a.jpg", "JPEG", xmp=person, exif=exif())
    Image.new("RGB", (24, 16)).save(folder / "d.png")
    Image.new("RGB", (24, 16)).save(folder / "e.bmp")
    before = {path.name: pixels(path) for path in folder.iterdir()}
    arguments = ("enrich", folder, "--do", "tags", "--text", "a text about {name}", "--xmp-in-file", *FAKE, "--json")
    ran = run(*arguments)
    assert (ran.code, "e.bmp: exiftool cannot write" in ran.err) == (1, True), ran.err
    assert {path.name: pixels(path) for path in folder.iterdir()} == before
    words = {path.name: packet_of(path) for path in folder.iterdir() if path.suffix != ".bmp"}
    assert words["a.jpg"].description == "Oma"
    assert words["a.jpg"].keywords[0] == "family"
    assert len(words["a.jpg"].keywords) > 1
    assert words["b.jpg"].description == "a text about b"
    assert words["d.png"].description == "a text about d"
    with Image.open(folder / "a.jpg") as image:
        assert image.getexif()[0x010F] == "Camera"
    again = run(*arguments)
    assert json.loads(again.out.splitlines()[-1])["skipped"] == 4


def test_without_exiftool_the_cure_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = run("enrich", photos(tmp_path), "--do", "tags", "--xmp-in-file", *FAKE)
    assert (ran.code, "libimage-exiftool-perl" in ran.err) == (2, True)


def exif() -> Any:
    found = Image.Exif()
    found[0x010F] = "Camera"
    return found


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


def packet_of(path: Path) -> XmpWords:
    with Image.open(path) as image:
        image.load()
        found = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
    return read_xmp(found if isinstance(found, bytes) else found.encode())
