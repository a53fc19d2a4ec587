"""Where things are kept that can be made again."""

from __future__ import annotations

from pathlib import Path

RUNTIMES_FOLDER = "runtimes"
"""Folder of the cache that holds, for each graph and machine, which runtime was the faster one."""


def default_cache() -> Path:
    """Return the cache folder for callers that name none; it need not exist, and may not be writable."""
    try:
        return Path.home() / ".cache" / "catalens"
    except RuntimeError:  # a user without a home, as in some containers
        # Not the shared temporary folder, where another user could plant files.
        return Path(".cache") / "catalens"
