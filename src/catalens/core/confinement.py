"""Which files may be read where tables and sources come from strangers: those inside one folder, or all."""

from __future__ import annotations

import os
from pathlib import Path

from catalens.core.errors import InputError

_LONGEST_SHOWN = 200
_root: Path | None = None


def restrict_reading(root: str | os.PathLike[str] | None) -> None:
    """From now on, let this process read pictures, tables and sources inside one folder only; None lifts that.

    It holds for the process, and not for one object, so that no place that reads can be forgotten. Models, schemas and
    what else a user names beside the pictures are not concerned.

    Raises:
        InputError: there is no such folder.
    """
    global _root
    if root is None:
        _root = None
        return
    if not Path(root).is_dir():
        raise InputError(f"{os.fspath(root)} is not a folder, but pictures may be read only from it; create it first")
    _root = Path(root).resolve()


def allowed_root() -> Path | None:
    """Return the folder that `restrict_reading` named."""
    return _root


def check_allowed(path: str | os.PathLike[str]) -> None:
    """Refuse a path outside the folder that `restrict_reading` named, before anything is looked up there.

    Raises:
        InputError: the path leads out of it, also through a symbolic link.
    """
    if _root is not None:
        confine(Path(path).absolute(), _root)


def confine(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> Path:
    """Return the resolved path of a file that must lie inside a folder, for paths that strangers name.

    Symbolic links are followed first. Between this check and the reading, whoever can write inside the folder may
    still swap a file for a link; give the folder to nobody who must not read the rest.

    Args:
        path: absolute, or relative to the root.
        root: the folder.

    Raises:
        InputError: the path leads out of the folder, or cannot be a path.
    """
    shown = shown_path(os.fspath(path))
    try:
        inside = Path(root).resolve(strict=True)
        found = (inside / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown!r} cannot be looked up in {os.fspath(root)} ({reason})") from error
    if not found.is_relative_to(inside):
        raise InputError(
            f"{shown}: outside {os.fspath(root)}, which is all that may be read; move it there, or allow more"
        )
    return found


def shown_path(path: str) -> str:
    """Return a path as a message shows it, cut short."""
    return path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}…"
