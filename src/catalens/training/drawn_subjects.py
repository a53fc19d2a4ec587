"""Teach the everyday bundle drawings and documents: `python -m catalens.training.drawn_subjects --data DATA`.

Its image tower stays as it is. Learned are the vectors of two subjects, from pictures that code draws: a cosine
classifier against all other subjects, for which photographs, products and nonsense stand. They are written into the
text graph, so that a text which says "a drawing" has the learned vector wherever it is used.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.models.bundle import load_bundle
from catalens.models.facts import GRAPHS, read_facts
from catalens.models.registry import shipped
from catalens.tasks.attributes import (
    Mask,
    SchemaBank,
    build_schema_bank,
    group_probabilities,
    held_labels,
    read_attributes,
)
from catalens.tasks.calibration import NEVER, Calibration
from catalens.tasks.labels import LabelBank
from catalens.tasks.schema import UNKNOWN, load_schema
from catalens.training.fashion import read_products
from catalens.training.finetune.label_vectors import Examples, fit
from catalens.training.finetune.text_graph import write_learned
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.unified.wild import read_wild
from catalens.training.release import change_facts, encode_pictures
from catalens.training.rendered import BOTH, Example, render

EACH = 200
"""Pictures of every kind that are learned from."""
FALSE_SHARE = 0.005
"""Most pictures of a collection without drawings that may get a label: half of one in a hundred, for two labels."""
_PRODUCTS, _NONSENSE, _WITHOUT_COLOUR = 1500, 400, 1200


@dataclass(frozen=True, slots=True)
class Drawn:
    """Drawn pictures: vectors (n, dim), which of `BOTH` are right (n, 2), and what drew each."""

    vectors: Vectors
    right: Mask
    kinds: Sequence[str]


def encode_drawn(encoder: Encoder, examples: Sequence[Example]) -> Drawn:
    """Encode drawn pictures."""
    right = np.array([[label in each.right for label in BOTH] for each in examples])
    return Drawn(encode_pictures(encoder, [each.picture for each in examples]), right, [each.kind for each in examples])


def encode_others(encoder: Encoder, data: Path) -> Vectors:
    """Encode training pictures that are neither drawings nor documents."""
    sold = [row.picture for row in islice(read_products(data / "fashion", "train"), _PRODUCTS)]
    wild = [row.picture for table in ("clothing", "grocery") for row in read_wild(data, table, "train")]
    photos = read_photographs(data)
    grey = without_colour(photos, _WITHOUT_COLOUR)
    nothing = [png(each) for each in nonsense(_NONSENSE, np.random.default_rng(2))]
    return encode_pictures(encoder, [*photos, *wild, *sold, *nothing, *grey])


def without_colour(photos: Sequence[bytes], count: int, *, seed: int = 0) -> list[bytes]:
    """Return black-and-white photographs and enlarged details, by turns: without them all that is grey looks drawn."""
    out = []
    for at in range(count):
        chance = random.Random(f"{seed} without colour {at}")
        photo = ImageOps.grayscale(Image.open(io.BytesIO(chance.choice(photos))))
        if at % 2:
            side = chance.uniform(0.15, 0.4) * photo.width
            left, top = (chance.uniform(0, each - side) for each in photo.size)
            photo = photo.resize((224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
        out.append(png(np.asarray(ImageOps.autocontrast(photo, cutoff=chance.uniform(0, 3)).convert("RGB"))))
    return out


def learn_drawn(drawn: Drawn, others: Vectors, bank: LabelBank, texts: Vectors, *, scale: float) -> Vectors:
    """Return (2, dim): vectors of `BOTH` that tell drawn pictures from others.

    Args:
        drawn: to learn from.
        others: (n, dim), pictures to which neither applies.
        bank: the subjects; all but `BOTH` keep their vectors.
        texts: (2, dim), where learning starts.
        scale: of the cosines.
    """
    rest = [at for at, label in enumerate(bank.labels) if label not in BOTH]
    fixed = np.concatenate([bank.vectors[rest], bank.unknown]).astype(np.float32)
    rows = np.concatenate([drawn.vectors, others])
    truth = np.concatenate([drawn.right, np.zeros((len(others), len(BOTH)), dtype=np.bool_)])
    return fit(Examples(rows, truth), texts, unknown=fixed, scale=scale, decay=0.0)


def drawn_thresholds(
    bank: SchemaBank, drawn: Drawn, others: Sequence[Vectors], temperature: float, *, precision: float
) -> dict[str, float]:
    """Return the lowest threshold of each of `BOTH` that is precise and gives the label to few other pictures.

    Args:
        bank: the encoded everyday schema.
        drawn: validation pictures.
        others: collections (n, dim) without drawings; in each at most `FALSE_SHARE` get the label.
        temperature: of the subjects.
        precision: what the label must reach on the drawn pictures together with any collection; `NEVER` if it cannot.
    """
    found = {}
    for at, label in enumerate(BOTH):
        scores = _claimed(bank, drawn.vectors, label, temperature)
        wrong = [_claimed(bank, each, label, temperature) for each in others]
        right = scores[drawn.right[:, at]]
        enough = (
            float(cut)
            for cut in np.unique(right[right > 0])
            if all((each >= cut).mean() <= FALSE_SHARE for each in wrong)
            and all(_count(right, cut) >= precision * (_count(scores, cut) + _count(each, cut)) for each in wrong)
        )
        found[label] = next(enough, NEVER)
    return found


def drawn_figures(
    bank: SchemaBank, calibration: Calibration, drawn: Drawn, others: Mapping[str, Vectors]
) -> dict[str, dict[str, float]]:
    """Return shares: of drawn pictures called rightly and wrongly, by kind; of others called one of `BOTH`."""

    def subjects(vectors: Vectors) -> list[str]:
        return [each["subject"].value for each in read_attributes(vectors, bank, calibration=calibration)]

    said = subjects(drawn.vectors)
    is_right = np.array([any(label == name and ok for name, ok in zip(BOTH, row, strict=True))
                         for label, row in zip(said, drawn.right, strict=True)])  # fmt: skip
    wrong, kinds = np.array([label != UNKNOWN for label in said]) & ~is_right, np.array(drawn.kinds)
    return {
        "right": {kind: float(is_right[kinds == kind].mean()) for kind in dict.fromkeys(drawn.kinds)},
        "wrong": {kind: float(wrong[kinds == kind].mean()) for kind in dict.fromkeys(drawn.kinds)},
        "false": {name: float(np.mean([label in BOTH for label in subjects(each)])) for name, each in others.items()},
    }


def _claimed(bank: SchemaBank, vectors: Vectors, label: str, temperature: float) -> Scores:
    """Return (n,) probabilities of a subject where it is the most probable, else 0."""
    group = bank.schema.group("subject")
    scores, unknown = group_probabilities(group, bank.banks["subject"], vectors, temperature)
    at = group.label_names.index(label)
    return np.where(held_labels(group, scores, unknown)[:, at], scores[:, at], np.float32(0))


def _count(scores: Scores, cut: float) -> int:
    return int((scores >= cut).sum())


def teach_drawn(folder: Path, data: Path) -> None:
    """Learn both subjects, and write their vectors into the text graph of a bundle that has not learned them."""
    encoder = load_bundle(folder, runtime="onnxruntime")
    group = load_schema("everyday").group("subject")
    bank = build_schema_bank(encoder, load_schema("everyday")).banks["subject"]
    drawn = encode_drawn(encoder, render("train", read_photographs(data), each=EACH))
    texts = encoder.encode_texts([f"a {label}" for label in BOTH])
    vectors = learn_drawn(drawn, encode_others(encoder, data), bank, texts, scale=encoder.logit_scale)
    sentences = {
        template.replace("{}", wording): vector
        for label, vector in zip(BOTH, vectors, strict=True)
        for wording in next(each.wordings for each in group.labels if each.name == label)
        for template in group.templates
    }
    file = folder / GRAPHS[1]
    learned = np.stack(list(sentences.values()))
    write_learned(file, file, encoder.encode_texts(list(sentences)), learned, layer="released")
    digests = {**read_facts(folder).sha256, GRAPHS[1]: sha256(file.read_bytes()).hexdigest()}
    change_facts(folder, sha256=digests)


def main() -> None:
    """Teach the shipped bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="everyday")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    teach_drawn(shipped(options.bundle), options.data)


if __name__ == "__main__":
    main()
