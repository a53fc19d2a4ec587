"""What is printed: no control characters, whatever the encoding, and a disk that is full is named."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from rich.text import Text

from catalens.cli import output
from catalens.core import printing

EVIL = "x\x1b]0;owned\x07\x9b31m\u202egpj\r\x7f"


class Terminal(io.TextIOWrapper):
    """A stream of some encoding that says it is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    @property
    def content(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined]


def colours_gone(content: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", content.decode())


def is_clean(text: str) -> bool:
    return not printing._CONTROL.search(text.replace("\n", ""))


@contextmanager
def terminals() -> Iterator[tuple[Terminal, Terminal]]:
    """Standard output and standard error, for the block."""
    out, err = Terminal("utf-8"), Terminal("utf-8")
    output.messages.cache_clear()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield out, err
    finally:
        output.messages.cache_clear()


def test_no_control_character_reaches_a_terminal() -> None:
    with terminals() as streams:
        output.show_rows([(EVIL, 1.0)], EVIL, "score#", title=EVIL)
        output.show_rows([(Text(EVIL),)], EVIL)  # a cell with a style of its own
        output.show(EVIL)
        output.say(f"failed: {EVIL}", style="red")
        output.emit({EVIL: EVIL})
    out, err = (colours_gone(each.content) for each in streams)
    assert is_clean(out)
    assert is_clean(err)
    assert out.count("\\u001b]0;") == 8
    assert json.loads(out.splitlines()[-1]) == {EVIL: EVIL}
    assert err.startswith("failed: x\\u001b]0;owned\\u0007\\u009b31m\\u202egpj\\u000d\\u007f")


def test_a_bar_escapes_its_notes() -> None:
    with terminals() as (_, err), output.progress("reading", 2) as update:
        update(1, 2, "[red]" + EVIL)
    text = err.content.decode()
    assert "\\u001b]0;owned" in text
    assert "\x1b]0;" not in text
    assert "[red]x" in text


def test_lines_and_tabs_stay() -> None:
    assert printing.printable("a\tb\nc é 衣 🙂") == "a\tb\nc é 衣 🙂"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_json_lines_whatever_the_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"caption": "ein Kleid für 衣 🙂 \udcff"}
    stream = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    output.emit(row)
    assert json.loads(stream.content.decode(encoding)) == row
    if encoding == "utf-8":
        assert "für 衣 🙂".encode() in stream.content


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_tables_replace_what_cannot_be_encoded(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    output.show_rows([("für 衣 🙂", "…")], "größe")
    output.show("衣 – “x”")
    text = stream.content.decode(encoding)
    assert "衣" not in text
    assert "?" in text
    assert ("für" in text) == (encoding != "ascii")


@pytest.mark.parametrize("call", ["emit({'a': 'x' * 9000})", "show('x' * 9000)"])
def test_a_full_disk_behind_standard_output_is_named(call: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    program = f"""
from catalens.cli import output
from catalens.core import printing
from catalens.core.errors import InputError
try:
    output.{call}
except InputError as error:
    raise SystemExit(str(error))
"""
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ran.returncode, ran.stderr) == (1, "standard output cannot be written: no space left on device\n")


def test_messages_of_the_library_are_printed() -> None:
    log = logging.getLogger("catalens")
    before = list(log.handlers)
    try:
        with terminals() as (_, err):
            output.listen()
            output.listen()
            logging.getLogger("catalens.core.images").warning("%s: cut short", EVIL)
    finally:
        log.handlers = before
    assert colours_gone(err.content).count("cut short") == 1
