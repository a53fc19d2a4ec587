"""Answers of the bundled readers, with what their encoders know: a small reader alone names the wrong thing surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalens.core.protocols import EncodedImages
from catalens.core.types import Decoding, Turn
from catalens.models.readers.bundled import ReaderPart
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.pipelines.bundled_readers import BundledReader, KnownAttributes, in_order
from catalens.pipelines.session import Session
from catalens.tasks.answers import AnswerChooser, ClosedAnswer, choose
from catalens.tasks.captions import clean_answer
from catalens.tasks.known_answers import asks_for_what_it_lacks, checked_answer, checked_product_answer
from catalens.tasks.schema import UNKNOWN


class BundledAnswers:
    """Answers by bundled readers and their encoders together."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._choosers: dict[str, AnswerChooser | None] = {}
        self._known = KnownAttributes(session)

    def choose(
        self,
        reader: BundledReader,
        encoded: EncodedImages,
        question: str,
        answers: Sequence[str],
        *,
        unknown_below: float | None,
        history: Sequence[Turn] = (),
    ) -> list[ClosedAnswer]:
        """Choose among allowed answers, for each image: by both models where weights were learned for them.

        Products are not said to have what products of their type do not have, unless an answer is always wanted.
        """

        def rows(part: ReaderPart) -> list[ClosedAnswer]:
            chooser = self._chooser(part)
            if chooser is None:
                below = unknown_below or 0.0
                return choose(part.reader, part.encoded, question, answers, unknown_below=below, history=history)
            chosen = chooser.choose(
                part.encoded.vectors, part.encoded, question, answers, unknown_below=unknown_below, history=history
            )
            if _name(part) != PRODUCT or unknown_below == 0 or not asks_for_what_it_lacks(question, {}):
                return chosen
            return [
                replace(each, value=UNKNOWN) if asks_for_what_it_lacks(question, attributes) else each
                for each, attributes in zip(chosen, self._known.read(part), strict=True)
            ]

        return in_order(reader.parts(encoded), rows)

    def answer(
        self,
        reader: BundledReader,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding,
    ) -> list[list[str]]:
        """Answer questions about each image.

        Of everyday pictures, what the encoder recognises is answered first; what a thing is, and of products whatever
        the reader was not taught, is never guessed. A reader that was fine-tuned has learned what its questions mean,
        and answers all of them.
        """

        def rows(part: ReaderPart) -> list[list[str]]:
            written = part.reader.answer(part.encoded, questions, history=history, decoding=decoding)
            cleaned = [[clean_answer(each) for each in row] for row in written]
            return self._checked(part, questions, cleaned)

        return in_order(reader.parts(encoded), rows)

    def _checked(self, part: ReaderPart, questions: Sequence[str], written: list[list[str]]) -> list[list[str]]:
        name = _name(part)
        if name not in (EVERYDAY, PRODUCT):
            return written
        check = checked_product_answer if name == PRODUCT else checked_answer
        checked: list[list[str]] = []
        for attributes, answers in zip(self._known.read(part), written, strict=True):
            checked.append([check(*pair, attributes) for pair in zip(questions, answers, strict=True)])
        return checked

    def _chooser(self, part: ReaderPart) -> AnswerChooser | None:
        from catalens.models.registry import shipped_answers
        from catalens.tasks.answer_weights import load_answer_weights

        name = part.reader.name
        if name not in self._choosers:
            file = shipped_answers(name)
            weights = load_answer_weights(file) if file is not None else None
            fits = weights is not None and (weights.encoder_name, weights.reader_name) == (name, name)
            self._choosers[name] = (
                AnswerChooser(self._session.paced(part.reader.encoder), part.reader, weights)
                if weights and fits
                else None
            )
        return self._choosers[name]


def _name(part: ReaderPart) -> str:
    return part.reader.name.partition("@")[0]
