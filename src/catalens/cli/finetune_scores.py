"""Shows how the answers of a reader fared before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.core.json_text import rounded
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.training.finetune.answers import Score


def show_scores(scores: Sequence[Score], *, as_json: bool) -> None:
    """Show the share of exact answers to test questions, by attribute and over all of them."""
    rows = [(each.attribute, each.rows, each.majority, each.before, each.after) for each in scores]
    columns = ("attribute", "rows", "majority", "before", "after")
    if as_json:
        for row in rows:
            output.emit(rounded(dict(zip(columns, row, strict=True))))
    else:
        output.show_rows(rows, "attribute", *(f"{name}#" for name in columns[1:]), title="exact answers on test rows")
    if scores:
        output.say(metric_line({"exact_before": _share(scores, "before"), "exact_after": _share(scores, "after")}))


def _share(scores: Sequence[Score], name: str) -> float:
    """Return the share of right answers over all test rows."""
    right: float = sum(getattr(each, name) * each.rows for each in scores)
    return right / sum(each.rows for each in scores)
