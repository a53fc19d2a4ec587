"""The line between products and everything else: kept exactly, and refused when it is not this bundle's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalens.core.errors import ModelError
from catalens.models.gate import FILE, SURE, Gate, load_gate, save_gate


def test_only_what_is_surely_a_product_is_one(tmp_path: Path) -> None:
    gate = Gate(np.array([10.0, 0.0], np.float32), 0.0)
    vectors = np.array([[1.0, 0.0], [0.1, 0.995], [-1.0, 0.0]], np.float32)
    assert gate.probabilities(vectors).tolist() == pytest.approx([0.99995, 0.731, 0.0], abs=1e-3)
    assert SURE > 0.9
    assert gate.products(vectors).tolist() == [True, False, False]
    save_gate(gate, tmp_path)
    again = load_gate(tmp_path, 2)
    assert again.weights.tolist() == gate.weights.tolist()
    assert gate.products(np.empty((0, 2), np.float32)).shape == (0,)


def test_a_gate_that_is_missing_broken_or_of_another_width_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=FILE):
        load_gate(tmp_path, 2)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ModelError, match=FILE):
        load_gate(tmp_path, 2)
    save_gate(Gate(np.zeros(3, np.float32), 0.0), tmp_path)
    with pytest.raises(ModelError, match="3 weights"):
        load_gate(tmp_path, 2)
