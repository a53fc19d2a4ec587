"""Fine-tunes the answers of a bundle's reader: all of its weights, over the cached output of the image tower.

The weights come out of the graphs that ship. After training, several shares of the change are written as graphs and
answer the validation questions, as `ask` would; the best share is kept, and none if the old reader answers as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.models.readers.bundled import (
    FILES,
    FOLDER,
    MAX_POSITIONS,
    MAX_TEXT_TOKENS,
    BundleReader,
    load_bundle_reader,
)
from catalens.models.readers.generate_numpy import Floats
from catalens.tasks.captions import clean_answer
from catalens.training.answer_calibration import Asked, choose_by
from catalens.training.export import Looking, change_reader, write_reader
from catalens.training.finetune.answers import Row, Score, scores_of
from catalens.training.finetune.loop import Recipe, State, StepNote, train
from catalens.training.reader import Reader
from catalens.training.reader_examples import IGNORED, ReaderText, padded
from catalens.training.reader_weights import read_weights

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the change that are tried."""
_AGREE = 1e-3
"""The largest difference of an answer's log-likelihood between the graphs and the module read from them."""
_PROVED, _AT_ONCE, _CALIBRATED = 16, 64, 300
Weights = dict[str, Tensor]


class Seen(Protocol):
    """Returns what the image tower makes of the images of n rows: vectors (n, dim) and features (n, width)."""

    def __call__(self, rows: Sequence[Row], /) -> tuple[Vectors, Floats]:
        """Return both, in the order of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPlan:
    """How to fine-tune.

    Attributes:
        bundle: folder of the untuned reader and its encoder.
        out: folder of the run; a checkpoint in it is gone on from.
        dropout: in training.
        recipe: hyperparameters.
    """

    bundle: Path
    out: Path
    dropout: float = 0.1
    recipe: Recipe = field(default_factory=lambda: Recipe(batch_size=64))


@dataclass(frozen=True, slots=True)
class TunedReader:
    """What fine-tuning gave.

    Attributes:
        state: of the run.
        share: of the change that was kept; 0 for the old reader.
        val: scores on validation rows, which the share was chosen by.
        scores: the same on test rows.
    """

    state: State
    share: float
    val: Sequence[Score]
    scores: Sequence[Score]

    @property
    def no_better(self) -> list[Score]:
        """Scores on val of the attributes whose questions are answered no better than before."""
        return [each for each in self.val if each.after <= each.before]


def fitting(rows: Iterable[Row], bundle: Path) -> list[Row]:
    """Return the rows whose question and answer the reader can hold.

    Args:
        rows: of one side.
        bundle: folder of the reader.
    """
    tokenizer = Tokenizer.from_file(str(bundle / FOLDER / FILES[2]))

    def fits(row: Row) -> bool:
        asked, answered = (len(tokenizer.encode(each).ids) for each in (row.question, row.answer))
        return (
            0 < asked <= MAX_TEXT_TOKENS and 0 < answered <= MAX_TEXT_TOKENS and asked + answered + 2 <= MAX_POSITIONS
        )

    return [row for row in rows if fits(row)]


def tune_reader(
    base: BundleReader,
    rows: Mapping[str, Sequence[Row]],
    seen: Seen,
    plan: ReaderPlan,
    write_to: Path,
    on_step: Callable[[StepNote], None] = lambda _: None,
) -> TunedReader:
    """Train, choose on val how much of the change is kept, score that on test, and write it into a copied bundle.

    Args:
        base: the untuned reader.
        rows: train, val and test.
        seen: what the image tower made of their images.
        plan: where from and how.
        write_to: folder of a copy of the bundle, whose reader is replaced.
        on_step: called after each step.

    Raises:
        InputError: there is no row to choose by.
        ModelError: the graphs cannot be read back, or a loss is not finite.
    """
    if not rows["val"]:
        raise InputError("there are no rows to choose by; the pairs need a val side")
    reader = read_weights(plan.bundle, plan.dropout)
    text = ReaderText(Tokenizer.from_file(str(plan.bundle / FOLDER / FILES[2])))
    loss_of = _loss(reader, text, seen)
    _prove(base, loss_of, rows["val"][:_PROVED], seen)
    old = _weights(reader)
    state = train(reader, loss_of, rows, plan.recipe, plan.out, on_step)
    said = answers(base, rows["val"], seen)
    share, after = _choose(base, reader, old, text, rows["val"], said, seen)
    val = scores_of(rows["val"], said, after)
    made = base
    if share:
        _mix(reader, old, _weights(reader), share)
        write_reader(write_to, reader, text.tokenizer, {}, base.reranker.config if base.reranker else None)
        made = _calibrate(base, write_to, plan.out.name, rows["val"], seen)
    test = rows["test"]
    scores = scores_of(test, answers(base, test, seen), answers(made, test, seen))
    return TunedReader(state, share, val, scores)


def answers(reader: BundleReader, rows: Sequence[Row], seen: Seen) -> list[str]:
    """Return what a reader says to the question of each row, as `ask` says it."""
    found = [""] * len(rows)
    for question, places in _by_question(rows):
        images = reader.look(*seen([rows[at] for at in places]))
        for at, [said] in zip(places, reader.answer(images, [question]), strict=True):
            found[at] = clean_answer(said)
    return found


def _by_question(rows: Sequence[Row]) -> Iterator[tuple[str, list[int]]]:
    """Yield questions, each with places of some rows that ask it."""
    order = sorted(range(len(rows)), key=lambda at: rows[at].question)
    for question, places in groupby(order, key=lambda at: rows[at].question):
        for some in batched(list(places), _AT_ONCE):
            yield question, list(some)


def _loss(reader: Reader, text: ReaderText, seen: Seen) -> Callable[[Sequence[Row]], tuple[Tensor, int]]:
    looking = Looking(reader)

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        ids, targets = padded([text.answer(row.question, row.answer) for row in batch])
        memory = looking(torch.from_numpy(seen(batch)[1]))
        states, _ = reader.states(ids, reader.no_past(len(ids)), memory)
        wanted = targets != IGNORED
        logits = reader.logits(states[wanted])
        return cross_entropy(logits, targets[wanted], reduction="sum"), int(wanted.sum())

    return loss_of


def _prove(
    base: BundleReader, loss_of: Callable[[Sequence[Row]], tuple[Tensor, int]], rows: Sequence[Row], seen: Seen
) -> None:
    """Check that the module gives answers the log-likelihood that the graphs give them."""
    bare = _bare(base)
    for row in rows:
        [[graph]] = bare.score(bare.look(*seen([row])), row.question, [row.answer])
        with torch.inference_mode():
            module = -float(loss_of([row])[0])
        if not abs(module - graph) < _AGREE:
            raise ModelError(
                f"{base.name} cannot be trained: the weights read from its graphs give {row.answer!r} a log-likelihood "
                f"of {module:.4f}, the graphs themselves {graph:.4f}"
            )


def _choose(
    base: BundleReader, reader: Reader, old: Weights, text: ReaderText, val: Sequence[Row], said: list[str], seen: Seen
) -> tuple[float, list[str]]:
    """Return the share of the change with the most right answers on val, all attributes counting alike, and those."""
    tuned = _weights(reader)
    best, share, after = _mean(scores_of(val, said, said)), 0.0, said
    with tempfile.TemporaryDirectory() as folder:
        for each in SHARES:
            _mix(reader, old, tuned, each)
            write_reader(Path(folder), reader, text.tokenizer, {})
            found = answers(load_bundle_reader(Path(folder), base.encoder), val, seen)
            if (mean := _mean(scores_of(val, said, found))) > best:
                best, share, after = mean, each, found
    _mix(reader, old, tuned, 1.0)
    return share, after


def _calibrate(base: BundleReader, folder: Path, name: str, val: Sequence[Row], seen: Seen) -> BundleReader:
    """Learn on val how the closed answers of a written reader are weighed, and name it; return it."""
    made = load_bundle_reader(folder, base.encoder)
    cosine, temperature = choose_by(_closed(_bare(made), val, seen))
    digest = sha256(b"".join((folder / FOLDER / each).read_bytes() for each in FILES)).hexdigest()[:8]
    bare, _, revision = base.name.partition("@")
    named = f"{bare}+{name.replace('@', '-')}@{revision}.{digest}"
    change_reader(folder, cosine=cosine, temperature=round(temperature, 4), name=named)
    return load_bundle_reader(folder, base.encoder)


def _closed(reader: BundleReader, rows: Sequence[Row], seen: Seen) -> dict[str, Asked]:
    """Put the questions of some rows with all answers that their attribute has: by attribute, what was scored."""
    asked: dict[str, Asked] = {}
    for attribute in sorted({row.attribute for row in rows}):
        of = [row for row in rows if row.attribute == attribute]
        told = sorted({row.answer for row in of})
        some = of[:_CALIBRATED]
        if len(told) < 2:
            continue
        texts = reader.encoder.encode_texts(told)
        scores, cosines, truth = [], [], []
        for question, places in _by_question(some):
            vectors, features = seen([some[at] for at in places])
            scores.append(reader.score(reader.look(vectors, features), question, told))
            cosines.append(vectors @ texts.T)
            truth += [told.index(some[at].answer) for at in places]
        asked[attribute] = Asked(np.concatenate(scores), np.concatenate(cosines), np.array(truth))
    return asked


def _bare(reader: BundleReader) -> BundleReader:
    """Return a reader whose scores are log-likelihoods."""
    bare = copy(reader)
    bare.cosine, bare.temperature = 0.0, 1.0
    return bare


def _weights(reader: Reader) -> Weights:
    return {name: each.detach().clone() for name, each in reader.state_dict().items()}


def _mix(reader: Reader, old: Weights, tuned: Weights, share: float) -> None:
    reader.load_state_dict({name: torch.lerp(old[name], tuned[name], share) for name in old})


def _mean(scores: Sequence[Score]) -> float:
    return float(np.mean([each.after for each in scores]))
