"""A cache is filled by several processes at once, and done without where it cannot be written."""

from __future__ import annotations

import errno
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from catalens.core import caching
from catalens.core.caching import keep_file


def test_many_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    contents = [bytes([at]) * 50_000 for at in range(8)]
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda content: keep_file(path, lambda file: file.write(content)), contents * 4))
    assert all(kept)
    assert path.read_bytes() in contents
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_full_disk_is_noticed_once_and_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def full(_: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    caching._noticed.clear()
    with caplog.at_level(logging.WARNING):
        assert [keep_file(tmp_path / "file", full) for _ in range(3)] == [False] * 3
    assert [each for each in caplog.messages if "No space left on device" in each and "CATALENS_CACHE" in each] != []
    assert len(caplog.messages) == 1
    assert list(tmp_path.iterdir()) == []
