"""`catalens ask --chat`: a conversation about one picture, question by question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import typer

from catalens.cli import inputs, output
from catalens.core.errors import CatalensError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.cli.ask import Ask
    from catalens.core.types import Turn
    from catalens.models.readers import Reader

_ENDS = ("exit", "quit")


def hold(
    entries: inputs.Entries, questions: Sequence[str], load: Callable[[], tuple[Reader, Ask]], *, as_json: bool
) -> None:
    """Answer questions about one picture, with what was said before where the reader can remember it.

    A question that cannot be answered is reported, and the next one is asked.

    Args:
        entries: one picture.
        questions: of the command line; further ones are read from standard input.
        load: gives the reader, and what asks it.
        as_json: print JSON lines.

    Raises:
        InputError: there is not one picture, or it cannot be read.
        typer.Exit: with 1, at the end, if a question was not answered.
    """
    from catalens.core.types import Turn

    image = _picture(entries)
    reader, ask = load()
    if not reader.keeps_history:
        output.say(f"{reader.name} keeps no conversation: each question stands alone", style="yellow")
    encoded = reader.encode_images([image])
    history: list[Turn] = []
    failed = 0
    for question in _lines(questions):
        try:
            (answer,) = ask(encoded, [question], history)[0]
        except CatalensError as error:
            failed += 1
            output.say(f"failed: {error}", style="red")
            if as_json:
                output.emit({"question": question, "error": str(error)})
            continue
        if reader.keeps_history:
            history.append(Turn(question, answer["answer"]))
        if as_json:
            output.emit(answer)
        else:
            output.show(answer["answer"])
    if failed:
        raise typer.Exit(1)


def _picture(entries: inputs.Entries) -> Image:
    from catalens.core.types import Outcome
    from catalens.pipelines.prefetch import load as read_picture

    items = list(islice(entries, 2))
    if len(items) != 1 or inputs.STANDARD_INPUT in entries.names:
        raise InputError("--chat is about one picture in a file; name one, and no more")
    read = read_picture([(items[0], None)], None)[0]
    if isinstance(read, Outcome) or read.image is None:
        raise InputError(str(read.error if isinstance(read, Outcome) else items[0].id))
    return read.image


def _lines(questions: Sequence[str]) -> Iterator[str]:
    """Return the questions of the command, then those that are typed or piped in, until an empty line or the end."""
    interactive = sys.stdin.isatty()
    for question in questions:
        if interactive:
            output.say(f"> {question}", style="bold")
        yield question
    while True:
        try:
            line = output.messages().input("[bold]> [/]") if interactive else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            return
        question = line.strip()
        if not question or question.casefold() in _ENDS:
            return
        yield question
