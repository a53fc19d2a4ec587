"""Write files whole or not at all, and name what went wrong with the disk."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from catalens.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

LFS_POINTER = b"version https://git-lfs"
"""What a file holds that Git LFS has not fetched."""
IS_POINTER = "is a Git LFS pointer and not the file itself; run `git lfs pull`"
_LONGEST_NAME = 255
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UNMARKED: dict[tuple[bool, ...], str] = {(False, True) * 2: "utf-16-le", (True, False) * 2: "utf-16-be"}
"""Which of a text's first four bytes are zero → its encoding."""
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or name a file on another disk",
    errno.EDQUOT: "the disk quota is used up; free some space, or name a file on another disk",
    errno.EROFS: "the file system is read-only; name a file elsewhere",
    errno.EACCES: "permission denied; change the permissions, or name a file elsewhere",
    errno.EPERM: "permission denied; change the permissions, or name a file elsewhere",
    errno.ENOENT: "there is no such folder; make it, or name another",
    errno.ENOTDIR: "there is no such folder; make it, or name another",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk failed; check it, or name a file on another disk",
}
_IMAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def write_error(error: OSError, path: str | os.PathLike[str]) -> InputError:
    """Return the error that names a file which cannot be written, the reason, and the cure.

    >>> str(write_error(OSError(errno.ENOSPC, "No space left on device"), "out.csv"))
    'out.csv cannot be written: the disk is full; free some space, or name a file on another disk'
    """
    reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error) or type(error).__name__).lower()
    return InputError(f"{os.fspath(path)} cannot be written: {reason}")


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work begins.

    Raises:
        InputError: there is no such folder, it takes no files, or something that is not a file has that name.
    """
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}, so no {path}; make it, or name another")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written: it is not a file; give the name of one")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: there is no permission; name another file or folder")


def is_pointer(path: Path) -> bool:
    """Return whether a file is what Git LFS left in place of it; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(LFS_POINTER)) == LFS_POINTER
    except (OSError, ValueError):
        return False


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all, also through a power failure.

    The content goes to a file beside it, `.NAME.part`, which then takes its place. One that stays behind after a kill
    is replaced by the next write. A symbolic link keeps pointing to the file that is written, an existing file keeps
    its permissions, and a device or a pipe is written directly.

    Args:
        path: in a folder that exists.
        write: puts the content into the open file.

    Raises:
        InputError: it cannot be written; what was there is unchanged.
    """
    try:
        path = path.resolve()
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            with path.open("wb") as file:
                write(file)
        elif mode is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")
        else:
            _replace(path, mode, write)
    except OSError as error:
        raise write_error(error, path) from error


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write bytes whole or not at all; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(content))


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all; see `write_atomically`."""
    write_bytes_atomically(path, text.encode())


def save_image_atomically(image: Image, path: Path, **options: Any) -> None:  # noqa: ANN401 - Pillow's own options
    """Write an image in the format that its name ends in, whole or not at all; see `write_atomically`.

    Args:
        image: in a mode that the format takes.
        path: ends in .png, .jpg, .jpeg or .webp.
        **options: of Pillow's `save`.

    Raises:
        InputError: another ending, or it cannot be written; what was there is unchanged.
    """
    kind = _image_format(path)
    write_atomically(path, lambda file: image.save(file, kind, **options))


def check_image_writable(path: Path) -> None:
    """Refuse a file that no image can be written to, before the work begins.

    Raises:
        InputError: its name does not end as an image's, or it cannot be written.
    """
    _image_format(path)
    check_writable(path)


def _image_format(path: Path) -> str:
    kind = _IMAGE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path} cannot be written: give a name that ends in {', '.join(_IMAGE_FORMATS)}")
    return kind


def _replace(path: Path, mode: int | None, write: Callable[[BinaryIO], object]) -> None:
    part = path.with_name(_part_name(path.name))
    part.unlink(missing_ok=True)
    try:
        # A file of its own: another process that writes the same name cannot write into it.
        with part.open("xb") as file:
            if mode is not None:
                part.chmod(stat.S_IMODE(mode))
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                raise OSError(errno.EBUSY, "another process is writing it")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _part_name(name: str) -> str:
    part = f".{name}.part"
    if len(os.fsencode(part)) <= _LONGEST_NAME:
        return part
    return f".{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}.part"


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def split_mark(content: bytes) -> tuple[bytes, str]:
    r"""Return the byte order mark that a text file begins with, and the encoding that it means.

    Without a mark, zeros between the first letters mean UTF-16, and anything else UTF-8.

    >>> split_mark(b"\xff\xfea\x00"), split_mark(b"a"), split_mark(b"i\x00d\x00")
    ((b'\xff\xfe', 'utf-16-le'), (b'', 'utf-8'), (b'', 'utf-16-le'))
    """
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    is_zero = [byte == 0 for byte in content[:4]]
    return mark, _MARKS.get(mark) or _UNMARKED.get(tuple(is_zero), "utf-8")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in what its byte order mark says; every line ends in a line feed.

    Raises:
        InputError: it is not in that encoding; the message names the line.
    """
    content = path.read_bytes()
    mark, encoding = split_mark(content)
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        said = encoding.upper() if mark else "UTF-8"
        raise InputError(f"{path} is not {said} text (byte 0x{byte:02x} in line {line}); save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
