"""Scores answers about labelled pictures as `catalens ask` gives them: closed ones, and open ones to "what is it?"."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalens.core.images import read_image
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.bundled import BundleImages, ReaderPart
from catalens.models.registry import shipped_answers
from catalens.models.routing import EVERYDAY, domain
from catalens.tasks.answer_weights import load_answer_weights
from catalens.tasks.answers import AnswerChooser
from catalens.tasks.captions import clean_answer
from catalens.tasks.known_answers import checked_answer, checked_product_answer
from catalens.tasks.labels import build_bank
from catalens.tasks.question_kinds import QuestionKind, parse_question
from catalens.tasks.schema import UNKNOWN
from catalens.tasks.tagging import tag
from catalens.training.closed_answers import Asked, alike
from catalens.training.recipes.unified.captioning import false_ones, judged
from catalens.training.recipes.unified.figures import CONFIDENT, Figure
from catalens.training.recipes.unified.mistakes import Mistake, Mistakes
from catalens.training.recipes.unified.tables import WHAT, LabelledTable, ReadAttributes

_NAMES: Mapping[QuestionKind, str] = {
    "thing": "what it is, among ten",
    "presence": "yes or no",
    "inside": "indoors or outdoors",
    "count": "how many people",
    "place": "where",
    "colour": "colour",
    "action": "doing what",
}
"""Kind of question → how its figures are called."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One closed answer beside the right one; `tagged` is what `catalens tag --labels` says of the same list."""

    asked: Asked
    value: str
    likeliest: str
    confidence: float
    tagged: str = ""

    @property
    def truth(self) -> str:
        """The right answer."""
        return self.asked.answers[self.asked.truth]

    @property
    def kind(self) -> QuestionKind:
        """What was asked for."""
        return parse_question(self.asked.question, self.asked.answers).kind

    @property
    def is_confident_and_wrong(self) -> bool:
        """Whether it is a falsehood that was given with a probability of one half or more."""
        return self.value not in (UNKNOWN, self.truth) and self.confidence >= CONFIDENT


def answer_figures(
    reader: AutoReader, tables: Sequence[LabelledTable], attributes: ReadAttributes, mistakes: Mistakes
) -> list[Figure]:
    """Ask about each table as a command does, and compare with captions or labels."""
    out = []
    for table in tables:
        parts = encoded_parts(reader, table.pictures)
        answered = closed_answers(parts, table.asked)
        out += closed_figures(table.name, answered)
        for each in answered:
            if each.is_confident_and_wrong:
                mistakes.add(f"{_NAMES[each.kind]}: {table.name}", [_mistake(table, each)])
        said = open_answers(parts, WHAT, attributes)
        out += judged(table.name, said, table.truths, what=WHAT)[:3]
        mistakes.add(f"open answers: {table.name}", false_ones(table, said, question=WHAT))
    return out


def encoded_parts(reader: AutoReader, pictures: Sequence[bytes]) -> list[ReaderPart]:
    """Encode pictures as a command does; each part has those that one bundled reader reads."""
    found: dict[str, list[ReaderPart]] = defaultdict(list)
    for start, some in zip(range(0, len(pictures), 32), batched(pictures, 32), strict=True):
        encoded = reader.encode_images([read_image(data, at_least=reader.input_size_wh) for data in some])
        for part in reader.parts(encoded):
            found[part.reader.name].append(ReaderPart(part.reader, part.rows + start, part.encoded))
    return [
        ReaderPart(
            parts[0].reader,
            np.concatenate([part.rows for part in parts]),
            BundleImages(
                np.concatenate([part.encoded.vectors for part in parts]),
                np.concatenate([part.encoded.memory for part in parts], axis=2),
            ),
        )
        for parts in found.values()
    ]


def closed_answers(parts: Sequence[ReaderPart], asked: Sequence[Asked]) -> list[Answered]:
    """Let both models of each part choose among the given answers, and tag with the same lists."""
    out = []
    for part in parts:
        file = shipped_answers(part.reader.name)
        assert file is not None
        chooser = AnswerChooser(part.reader.encoder, part.reader, load_answer_weights(file))
        place = {int(row): at for at, row in enumerate(part.rows)}
        for question, answers, some in alike([each for each in asked if each.at in place]):
            images = part.encoded.take(np.array([place[each.at] for each in some]))
            found = chooser.choose(images.vectors, images, question, answers)
            is_thing = parse_question(question, answers).kind == "thing"
            tags = tagged(part.reader.encoder, images.vectors, answers) if is_thing else [""] * len(some)
            for each, answer, best in zip(some, found, tags, strict=True):
                likeliest = max(answer.probabilities, key=answer.probabilities.__getitem__)
                out.append(Answered(each, answer.value, likeliest, answer.probability, best))
    return out


def tagged(encoder: Encoder, vectors: Vectors, labels: Sequence[str]) -> list[str]:
    """Return the likeliest of some labels for each vector (n, dim), as `catalens tag --labels` finds it."""
    rows = tag(vectors, build_bank(encoder, labels, templates=("{}",)), top_k=2)
    return [next(each.label for each in row if each.label != UNKNOWN) for row in rows]


def _mistake(table: LabelledTable, each: Answered) -> Mistake:
    told = table.told[each.asked.at]
    truth = each.truth if each.truth == told else f"{each.truth} ({told})"
    return Mistake(table.pictures[each.asked.at], f"{each.asked.question} {each.value}", truth, each.confidence)


def closed_figures(table: str, answered: Sequence[Answered]) -> list[Figure]:
    """Return, for each kind of question, what is right and what is confident and wrong.

    The majority is the share of the answer that is right most often.
    """
    kinds: dict[QuestionKind, list[Answered]] = defaultdict(list)
    for each in answered:
        kinds[each.kind].append(each)
    out = []
    for kind, some in kinds.items():
        name, count = f"{_NAMES[kind]}: ", len(some)
        top = Counter(each.truth for each in some).most_common(1)[0][1] / count
        right, likeliest, by_tags = (
            sum(said == each.truth for said, each in zip(column, some, strict=True)) / count
            for column in zip(*((each.value, each.likeliest, each.tagged) for each in some), strict=True)
        )
        out.append(Figure(table, f"{name}right", right, top, count))
        out.append(Figure(table, f"{name}likeliest", likeliest, top, count))
        if kind == "thing":
            out.append(Figure(table, f"{name}by tag --labels", by_tags, top, count))
        wrong = sum(each.is_confident_and_wrong for each in some) / count
        out.append(Figure(table, f"{name}confident and wrong", wrong, None, count))
    return out


def open_answers(parts: Sequence[ReaderPart], question: str, attributes: ReadAttributes) -> list[str]:
    """Return what is answered without a list, in the order of the pictures."""
    out: dict[int, str] = {}
    for part in parts:
        for some in batched(range(len(part.rows)), 32):
            images = part.encoded.take(np.array(some))
            written = [clean_answer(row[0]) for row in part.reader.answer(images, [question])]
            schema = domain(part.reader.name)
            check = checked_answer if schema == EVERYDAY else checked_product_answer
            known = attributes(schema, images.vectors)
            written = [check(question, text, row) for text, row in zip(written, known, strict=True)]
            out |= {int(part.rows[at]): text for at, text in zip(some, written, strict=True)}
    return [out[at] for at in range(len(out))]
