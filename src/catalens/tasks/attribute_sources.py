"""Tags or answers: for each group of a schema, which of the two is right more often on labelled data.

A reader is asked a group's question, and its labels are the answers that it may give. What was found is a file, so that
pictures without labels are read in the way that was right most often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from catalens.core.errors import InputError
from catalens.core.files import write_text_atomically
from catalens.core.json_text import parse_json
from catalens.core.protocols import Answerer, EncodedImages
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import softmax
from catalens.tasks.answers import choose
from catalens.tasks.assessment import GroupTable, Truth, read_table
from catalens.tasks.attributes import SchemaBank, Source, group_probabilities
from catalens.tasks.calibration import fit_temperature
from catalens.tasks.schema import Group, Schema

_FORMAT = "catalens attribute sources 1"
FEWEST_ROWS = 20
"""Minimum number of pictures for answers to replace tags."""

_LEAST = 1e-30
"""Lower bound of a probability, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSource:
    """The measurement of one group.

    Attributes:
        source: the better one; tags where both are right equally often, for they cost less, and where the rows are
            fewer than `FEWEST_ROWS`.
        rows: pictures that it was measured on.
        tags: share of them for which the encoder's likeliest label is right.
        answers: the same for the reader's likeliest answer.
        majority: share of the commonest label: what one would have without looking.
        temperature: what the logarithms of the reader's probabilities are divided by, so that they are calibrated.
    """

    source: Source
    rows: int
    tags: float
    answers: float
    majority: float
    temperature: float

    def __post_init__(self) -> None:
        if self.source not in ("tags", "answers") or not 0.0 < self.temperature < np.inf:
            raise InputError(
                f"a source is {self.source!r} with temperature {self.temperature}; nobody could have learned that"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSources:
    """The better source of each measured group; the other groups are read from tags.

    Attributes:
        encoder_name: of the tags.
        reader: the name by which the reader is loaded.
        reader_name: the reader's own name with its revision.
        schema_name: of the groups.
        groups: group name → what was measured.
    """

    encoder_name: str
    reader: str
    reader_name: str
    schema_name: str
    groups: Mapping[str, GroupSource]

    @property
    def asked(self) -> tuple[str, ...]:
        """The groups read from answers."""
        return tuple(name for name, group in self.groups.items() if group.source == "answers")

    def check(self, encoder_name: str, schema: Schema, reader_name: str | None = None) -> None:
        """Check that the models and the groups are those measured.

        Raises:
            InputError: what was right most often then need not be so now.
        """
        again = "measure again with `catalens eval attributes`"
        for was, now in ((self.encoder_name, encoder_name), (self.reader_name, reader_name or self.reader_name)):
            if was != now:
                raise InputError(f"these sources were measured with {was!r}, not {now!r}; {again}")
        for name in self.groups:
            schema.group(name)


def answer_probabilities(answerer: Answerer, encoded: EncodedImages, group: Group, temperature: float = 1.0) -> Scores:
    """Ask a reader a group's question.

    A label may be answered by its most usual wording or by its own name, whichever the reader says; both count for it.

    Args:
        answerer: looks and scores.
        encoded: n pictures.
        group: of m labels, of which one holds.
        temperature: above 1 less sure, below 1 more sure.

    Returns:
        (n, m), each row sums to one.

    Raises:
        ModelError: the reader gave scores that cannot be used.
    """
    places: dict[str, int] = {}
    for place, label in enumerate(group.labels):
        for words in (label.wordings[0], label.name.lower()):
            places.setdefault(words, place)
    sums = np.zeros((len(encoded), len(group.labels)))
    for row, chosen in enumerate(choose(answerer, encoded, group.asked, list(places))):
        for words, probability in chosen.probabilities.items():
            sums[row, places[words]] += probability
    return softmax(np.log(np.maximum(sums, _LEAST)) / temperature)


def read_answers(
    answerer: Answerer, encoded: EncodedImages, schema: Schema, sources: AttributeSources
) -> dict[str, Scores]:
    """Ask a reader the groups read from answers: group name → (n, m) probabilities, for `read_attributes`."""
    return {
        name: answer_probabilities(answerer, encoded, schema.group(name), sources.groups[name].temperature)
        for name in sources.asked
    }


def measure_sources(
    vectors: Vectors, answered: Mapping[str, Scores], table: Mapping[str, Sequence[Truth]], bank: SchemaBank
) -> dict[str, GroupSource]:
    """Compare tags with answers on pictures whose attributes are known.

    Args:
        vectors: (n, dim), unit rows from the bank's own encoder.
        answered: group name → (n, m), the reader's probabilities at temperature 1.
        table: group name → n values.
        bank: the encoded schema.

    Returns:
        For each group of both, if one label holds in it and the table has usable rows: what was found.

    Raises:
        InputError: the table names an unknown group, or has another length.
    """
    found: dict[str, GroupSource] = {}
    for name in answered:
        group = bank.schema.group(name)
        part = read_table(group, table[name], len(vectors))
        if group.kind == "exclusive" and len(part.rows):
            tags, _ = group_probabilities(group, bank.banks[name], vectors[part.rows])
            found[name] = _measure(tags, answered[name][part.rows], part)
    return found


def save_sources(sources: AttributeSources, path: Path) -> None:
    """Write sources as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    body = {"format": _FORMAT, **asdict(sources)}
    write_text_atomically(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def load_sources(path: Path) -> AttributeSources:
    """Read sources from a file that `save_sources` wrote.

    Raises:
        InputError: the file is missing, is another kind of file, or holds impossible values.
    """
    try:
        body = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or body.pop("format", None) != _FORMAT:
            raise InputError(f"{str(path)!r} holds no sources; `catalens eval attributes` writes them")
        groups = {str(name): GroupSource(**group) for name, group in body.pop("groups").items()}
        return AttributeSources(groups=groups, **body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read the sources {str(path)!r}: {error!r}") from error


def _measure(tags: Scores, answers: Scores, part: GroupTable) -> GroupSource:
    right = part.truth.argmax(axis=1)
    by_tags, by_answers = (float((scores.argmax(axis=1) == right).mean()) for scores in (tags, answers))
    logs = np.log(np.maximum(answers.astype(np.float64), _LEAST))

    def loss(temperature: float) -> float:
        likely = softmax(logs / temperature)[part.truth]
        return float(-np.log(np.maximum(likely, _LEAST)).mean())

    return GroupSource(
        source="answers" if by_answers > by_tags and len(part.rows) >= FEWEST_ROWS else "tags",
        rows=len(part.rows),
        tags=by_tags,
        answers=by_answers,
        majority=float(part.truth.sum(axis=0).max() / len(part.rows)),
        temperature=fit_temperature(loss, len(part.rows)),
    )
