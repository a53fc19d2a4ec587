"""The type of products in training follows the processor."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")

import torch

from catalens.training.precision import mixed


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
    ],
)
def test_products_are_bfloat16_only_where_the_processor_multiplies_it(
    has: dict[str, bool], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    with mixed():
        assert (torch.ones(2, 3) @ torch.ones(3, 2)).dtype is expected
