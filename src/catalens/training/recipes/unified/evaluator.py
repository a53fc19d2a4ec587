"""Measures encoders on all labelled tables, beside the most frequent answer: what they tag, find and abstain from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.images import read_image
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.models.gate import load_gate
from catalens.models.registry import CALIBRATION, shipped, shipped_calibration
from catalens.models.routing import PRODUCT
from catalens.models.second_look import are_products
from catalens.tasks.attributes import Attributes, SchemaBank, build_schema_bank, read_attributes
from catalens.tasks.calibration import Calibration, load_calibration
from catalens.tasks.schema import UNKNOWN, load_schema
from catalens.training.captions import read_captions
from catalens.training.evaluation import accuracy, retrieval
from catalens.training.fashion import Product, read_products
from catalens.training.kinds import class_places, read_classes
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.questions import everyday_facts
from catalens.training.recipes.unified.figures import CONFIDENT, Figure, value_figures
from catalens.training.recipes.unified.mistakes import Mistake, Mistakes
from catalens.training.recipes.unified.targets import subjects_of
from catalens.training.recipes.unified.wild import (
    GARMENT_WORDS,
    GARMENTS,
    coarse_labels,
    grocery_words,
    read_wild,
)
from catalens.training.rendered import DOCUMENT

PRODUCT_GROUPS = ("type", "colour", "gender")
FACT_OF = {"place": "inside", "scene": "place", "people": "people", "doing": "doing"}
"""Group of the everyday schema → the kind of fact that captions tell."""


class Evaluator:
    """Encodes each table once with an encoder for products and one for everything else, which may be the same."""

    def __init__(
        self,
        product: Encoder,
        everyday: Encoder,
        data: Path,
        *,
        cache: Path,
        split: str = "val",
        calibrations: Path | None = None,
        mistakes: Mistakes | None = None,
    ) -> None:
        """Take the encoders, the tables' folder, a folder for vectors, and one with calibrations of other encoders."""
        self.product, self.everyday, self.data, self.split = product, everyday, data, split
        self.mistakes = Mistakes() if mistakes is None else mistakes
        self._cache, self.calibrations = cache, calibrations
        self._banks: dict[str, tuple[SchemaBank, Calibration | None]] = {}

    def all(self) -> list[Figure]:
        """Return every figure."""
        parts: tuple[Callable[[], list[Figure]], ...] = (
            self.products,
            self.clothing,
            self.grocery,
            self.photographs,
            self.objects,
            self.nonsense,
            self.mixed,
            self.routed,
        )
        return [figure for part in parts for figure in part()]

    def products(self) -> list[Figure]:
        """Zero-shot labels of the shop's own products, and titles that find their picture."""
        rows = list(read_products(self.data / "fashion", self.split))
        vectors = self.images(self.product, f"fashion-{self.split}", lambda: [row.picture for row in rows])
        bank, _ = self.bank("fashion", self.product)
        out = []
        for name in PRODUCT_GROUPS:
            labels = {label: at for at, label in enumerate(bank.schema.group(name).label_names)}
            known = [(at, labels[row.labels[name]]) for at, row in enumerate(rows) if row.labels.get(name) in labels]
            where, truth = (np.array(column) for column in zip(*known, strict=True))
            cosines = vectors[where] @ bank.banks[name].vectors.astype(np.float32).T
            found = accuracy(cosines, truth)
            out.append(Figure("products", name, found.top1, found.majority, found.rows))
        read = self.read("fashion", self.product, vectors)
        out += value_figures(
            "products", [each["type"] for each in read], [[row.labels.get("type", "")] for row in rows]
        )
        return [*out, _called_men(rows, read, self.mistakes), *self._titles(rows, vectors)]

    def _titles(self, rows: Sequence[Product], vectors: Vectors) -> list[Figure]:
        """Find products by their titles, among the split's and among those of the training tables as well."""
        titles = self.product.encode_texts([row.title for row in rows])
        train = self.images(self.product, "fashion-train", lambda: self._sold("train"))
        out = []
        for name, items in (("title", vectors), ("title, whole catalogue:", np.concatenate([vectors, train]))):
            found = retrieval(titles, items, list(range(len(rows))))
            out.append(Figure("products", f"{name} R@1", found.recall_at_1, None, len(rows)))
            out.append(Figure("products", f"{name} R@10", found.recall_at_10, None, len(rows)))
        return out

    def clothing(self) -> list[Figure]:
        """Article types of clothes photographed at home, free and among the table's own labels."""
        rows = read_wild(self.data, "clothing", "val")
        vectors = self.images(self.product, "clothing-val", lambda: [row.picture for row in rows])
        read = self.read("fashion", self.product, vectors)
        out = value_figures("clothes at home", [each["type"] for each in read], [GARMENTS[row.label] for row in rows])
        labels = list(GARMENT_WORDS)
        texts = [f"a photo of a {GARMENT_WORDS[label][0]}" for label in labels]
        truth = [labels.index(row.label) for row in rows]
        for encoder in self._encoders():
            seen = self.images(encoder, "clothing-val", lambda: [row.picture for row in rows])
            out.append(
                _closed(
                    "clothes at home", f"among {len(labels)} labels, {_plain(encoder)}", encoder, texts, seen, truth
                )
            )
        return out

    def grocery(self) -> list[Figure]:
        """Groceries among their own labels, the main subject, and what is said to be done in pictures of no one."""
        rows = read_wild(self.data, "grocery", "val")
        vectors = self.images(self.everyday, "grocery-val", lambda: [row.picture for row in rows])
        labels = coarse_labels(rows)
        texts = [f"a photo of {grocery_words(label)[-1]}" for label in labels]
        truth = [labels.index(row.coarse) for row in rows]
        read = self.read("everyday", self.everyday, vectors)
        allowed = {
            "Fruit": ("fruit",),
            "Vegetables": ("vegetable", "mushroom", "fruit"),
            "Packages": ("packaged food", "food", "bottle", "drink"),
        }
        groups = [allowed[_group(row.id)] for row in rows]
        doing = float(np.mean(["doing" in each and bool(each["doing"].values) for each in read]))
        return [
            _closed("groceries", f"among {len(labels)} labels", self.everyday, texts, vectors, truth),
            *value_figures("groceries", [each["subject"] for each in read], groups),
            Figure("groceries", "something done", doing, 0.0, len(rows)),
        ]

    def photographs(self) -> list[Figure]:
        """Retrieval between photographs and captions, and what captions agree on."""
        captions = read_captions(self.data, self.split)
        vectors = self.images(self.everyday, f"everyday-{self.split}", lambda: read_photographs(self.data, self.split))
        texts = self.everyday.encode_texts([text for each in captions for text in each])
        owner = np.repeat(np.arange(len(captions)), [len(each) for each in captions])
        forth = retrieval(texts, vectors, owner.tolist())
        scores = texts @ vectors.T
        best = np.array([scores[owner == i, i].max() for i in range(len(vectors))])
        back = (scores > best[None, :]).sum(axis=0)
        known = [{fact.kind: fact.answer for fact in everyday_facts(texts)} for texts in captions]
        read = self.read("everyday", self.everyday, vectors)
        out = [
            Figure("photographs", "caption R@1", forth.recall_at_1, None, forth.queries),
            Figure("photographs", "caption R@10", forth.recall_at_10, None, forth.queries),
            Figure("photographs", "picture R@10", float((back < 10).mean()), None, len(vectors)),
        ]
        for group, kind in FACT_OF.items():
            names = self.bank("everyday", self.everyday)[0].schema.group(group).label_names
            some = [at for at, row in enumerate(known) if row.get(kind) in names]
            given = [at for at in some if group in read[at] and read[at][group].values]
            right = sum(read[at][group].value == known[at][kind] for at in given)
            top = Counter(known[at][kind] for at in some).most_common(1)[0][1] / len(some)
            out.append(Figure("photographs", f"{group}: precision", right / max(1, len(given)), top, len(given)))
            out.append(Figure("photographs", f"{group}: recall", right / len(some), top, len(some)))
        return out

    def objects(self) -> list[Figure]:
        """The main subject of one picture per ImageNet class, and the class among all thousand."""
        rows = read_wild(self.data, "objects")
        vectors = self.images(self.everyday, "objects", lambda: [row.picture for row in rows])
        classes = read_classes()
        places = class_places(classes)
        subjects = subjects_of(classes, load_schema("everyday").group("subject"))
        allowed = [subjects[places[row.label]] if row.label in places else () for row in rows]
        read = self.read("everyday", self.everyday, vectors)
        texts = [f"a photo of a {each.names[0]}" for each in classes]
        kept = [at for at, row in enumerate(rows) if row.label in places]
        truth = [places[rows[at].label] for at in kept]
        return [
            *value_figures("objects", [each["subject"] for each in read], allowed),
            _closed("objects", "among 1000 labels", self.everyday, texts, vectors[kept], truth),
        ]

    def nonsense(self) -> list[Figure]:
        """Drawn blanks, noise and pages that get a confident type or subject; a page may be called a document."""
        made = nonsense(400, np.random.default_rng(1))
        out = []
        for schema, group, encoder in (("fashion", "type", self.product), ("everyday", "subject", self.everyday)):
            vectors = self.images(encoder, "nonsense-judged", lambda: [png(each) for each in made])
            read = [each[group] for each in self.read(schema, encoder, vectors)]
            wrong = [each.value not in (UNKNOWN, DOCUMENT) and each.confidence >= CONFIDENT for each in read]
            sure = float(np.mean(wrong))
            out.append(Figure("nonsense", f"confident {group}", sure, 0.0, len(made)))
        return out

    def mixed(self) -> list[Figure]:
        """Products and photographs in one index: how often a title or a caption finds its own."""
        rows = list(read_products(self.data / "fashion", self.split))
        captions = read_captions(self.data, self.split)
        out = []
        for encoder in self._encoders():
            sold = self.images(encoder, f"fashion-{self.split}", lambda: [row.picture for row in rows])
            seen = self.photograph_vectors(encoder)
            items = np.concatenate([sold, seen])
            titles = encoder.encode_texts([row.title for row in rows])
            first = encoder.encode_texts([each[0] for each in captions])
            found = retrieval(titles, items, list(range(len(rows))))
            told = retrieval(first, items, list(range(len(rows), len(items))))
            out.append(Figure("one index", f"title R@10, {_plain(encoder)}", found.recall_at_10, None, len(rows)))
            out.append(Figure("one index", f"caption R@10, {_plain(encoder)}", told.recall_at_10, None, len(captions)))
        return out

    def routed(self) -> list[Figure]:
        """How many pictures of each table the gate sends to the encoder for products, where there are two encoders."""
        if self.product is self.everyday:
            return []
        tables = {
            "products": (f"fashion-{self.split}", lambda: self._sold(self.split)),
            "clothes at home": ("clothing-val", lambda: self._wild("clothing")),
            "groceries": ("grocery-val", lambda: self._wild("grocery")),
            "photographs": (f"everyday-{self.split}", lambda: read_photographs(self.data, self.split)),
            "objects": ("objects", lambda: self._wild("objects")),
        }
        out = []
        for table, (name, read) in tables.items():
            sent = self.are_products(name, read)
            out.append(Figure(table, "sent to the encoder for products", float(sent.mean()), None, len(sent)))
        return out

    def are_products(self, table: str, read: Callable[[], Sequence[bytes]], *, again: bool = True) -> NDArray[np.bool_]:
        """Return (n,) which pictures of a table a command reads as products; by the gate alone unless `again`."""
        gate = load_gate(shipped(PRODUCT), self.product.dim)
        product = self.images(self.product, table, read)
        if not again:
            return gate.products(product)
        return are_products(gate, self.product, self.everyday, product, self.images(self.everyday, table, read))

    def _sold(self, split: str) -> list[bytes]:
        return [row.picture for row in read_products(self.data / "fashion", split)]

    def _wild(self, table: str) -> list[bytes]:
        return [row.picture for row in read_wild(self.data, table, "val")]

    def _encoders(self) -> list[Encoder]:
        return [self.product] if self.product is self.everyday else [self.product, self.everyday]

    def photograph_vectors(self, encoder: Encoder) -> Vectors:
        """Return (n, dim) of the split's everyday photographs."""
        return self.images(encoder, f"everyday-{self.split}", lambda: read_photographs(self.data, self.split))

    def bank(self, schema: str, encoder: Encoder) -> tuple[SchemaBank, Calibration | None]:
        """Return the encoded labels of a schema, and the calibration beside the encoder if there is one."""
        if schema not in self._banks:
            file = shipped_calibration(encoder.name, schema)
            own = self.calibrations and self.calibrations / CALIBRATION.format(schema=schema)
            path = own if own and own.is_file() else file
            learned = load_calibration(path) if path else None
            self._banks[schema] = build_schema_bank(encoder, load_schema(schema)), learned
        return self._banks[schema]

    def read(self, schema: str, encoder: Encoder, vectors: Vectors) -> list[Attributes]:
        """Return the attributes of each vector (n, dim), as `catalens attributes` reads them."""
        bank, learned = self.bank(schema, encoder)
        return list(read_attributes(vectors, bank, calibration=learned))

    def images(self, encoder: Encoder, table: str, read: Callable[[], Sequence[bytes]]) -> Vectors:
        """Encode a table, or take its vectors from the cache."""
        file = self._cache / f"{encoder.name.replace('/', '_')}.{table}.npy"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, encode(encoder, read()))
        found: Vectors = np.load(file)
        return found


