"""The captions of the everyday photographs."""

from __future__ import annotations

from pathlib import Path


def read_captions(data: Path, split: str) -> list[list[str]]:
    """Return the captions of each everyday picture of a split."""
    from pyarrow import parquet

    table = parquet.read_table(data / "everyday" / f"{split}.parquet", columns=["captions"])
    return [[clean(text) for text in row["captions"]] for row in table.to_pylist()]


def read_ids(data: Path, split: str) -> list[str]:
    """Return the id of each everyday picture of a split."""
    from pyarrow import parquet

    found: list[str] = parquet.read_table(data / "everyday" / f"{split}.parquet", columns=["id"])["id"].to_pylist()
    return found


def clean(caption: str) -> str:
    """Return a caption without its final stop and doubled spaces.

    >>> clean("A black dog is  running .")
    'A black dog is running'
    """
    return " ".join(caption.split()).rstrip(" .").strip()
