"""Files are written whole or not at all, and what goes wrong is named."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from catalens.core.errors import InputError
from catalens.core.files import save_image_atomically, write_atomically, write_bytes_atomically, write_text_atomically


def test_text_bytes_and_images(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a.txt", "é\n")
    write_bytes_atomically(tmp_path / "a.bin", b"\0\r\n")
    save_image_atomically(Image.new("RGB", (3, 2), "red"), tmp_path / "a.PNG")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n"
    assert (tmp_path / "a.bin").read_bytes() == b"\0\r\n"
    with Image.open(tmp_path / "a.PNG") as image:
        assert (image.format, image.size) == ("PNG", (3, 2))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.PNG", "a.bin", "a.txt"]
    with pytest.raises(InputError, match=r"a\.exe cannot be written: give a name that ends in \.png"):
        save_image_atomically(Image.new("RGB", (3, 2)), tmp_path / "a.exe")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (OSError(errno.EIO, "Input/output error"), "the disk failed"),
        (OSError(errno.ESTALE, "Stale file handle"), "stale file handle"),
        (OSError("pulled out"), "pulled out"),
    ],
)
def test_a_failing_disk_leaves_what_was_there(tmp_path: Path, error: OSError, reason: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half(file: BinaryIO) -> None:
        file.write(b"ne")
        raise error

    with pytest.raises(InputError, match=rf"a\.txt cannot be written: .*{reason}"):
        write_atomically(path, half)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_disk_that_is_full_only_at_the_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"


def test_devices_are_written_directly(tmp_path: Path) -> None:
    write_text_atomically(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()
    full = Path("/dev/full")
    if full.exists():
        with pytest.raises(InputError, match=r"^/dev/full cannot be written: the disk is full"):
            write_bytes_atomically(full, b"x" * 100_000)
        assert stat.S_ISCHR(full.stat().st_mode)


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_text_atomically(tmp_path / "pipe", "through")
    reader.join()
    assert found == [b"through"]


def test_a_link_and_its_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link.txt").symlink_to(target)
    write_text_atomically(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    write_text_atomically(tmp_path / "b", "x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_protected_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o400)
    with pytest.raises(InputError, match="permission denied"):
        write_text_atomically(tmp_path / "a", "new")


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "a", "there is no such folder"),
        (tmp_path / "file" / "a", "there is no such folder"),
        (tmp_path / ("x" * 300), "the name is too long"),
    ):
        with pytest.raises(InputError, match=f"cannot be written: {reason}"):
            write_text_atomically(path, "x")
    write_text_atomically(tmp_path / ("é" * 127), "the longest name there may be")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "é" * 127]


def test_what_a_kill_left_behind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".a.txt.part").write_text("half")
    write_text_atomically(tmp_path / "a.txt", "whole")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_two_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def late(file: BinaryIO) -> None:
        file.write(b"first ")
        write_text_atomically(path, "another process")
        file.write(b"half")

    with pytest.raises(InputError, match="a cannot be written"):
        write_atomically(path, late)
    assert path.read_text() == "another process"
