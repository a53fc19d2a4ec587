"""The page of an evaluation: numbers with intervals, plots, confusions, the worst errors, and two models compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.catalogue.display import picture_of, title_of
from catalens.core.types import Record
from catalens.pipelines.evaluating import GroupEvaluation, SearchEvaluation, TagEvaluation
from catalens.render.plots import (
    Bar,
    Curve,
    Plot,
    plot_confusion,
    plot_precision_recall,
    plot_recall_at,
    plot_reliability,
    plot_shares,
)
from catalens.render.report import Answer, Picture, Report, SearchRow, Section, Table
from catalens.tasks.calibration import reliability
from catalens.tasks.intervals import LEVEL, RESAMPLES, Comparison, Interval, bootstrap_median, compare, holm, wilson

Credits: TypeAlias = NDArray[np.float64]
"""(n,): 1 where a row is right, 0 where it is wrong, a share where equal scores leave it to chance."""

SHOWN_LABELS = 20
SHOWN_ERRORS = 12
_MOST_RANK = 100
_SPACE, _DASH = "\u00a0", "\u2060\N{EN DASH}\u2060"
"""A space and a dash at which no line ends."""
_METHODS = (
    f"Intervals are of {LEVEL:.0%}: Wilson's for shares, a percentile bootstrap ({RESAMPLES:,} resamples, fixed seed) "
    "for medians and differences. Rows count as independent; where several pictures show one thing, the intervals are "
    "too narrow."
)
_TESTS = (
    "Both models read the same rows. The difference has a paired bootstrap interval; p is McNemar's exact test on the "
    "rows that only one of them got right, and p (Holm) is corrected for the number of tests in this table."
)


def tag_report(table: str, evaluation: TagEvaluation, against: TagEvaluation | None = None) -> Report:
    """Return the page of `catalens eval tags`.

    Args:
        table: what the pictures come from.
        evaluation: of the model.
        against: of a second model on the same rows.
    """
    both = [evaluation, *([against] if against else [])]
    return Report(
        title=f"Tags on {table}",
        about=f"{_names(both)} {_METHODS}",
        numbers=_numbers(evaluation, against),
        tables=[_tag_table(each) for each in both],
        sections=[
            *([_compared_tags(evaluation, against)] if against else []),
            *(_group_section(at, evaluation, against) for at in range(len(evaluation.groups))),
        ],
    )


def search_report(table: str, evaluation: SearchEvaluation, against: SearchEvaluation | None = None) -> Report:
    """Return the page of `catalens eval search`; arguments as for `tag_report`."""
    both = [evaluation, *([against] if against else [])]
    return Report(
        title=f"Search on {table}",
        about=f"{_names(both)} {_METHODS}",
        numbers=[
            ("queries", f"{len(evaluation.texts):,}"),
            ("pictures", f"{len(evaluation.records):,}"),
            ("models", str(len(both))),
        ],
        tables=[_search_table(each) for each in both],
        sections=[
            Section("Recall", plots=[_recall_plot(both)]),
            *([_compared_search(evaluation, against)] if against else []),
            Section(
                "Worst queries",
                "The queries whose own picture comes last: it is the first of each row, with its rank; then what came "
                "instead, with its cosine.",
                searches=list(_worst_queries(evaluation)),
            ),
        ],
    )


def _names(both: Sequence[TagEvaluation | SearchEvaluation]) -> str:
    return "Measured with " + " and ".join(each.encoder_name for each in both) + "."


def _numbers(evaluation: TagEvaluation, against: TagEvaluation | None) -> list[tuple[str, str]]:
    return [
        ("pictures", f"{len(evaluation.records):,}"),
        ("attributes", str(len(evaluation.groups))),
        ("models", "2" if against else "1"),
    ]


def _tag_table(evaluation: TagEvaluation) -> Table:
    heads = ["attribute", "rows", "skipped", "labels", "top 1", "top 5", "majority", "precision", "recall", "ECE"]
    return Table(evaluation.encoder_name, heads, [_tag_row(each) for each in evaluation.groups])


def _tag_row(group: GroupEvaluation) -> list[str]:
    row, judged = group.row(), group.judged
    right = (judged.held & judged.part.truth).astype(np.float64)
    shown = [
        _share(row["top1"], group.ranks.within(1) if group.ranks else None),
        _share(row["top5"], group.ranks.within(5) if group.ranks else None),
        _cell(row["majority"]),
        _share(row["precision"], right[judged.held]),
        _share(row["recall"], right[judged.part.truth]),
        _cell(row["ece"]),
    ]
    return [row["group"], *(_cell(row[name]) for name in ("rows", "skipped", "labels")), *shown]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def _share(value: float | None, credits: Credits | None) -> str:
    """Return a share as the command prints it, with its interval."""
    return "–" if value is None or credits is None else f"{_cell(value)}{_SPACE}{_range(wilson(credits))}"


def _range(found: Interval, digits: int = 3) -> str:
    return f"({found.low:.{digits}f}{_DASH}{found.high:.{digits}f})"


def _group_section(at: int, evaluation: TagEvaluation, against: TagEvaluation | None) -> Section:
    group = evaluation.groups[at]
    judged = group.judged
    if not len(judged.part.rows):
        return Section(judged.group.name, "No row of the table has a value that this attribute knows.")
    both = [(evaluation.encoder_name, group)]
    both += [(against.encoder_name, against.groups[at])] if against else []
    exclusive = judged.group.kind == "exclusive"
    return Section(
        judged.group.name,
        f"{len(judged.part.rows):,} rows. Plots of one model are of {evaluation.encoder_name}.",
        plots=[
            *([_confusion_plot(group)] if exclusive else []),
            _reliability_plot(group),
            _curve_plot(judged.group.name, both),
        ],
        tables=_confusion_table(group) if exclusive else [],
        pictures=list(_worst(evaluation.records, group)) if exclusive else [],
        pictures_title="Errors of highest confidence",
    )


def _confusion_plot(group: GroupEvaluation) -> Plot:
    judged = group.judged
    true, said = judged.part.truth.argmax(axis=1), judged.scores.argmax(axis=1)
    order = np.argsort(-np.bincount(true, minlength=judged.scores.shape[1]), kind="stable")
    present = [int(label) for label in order if (true == label).any() or (said == label).any()]
    kept = present[: SHOWN_LABELS - 1] if len(present) > SHOWN_LABELS else present
    names = [judged.group.label_names[label] for label in kept] + (["(others)"] if len(kept) < len(present) else [])
    place = np.full(judged.scores.shape[1], len(kept))
    place[kept] = np.arange(len(kept))
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (place[true], place[said]), 1)
    caption = "Likeliest label against the true one: counts, shaded by share of the row."
    return plot_confusion(names, counts, f"Confusion matrix of {judged.group.name}", caption)


def _reliability_plot(group: GroupEvaluation) -> Plot:
    confidences, correct = group.judged.confidences()
    found = reliability(confidences, correct)
    error = _cell(group.row()["ece"])
    what = "the likeliest label" if group.judged.group.kind == "exclusive" else "every label"
    caption = f"Confidence of {what} against how often it is right; numbers of items over the bars. ECE {error}."
    title = f"Reliability of {group.judged.group.name}"
    return plot_reliability(found.confidences, found.correct, found.counts, title, caption)


def _curve_plot(name: str, both: Sequence[tuple[str, GroupEvaluation]]) -> Plot:
    curves = [_precision_recall(model, group) for model, group in both]
    rows = [(model, group.row()) for model, group in both]
    points = [
        (model, row["recall"], row["precision"])
        for model, row in rows
        if row["recall"] is not None and row["precision"] is not None
    ]
    caption = (
        "As one threshold falls over all labels. The marks are the thresholds in use, which may differ by label and "
        "leave out what is less likely than “none of these”."
    )
    return plot_precision_recall(curves, points, f"Precision and recall of {name}", caption)


def _precision_recall(model: str, group: GroupEvaluation) -> Curve:
    confidences, correct = group.judged.confidences()
    order = np.argsort(-confidences, kind="stable")
    right = np.cumsum(correct[order])
    last = np.append(np.diff(confidences[order]) != 0, True)
    there = max(1, int(group.judged.part.truth.sum()))
    return Curve(model, right[last] / there, right[last] / (np.flatnonzero(last) + 1))


def _confusion_table(group: GroupEvaluation) -> list[Table]:
    judged, names = group.judged, group.judged.group.label_names
    true, said = judged.part.truth.argmax(axis=1), judged.scores.argmax(axis=1)
    pairs, counts = np.unique(np.stack([true, said], axis=1)[true != said], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:SHOWN_ERRORS]
    rows = [
        [names[pairs[at, 0]], names[pairs[at, 1]], str(counts[at]), f"{counts[at] / (true == pairs[at, 0]).sum():.2f}"]
        for at in order
    ]
    return [Table("Most frequent confusions", ["is", "read as", "rows", "of its rows"], rows)] if rows else []


def _worst(records: Sequence[Record], group: GroupEvaluation) -> Iterator[Picture]:
    """Yield the errors of highest confidence."""
    judged, names = group.judged, group.judged.group.label_names
    true, said = judged.part.truth.argmax(axis=1), judged.scores.argmax(axis=1)
    confidence = judged.scores.max(axis=1)
    wrong = np.flatnonzero(true != said)
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_ERRORS]:
        record = records[judged.part.rows[row]]
        answer = Answer(judged.group.name, names[said[row]], float(confidence[row]), names[true[row]])
        yield Picture(picture_of(record), title_of(record), [answer])


def _compared_tags(first: TagEvaluation, second: TagEvaluation) -> Section:
    pairs = [(a, b) for a, b in zip(first.groups, second.groups, strict=True) if a.ranks and b.ranks]
    found = [(a.judged.group.name, compare(*_top1(a, b))) for a, b in pairs]
    names = (first.encoder_name, second.encoder_name)
    bars = [
        [Bar(pair[at].judged.group.name, *_interval(wilson(_top1(*pair)[at]))) for pair in pairs] for at in range(2)
    ]
    plots = [plot_shares(list(zip(names, bars, strict=True)), "Top 1 of both models", _TESTS)] if pairs else []
    return Section(
        f"{names[1]} against {names[0]}",
        "Zero-shot accuracy (top 1) of every attribute of which one value holds.",
        plots=plots,
        tables=[_comparison_table(found)] if found else [],
    )


def _top1(first: GroupEvaluation, second: GroupEvaluation) -> tuple[Credits, Credits]:
    if first.ranks is None or second.ranks is None:
        raise ValueError("a group without ranks cannot be compared")
    return first.ranks.within(1), second.ranks.within(1)


def _interval(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def _comparison_table(found: Sequence[tuple[str, Comparison]]) -> Table:
    corrected = holm([each.p for _, each in found])
    heads = ["measure", "difference", "only first right", "only second right", "p", "p (Holm)"]
    rows = [
        [
            name,
            f"{each.difference.value:+.3f} ({each.difference.low:+.3f} to {each.difference.high:+.3f})",
            f"{each.only_first:,}",
            f"{each.only_second:,}",
            _p(each.p),
            _p(p),
        ]
        for (name, each), p in zip(found, corrected, strict=True)
    ]
    return Table("Second minus first", heads, rows)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _search_table(evaluation: SearchEvaluation) -> Table:
    row, ranks = evaluation.row(), evaluation.ranks
    shown = [_share(row[f"recall_at_{k}"], ranks.within(k)) for k in (1, 5, 10)]
    median = f"{row['median_rank']:.1f}{_SPACE}{_range(bootstrap_median(ranks.middle), 1)}"
    heads = ["recall at 1", "recall at 5", "recall at 10", "median rank", "queries", "pictures"]
    return Table(evaluation.encoder_name, heads, [[*shown, median, f"{row['queries']:,}", f"{row['pictures']:,}"]])


def _recall_plot(both: Sequence[SearchEvaluation]) -> Plot:
    caption = "How often a row's own picture is among the first k that its text finds, with 95 % intervals."
    return plot_recall_at([_recall_curve(each) for each in both], "Recall over the number of results", caption)


def _recall_curve(evaluation: SearchEvaluation) -> Curve:
    ks = [k for k in range(1, _MOST_RANK + 1) if k <= len(evaluation.records)]
    found = [wilson(evaluation.ranks.within(k)) for k in ks]
    value, low, high = (np.array(each) for each in zip(*map(_interval, found), strict=True))
    return Curve(evaluation.encoder_name, np.array(ks, dtype=np.float64), value, low, high)


def _compared_search(first: SearchEvaluation, second: SearchEvaluation) -> Section:
    found = [(f"recall at {k}", compare(first.ranks.within(k), second.ranks.within(k))) for k in (1, 5, 10)]
    title = f"{second.encoder_name} against {first.encoder_name}"
    return Section(title, _TESTS, tables=[_comparison_table(found)])


def _worst_queries(evaluation: SearchEvaluation) -> Iterator[SearchRow]:
    middle = evaluation.ranks.middle
    for query in np.argsort(-middle, kind="stable")[: SHOWN_ERRORS // 2]:
        scores = evaluation.vectors @ evaluation.queries[query]
        wanted = evaluation.places[query]
        if middle[query] <= 1:
            return
        best = [int(place) for place in np.argsort(-scores, kind="stable")[:4] if place != wanted][:3]
        titles = [f"wanted, at rank {middle[query]:,.0f}", *(title_of(evaluation.records[place]) for place in best)]
        pictures = [
            Picture(picture_of(evaluation.records[place]), title, score=float(scores[place]))
            for place, title in zip([wanted, *best], titles, strict=True)
        ]
        yield SearchRow(evaluation.texts[query], pictures)
