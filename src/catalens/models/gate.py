"""Classifies images as products or everyday photographs, from the starter's vectors.

A linear classifier, fitted for the encoder and stored as `gate.json` in its bundle.
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
"""Least probability of a product. Nearly every product is above it; other things on plain backgrounds are below: a cup
of coffee, a drawing, a logo."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Logistic regression: `vectors @ weights + bias` is the log-odds of a product."""

    weights: NDArray[np.float32]
    bias: float

    def probabilities(self, vectors: Vectors) -> Scores:
        """Return (n,) probabilities of a product for the starter's vectors (n, dim)."""
        out: Scores = 1 / (1 + np.exp(-(vectors @ self.weights + np.float32(self.bias))))
        return out

    def products(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Return (n,) whether an image shows a product, for the starter's vectors (n, dim)."""
        return np.asarray(self.probabilities(vectors) > SURE)


def load_gate(folder: Path, dim: int) -> Gate:
    """Read the gate of a bundle.

    Args:
        folder: of the bundle.
        dim: width of its vectors.

    Raises:
        ModelError: the bundle has no gate, or one of another width.
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
