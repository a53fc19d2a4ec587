"""Answers to questions about a picture: written by a reader, or chosen from a list with probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalens.core.errors import InputError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Turn
from catalens.models.readers import Reader
from catalens.pipelines.bundled_answers import BundledAnswers
from catalens.pipelines.bundled_readers import BundledReader
from catalens.pipelines.reading import encode_for_reader
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step, Values
from catalens.tasks.answers import ClosedAnswer
from catalens.tasks.schema import Group

ANSWERS, ANSWER, LINES, KEEPS_HISTORY = "answers", "answer", "lines", "keeps_history"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStage:
    """Answers to the same questions about every picture.

    Attributes:
        questions: in plain words.
        choices: allowed answers, each scored by the reader's likelihood; empty lets it write.
        unknown_below: with choices: "unknown" where no answer is this probable; None takes what was learned for
            the reader and this kind of question, or 0.
        history: the conversation so far, oldest first; for readers that keep one.
        decoding: how tokens of written answers are chosen.
        reader: its name; None is the configured one.

    Raises:
        InputError: there is a threshold without choices, or a question is empty.
    """

    questions: tuple[str, ...]
    choices: tuple[str, ...] = ()
    unknown_below: float | None = None
    history: tuple[Turn, ...] = ()
    decoding: Decoding = GREEDY
    reader: str | None = None
    name = ANSWERS

    def __post_init__(self) -> None:
        if self.unknown_below is not None and not self.choices:
            raise InputError("--unknown-below goes with --answers: only those have probabilities")
        if not all(map(str.strip, (*self.questions, *(turn.question for turn in self.history)))):
            raise InputError("a question is empty; ask in plain words, such as 'What colour is it?'")

    @property
    def gives(self) -> tuple[str, ...]:
        """The answers: as a list, the first, as lines, and by question; and whether the reader keeps a history."""
        return (ANSWERS, ANSWER, LINES, *self.questions, KEEPS_HISTORY)

    def load(self, session: Session) -> Step:
        """Load the reader.

        Raises:
            InputError: there is a history, and the reader keeps none.
        """
        reader, bundled = session.reader(self.reader), BundledAnswers(session)
        if self.history and not reader.keeps_history:
            raise InputError(
                f"{reader.name} answers each question on its own; leave the history out, or choose a reader that keeps "
                "one, such as BLIP-2 or a chat model"
            )

        def run(pictures: Sequence[Picture]) -> list[Values]:
            with session.lock(reader.name):
                encoded = encode_for_reader(pictures, reader)
                rows = self.ask(reader, encoded, self.questions, self.history, bundled=bundled)
            return [values(row) for row in rows]

        def values(answers: Sequence[dict[str, Any]]) -> Values:
            by_question = {each["question"]: each["answer"] for each in answers}
            texts = [each["answer"] for each in answers]
            found = {ANSWERS: list(answers), ANSWER: texts[0], LINES: texts, KEEPS_HISTORY: reader.keeps_history}
            return by_question | found

        return Step(run, size_wh=reader.input_size_wh)

    def ask(
        self,
        reader: Reader,
        encoded: EncodedImages,
        questions: Sequence[str],
        history: Sequence[Turn] = (),
        *,
        bundled: BundledAnswers,
    ) -> list[list[dict[str, Any]]]:
        """Return, for each picture, the answer to each question as JSON values; `history` is the conversation."""
        if self.choices:
            return self._choose(reader, encoded, questions, history, bundled)
        from catalens.tasks.captions import clean_answer

        if isinstance(reader, BundledReader):
            rows = bundled.answer(reader, encoded, questions, history=history, decoding=self.decoding)
        else:
            written = reader.answer(encoded, questions, history=history, decoding=self.decoding)
            rows = [[clean_answer(each) for each in row] for row in written]
        return [
            [{"question": question, "answer": each} for question, each in zip(questions, row, strict=True)]
            for row in rows
        ]

    def _choose(
        self,
        reader: Reader,
        encoded: EncodedImages,
        questions: Sequence[str],
        history: Sequence[Turn],
        bundled: BundledAnswers,
    ) -> list[list[dict[str, Any]]]:
        from catalens.tasks.answers import choose

        def column(question: str) -> list[ClosedAnswer]:
            below = self.unknown_below
            if isinstance(reader, BundledReader):
                return bundled.choose(reader, encoded, question, self.choices, unknown_below=below, history=history)
            return choose(reader, encoded, question, self.choices, unknown_below=below or 0.0, history=history)

        columns = [column(question) for question in questions]
        return [
            [
                {
                    "question": question,
                    "answer": each.value,
                    "probability": round(each.probability, 4),
                    "probabilities": {name: round(share, 4) for name, share in each.probabilities.items()},
                }
                for question, each in zip(questions, row, strict=True)
            ]
            for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class GroupAnswerStage:
    """A reader's probabilities for the labels of some groups: what measuring sources of attributes needs.

    Attributes:
        groups: exclusive groups of a schema.
    """

    groups: tuple[Group, ...]
    name = ANSWERS

    @property
    def gives(self) -> tuple[str, ...]:
        """Each group's name: (m,) probabilities of its labels."""
        return tuple(group.name for group in self.groups)

    def load(self, session: Session) -> Step:
        """Load the configured reader."""
        from catalens.tasks.attribute_sources import answer_probabilities

        reader = session.reader()

        def run(pictures: Sequence[Picture]) -> list[Values]:
            with session.lock(reader.name):
                encoded = encode_for_reader(pictures, reader)
                columns = {group.name: answer_probabilities(reader, encoded, group) for group in self.groups}
            return [{name: rows[at] for name, rows in columns.items()} for at in range(len(pictures))]

        return Step(run)
