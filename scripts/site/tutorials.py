"""Tutorials: scripts in jupytext's percent format, run by the build, as pages and as notebooks with their real output.

A cell of Markdown becomes text, a cell of code runs in one namespace after those before it. What it prints, the value
of its last line, are put under it; a Pillow image is shown as a picture.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from PIL import Image, ImageOps

from scripts.site.blocks import environment

_MOST_WH = (900, 600)


@dataclass
class Output:
    """What a cell gave: text, and pictures as PNG."""

    text: str = ""
    pictures: list[bytes] = field(default_factory=list)


def run_tutorial(script: Path, folder: Path, *, run: bool = True) -> tuple[str, str]:
    """Run a script in a folder; return the page (Markdown) and the notebook (JSON), both with its output, if it is run.

    Raises:
        RuntimeError: a cell failed; the message holds it.
    """
    book = jupytext.read(script, fmt="py:percent")
    outputs = list(_run(book.cells, script.name, folder)) if run else [Output() for _ in book.cells]
    return _page(script.stem, book.cells, outputs), _notebook(book, outputs)


def _run(cells: list[Any], name: str, folder: Path) -> Iterator[Output]:
    space: dict[str, Any] = {"__name__": "__main__"}
    old, own, for_it = Path.cwd(), dict(os.environ), environment()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(for_it)
    try:
        for at, cell in enumerate(cells):
            code = cell.cell_type == "code"
            yield _run_cell(cell.source, f"{name}, cell {at + 1}", space) if code else Output()
    finally:
        os.chdir(old)
        os.environ.clear()
        os.environ.update(own)


def _run_cell(source: str, where: str, space: dict[str, Any]) -> Output:
    """Run a cell as a notebook does: the value of a last line that is an expression is shown."""
    tree, printed, pictures = ast.parse(source), io.StringIO(), []
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, where, "exec"), space)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), where, "eval"), space)
                if isinstance(value, Image.Image):
                    pictures.append(_png(value))
                elif value is not None and not source.rstrip().endswith(";"):
                    print(value)
    except Exception as error:
        said = getattr(error, "stderr", None) or ""  # of a command that failed
        raise RuntimeError(f"{where} failed:\n{source}\n{printed.getvalue()}\n{error!r}\n{said}") from error
    return Output(printed.getvalue().replace(f"{Path.cwd()}/", "").rstrip(), pictures)


def _page(stem: str, cells: list[Any], outputs: list[Output]) -> str:
    parts = []
    for cell, output in zip(cells, outputs, strict=True):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if output.text:
            parts.append(f'```text title="output"\n{output.text}\n```')
        parts += [f"![what the cell shows](data:image/png;base64,{_text(each)})" for each in output.pictures]
    parts.append(
        f"---\n\nThis page was made by running the script. [Download it as a notebook]({stem}.ipynb), or run "
        f"`docs/tutorials/{stem}.py` in a folder with the pictures that `python -m scripts.site.blocks FOLDER` draws."
    )
    return "\n\n".join(parts) + "\n"


def _notebook(book: Any, outputs: list[Output]) -> str:  # noqa: ANN401 - nbformat has no types
    for at, (cell, output) in enumerate(zip(book.cells, outputs, strict=True)):
        cell["id"] = f"cell-{at}"
        if cell.cell_type != "code":
            continue
        cell.execution_count = at + 1
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=output.text + "\n")] if output.text else []
        for each in output.pictures:
            cell.outputs.append(nbformat.v4.new_output("display_data", data={"image/png": _text(each)}))
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(nbformat.writes(nbformat.validator.normalize(book)[1]))


def _png(image: Image.Image) -> bytes:
    image = ImageOps.exif_transpose(image).convert("RGB")
    if image.width > _MOST_WH[0] or image.height > _MOST_WH[1]:
        image = ImageOps.contain(image, _MOST_WH)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
