"""Splits a table by product: rows with the same image or the same title are always on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SHARES: Mapping[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}


def product_groups(keys: Sequence[Sequence[str]]) -> list[int]:
    """Return the number of each row's group: rows that share a key, directly or through others, are one group.

    Args:
        keys: for each row what identifies its product, such as the hash of its image and its title; empty keys are
            ignored.

    Returns:
        For each row the place of the first row of its group.

    >>> product_groups([["a", "tee"], ["b", "shirt"], ["c", "tee"], ["b", ""], ["d", ""]])
    [0, 1, 0, 1, 4]
    """
    parents = list(range(len(keys)))

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    owners: dict[str, int] = {}
    for at, row in enumerate(keys):
        for key in filter(None, row):
            mine, other = root(at), root(owners.setdefault(key, at))
            parents[max(mine, other)] = min(mine, other)
    return [root(at) for at in range(len(keys))]


def split_rows(keys: Sequence[Sequence[str]], *, seed: int, shares: Mapping[Split, float] = SHARES) -> list[Split]:
    """Return the side of each row; a product is never on two.

    The side depends on the group's keys and the seed alone, so it does not change with the order of the rows.

    Args:
        keys: as in `product_groups`.
        seed: another one gives another split.
        shares: of the groups; they add up to 1.
    """
    groups = product_groups(keys)
    marks: dict[int, str] = {}
    for group, row in zip(groups, keys, strict=True):
        for key in filter(None, row):
            marks[group] = min(marks.get(group, key), key)
    return [_side(marks.get(group, str(group)), seed, shares) for group in groups]


def _side(mark: str, seed: int, shares: Mapping[Split, float]) -> Split:
    digest = hashlib.blake2b(f"{seed}\0{mark}".encode(), digest_size=8).digest()
    at = int.from_bytes(digest, "big") / 2**64
    for name in SPLITS:
        at -= shares.get(name, 0.0)
        if at < 0:
            return name
    return "train"
