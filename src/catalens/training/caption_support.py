"""Learn what a bundled reader's captions are checked by: `python -m catalens.training.caption_support everyday`.

One logistic regression per word, on the encoder's vectors: does somebody who describes the image use the word? Human
captions and labels of training rows are the truth, and the training rows of the wild tables, where nobody runs or
rides, keep words from fitting every image. Thresholds are those of `THRESHOLDS`; `make eval-bundled` measures them.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.readers.bundled import FOLDER
from catalens.models.readers.phrases import COLOURS, Phrase, stem, words_in
from catalens.models.readers.support import SEVERAL, SOMEBODY, SupportConfig, Thing
from catalens.models.readers.support_files import save_support
from catalens.models.registry import load_encoder, shipped
from catalens.tasks.english import with_article
from catalens.tasks.schema import load_schema
from catalens.training.caption_truth import MANY_PEOPLE, PEOPLE_SAID, words_of
from catalens.training.captions import read_captions
from catalens.training.fashion import read_products
from catalens.training.kinds import read_classes
from catalens.training.pixels import read_photographs
from catalens.training.recipes.readers.data import product_captions
from catalens.training.recipes.unified.wild import GARMENT_WORDS, read_wild, sample
from catalens.training.release import encode_pictures
from catalens.training.things import things_of

Flags = NDArray[np.bool_]

NEVER = 1.1
THRESHOLDS = {
    "everyday": {
        "person": 0.87,
        "person beside": 0.95,
        "several": 0.6,
        "number": 0.3,
        "sex or age": 0.5,
        "head": 0.45,
        "head beside": 0.4,
        "modifier": 0.25,
        "action": 0.15,
        "scene": 0.12,
        "clothing": 0.5,
        "rival": 0.1,
        "thing": 0.8,
    },
    "starter": {
        "person": NEVER,
        "person beside": NEVER,
        "several": NEVER,
        "number": NEVER,
        "sex or age": NEVER,
        "head": 0.0,
        "head beside": 0.0,
        "modifier": 0.2,
        "action": NEVER,
        "scene": 0.2,
        "clothing": 0.2,
        "rival": 0.55,
        "thing": 0.8,
    },
}
"""World → kind of claim → least probability, chosen on validation rows (docs/decisions/240-supported-captions.md)."""
SCALE = {"everyday": 34.0, "starter": 25.0}
"""World → factor of the cosines with classes."""
LEAST_PICTURES = 30
"""Training pictures that a word needs, to have a regression."""
_PRODUCTS, _OTHERS = 8000, 1200
_LIE_ABOUT = frozenset(
    map(
        stem,
        words_in(
            "shirt jacket dress hat cap coat pants shoe shorts top suit jeans boot store table fruit bag box sign "
            "market clothing wood plastic stand hang floor"
        ),
    )
)
"""Words that no label of clothes or groceries speaks against."""


@dataclass(frozen=True, slots=True)
class Examples:
    """n images: vectors (n, dim), and of each word whether it is said, and whether that is known (n, words)."""

    vectors: Vectors
    said: Flags
    known: Flags


def fit_words(examples: Examples, *, decay: float = 3e-5) -> NDArray[np.float32]:
    """Fit all regressions at once; the result is (dim + 1, words), biases last."""
    rows, said = torch.from_numpy(examples.vectors), torch.from_numpy(examples.said.astype(np.float32))
    known = torch.from_numpy(examples.known.astype(np.float32)) / len(rows)
    weights = torch.zeros(rows.shape[1] + 1, said.shape[1])
    weights[-1] = -3.0
    weights.requires_grad_()
    solver = torch.optim.LBFGS([weights], max_iter=80, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        logits = rows @ weights[:-1] + weights[-1]
        each = functional.binary_cross_entropy_with_logits(logits, said, reduction="none")
        loss: torch.Tensor = (each * known).sum() + decay * weights[:-1].square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    found: NDArray[np.float32] = weights.detach().numpy()
    return found


def photograph_examples(
    encoder: Encoder, data: Path, kept: Callable[[str, Callable[[], Vectors]], Vectors]
) -> tuple[list[str], Examples]:
    """Return the words of Flickr8k's training captions, and who says them of what."""
    captions = [[words_of(text) for text in texts] for texts in read_captions(data, "train")]
    claimed = [{word for text in texts for word in Phrase("scene", tuple(text)).claims()} for texts in captions]
    counts = Counter(word for words in claimed for word in words)
    words = [word for word, count in counts.most_common() if count >= LEAST_PICTURES and len(word) > 2]
    said = flags(claimed, words)
    people = np.array([any(PEOPLE_SAID & set(text) for text in texts) for texts in captions])
    many = people & np.array([any(MANY_PEOPLE & set(text) for text in texts) for texts in captions])
    seen = kept("photographs", lambda: encode_pictures(encoder, read_photographs(data, "train")))
    said = np.column_stack([said, people, many])
    words += [SOMEBODY, SEVERAL]
    joined, masked = Examples(seen, said, np.ones_like(said)), [*_LIE_ABOUT, *map(stem, COLOURS)]
    for table in ("grocery", "clothing"):
        rows = sample(read_wild(data, table, "train"))
        vectors = kept(table, lambda rows=rows: encode_pictures(encoder, [row.picture for row in rows]))  # type: ignore[misc]
        nothing = np.zeros((len(rows), len(words)), bool)
        joined = with_others(joined, vectors, nothing, np.isin(words, masked))
    return words, joined


