"""`catalens ask --chat`: a conversation about one picture, question by question."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from catalens.cli import output
from catalens.cli.remote import stages_at
from catalens.core.errors import CatalensError

if TYPE_CHECKING:
    from catalens.core.types import Turn
    from catalens.pipelines.answering import AnswerStage
    from catalens.pipelines.pictures import Entries
    from catalens.pipelines.session import Session

_ENDS = ("exit", "quit")


def hold(entries: Entries, stage: AnswerStage, session: Session, *, server: str | None, as_json: bool) -> None:
    """Answer questions about one picture, with the conversation so far where the reader keeps one.

    A question that cannot be answered is reported, and the next one is asked.

    Args:
        entries: one picture.
        stage: how questions are answered, and those of the command line; further ones come from standard input.
        session: the reader.
        server: whose reader answers instead; None is this machine's.
        as_json: print JSON lines.

    Raises:
        InputError: there is not one picture, or it cannot be read.
        typer.Exit: with 1, at the end, if a question was not answered.
    """
    from catalens.core.types import Turn
    from catalens.pipelines.conversation import asking, one_picture

    at = None if server is None else lambda each: stages_at([each], server)[0]
    ask = asking(one_picture(entries), stage, session, at=at)
    history: list[Turn] = []
    failed, told = 0, False
    for question in _lines(stage.questions):
        try:
            answer, keeps_history = ask(question, history)
        except CatalensError as error:
            failed += 1
            output.say(f"failed: {error}", style="red")
            if as_json:
                output.emit({"question": question, "error": str(error)})
            continue
        if keeps_history:
            history.append(Turn(question, answer["answer"]))
        elif not told:
            output.say("the reader keeps no conversation: each question stands alone", style="yellow")
            told = True
        if as_json:
            output.emit(answer)
        else:
            output.show(answer["answer"])
    if failed:
        raise typer.Exit(1)


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
