"""The walk: order, what is passed over, and what must not be lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalens.core.errors import ImageError, InputError
from catalens.core.folders import IMAGE_EXTENSIONS, Missed, find_images
from catalens.core.images import read_image


def grow(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(root: Path, *, recursive: bool = True) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_images(root, recursive=recursive)]


def test_sorted_by_name_within_each_folder(tmp_path: Path) -> None:
    grow(tmp_path, "z.jpg", "b/2.PNG", "b/10.jpeg", "a.webp", "c/d/e.tiff", "notes.txt", "b/no.jpg.txt")
    assert names(tmp_path) == ["a.webp", "b/10.jpeg", "b/2.PNG", "c/d/e.tiff", "z.jpg"]
    assert names(tmp_path, recursive=False) == ["a.webp", "z.jpg"]


def test_every_extension_is_found_in_any_case(tmp_path: Path) -> None:
    grow(tmp_path, *(f"x{end}" for end in IMAGE_EXTENSIONS), *(f"Y{end.upper()}" for end in IMAGE_EXTENSIONS))
    assert len(names(tmp_path)) == 2 * len(IMAGE_EXTENSIONS)


def test_images_with_more_behind_their_ending_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    images = ["a.jpg.1", "a.jpg?width=200", "b.jpeg_large", "c.PNG~", "v1.2"]
    for name in [*images, "a.jpg.txt", "b.jpgs"]:
        (tmp_path / name).write_bytes(b"\xff\xd8\xff" if name in [*images, "b.jpgs"] else b"a cup")
    assert names(tmp_path) == sorted(images)


def test_folders_with_nothing_in_them_are_named(tmp_path: Path) -> None:
    grow(tmp_path, "a/1.jpg", "hidden/.keep", "b/c/2.jpg")
    for name in ("mount", "b/other"):
        (tmp_path / name).mkdir()
    missed = Missed()
    assert len(list(find_images(tmp_path, missed=missed))) == 2
    assert missed.empty == ["b/other", "mount"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    grow(tmp_path, ".hidden.jpg", ".cache/a.jpg", "._resource.jpg", "seen.jpg")
    assert names(tmp_path) == ["seen.jpg"]


def test_links_that_loop_end(tmp_path: Path) -> None:
    grow(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b" / "self")
    assert names(tmp_path) == ["a/1.jpg", "b/2.jpg"]


def test_a_dangling_link_is_reported_by_reading_it(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (found,) = find_images(tmp_path)
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        read_image(found)


def test_a_link_to_a_folder_that_is_gone_is_missed(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg")
    (tmp_path / "drive").symlink_to(tmp_path / "unmounted")
    missed = Missed()
    assert [path.name for path in find_images(tmp_path, missed=missed)] == ["a.jpg"]
    assert missed.folders == ["drive"]


def test_lazy_and_a_vanished_folder_is_given_in_its_place(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg", "b/1.jpg", "c.jpg")
    walk = find_images(tmp_path)
    assert next(walk).name == "a.jpg"
    shutil.rmtree(tmp_path / "b")
    assert [path.name for path in walk] == ["b", "c.jpg"]


def test_refuses_at_the_call_what_is_no_folder(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg")
    with pytest.raises(InputError, match="no such folder"):
        find_images(tmp_path / "none")
    with pytest.raises(InputError, match="not a folder"):
        find_images(tmp_path / "a.jpg")
