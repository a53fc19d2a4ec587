"""`catalens ask --chat`: a conversation about one picture, question by question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from catalens.cli import inputs, output
from catalens.core.errors import CatalensError, InputError

if TYPE_CHECKING:
    from catalens.core.types import Turn
    from catalens.pipelines.answering import AnswerStage
    from catalens.pipelines.pictures import Entries
    from catalens.pipelines.session import Session
    from catalens.pipelines.stages import EncodedPicture

    Ask = Callable[[str, Sequence[Turn]], tuple[dict[str, Any], bool]]
    """From a question and the conversation so far to the answer, and whether the reader keeps a conversation."""

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

    picture = _picture(entries)
    ask = _here(picture, stage, session) if server is None else _at_server(picture, stage, session, server)
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


def _here(picture: EncodedPicture, stage: AnswerStage, session: Session) -> Ask:
    """Return what asks this machine's reader, about a picture that is encoded once."""
    from catalens.pipelines.bundled_answers import BundledAnswers
    from catalens.pipelines.reading import encode_for_reader

    reader = session.reader(stage.reader)
    encoded, bundled = encode_for_reader([picture], reader), BundledAnswers(session)

    def ask(question: str, history: Sequence[Turn]) -> tuple[dict[str, Any], bool]:
        (answer,) = stage.ask(reader, encoded, [question], history, bundled=bundled)[0]
        return answer, reader.keeps_history

    return ask


def _at_server(picture: EncodedPicture, stage: AnswerStage, session: Session, server: str) -> Ask:
    """Return what asks a server's reader, which gets the picture and the conversation with each question."""
    from catalens.cli.remote import stages_at
    from catalens.pipelines.answering import ANSWERS, KEEPS_HISTORY

    stages_at([stage], server)  # what is wrong with the address is told before the first question

    def ask(question: str, history: Sequence[Turn]) -> tuple[dict[str, Any], bool]:
        (asked,) = stages_at([replace(stage, questions=(question,), history=tuple(history))], server)
        (found,) = asked.load(session).run([picture])
        if isinstance(found, CatalensError):
            raise found
        return found[ANSWERS][0], found[KEEPS_HISTORY]

    return ask


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