def encode(encoder: Encoder, pictures: Sequence[bytes]) -> Vectors:
    """Encode pictures as a command does: (n, dim)."""
    return np.concatenate(
        [
            encoder.encode_images([read_image(data, at_least=encoder.input_size_wh) for data in some])
            for some in batched(pictures, 32)
        ]
    )


def _closed(
    table: str, name: str, encoder: Encoder, texts: Sequence[str], vectors: Vectors, truth: Sequence[int]
) -> Figure:
    found = accuracy(vectors @ encoder.encode_texts(list(texts)).T, np.array(truth))
    return Figure(table, name, found.top1, found.majority, found.rows)


def _called_men(rows: Sequence[Product], read: Sequence[Attributes], mistakes: Mistakes) -> Figure:
    """Return the share of women's products that are said to be for men."""
    womens = [at for at, row in enumerate(rows) if row.labels.get("gender") == "Women"]
    wrong = [at for at in womens if read[at]["gender"].value == "Men"]
    mistakes.add(
        "gender: products",
        (Mistake(rows[at].picture, "Men", rows[at].title, read[at]["gender"].confidence) for at in wrong),
    )
    return Figure("products", "women's, wrong: called Men", len(wrong) / len(womens), None, len(womens))


def _plain(encoder: Encoder) -> str:
    return encoder.name.partition("@")[0]


def _group(identifier: str) -> str:
    return identifier.partition("/")[0]


def cache_folder(base: Path, *encoders: Encoder) -> Path:
    """Return a folder for vectors that no other weights share."""
    return base / hashlib.sha256(" ".join(each.name for each in encoders).encode()).hexdigest()[:8]
