"""`catalens ask --chat`: a conversation about one picture, question by question."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import typer

from catalens.cli import inputs, output
from catalens.core.errors import CatalensError, InputError

if TYPE_CHECKING:
    from catalens.core.types import Turn
    from catalens.pipelines.answering import AnswerStage
    from catalens.pipelines.pictures import Entries
    from catalens.pipelines.session import Session
    from catalens.pipelines.stages import EncodedPicture

_ENDS = ("exit", "quit")


def hold(entries: Entries, stage: AnswerStage, session: Session, *, as_json: bool) -> None:
    """Answer questions about one picture, with the conversation so far where the reader keeps one.

    A question that cannot be answered is reported, and the next one is asked.

    Args:
        entries: one picture.
        stage: how questions are answered, and those of the command line; further ones come from standard input.
        session: the reader.
        as_json: print JSON lines.

    Raises:
        InputError: there is not one picture, or it cannot be read.
        typer.Exit: with 1, at the end, if a question was not answered.
    """
    from catalens.core.types import Turn
    from catalens.pipelines.reading import encode_for_reader

    picture = _picture(entries)
    reader = session.reader(stage.reader)
    if not reader.keeps_history:
        output.say(f"{reader.name} keeps no conversation: each question stands alone", style="yellow")
    encoded = encode_for_reader([picture], reader)
    history: list[Turn] = []
    failed = 0
    for question in _lines(stage.questions):
        try:
            (answer,) = stage.ask(reader, encoded, [question], history)[0]
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


def _picture(entries: Entries) -> EncodedPicture:
    from catalens.core.types import Outcome
    from catalens.pipelines.pictures import encoded_picture

    items = list(islice(entries, 2))
    if len(items) != 1 or inputs.STANDARD_INPUT in entries.names:
        raise InputError("--chat is about one picture in a file; name one, and no more")
    if isinstance(items[0], Outcome):
        raise InputError(str(items[0].error))
    return encoded_picture(items[0])


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
