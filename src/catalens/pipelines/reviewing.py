"""Filling the queue of a review: what the models are unsure of, what they disagree on, and a fair sample."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalens.catalogue.filter_hints import check_filter
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.opening import open_index
from catalens.catalogue.review import Review
from catalens.catalogue.review_tables import Item as Asked
from catalens.catalogue.review_tables import Question, Reason
from catalens.catalogue.sources import Entry, Item, read_picture
from catalens.core.columns import plain_name
from catalens.core.errors import InputError
from catalens.core.filters import matches
from catalens.core.protocols import Index
from catalens.core.types import Outcome, Record, Scores, Vectors
from catalens.core.vectors import batched
from catalens.pipelines.answering import GroupAnswerStage
from catalens.pipelines.attributes import schema_of, schema_reader
from catalens.pipelines.catalogue import catalogue_encoder
from catalens.pipelines.engine import stream
from catalens.pipelines.session import Session
from catalens.tasks.attributes import Attribute, Attributes
from catalens.tasks.phrasing import label_of
from catalens.tasks.schema import UNKNOWN, Group, Schema, load_schema

_BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a review is to ask.

    Attributes:
        schema: a bundled name or a .yaml file; None is that of the catalogue's encoder.
        groups: of the schema; none is all in which one label holds.
        where: only records whose fields pass.
        unsure: questions in which the tags are least sure.
        disagreements: questions in which tags differ from the record's own field, or from the reader's answer.
        sample: questions drawn at random, by which the error of the rest can be estimated.
        look_at: records at most that are looked at, drawn at random.
        answers: ask the reader, which reads the pictures of the records that are looked at.
        seed: of everything that is drawn.
    """

    schema: str | None = None
    groups: tuple[str, ...] = ()
    where: str | None = None
    unsure: int = 50
    disagreements: int = 50
    sample: int = 20
    look_at: int = 1000
    answers: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Filled:
    """What was put into a queue.

    Attributes:
        added: new questions, by reason.
        looked_at: records.
        failures: records whose picture the reader could not read.
    """

    added: Mapping[Reason, int]
    looked_at: int
    failures: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is known of one group of one record: tags, its own field, and the reader's answer."""

    record: Record
    group: Group
    tags: Attribute
    held: str | None
    answer: tuple[str, float] | None

    def asked(self, reason: Reason, doubt: float) -> Asked:
        found = {tag.label: tag.score for tag in (*self.tags.values, *self.tags.runners_up)}
        if self.answer is not None:
            found.setdefault(self.answer[0], self.answer[1])
        if self.held is not None:
            found.setdefault(self.held, 0.0)
        likely = sorted(found.items(), key=lambda each: -each[1])
        tagged = None if self.tags.value == UNKNOWN else self.tags.value
        candidates = tuple((label, round(share, 4)) for label, share in likely)
        return Asked(self.record.id, self.group.name, candidates, self.held or tagged, reason, round(doubt, 6))

    @property
    def disagreement(self) -> float:
        """How sure those are that differ, in [0, 1]; 0 where all agree."""
        told = [each for each in (self.held, self.answer and self.answer[0]) if each]
        best = self.tags.runners_up[0] if self.tags.value == UNKNOWN else self.tags.values[0]
        if all(each == best.label for each in told):
            return 0.0
        differing_answer = self.answer is not None and self.answer[0] != best.label
        return best.score * (self.answer[1] if differing_answer and self.answer else 1.0)


def fill_review(path: str | Path, session: Session, wanted: Wanted) -> Filled:
    """Look at a catalogue's records, and put what people should decide into its review.

    Raises:
        InputError: nothing is wanted, a group is not there, or no record passes.
        CatalogueError: there is no such catalogue file, or it cannot be written.
    """
    if not (wanted.unsure or wanted.disagreements or wanted.sample):
        raise InputError("nothing is wanted: ask for unsure, disagreeing or random questions")
    encoder = catalogue_encoder(path, session)
    schema_name = schema_of(encoder, wanted.schema, None)
    schema = load_schema(schema_name)
    groups = {name: schema.group(name) for name in wanted.groups} or {
        each.name: each for each in schema.groups if each.kind == "exclusive"
    }
    with open_index(path, read_only=True) as index:
        records, vectors = _chosen(index, wanted)
    read = schema_reader(encoder, schema_name, session)
    answered, failures = _answers(records, list(groups.values()), session) if wanted.answers else ({}, [])
    readings = list(_readings(records, read(vectors), schema, groups, answered))
    picked = _picked(readings, wanted)
    questions = [Question(each.name, each.asked, each.label_names) for each in groups.values()]
    added: dict[Reason, int] = {}
    with Review(path) as review:
        for reason, asked in picked.items():
            added[reason] = review.fill(questions, asked)
    return Filled(added, len(records), tuple(failures))


