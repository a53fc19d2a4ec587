"""The pages that `catalens eval … --report` writes: their flags, and what they need."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import output
from catalens.core.errors import InputError
from catalens.core.files import check_writable

if TYPE_CHECKING:
    from catalens.render.report import Report

ReportFile = Annotated[
    Path | None,
    Option(
        "--report",
        metavar="FILE.html",
        help="Write a page with intervals, plots and errors; needs catalens\\[report].",
    ),
]
Against = Annotated[
    str | None,
    Option(metavar="NAME", help="Encoder to compare with, in the report."),
]


def check_report(report: Path | None, against: object = None) -> None:
    """Refuse, before the work begins, a report that cannot be written."""
    if report is None:
        if against is not None:
            raise InputError("--against is shown in a report: name its file with --report")
        return
    check_writable(report)
    for library in ("matplotlib", "scipy"):
        if find_spec(library) is None:
            raise InputError(f'--report needs {library}: pip install "catalens[report]"')


def write_report(path: Path, report: Report) -> None:
    """Render a report into a file, and say where it is."""
    from catalens.core.files import write_text_atomically
    from catalens.render.report import render_report

    write_text_atomically(path, render_report(report))
    output.say(f"written: {path}")
