"""Plots: parts of a page that everybody can read, and nothing of which is fetched."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

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

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
SVG = "{http://www.w3.org/2000/svg}"


def every_plot() -> list[Plot]:
    line = np.linspace(0.1, 1.0, 5)
    return [
        plot_confusion(["red", "<b>blue & green"], np.array([[3, 1], [0, 2]]), "Confusion", "one"),
        plot_reliability(np.array([0.2, 1.8]), np.array([0.0, 2.0]), np.array([1, 2]), "Reliability", "two"),
        plot_precision_recall([Curve("starter", line, line[::-1])], [("starter", 0.5, 0.25)], "Precision", "three"),
        plot_recall_at([Curve("starter", np.arange(1.0, 6), line, line - 0.05, line + 0.05)], "Recall", "four"),
        plot_shares([("starter", [Bar("type", 0.8, 0.7, 0.9)])], "Shares", "five"),
    ]


@pytest.fixture(scope="module")
def plots() -> list[Plot]:
    return every_plot()


@pytest.mark.parametrize("at", range(5), ids=["confusion", "reliability", "precision", "recall", "shares"])
def test_a_plot_is_an_image_with_a_name_and_a_description(plots: list[Plot], at: int) -> None:
    plot = plots[at]
    root = ElementTree.fromstring(plot.svg)
    assert root.tag == f"{SVG}svg"
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert told is not None
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], told.attrib["id"]]
    assert re.search(r"\d", told.text or ""), "the description holds the numbers"
    assert root.findall(f".//{SVG}text"), "text stays text"


def test_a_plot_tells_the_numbers_that_it_draws(plots: list[Plot]) -> None:
    confusion, reliability, *_ = plots
    assert "red: 3 of 4 right; &lt;b&gt;blue &amp; green: 2 of 2 right" in confusion.svg
    assert "at confidence 0.20, 0.00 of 1 right; at confidence 0.90, 1.00 of 2 right" in reliability.svg


def test_nothing_is_fetched_and_labels_are_text(plots: list[Plot]) -> None:
    for plot in plots:
        assert not re.findall(r"""(?:href|src)=["'](?!#)""", plot.svg)
        assert "<b>" not in plot.svg
        assert "<script" not in plot.svg


def test_no_two_plots_of_a_page_share_an_identifier(plots: list[Plot]) -> None:
    found = [name for plot in plots for name in set(re.findall(r'\bid="([^"]+)"', plot.svg))]
    assert len(found) == len(set(found))


def test_every_reference_has_its_target(plots: list[Plot]) -> None:
    for plot in plots:
        named = set(re.findall(r'\bid="([^"]+)"', plot.svg))
        assert {*re.findall(r'href="#([^"]+)"', plot.svg), *re.findall(r"url\(#([^)]+)\)", plot.svg)} <= named


def test_the_same_numbers_give_the_same_plot(plots: list[Plot]) -> None:
    assert every_plot() == plots