def product_examples(
    encoder: Encoder, data: Path, kept: Callable[[str, Callable[[], Vectors]], Vectors]
) -> tuple[list[str], Examples]:
    """Return the words of products' captions, and whether they are true of products and of clothes at home."""
    schema, draw = load_schema("fashion"), random.Random(0)
    rows = list(read_products(data / "fashion", "train"))
    draw.shuffle(rows)
    rows = rows[:_PRODUCTS]
    claimed = [set(Phrase("scene", tuple(product_captions(row, schema, draw)[0].split())).claims()) for row in rows]
    counts = Counter(word for words in claimed for word in words)
    words = [word for word, count in counts.most_common() if count >= LEAST_PICTURES]
    sold = kept("products", lambda: encode_pictures(encoder, [row.picture for row in rows]))
    nouns = {stem(word) for label in schema.group("type").labels for word in label.wordings[0].lower().split()}
    home = sample(read_wild(data, "clothing", "train"))
    worn = kept("clothes at home", lambda: encode_pictures(encoder, [row.picture for row in home]))
    names = [{stem(part) for name in GARMENT_WORDS[row.label] for part in name.split()} for row in home]
    is_noun = np.array([word in nouns for word in words])
    joined = Examples(
        np.concatenate([sold, worn]),
        np.concatenate([flags(claimed, words), flags(names, words) & is_noun]),
        np.concatenate([np.ones((len(sold), len(words)), bool), np.tile(is_noun, (len(worn), 1))]),
    )
    strangers = kept(
        "other photographs", lambda: encode_pictures(encoder, list(islice(read_photographs(data, "train"), _OTHERS)))
    )
    groceries = sample(read_wild(data, "grocery", "train"))
    shelves = kept("groceries", lambda: encode_pictures(encoder, [row.picture for row in groceries]))
    others = np.concatenate([strangers, shelves])
    nothing = np.zeros((len(others), len(words)), bool)
    return words, with_others(joined, others, nothing, nothing[0])


def flags(claimed: Sequence[set[str]], words: Sequence[str]) -> Flags:
    """Return (n, words): which words each image has."""
    return np.array([[word in some for word in words] for some in claimed])


def with_others(examples: Examples, others: Vectors, said: Flags, masked: Flags) -> Examples:
    """Add images; of the masked words nothing is known there."""
    return Examples(
        np.concatenate([examples.vectors, others]),
        np.concatenate([examples.said, said]),
        np.concatenate([examples.known, np.tile(~masked, (len(others), 1))]),
    )


def photographed_things() -> tuple[Sequence[Sequence[str]], list[Thing], frozenset[int]]:
    """Return the names of the teacher's classes, what can be named, and the classes of animals."""
    classes = read_classes()
    animals = frozenset(at for at, each in enumerate(classes) if "animal" in each.kinds)
    return [each.names for each in classes], things_of(classes), animals


def sold_things() -> tuple[Sequence[Sequence[str]], list[Thing], frozenset[int]]:
    """Return the wordings of a shop's types, what can be named, and all of them."""
    wordings = [label.wordings for label in load_schema("fashion").group("type").labels]
    things = [Thing(with_article(each[0].lower()), (at,)) for at, each in enumerate(wordings)]
    return wordings, things, frozenset(range(len(wordings)))


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=sorted(THRESHOLDS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, default=Path("runs/support"), help="folder for image vectors")
    options = parser.parse_args()
    encoder = load_encoder(options.world)
    options.vectors.mkdir(parents=True, exist_ok=True)

    def kept(name: str, make: Callable[[], Vectors]) -> Vectors:
        file = options.vectors / f"{encoder.name}.{re.sub(' ', '-', name)}.npy"
        if not file.exists():
            np.save(file, make())
        found: Vectors = np.load(file)
        return found

    everyday = options.world == "everyday"
    words, examples = (photograph_examples if everyday else product_examples)(encoder, options.data, kept)
    names, things, rivals = photographed_things() if everyday else sold_things()
    config = SupportConfig(
        words=tuple(words),
        things=tuple(things),
        rivals=rivals,
        scale=SCALE[options.world],
        least=THRESHOLDS[options.world],
    )
    save_support(shipped(options.world) / FOLDER, encoder.name, config, fit_words(examples), len(names))


if __name__ == "__main__":
    main()
