"""Runs the code blocks of a page, as a reader would, and shows what they print.

A block after `<!-- run -->` is run; one after `<!-- run: show -->` is run, and what it prints is shown under it. The
blocks of a page run in order in a folder that has `photo.jpg`, `photos/` and `products.csv`. A block that is not run
says why: `<!-- not run: needs a server -->`.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalens.demo.drawn import draw_catalogue

LANGUAGES = ("console", "python")
_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>run(?:: show)?|not run: [^>]+?) -->\n)?"
    r"^```(?P<language>console|python|bash)\n(?P<code>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)
TIMEOUT_S = 180.0
PRODUCTS = 12
_COLUMNS = "78"  # as wide as a page shows without a scroll bar


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page.

    Attributes:
        mark: what the comment before it says: "run", "run: show", "not run: …"; "" without one.
        language: of the code.
        code: as it stands on the page.
        end: where it ends in the page.
    """

    mark: str
    language: str
    code: str
    end: int


class BlockError(Exception):
    """A block of a page ended with an error; the message holds the block and what it said."""


def find_blocks(text: str) -> list[Block]:
    """Return the blocks of code of a page."""
    return [
        Block(found["mark"] or "", found["language"], found["code"], found.end()) for found in _BLOCK.finditer(text)
    ]


def make_folder(folder: Path) -> None:
    """Put what the examples speak of into a folder: photo.jpg, photos/ and products.csv."""
    (folder / "photos").mkdir(parents=True)
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", "type", "colour", "price"])
        for place, product in enumerate(draw_catalogue(PRODUCTS, 0)):
            product.picture.save(folder / "photos" / f"{product.id}.png")
            row = [product.id, f"photos/{product.id}.png", product.title, product.article_type, product.colour]
            table.writerow([*row, 100 + 50 * place])
            if place == 0:
                product.picture.save(folder / "photo.jpg")


def run_blocks(text: str, folder: Path) -> str:
    """Run the blocks of a page in a folder, and return the page with the output of those that show it.

    Raises:
        BlockError: a block failed.
    """
    parts, done = [], 0
    for block in find_blocks(text):
        if not block.mark.startswith("run"):
            continue
        printed = run_block(block, folder)
        parts.append(text[done : block.end])
        if block.mark == "run: show" and printed.strip():
            parts.append(f'\n\n```text title="output"\n{_tidy(printed, folder)}\n```')
        done = block.end
    return "".join([*parts, text[done:]])


def run_block(block: Block, folder: Path) -> str:
    """Run one block and return what it prints.

    Raises:
        BlockError: it failed.
    """
    code, printed, said = _run_on_terminal(list(_command(block)), folder)
    if code:
        raise BlockError(f"this block ended with {code}:\n{block.code}\n{printed}\n{said}")
    return printed


def environment() -> dict[str, str]:
    """Return the environment of an example: the command of this interpreter first, no settings of the reader's own."""
    scripts = Path(sys.executable).parent
    own = {name: value for name, value in os.environ.items() if not name.startswith("CATALENS_")}
    return own | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": _COLUMNS, "NO_COLOR": "1"}


def without_comments(text: str) -> str:
    """Return a page without the marks of its blocks."""
    return re.sub(r"<!-- (?:run(?:: show)?|not run: [^>]+?) -->\n", "", text)


def _command(block: Block) -> Iterator[str]:
    if block.language == "python":
        yield from (sys.executable, "-c", block.code)
        return
    script = "\n".join(line.removeprefix("$ ") for line in block.code.splitlines())
    yield from ("bash", "-euo", "pipefail", "-c", script)


def _run_on_terminal(command: list[str], folder: Path) -> tuple[int, str, str]:
    """Run a command whose standard output is a terminal, so that it prints what a person sees.

    Returns:
        Its exit code, what it printed, and what it said on standard error.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, int(_COLUMNS), 0, 0))
    printed = bytearray()

    def read() -> None:
        # A terminal whose other end is closed is an error on Linux, and empty elsewhere.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 1 << 16):
                printed.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode("utf-8", "replace").replace("\r\n", "\n"))
    return ran.returncode, text, ran.stderr.decode("utf-8", "replace")


def _tidy(printed: str, folder: Path) -> str:
    lines = [line.rstrip() for line in printed.replace(f"{folder.resolve()}/", "").splitlines()]
    return "\n".join(lines).strip("\n")


if __name__ == "__main__":
    make_folder(Path(sys.argv[1]))
