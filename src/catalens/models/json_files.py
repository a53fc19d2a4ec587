"""Reads the small JSON files of models and bundles, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catalens.core.json_text import parse_json

MOST_BYTES = 64 << 20
"""No configuration is larger; tokenizers are, and their own library reads them."""


def load_json(file: Path) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return what a JSON file holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, too large, or nested too deeply.
    """
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"it has {size} bytes; a configuration has at most {MOST_BYTES}")
    return parse_json(file.read_text(encoding="utf-8"))
