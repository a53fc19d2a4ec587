"""Targets of the training images: their labels, the texts of labels, and the losses between both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from catalens.tasks.schema import Group, load_schema
from catalens.training.fashion import Product
from catalens.training.kinds import Class
from catalens.training.losses import multi_positive
from catalens.training.recipes.unified.batches import Labels, of_group
from catalens.training.recipes.unified.wild import GARMENT_WORDS, GARMENTS, coarse_labels, grocery_words, read_wild

IGNORED = -100
PRODUCT_GROUPS = {"type": 1.0, "colour": 0.5, "gender": 0.3}
"""Group of the fashion schema that products are labelled with → weight of its loss."""


GARMENT_SUBJECTS = {"Shoes": "shoe", "Hat": "hat", "Dress": "dress", "Blazer": "suit"}
GROCERY_SUBJECTS = {"Fruit": "fruit", "Vegetables": "vegetable"}
"""Labels of the wild tables → main subject; what is not named here is none of the subjects."""


def bare(wording: str) -> str:
    """Drop the article of a wording.

    >>> bare("a sports car"), bare("bread")
    ('sports car', 'bread')
    """
    first, _, rest = wording.partition(" ")
    return rest if first in ("a", "an", "the") else wording


def subjects_of(classes: Sequence[Class], group: Group) -> list[tuple[str, ...]]:
    """Return, for each class, the main subjects that name it or a kind above it; none where no subject does."""
    words = {label.name: {label.name, *map(bare, label.wordings)} for label in group.labels}
    out = []
    for each in classes:
        said = {word.lower() for word in (*each.names, *each.kinds)}
        out.append(tuple(name for name, some in words.items() if some & said))
    return out


def subject_shares(classes: Sequence[Class], group: Group) -> Tensor:
    """Return (classes, labels + 1): how much of a class's probability goes to each subject, and to none of them."""
    names = group.label_names
    out = torch.zeros(len(classes), len(names) + 1)
    for at, found in enumerate(subjects_of(classes, group)):
        places = [names.index(name) for name in found] or [len(names)]
        out[at, places] = 1.0 / len(places)
    return out


