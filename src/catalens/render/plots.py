"""Plots of an evaluation as SVG to put into a page: matplotlib draws them, text stays text.

Each has a title and a description for those who do not see it, and no two on a page share an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError

COLOURS = ("#0072b2", "#d55e00")
"""Of the first and the second model: blue and vermilion, which every eye tells apart (Okabe and Ito, 2008)."""
MARKS = ("o", "s")
_GREY = "#5b6675"
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",  # text as text: it can be read aloud, searched and copied
    "font.family": "sans-serif",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """An SVG image, and its caption."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line: x and y are (n,); low and high, if given, are its confidence band."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured share of one model: of a name such as an attribute, with its interval."""

    name: str
    value: float
    low: float
    high: float


def plot_confusion(labels: Sequence[str], counts: NDArray[np.int64], title: str, caption: str) -> Plot:
    """Draw which labels are read as which: (m, m) counts, a row for each true label, shaded by share of its row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.9 + 0.33 * len(labels)
    most = max(max(map(len, labels)), 1)

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        axes.grid(visible=False)
        edges = np.arange(len(labels) + 1) - 0.5
        axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#eef2f6", linewidth=0.5)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="predicted", ylabel="true")
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.55 else "#1c2430"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)

    told = [
        f"{labels[row]}: {counts[row, row]} of {counts[row].sum()} right"
        for row in range(len(labels))
        if counts[row].sum()
    ]
    return _plot(draw, title, "; ".join(told), caption, (side + 0.06 * most, side + 0.06 * most))


def plot_reliability(
    confidences: NDArray[np.float64], correct: NDArray[np.float64], counts: NDArray[np.int64], title: str, caption: str
) -> Plot:
    """Draw accuracy over confidence by bins, with the diagonal of perfect calibration and the number of items.

    Args:
        confidences: (bins,), their sums.
        correct: (bins,), how many are right.
        counts: (bins,).
        title: what it is, in a line.
        caption: shown under it.
    """
    used = counts > 0
    edges = np.linspace(0.0, 1.0, len(counts) + 1)
    mean, share = confidences[used] / counts[used], correct[used] / counts[used]

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
        axes.bar(
            edges[:-1][used],
            share,
            width=np.diff(edges)[used],
            align="edge",
            color="#9cc9e6",
            edgecolor="white",
            label="share that is right",
        )
        axes.plot(mean, share, marker="o", markersize=4, color=COLOURS[0], linewidth=1.2)
        for left, top, count in zip(edges[:-1][used], share, counts[used], strict=True):
            axes.text(left + 0.5 / len(counts), top + 0.015, f"{count}", ha="center", fontsize=7, color=_GREY)
        axes.set(xlim=(0, 1), ylim=(0, 1.08), xlabel="confidence", ylabel="share that is right")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    told = [f"at confidence {a:.2f}, {b:.2f} of {n} right" for a, b, n in zip(mean, share, counts[used], strict=True)]
    return _plot(draw, title, "; ".join(told), caption, (4.6, 4.0))


def plot_precision_recall(
    curves: Sequence[Curve], points: Sequence[tuple[str, float, float]], title: str, caption: str
) -> Plot:
    """Draw precision over recall as a threshold falls; `points` are (name, recall, precision) of those in use."""

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        for at, curve in enumerate(curves):
            axes.plot(curve.x, curve.y, color=COLOURS[at], linewidth=1.8, label=curve.name, drawstyle="steps-post")
        for at, (name, recall, precision) in enumerate(points):
            axes.plot(
                recall,
                precision,
                MARKS[at],
                color=COLOURS[at],
                markeredgecolor="white",
                markersize=9,
                label=f"{name}, thresholds in use",
            )
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.legend(loc="lower left")

    told = [f"{name}: precision {precision:.2f} at recall {recall:.2f}" for name, recall, precision in points]
    return _plot(draw, title, "; ".join(told), caption, (4.6, 4.0))


