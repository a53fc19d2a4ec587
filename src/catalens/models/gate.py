"""Tells product photographs from everyday ones by the starter's vectors: each picture gets the bundle that knows it.

A line through the starter's space, fitted beside the encoder and stored as `gate.json` in its bundle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import ModelError
from catalens.core.types import Scores, Vectors
from catalens.models.json_files import load_json

FILE = "gate.json"
SURE = 0.99
"""How sure it must be of a product. Nearly every product is above it, and things on plain backgrounds are not: a cup
of coffee, a drawing, a logo."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The line, `vectors @ weights + bias`, as far from which a picture is as surely a product, or none."""

    weights: NDArray[np.float32]
    bias: float

    def probabilities(self, vectors: Vectors) -> Scores:
        """Return (n,) probabilities that a picture shows a product, for the starter's vectors (n, dim)."""
        out: Scores = 1 / (1 + np.exp(-(vectors @ self.weights + np.float32(self.bias))))
        return out

    def products(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Say which of n pictures are products, for the starter's vectors (n, dim)."""
        return np.asarray(self.probabilities(vectors) > SURE)


def load_gate(folder: Path, dim: int) -> Gate:
    """Read the gate of a bundle.

    Args:
        folder: of the bundle.
        dim: width of its vectors.

    Raises:
        ModelError: the bundle has none, or one of another width.
    """
    file = folder / FILE
    try:
        body = load_json(file)
        gate = Gate(np.array(body["weights"], dtype=np.float32), float(body["bias"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file} cannot be used: {error}") from error
    if gate.weights.shape != (dim,):
        raise ModelError(f"{file} holds {gate.weights.size} weights; vectors of this bundle have {dim} numbers")
    return gate


def save_gate(gate: Gate, folder: Path) -> None:
    """Write the gate into a bundle's folder."""
    body = {"weights": [round(float(each), 4) for each in gate.weights], "bias": round(gate.bias, 4)}
    (folder / FILE).write_text(json.dumps(body) + "\n", encoding="utf-8")
