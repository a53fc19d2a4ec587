"""Labels and their vectors: encoded once, kept on disk, ranked exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS
from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import batched, unit_rows
from catalens.tasks.class_labels import ClassRows, classes_of, label_rows
from catalens.tasks.label_cache import cache_file, fingerprint_of, read_vectors, shipped_with, write_vectors
from catalens.tasks.ranking import Halves, check_k, cosines, top_k
from catalens.tasks.schema import DEFAULT_TEMPLATES, check_templates

_TEXTS_PER_CALL = 256
_BLOCK_SCORES = 1 << 24
"""Most scores held at a time (64 MiB as float32), however many pictures are asked about."""

Progress = Callable[[int, int], None]
"""Called with (texts encoded, texts in all) after every batch."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelBank:
    """Labels with one vector each, and how their encoder turns cosines into logits.

    Attributes:
        encoder_name: only vectors of this encoder may be compared with the bank.
        labels: m names.
        vectors: (m, dim) float16, unit rows.
        unknown: (1, dim) float16, what means "none of these"; (0, dim) where the encoder has no such texts.
        scale: the encoder's `logit_scale`.
        bias: the encoder's `logit_bias`.
        classes: of the encoder that count for the labels and for "none of these" in `logits`; None for texts alone.
    """

    encoder_name: str
    labels: Sequence[str]
    vectors: Halves
    unknown: Halves
    scale: float
    bias: float | None
    classes: ClassRows | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])

    def rank(self, vectors: Vectors, k: int) -> tuple[NDArray[np.int64], Scores]:
        """Find the k nearest labels of each vector, exactly.

        Args:
            vectors: (n, dim), unit rows from the bank's own encoder.
            k: at least 1.

        Returns:
            Positions (n, min(k, m)), best first, equal ones in the bank's order; and their cosines, of the same shape.

        Raises:
            InputError: k is less than 1, or the vectors do not fit the bank.
        """
        check_k(k)
        positions = np.empty((len(vectors), min(k, len(self))), dtype=np.int64)
        scores = np.empty(positions.shape, dtype=np.float32)
        for rows in self.blocks(len(vectors)):
            found = cosines(vectors[rows], self.vectors)
            positions[rows] = top_k(found, k)
            scores[rows] = np.take_along_axis(found, positions[rows], axis=1)
        return positions, scores

    def logits(self, vectors: Vectors) -> tuple[Scores, Scores]:
        """Return (n, m) logits of the labels and (n, 1) of "none of these", or (n, 0) where the bank has none.

        Raises:
            InputError: the vectors do not fit the bank.
        """
        return self.logits_of(vectors, cosines(vectors, self.vectors), cosines(vectors, self.unknown))

    def logits_of(self, vectors: Vectors, labels: Scores, unknown: Scores) -> tuple[Scores, Scores]:
        """Return what `logits` does, of cosines (n, m) with the labels and (n, 1) or (n, 0) with "none of these"."""
        scale, bias = np.float32(self.scale), np.float32(self.bias or 0.0)
        labels, unknown = labels * scale + bias, unknown * scale + bias
        if self.classes is None:
            return labels, unknown
        return self.classes.added(vectors, labels, unknown, self.scale)

    def blocks(self, n: int) -> Iterator[slice]:
        """Split n pictures into slices whose scores against the whole bank fit in bounded memory."""
        size = max(1, _BLOCK_SCORES // max(1, len(self)))
        return (slice(start, start + size) for start in range(0, n, size))


def build_bank(
    encoder: Encoder,
    labels: Sequence[str],
    *,
    templates: Sequence[str] = DEFAULT_TEMPLATES,
    wordings: Mapping[str, Sequence[str]] | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> LabelBank:
    """Encode labels, or load their vectors from what came with the encoder or from the cache.

    Where the encoder was taught classes of things, a label also counts as those that it names (`label_rows`).

    Args:
        encoder: of the vectors; the bank takes its scale, bias, "none of these" texts and classes.
        labels: m names, each once, each one line.
        templates: sentences with {} once, where a wording is put.
        wordings: label → its wordings; a missing label is its own wording.
        cache_dir: of the vectors; None for no cache.
        progress: called after each batch; not called on a cache hit.

    Raises:
        InputError: labels are missing, empty or repeated, or a template has no {}.
        ModelError: the encoder gives vectors of a wrong shape.
    """
    bank = text_bank(encoder, labels, templates=templates, wordings=wordings, cache_dir=cache_dir, progress=progress)
    words = [(label, *(wordings or {}).get(label, ())) for label in labels]
    return replace(bank, classes=label_rows(classes_of(encoder, THINGS), words))


def text_bank(
    encoder: Encoder,
    labels: Sequence[str],
    *,
    templates: Sequence[str] = DEFAULT_TEMPLATES,
    wordings: Mapping[str, Sequence[str]] | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> LabelBank:
    """Encode labels as `build_bank` does, to be compared as texts alone.

    The vector of a label is the mean of the unit vectors of all its wordings in all templates, made unit again.

    Source:
        Radford et al. 2021, section 3.1.4 (ensembles over the embedding space).
    """
    _check_labels(labels)
    check_templates(templates, "the label list")
    wordings = wordings or {}
    # The texts for "none of these" are whole sentences that mean one thing: wordings of one more label.
    unknown_texts = tuple(encoder.unknown_texts)
    rows = len(labels) + bool(unknown_texts)
    about = [list(templates), {key: list(value) for key, value in sorted(wordings.items())}, list(unknown_texts)]
    stored: Halves | None = None
    for folder in (shipped_with(encoder), cache_dir):
        if stored is None and folder is not None:
            path = cache_file(folder, fingerprint_of(encoder), labels, about)
            stored = read_vectors(path, (rows, encoder.dim), np.float16)
    if stored is None:
        owners = _texts_and_owners(labels, templates, wordings, unknown_texts)
        stored = _encode(encoder, owners, rows, progress).astype(np.float16)
        if cache_dir is not None:
            write_vectors(cache_file(cache_dir, fingerprint_of(encoder), labels, about), stored)
    vectors, unknown = stored[: len(labels)], stored[len(labels) :]
    return LabelBank(encoder.name, labels, vectors, unknown, encoder.logit_scale, encoder.logit_bias)


def texts_per_call(encoder: Encoder) -> int:
    """Return how many texts to encode at a time; an encoder that cuts them into batches itself takes all of them."""
    return int(getattr(encoder, "texts_per_call", _TEXTS_PER_CALL))


def encode_batch(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Encode one batch of n texts: (n, dim).

    Raises:
        ModelError: the encoder gives vectors of a wrong shape.
    """
    vectors = encoder.encode_texts(texts)
    if vectors.shape != (len(texts), encoder.dim):
        raise ModelError(f"{encoder.name} returned {vectors.shape} for {len(texts)} texts of width {encoder.dim}")
    return vectors


def _check_labels(labels: Sequence[str]) -> None:
    if isinstance(labels, str) or not labels:
        raise InputError(f"labels are {labels!r}; pass a list of at least one label")
    if len(set(labels)) < len(labels):
        seen: set[str] = set()
        twice = next(label for label in labels if label in seen or seen.add(label))  # type: ignore[func-returns-value]
        raise InputError(f"the label {twice!r} is listed twice; list each label once")
    if not all(map(str.strip, labels)):
        raise InputError(f"label number {[bool(label.strip()) for label in labels].index(False) + 1} is empty")
    if "\n".join(labels).count("\n") >= len(labels):
        raise InputError("a label holds a line break; a label is one line")


def _texts_and_owners(
    labels: Sequence[str], templates: Sequence[str], wordings: Mapping[str, Sequence[str]], unknown_texts: Sequence[str]
) -> dict[str, list[int]]:
    """Map every text to encode to the rows that it counts for; a text that several share is encoded once."""
    owners: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        for wording in wordings.get(label) or (label,):
            for template in templates:
                owners.setdefault(template.replace("{}", wording), []).append(row)
    for text in unknown_texts:
        owners.setdefault(text, []).append(len(labels))
    return owners


def _encode(encoder: Encoder, owners: Mapping[str, Sequence[int]], rows: int, progress: Progress | None) -> Vectors:
    """Return (rows, dim): the unit mean of each row's texts."""
    sums = np.zeros((rows, encoder.dim), dtype=np.float32)
    done = 0
    # Texts of like length share a batch, so that little of it is padding.
    for batch in batched(sorted(owners, key=len), texts_per_call(encoder)):
        vectors = encode_batch(encoder, batch)
        for vector, text in zip(vectors, batch, strict=True):
            sums[owners[text]] += vector
        done += len(batch)
        if progress is not None:
            progress(done, len(owners))
    return unit_rows(sums)