def _chosen(index: Index, wanted: Wanted) -> tuple[list[Record], Vectors]:
    """Return the records to look at and their vectors (n, dim)."""
    import numpy as np

    where = None if wanted.where is None else parse_filter(wanted.where)
    passing = [record for record in index.records() if where is None or matches(where, record.fields)]
    check_filter(index, where, passing)
    if not passing:
        raise InputError("no record passes; change the filter, or add pictures to the catalogue")
    random.Random(wanted.seed).shuffle(passing)
    records = passing[: wanted.look_at]
    vectors = [index.vectors([record.id for record in some]) for some in batched(records, _BATCH)]
    return records, np.concatenate(vectors)


def _answers(
    records: Sequence[Record], groups: Sequence[Group], session: Session
) -> tuple[dict[str, Mapping[str, Scores]], list[Outcome]]:
    """Return what the reader answers, by record: group → (m,) probabilities; and whom it could not read."""
    exclusive = tuple(each for each in groups if each.kind == "exclusive")
    found: dict[str, Mapping[str, Any]] = {}
    failures: list[Outcome] = []
    for event in stream(_items(records), [GroupAnswerStage(exclusive)], session):
        if event.values is None:
            failures.append(Outcome(event.record.id, event.error))
        else:
            found[event.record.id] = event.values
    return found, failures


def _items(records: Sequence[Record]) -> Iterator[Entry]:
    for record in records:
        try:
            yield Item(record.id, read_picture(record.source), record.source, record.fields)
        except InputError as error:
            yield Outcome(record.id, str(error))


def _readings(
    records: Sequence[Record],
    tags: Sequence[Attributes],
    schema: Schema,
    groups: Mapping[str, Group],
    answered: Mapping[str, Mapping[str, Scores]],
) -> Iterator[_Reading]:
    for record, attributes in zip(records, tags, strict=True):
        fields = {plain_name(name): str(value).strip() for name, value in record.fields.items()}
        for name, group in groups.items():
            if name not in attributes:
                continue  # the group does not apply to this product
            answer = None
            if (shares := answered.get(record.id, {}).get(name)) is not None:
                best = int(shares.argmax())
                answer = (group.label_names[best], float(shares[best]))
            held = fields.get(plain_name(name)) or None
            label = None if held is None else label_of(name, held, schema)
            yield _Reading(record, group, attributes[name], held if label is None else label.name, answer)


def _picked(readings: Sequence[_Reading], wanted: Wanted) -> dict[Reason, list[Asked]]:
    """Choose by reason; a question is asked for the first of its reasons."""
    taken: set[tuple[str, str]] = set()

    def first(n: int, reason: Reason, ranked: Sequence[tuple[float, _Reading]]) -> list[Asked]:
        found: list[Asked] = []
        for doubt, reading in ranked:
            key = (reading.record.id, reading.group.name)
            if len(found) < n and key not in taken:
                taken.add(key)
                found.append(reading.asked(reason, doubt))
        return found

    drawn = [(0.5, each) for each in readings]
    random.Random(wanted.seed + 1).shuffle(drawn)
    differing = sorted(((each.disagreement, each) for each in readings), key=lambda pair: -pair[0])
    doubts = sorted(((1 - each.tags.confidence, each) for each in readings), key=lambda pair: -pair[0])
    return {
        "sample": first(wanted.sample, "sample", drawn),
        "disagreement": first(wanted.disagreements, "disagreement", [pair for pair in differing if pair[0] > 0]),
        "unsure": first(wanted.unsure, "unsure", doubts),
    }
