"""Which records a source no longer has, and when that is certain enough to remove them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from catalens.core.folders import Missed

MAX_SHARE = 0.3
"""Share of the records under the source's prefix that may be removed without being asked for."""

_FEW = 10
"""So many may always be removed: in a small catalogue they are soon a large share."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What should become of the records that a source was not found to have.

    Attributes:
        gone: ids to remove.
        kept: ids that were not met, but lie below a folder that could not be listed, or is empty.
        hidden_in: these folders.
        refusal: why nothing is removed, as one sentence; None where `gone` can be.
    """

    gone: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    hidden_in: tuple[str, ...] = ()
    refusal: str | None = None


def plan_pruning(
    known: Iterable[str],
    met: Collection[str],
    missed: Missed | None = None,
    *,
    prefix: str = "",
    max_share: float = MAX_SHARE,
) -> Pruning:
    """Decide which records to remove after a source was read to its end.

    Args:
        known: ids of the index.
        met: ids that the source had, those of failed items too; an empty id stands for a row without a readable one.
        missed: what the source could not look into, and its empty folders; records below such a folder are kept.
        prefix: put before every id of the source; records without it belong to another source.
        max_share: largest share of the records with the prefix that may go, in [0, 1]; ten may always go.
    """
    ours = [one for one in known if one.startswith(prefix)]
    absent = [one for one in ours if one not in met]
    folders = [*missed.folders, *missed.empty] if missed else []
    hidden = tuple(f"{prefix}{folder}/" for folder in folders)
    kept = tuple(one for one in absent if one.startswith(hidden))
    gone = tuple(one for one in absent if not one.startswith(hidden))
    hiding = tuple(
        name for name, start in zip(folders, hidden, strict=True) if any(one.startswith(start) for one in kept)
    )
    certain = Pruning(kept=kept, hidden_in=hiding)
    if not gone:
        return certain
    if not set(met) - {""}:
        return replace(certain, refusal="the source is empty, so nothing was removed from the index")
    if "" in met:
        reason = f"{len(gone)} records were not met, but some rows had no readable id, so nothing was removed"
        return replace(certain, refusal=reason)
    if len(gone) > _FEW and len(gone) / len(ours) > max_share:
        reason = (
            f"{len(gone)} of {len(ours)} records would be removed, more than {max_share:.0%}, so none was; "
            "if the pictures are really gone and no drive is missing, allow a larger share: "
            f"--prune-more-than {-(-100 * len(gone) // len(ours)) / 100:.2f}, or prune= in Python"
        )
        return replace(certain, refusal=reason)
    return replace(certain, gone=gone)
