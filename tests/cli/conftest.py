"""What several commands are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder with a red and a blue picture, and one that is cut short."""
    folder = tmp_path / "colours"
    folder.mkdir()
    Image.new("RGB", (20, 20), (200, 30, 30)).save(folder / "a.png")
    Image.new("RGB", (20, 20), (30, 60, 200)).save(folder / "c.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:30])
    return folder
