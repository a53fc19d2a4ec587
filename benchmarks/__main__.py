"""Measure the subjects and print a table of each; the last line on standard output is one JSON document."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.machine import machine_facts
from benchmarks.plan import FULL, LARGE_GRAPH, QUICK, Figures
from benchmarks.subjects import SUBJECTS, measure
from benchmarks.timing import in_fresh_process


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="A,B", help=f"some of: {', '.join(SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, and roughly how fast")
    parser.add_argument("--large", action="store_true", help=f"build the graph over {LARGE_GRAPH:,} records (minutes)")
    parser.add_argument("--model", default="starter", help="an encoder's name, or a bundle's folder")
    options = parser.parse_args(arguments)
    chosen = options.only.split(",") if options.only else list(SUBJECTS)
    if unknown := [name for name in chosen if name not in SUBJECTS]:
        parser.error(f"there is no subject {unknown[0]!r}; there are: {', '.join(SUBJECTS)}")
    data = Path(os.environ.get("CATALENS_DATA") or QUICK.data)
    plan = dataclasses.replace(QUICK if options.quick else FULL, model=options.model, data=data)
    if options.large:
        plan = dataclasses.replace(plan, graph_records=LARGE_GRAPH)
    document: Figures = {"machine": machine_facts(), "quick": options.quick, "large": options.large}
    for name in chosen:
        print(f"measuring {name}: {SUBJECTS[name]} ...", file=sys.stderr, flush=True)
        started_s = time.perf_counter()
        document[name] = in_fresh_process(measure, name, plan)
        document[name]["took_s"] = round(time.perf_counter() - started_s, 1)
        show(f"{name}: {SUBJECTS[name]}", document[name])
    print(json.dumps(rounded(document)))


def show(title: str, figures: Figures) -> None:
    """Print a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for name, value in _lines(rounded(figures)):
        table.add_row(name, f"{value:,}" if isinstance(value, (int, float)) else str(value))
    Console(stderr=True).print(table)


def _lines(figures: Figures, before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{before}{name}: ")
        else:
            yield before + name, value


def rounded(figures: Figures) -> Figures:
    """Keep four digits: more would be noise."""
    return {name: _short(value) for name, value in figures.items()}


def _short(value: object) -> object:
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
    return value


if __name__ == "__main__":
    main()
