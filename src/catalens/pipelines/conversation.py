"""Questions about one picture, one after the other, each with the conversation so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

from catalens.catalogue.sources import Entry
from catalens.core.errors import CatalensError, InputError
from catalens.core.types import Outcome, Turn
from catalens.pipelines.answering import ANSWERS, KEEPS_HISTORY, AnswerStage
from catalens.pipelines.bundled_answers import BundledAnswers
from catalens.pipelines.destination import STANDARD_INPUT
from catalens.pipelines.pictures import encoded_picture
from catalens.pipelines.reading import encode_for_reader
from catalens.pipelines.session import Session
from catalens.pipelines.stages import EncodedPicture, Stage

Ask: TypeAlias = Callable[[str, Sequence[Turn]], tuple[dict[str, Any], bool]]
"""From a question and the conversation so far to the answer, and whether the reader keeps a conversation."""


def one_picture(entries: Iterable[Entry]) -> EncodedPicture:
    """Return the picture that a conversation is about.

    Raises:
        InputError: there is not one picture in a file, or it cannot be read.
    """
    items = list(islice(entries, 2))
    if len(items) != 1 or items[0].id == STANDARD_INPUT:
        raise InputError("--chat is about one picture in a file; name one, and no more")
    if isinstance(items[0], Outcome):
        raise InputError(str(items[0].error))
    return encoded_picture(items[0])


def asking(
    picture: EncodedPicture,
    stage: AnswerStage,
    session: Session,
    *,
    at: Callable[[AnswerStage], Stage] | None = None,
) -> Ask:
    """Return what asks a reader about a picture.

    Args:
        picture: what the questions are about; a reader of this machine encodes it once.
        stage: the reader, and how questions are answered; its own questions are not asked.
        session: loads the reader.
        at: returns a stage that asks a reader elsewhere, which gets the picture and the conversation each time.
    """
    if at is not None:
        return _asking_elsewhere(picture, stage, session, at)
    reader = session.reader(stage.reader)
    encoded, bundled = encode_for_reader([picture], reader), BundledAnswers(session)

    def ask(question: str, history: Sequence[Turn]) -> tuple[dict[str, Any], bool]:
        (answer,) = stage.ask(reader, encoded, [question], history, bundled=bundled)[0]
        return answer, reader.keeps_history

    return ask


def _asking_elsewhere(
    picture: EncodedPicture, stage: AnswerStage, session: Session, at: Callable[[AnswerStage], Stage]
) -> Ask:
    at(stage)  # what is wrong with the place is told before the first question

    def ask(question: str, history: Sequence[Turn]) -> tuple[dict[str, Any], bool]:
        asked = at(replace(stage, questions=(question,), history=tuple(history)))
        (found,) = asked.load(session).run([picture])
        if isinstance(found, CatalensError):
            raise found
        return found[ANSWERS][0], found[KEEPS_HISTORY]

    return ask
