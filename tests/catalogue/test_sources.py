"""Folders of pictures, and what is no source: every layout is built on disk from drawn pictures and read back."""

import os
from pathlib import Path

import pytest

from catalens.catalogue.sources import Layout, open_source
from catalens.core import folders
from catalens.core.errors import InputError
from tests.support.source_files import draw, drawn, errors, items


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
        for name in ("a.psd", "b.PSD", "sub/c.exr", "notes.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        draw(tmp_path / "a.png")
        source = open_source(tmp_path)
        for _ in range(2):  # counted anew each time
            assert len(items(source)) == 1
            assert source.missed.notice == "3 files passed over: .psd 2, .exr 1"

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
            ("a.xlsx", b"PK", "save its sheet as CSV"),
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