class Targets:
    """Labels of the training rows, in the order of their tables."""

    def __init__(self, data: Path, goods: Sequence[Product], classes: Sequence[Class]) -> None:
        fashion = load_schema("fashion")
        clothing, grocery = read_wild(data, "clothing", "train"), read_wild(data, "grocery", "train")
        coarse, garments = coarse_labels(read_wild(data, "grocery")), list(GARMENT_WORDS)
        groups = {name: fashion.group(name) for name in PRODUCT_GROUPS}
        self.banks = {name: of_group(group) for name, group in groups.items()}
        self.banks["garment"] = Labels([GARMENT_WORDS[each] for each in garments])
        self.banks["coarse"] = Labels([grocery_words(each) for each in coarse])
        subject = load_schema("everyday").group("subject")
        self.banks["subject"] = of_group(subject)
        self.subject_shares = subject_shares(classes, subject)
        place = {name: at for at, name in enumerate(subject.label_names)}
        none = len(place)
        worn = [place.get(GARMENT_SUBJECTS.get(row.label, ""), none) for row in clothing]
        eaten = [place.get(GROCERY_SUBJECTS.get(row.id.partition("/")[0], ""), none) for row in grocery]
        self.subjects = {"clothing": torch.tensor(worn), "grocery": torch.tensor(eaten)}
        self.garment = torch.tensor([garments.index(row.label) for row in clothing])
        names = groups["type"].label_names
        self.allowed = torch.tensor([[name in GARMENTS[row.label] for name in names] for row in clothing])
        self.coarse = torch.tensor([coarse.index(row.coarse) for row in grocery])
        self.goods: dict[str, Tensor] = {}
        for name, group in groups.items():
            place = {label: at for at, label in enumerate(group.label_names)}
            self.goods[name] = torch.tensor([place.get(each.labels.get(name, ""), IGNORED) for each in goods])

    def schema_words(self) -> set[str]:
        """Return the words of the product labels, which the vocabulary must go on cutting up as the starter does."""
        wordings = (each for name in PRODUCT_GROUPS for words in self.banks[name].words for each in words)
        return {word for wording in wordings for word in wording.split()}


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of images, set by set.

    Attributes:
        rows: set → positions of its images in the set's table.
        where: set → its part of the batch.
        images: (n, dim) unit rows.
        bank: texts' unit rows: "captions" of the everyday images, the labels of each kind, "names" of classes,
            "unknown" (1, dim), and where products are described "phrases".
        taught: (m, names) probabilities by the teacher for the first m images; nonsense comes after them.
        scales: what cosines are multiplied by for captions and for labels.
    """

    rows: Mapping[str, NDArray[np.int64]]
    where: Mapping[str, slice]
    images: Tensor
    bank: Mapping[str, Tensor]
    taught: Tensor
    scales: tuple[Tensor, Tensor]

    def against(self, name: str, part: slice) -> Tensor:
        """Return log-probabilities (n, labels + 1) of labels and "none of these" for a part of the batch."""
        texts = torch.cat([self.bank[name], self.bank["unknown"]])
        return (self.scales[1] * self.images[part] @ texts.T).log_softmax(1)

    def none(self, name: str, sets: Sequence[str]) -> Tensor:
        """Return the loss of "none of these" for sets that show no label of a kind."""
        found = [-self.against(name, self.where[each])[:, -1] for each in sets if each in self.where]
        return 0.3 * torch.cat(found).mean() if found else torch.zeros(())


def all_losses(batch: Batch, targets: Targets) -> dict[str, Tensor]:
    """Return the loss of every kind of target that the batch has."""
    rows, where = batch.rows, batch.where
    keys = torch.from_numpy(rows["everyday"])
    pairs = multi_positive(batch.images[where["everyday"]], batch.bank["captions"], keys, keys, batch.scales[0])
    names = batch.against("names", slice(0, len(batch.taught)))[:, :-1]
    out = {"pairs": pairs, "names": -(batch.taught * names).sum(1).mean()}
    if "clothing" in where:
        some = rows["clothing"]
        out["garment"] = functional.nll_loss(batch.against("garment", where["clothing"]), targets.garment[some])
        types = batch.against("type", where["clothing"])[:, :-1].masked_fill(~targets.allowed[some], -1e4)
        out["clothing type"] = -types.logsumexp(1).mean()
    if "grocery" in where:
        coarse = targets.coarse[rows["grocery"]]
        out["coarse"] = functional.nll_loss(batch.against("coarse", where["grocery"]), coarse)
    if "goods" in where:
        out |= _of_products(batch, targets)
    for name in ("clothing", "grocery"):
        if name in where:
            wanted = targets.subjects[name][rows[name]]
            out[f"{name} subject"] = 0.5 * functional.nll_loss(batch.against("subject", where[name]), wanted)
    out["no type"] = batch.none("type", ("grocery", "nonsense"))
    out["no thing"] = batch.none("names", ("nonsense",)) + batch.none("subject", ("nonsense",))
    return out


def _of_products(batch: Batch, targets: Targets) -> dict[str, Tensor]:
    out = {}
    part, rows = batch.where["goods"], batch.rows["goods"]
    for group, weight in PRODUCT_GROUPS.items():
        found, wanted = batch.against(group, part), targets.goods[group][rows]
        if (wanted != IGNORED).any():
            out[f"goods {group}"] = weight * functional.nll_loss(found, wanted, ignore_index=IGNORED)
    if "phrases" in batch.bank:
        keys = torch.from_numpy(rows)
        out["phrases"] = 0.3 * multi_positive(batch.images[part], batch.bank["phrases"], keys, keys, batch.scales[0])
    return out
