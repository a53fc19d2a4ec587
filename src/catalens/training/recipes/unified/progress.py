"""Validation accuracy of an encoder during training, from vectors of images and texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from catalens.tasks.schema import load_schema
from catalens.training.kinds import read_classes
from catalens.training.recipes.unified.wild import GARMENT_WORDS, GARMENTS, coarse_labels, read_wild


class Truth:
    """What the validation images show."""

    def __init__(self, data: Path) -> None:
        clothing, grocery = read_wild(data, "clothing", "val"), read_wild(data, "grocery", "val")
        garments, coarse = list(GARMENT_WORDS), coarse_labels(read_wild(data, "grocery"))
        types = load_schema("fashion").group("type").label_names
        self.garment = torch.tensor([garments.index(row.label) for row in clothing])
        self.allowed = torch.tensor([[name in GARMENTS[row.label] for name in types] for row in clothing])
        self.coarse = torch.tensor([coarse.index(row.coarse) for row in grocery])
        classes = read_classes()
        place = {name.lower(): at for at, each in reversed(list(enumerate(classes))) for name in each.names}
        self.objects = torch.tensor([place.get(row.label.lower(), -1) for row in read_wild(data, "objects")])

    def shares(self, images: Mapping[str, Tensor], texts: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the share of right answers for each table.

        Args:
            images: set → (n, dim) unit rows of "everyday-val", "clothing-val", "grocery-val" and "objects".
            texts: "captions" (one for each everyday image), and a row for each label of "type", "garment", "coarse"
                and "names" (the classes).
        """
        scores = texts["captions"] @ images["everyday-val"].T
        own = scores.diagonal()
        best = {name: (images[table] @ texts[name].T).argmax(1) for name, table in _TABLES.items()}
        found = {
            "t2i_r1": (scores > own[:, None]).sum(1) < 1,
            "t2i_r10": (scores > own[:, None]).sum(1) < 10,
            "i2t_r10": (scores > own[None, :]).sum(0) < 10,
            "type": self.allowed[torch.arange(len(self.allowed)), best["type"]],
            "garment": best["garment"] == self.garment,
            "coarse": best["coarse"] == self.coarse,
            "objects": (best["names"] == self.objects)[self.objects >= 0],
        }
        return {name: round(value.float().mean().item(), 4) for name, value in found.items()}


_TABLES = {"type": "clothing-val", "garment": "clothing-val", "coarse": "grocery-val", "names": "objects"}
