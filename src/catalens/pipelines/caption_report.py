"""The page of `catalens eval captions`: scores with intervals, the worst captions, and two captioners compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalens.catalogue.display import picture_of
from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.caption_pairs import CaptionPair
from catalens.render.plots import Bar, Curve, Plot, plot_cumulative, plot_shares
from catalens.render.report import Picture, Report, Section, Table
from catalens.tasks.caption_scores import (
    MEASURES,
    CaptionScores,
    caption_intervals,
    compare_captions,
    score_captions,
)
from catalens.tasks.intervals import LEVEL, RESAMPLES, Interval, holm

SHOWN = 12
_MOST_REFERENCES = 3
_CIDER = MEASURES.index("CIDEr-D")
_NAMES = ("bleu1", "bleu2", "bleu3", "bleu4", "cider", "rouge_l")
"""Of the measures in their order, in JSON."""
_METHODS = (
    f"Intervals are of {LEVEL:.0%}: a percentile bootstrap over the captions ({RESAMPLES:,} resamples, fixed seed). "
    "CIDEr-D weighs words by how rare they are in these references, so it compares captions of these pictures only."
)
_TESTS = (
    "The difference has a paired bootstrap interval; p is that of a paired randomisation test "
    f"({RESAMPLES:,} draws, so never below {1 / (RESAMPLES + 1):.4f}), and p (Holm) is corrected for the number of "
    "tests."
)


@dataclass(frozen=True, slots=True)
class CaptionEvaluation:
    """Scored captions.

    Attributes:
        name: of the captioner or its table.
        pairs: n captions with their references.
        scores: of the same n.
    """

    name: str
    pairs: Sequence[CaptionPair]
    scores: CaptionScores

    @classmethod
    def of(cls, name: str, pairs: Sequence[CaptionPair]) -> CaptionEvaluation:
        """Score captions."""
        return cls(name, pairs, score_captions([each.caption for each in pairs], [each.references for each in pairs]))

    def row(self) -> dict[str, Any]:
        """Return the scores, as `catalens eval captions` prints them."""
        return {"captions": len(self.pairs), **dict(zip(_NAMES, self.scores.corpus.tolist(), strict=True))}


def names_of(table: Path, other: Path) -> tuple[str, str]:
    """Return what the page calls two tables: their names, with their folders where these are the same."""
    if table.name != other.name:
        return table.name, other.name
    return f"{table.parent.name}/{table.name}", f"{other.parent.name}/{other.name}"


def caption_report(
    evaluation: CaptionEvaluation, against: CaptionEvaluation | None, sources: Mapping[str, str]
) -> Report:
    """Return the page.

    Args:
        evaluation: of the captions.
        against: of others; what is about pictures that both describe is compared.
        sources: where the pictures are, by id.

    Raises:
        InputError: the two have no picture in common.
    """
    both = [evaluation, *([against] if against else [])]
    return Report(
        title="Captions: " + " and ".join(each.name for each in both),
        about=_METHODS,
        numbers=[
            ("captions", f"{len(evaluation.pairs):,}"),
            ("references", f"{sum(len(each.references) for each in evaluation.pairs):,}"),
            ("captioners", str(len(both))),
        ],
        sections=[
            _scores_section(both),
            *([_compared(evaluation, against, sources)] if against else []),
            Section(
                "Worst captions",
                f"Of {evaluation.name}: those with the lowest CIDEr-D, which is the number beside them.",
                pictures=[_shown(evaluation, row, sources) for row in _worst(evaluation)],
            ),
        ],
    )


def _scores_section(both: Sequence[CaptionEvaluation]) -> Section:
    found = [caption_intervals(each.scores) for each in both]
    rows = [["captions", *(f"{len(each.pairs):,}" for each in both)]]
    rows += [[measure, *map(_cell, intervals)] for measure, *intervals in zip(MEASURES, *found, strict=True)]
    return Section(
        "Scores",
        plots=[_shares_plot(both, found), _distribution_plot(both)],
        tables=[Table("Scores of all captions", ["measure", *(each.name for each in both)], rows)],
    )


def _cell(found: Interval) -> str:
    return f"{found.value:.3f}\u00a0({found.low:.3f}\u2060\N{EN DASH}\u2060{found.high:.3f})"


def _shares_plot(both: Sequence[CaptionEvaluation], found: Sequence[Sequence[Interval]]) -> Plot:
    bars = [
        [
            Bar(measure, each.value, each.low, each.high)
            for at, (measure, each) in enumerate(zip(MEASURES, intervals, strict=True))
            if at != _CIDER
        ]
        for intervals in found
    ]
    models = [(each.name, rows) for each, rows in zip(both, bars, strict=True)]
    return plot_shares(models, "BLEU and ROUGE-L", "CIDEr-D, whose scale is another, is in the table.", "score")


def _distribution_plot(both: Sequence[CaptionEvaluation]) -> Plot:
    curves = []
    for each in both:
        ordered = np.sort(each.scores.cider)
        curves.append(Curve(each.name, ordered, np.arange(1, len(ordered) + 1) / len(ordered)))
    return plot_cumulative(curves, "CIDEr-D", "CIDEr-D of single captions", "Further to the right is better.")


def _compared(first: CaptionEvaluation, second: CaptionEvaluation, sources: Mapping[str, str]) -> Section:
    first, second = _in_common(first, second)
    found = compare_captions(first.scores, second.scores)
    corrected = holm([each.p for each in found])
    rows = [
        [
            measure,
            f"{each.difference.value:+.3f} ({each.difference.low:+.3f} to {each.difference.high:+.3f})",
            _p(each.p),
            _p(p),
        ]
        for measure, each, p in zip(MEASURES, found, corrected, strict=True)
    ]
    apart = second.scores.cider - first.scores.cider
    most = [row for row in np.argsort(-np.abs(apart), kind="stable")[:SHOWN] if apart[row]]
    return Section(
        f"{second.name} against {first.name}",
        f"{len(first.pairs):,} pictures that both describe. {_TESTS} By CIDEr-D, {first.name} is better on "
        f"{int((apart < 0).sum()):,} of them and {second.name} on {int((apart > 0).sum()):,}.",
        tables=[Table("Second minus first", ["measure", "difference", "p", "p (Holm)"], rows)],
        pictures=[_side_by_side(first, second, row, float(apart[row]), sources) for row in most],
        pictures_title="Captions that differ most, with the difference in CIDEr-D",
    )


def _in_common(first: CaptionEvaluation, second: CaptionEvaluation) -> tuple[CaptionEvaluation, CaptionEvaluation]:
    """Return both with the pictures that both describe, in the same order and with the same references."""
    theirs = {pair.id: pair for pair in second.pairs}
    ours = [pair for pair in {pair.id: pair for pair in first.pairs}.values() if pair.id in theirs]
    if not ours:
        raise InputError(f"{first.name} and {second.name} describe no picture of the same id; nothing can be compared")
    others = [CaptionPair(pair.id, theirs[pair.id].caption, pair.references) for pair in ours]
    return CaptionEvaluation.of(first.name, ours), CaptionEvaluation.of(second.name, others)


def _worst(evaluation: CaptionEvaluation) -> Sequence[int]:
    order = np.lexsort((evaluation.scores.rouge_l, evaluation.scores.cider))
    return [int(row) for row in order[:SHOWN]]


def _shown(evaluation: CaptionEvaluation, row: int, sources: Mapping[str, str]) -> Picture:
    pair = evaluation.pairs[row]
    texts = [("caption", pair.caption), *_references(pair)]
    return Picture(_picture(pair, sources), pair.id, score=float(evaluation.scores.cider[row]), texts=texts)


def _side_by_side(
    first: CaptionEvaluation, second: CaptionEvaluation, row: int, apart: float, sources: Mapping[str, str]
) -> Picture:
    pair = first.pairs[row]
    texts = [(first.name, pair.caption), (second.name, second.pairs[row].caption), *_references(pair)]
    return Picture(_picture(pair, sources), pair.id, score=apart, texts=texts)


def _references(pair: CaptionPair) -> list[tuple[str, str]]:
    return [("reference", text) for text in pair.references[:_MOST_REFERENCES]]


def _picture(pair: CaptionPair, sources: Mapping[str, str]) -> Path | bytes:
    source = sources.get(pair.id, pair.id)
    return picture_of(Record(pair.id, source))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