def plot_recall_at(curves: Sequence[Curve], title: str, caption: str) -> Plot:
    """Draw how often the wanted picture is among the first k, over k on a logarithmic axis."""

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        for at, curve in enumerate(curves):
            axes.plot(curve.x, curve.y, color=COLOURS[at], linewidth=1.8, label=curve.name)
            if curve.low is not None and curve.high is not None:
                axes.fill_between(curve.x, curve.low, curve.high, color=COLOURS[at], alpha=0.18, linewidth=0)
        axes.set_xscale("log")
        ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= curves[0].x[-1]]
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.minorticks_off()
        axes.set(ylim=(0, 1.02), xlabel="first k results", ylabel="share of queries that find their picture")
        axes.legend(loc="lower right")

    told = [f"{each.name}: {each.y[0]:.2f} first, {each.y[min(9, len(each.y) - 1)]:.2f} in ten" for each in curves]
    return _plot(draw, title, "; ".join(told), caption, (6.2, 4.0))


def plot_cumulative(curves: Sequence[Curve], measure: str, title: str, caption: str) -> Plot:
    """Draw which share of some items scores at most so much, over that score."""

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        for at, curve in enumerate(curves):
            axes.plot(curve.x, curve.y, color=COLOURS[at], linewidth=1.8, label=curve.name, drawstyle="steps-post")
        axes.set(ylim=(0, 1.02), xlabel=measure, ylabel="share that scores at most so much")
        axes.legend(loc="lower right")

    halves = [(each.name, float(each.x[np.searchsorted(each.y, 0.5)])) for each in curves]
    told = [f"{name}: half score at most {half:.2f}" for name, half in halves]
    return _plot(draw, title, "; ".join(told), caption, (6.2, 4.0))


def plot_shares(
    models: Sequence[tuple[str, Sequence[Bar]]], title: str, caption: str, measure: str = "share that is right"
) -> Plot:
    """Draw shares, or other scores in [0, 1], with their intervals: a line for each name, a mark for each model."""
    names = [bar.name for bar in models[0][1]]

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        for at, (model, bars) in enumerate(models):
            middle = np.arange(len(bars)) + (at - (len(models) - 1) / 2) * 0.26
            values = np.array([bar.value for bar in bars])
            reach = np.array([[bar.value - bar.low for bar in bars], [bar.high - bar.value for bar in bars]])
            axes.errorbar(
                values, middle, xerr=reach, fmt=MARKS[at], color=COLOURS[at], capsize=3, markersize=6, label=model
            )
        axes.set_yticks(range(len(names)), names)
        axes.set(xlim=(0, 1.01), ylim=(len(names) - 0.5, -0.5), xlabel=f"{measure}, with 95 % intervals")
        if len(models) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    told = [
        f"{model}, {bar.name}: {bar.value:.3f} ({bar.low:.3f} to {bar.high:.3f})" for model, b in models for bar in b
    ]
    return _plot(draw, title, "; ".join(told), caption, (6.6, 1.4 + 0.42 * len(names)))


def _plot(draw: Callable[[Any], None], title: str, told: str, caption: str, size_in: tuple[float, float]) -> Plot:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('the plots of a report need matplotlib: pip install "catalens[report]"') from error
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    # The salt makes identifiers the same in every run, and other ones in every plot of a page.
    with mpl.rc_context(_RC | {"svg.hashsalt": name}):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure.subplots())
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return Plot(_labelled(out.getvalue(), name, title, told), caption)


def _labelled(document: str, name: str, title: str, told: str) -> str:
    """Return the <svg> element alone, with its title and description, and unique identifiers."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = body.replace("<svg ", f'<svg role="img" aria-labelledby="{name}--title {name}--told" ', 1)
    end = body.index(">") + 1
    words = f'<title id="{name}--title">{escape(title)}</title><desc id="{name}--told">{escape(told)}</desc>'
    return body[:end] + words + body[end:]
