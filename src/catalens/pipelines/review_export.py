"""What a review decided, as a labelled table and as training pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue.opening import open_index
from catalens.catalogue.review import Review
from catalens.catalogue.review_tables import Decision
from catalens.core.errors import InputError
from catalens.core.spreadsheet import guard_formula


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Decisions that gave a value to records that are there.

    Attributes:
        decisions: in the order in which they were made.
        sources: id of the record → where its picture is.
        words: name of the question → as people were asked.
    """

    decisions: Sequence[Decision]
    sources: Mapping[str, str]
    words: Mapping[str, str]

    def labelled_table(self) -> str:
        """Return CSV with one row per record and one column per question."""
        questions = list(dict.fromkeys(each.item.question for each in self.decisions))
        rows: dict[str, dict[str, str]] = {}
        for each in self.decisions:
            id = each.item.id
            row = rows.setdefault(id, {"image": self.sources[id], "id": guard_formula(id)})
            row[each.item.question] = guard_formula(each.after or "")
        text = io.StringIO()
        writer = csv.DictWriter(text, ["image", "id", *questions], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        return text.getvalue()

    def pairs(self) -> str:
        """Return JSON lines of training pairs; a correction also says what was rejected."""
        return "".join(json.dumps(self._pair(each), ensure_ascii=False) + "\n" for each in self.decisions)

    def _pair(self, decision: Decision) -> dict[str, object]:
        item = decision.item
        row: dict[str, object] = {
            "id": item.id,
            "image": self.sources[item.id],
            "attribute": item.question,
            "question": self.words[item.question],
            "answer": decision.after,
        }
        if decision.verdict == "corrected" and decision.before is not None:
            row["rejected"] = decision.before
        return row | {"reviewer": decision.reviewer, "decided_at": decision.decided_at}


def read_reviewed(path: Path) -> Reviewed:
    """Read the decisions of a catalogue's review.

    Raises:
        InputError: none gave a value to a record that is there.
    """
    with Review(path) as review, open_index(path, read_only=True) as index:
        decisions = [each for each in review.decisions() if each.after is not None]
        ids = list(dict.fromkeys(each.item.id for each in decisions))
        sources = {record.id: record.source for record in index.get(ids) if record is not None}
        words = {name: each.words for name, each in review.questions().items()}
    held = [each for each in decisions if each.item.id in sources]
    if not held:
        raise InputError(f"{path} has no decision with a value; make some: catalens review decide {path}")
    return Reviewed(held, sources, words)
