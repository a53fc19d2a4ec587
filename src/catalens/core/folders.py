"""Find files: those that a user names, and the pictures of a folder, lazily and always in the same order."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from catalens.core.errors import InputError

IMAGE_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
"""Extensions, in lower case, of the files that count as pictures."""


OTHER_IMAGE_EXTENSIONS = frozenset(
    {".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".svg", ".eps", ".ico", ".tga", ".ppm", ".pgm", ".exr", ".hdr", ".raw"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pcx", ".pbm", ".pnm", ".dds", ".xcf", ".dcm"}
)
"""Endings, in lower case, of image files that are not read; a walk counts what it passes over."""

_CODECS = {".jxl": "jxl", ".jp2": "jpeg2000", ".j2k": "jpeg2000", ".jpx": "jpeg2000"}
"""Endings that are read where Pillow, or a plug-in of it, decodes them."""
_ODD_ENDING = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])[^a-z].*$|\.[^a-z.]*$", re.IGNORECASE)
"""From the first dot of an image's ending on: `.jpg_large`, `.jpg.1`, `.jpg?width=200`; or `.2` of a name like v1.2."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_FILE_ADDRESS = re.compile(r"file://(?:localhost)?(/.+)", re.IGNORECASE)
_SNIFFED = 16
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_BOXED = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


@dataclass(slots=True)
class Missed:
    """What a walk passed over, filled during the walk.

    Attributes:
        folders: sub-folders that could not be listed, relative to the root, with / between their parts, and dangling
            links, which may lead to a drive that is missing.
        empty: sub-folders with nothing in them, as a mount point is while its drive is missing.
        passed_over: number of image files of each ending that is not read.
    """

    folders: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    @property
    def notice(self) -> str | None:
        """One sentence about the images that were passed over, or None.

        >>> Missed(passed_over=Counter({".jxl": 5, ".jp2": 2})).notice
        '7 files passed over: .jxl 5, .jp2 2'
        """
        if not self.passed_over:
            return None
        endings = ", ".join(f"{ending} {n}" for ending, n in self.passed_over.most_common())
        n = self.passed_over.total()
        return f"{n} {'file' if n == 1 else 'files'} passed over: {endings}"

    def clear(self) -> None:
        """Reset before another walk."""
        self.folders.clear()
        self.empty.clear()
        self.passed_over.clear()


def find_images(
    folder: str | os.PathLike[str], *, recursive: bool = True, missed: Missed | None = None
) -> Iterator[Path]:
    """Walk a folder for image files, sorted by name within each folder.

    An image is a file with one of `IMAGE_EXTENSIONS`, or one without any, or with more behind it, whose first
    bytes are those of an image. One folder's listing is held at a time. Hidden files and folders are passed over, and a
    folder reached twice (by a symbolic link, or a loop of them) is walked once. Nothing is lost silently:
    a dangling link is given like any file, and a sub-folder that cannot be listed is given in
    place of its content, so that reading it says what is wrong.

    Args:
        folder: where to look.
        recursive: also look into sub-folders.
        missed: gets what was not looked into.

    Raises:
        InputError: not a folder, or one that cannot be listed; raised at the call, before iterating.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}; give a folder of pictures")
    try:
        entries = _sorted_entries(root)
    except OSError as error:
        raise InputError(f"{root}: the folder cannot be listed ({error.strerror})") from error
    return _Walk(root, {_identity(root)}, missed or Missed()).images(entries, recursive=recursive)


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk: its root, the folders it has been in, and what it missed."""

    root: Path
    seen: set[tuple[int, int]]
    missed: Missed

    def images(self, entries: list[os.DirEntry[str]], *, recursive: bool) -> Iterator[Path]:
        for entry in entries:
            path = Path(entry.path)
            if not _is_dir(entry):
                if entry.is_symlink() and not os.path.exists(path):  # noqa: PTH110 - never raises, even in a loop
                    self.missed.folders.append(path.relative_to(self.root).as_posix())
                if self._is_image(path):
                    yield path
            elif recursive:
                try:
                    identity = _identity(path)
                    children = [] if identity in self.seen else _sorted_entries(path)
                    if not children and not any(path.iterdir()):
                        self.missed.empty.append(path.relative_to(self.root).as_posix())
                except OSError:
                    self.missed.folders.append(path.relative_to(self.root).as_posix())
                    yield path
                    continue
                self.seen.add(identity)
                yield from self.images(children, recursive=True)

    def _is_image(self, path: Path) -> bool:
        ending = path.suffix.lower()
        if ending in _CODECS and decodes(_CODECS[ending]):
            return True
        if ending in OTHER_IMAGE_EXTENSIONS:
            self.missed.passed_over[ending] += 1
        if ending in IMAGE_EXTENSIONS:
            return True
        # Downloads have a counter, a size or a query behind their ending.
        may_be = not ending or _ODD_ENDING.search(path.name) is not None
        return may_be and _starts_like_an_image(path)


@cache
def decodes(codec: str) -> bool:
    """Return whether an optional codec is installed: "jpeg2000" of Pillow itself, or the plug-in for "jxl"."""
    if codec == "jxl":
        return find_spec("pillow_jxl") is not None
    from PIL import features

    return features.check_codec("jpg_2000")


def _starts_like_an_image(path: Path) -> bool:
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            start = file.read(_SNIFFED)
    except OSError:
        return False
    riff_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    boxed = start[4:8] == b"ftyp" and start[8:12] in _BOXED
    return start.startswith(_SIGNATURES) or riff_webp or boxed


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of symbolic links
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def path_of_address(address: str) -> str | None:
    """Return the path in a `file://` address of this machine; None for any other text.

    >>> path_of_address("file:///photos/a%20cup.jpg")
    '/photos/a cup.jpg'
    """
    found = _FILE_ADDRESS.match(address)
    return unquote(found[1]) if found else None


def existing(name: str | Path) -> Path:
    """Return the path of a file or folder that exists.

    Raises:
        InputError: it does not, the name is empty, or it is an address; the message offers the nearest names.
    """
    if name == "":  # which a path takes for the folder at hand
        raise InputError("an empty name was given for a file or folder; is a variable of the shell empty?")
    if isinstance(name, str) and _ADDRESS.match(name):
        path_there = path_of_address(name)
        cure = f"give the path: {path_there[:200]}" if path_there else "files are not downloaded: download it yourself"
        raise InputError(f"{name[:200]} is an address; {cure}")
    path = Path(name)
    try:
        if path.exists():
            return path
        folder = path.parent
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}, so no {path}")
        others = sorted(other.name for other in folder.iterdir())
    except (OSError, ValueError) as error:
        raise InputError(f"{str(name)[:200]!r} cannot be looked up: {error}") from error
    # The files that a database keeps beside its own are not what anybody meant.
    near = get_close_matches(path.name, [each for each in others if not each.endswith(("-wal", "-shm"))], n=3)
    hint = f": did you mean {' or '.join(str(folder / name) for name in near)}?" if near else f" in {folder.resolve()}"
    raise InputError(f"there is no {path.name}{hint}")
