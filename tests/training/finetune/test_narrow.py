"""Frozen weights in 16 bits: the same results bit for bit in half the memory, and only where 16 bits are exact."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from catalens.training.finetune.narrow import narrow, widen  # noqa: E402


class Tied(torch.nn.Module):  # type: ignore[name-defined]
    """Embeddings, a layer, and a head that has the embeddings' weight."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(40, 16)
        self.wide = torch.nn.Linear(16, 24)
        self.back = torch.nn.Linear(24, 16, bias=False)
        self.norm = torch.nn.LayerNorm(16)
        self.head = torch.nn.Linear(16, 40, bias=False)
        self.head.weight = self.words.weight
        with torch.no_grad():
            for each in self.parameters():
                if each.dim() == 2 and dtype == torch.bfloat16:
                    each[0, 0] = 2.0**20  # beyond float16
                each.copy_(each.to(dtype).float())
        self.requires_grad_(requires_grad=False)

    def forward(self, ids: Any, shift: Any) -> Any:
        """Return logits; the shift is what a gradient is taken of."""
        hidden = self.words(ids) + shift
        return self.head(self.norm(hidden + self.back(torch.relu(self.wide(hidden)))))


def results(model: Any) -> tuple[Any, Any]:
    """Logits, and the gradient of an input."""
    shift = torch.full((2, 7, 16), 0.25, requires_grad=True)
    logits = model(torch.arange(14).view(2, 7), shift)
    logits.logsumexp(-1).sum().backward()
    return logits.detach(), shift.grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_weights_change_no_bit(dtype: Any) -> None:
    model = Tied(dtype)
    reference = copy.deepcopy(model)
    assert narrow(model) == 2 * (40 * 16 + 2 * 16 * 24)
    assert [each.weight.dtype for each in (model.words, model.wide, model.back)] == [dtype] * 3
    assert model.norm.weight.dtype == torch.float32
    assert model.head.weight is model.words.weight
    torch.testing.assert_close(results(model), results(reference), rtol=0, atol=0)


def test_weights_that_16_bits_would_round_stay() -> None:
    model = Tied(torch.float32)
    assert narrow(model) == 0
    assert all(each.dtype == torch.float32 for each in model.parameters())


def test_trained_weights_and_those_that_must_be_wide_stay() -> None:
    model = Tied(torch.float16)
    model.head.weight = torch.nn.Parameter(model.head.weight.clone(), requires_grad=False)
    model.wide.bias.requires_grad_()
    model._keep_in_fp32_modules = ["back"]
    assert narrow(model) == 2 * 40 * 16
    assert model.wide.weight.dtype == model.back.weight.dtype == torch.float32


def test_a_weight_that_another_kind_of_layer_has_too_stays() -> None:
    model = Tied(torch.float16)
    model.other = torch.nn.EmbeddingBag(40, 16)
    model.other.weight = model.words.weight
    assert narrow(model) == 2 * 2 * 16 * 24
    assert model.head.weight.dtype == torch.float32


def test_a_head_that_takes_more_room_than_it_saves_stays() -> None:
    model = Tied(torch.float16)
    model.words = torch.nn.Embedding(100, 16)
    model.words.weight.requires_grad_(requires_grad=False).fill_(0.5)
    model.head = torch.nn.Linear(16, 100, bias=False).requires_grad_(requires_grad=False)
    model.head.weight.fill_(0.5)
    assert narrow(model) == 2 * (100 * 16 + 2 * 16 * 24)
    assert model.words.weight.dtype == torch.float16
    assert model.head.weight.dtype == torch.float32


def test_results_without_gradients_come_first() -> None:
    """What inference leaves behind must not stop a gradient."""
    model = Tied(torch.float16)
    reference = copy.deepcopy(model)
    narrow(model)
    widen(model)
    with torch.inference_mode():
        model(torch.arange(14).view(2, 7), torch.zeros(2, 7, 16))
    torch.testing.assert_close(results(model), results(reference), rtol=0, atol=0)


def test_a_layer_with_an_adapter_is_widened_for_a_merge() -> None:
    adapted = torch.nn.Module()
    adapted.base_layer = torch.nn.Linear(8, 8)
    adapted.plain = torch.nn.Linear(8, 8)
    with torch.no_grad():
        for each in adapted.parameters():
            each.requires_grad_(requires_grad=False).copy_(each.half().float())
    before = adapted.base_layer.weight.clone()
    narrow(adapted)
    assert adapted.base_layer.weight.dtype == torch.float16
    widen(adapted)
    assert adapted.plain.weight.dtype == torch.float16
    torch.testing.assert_close(adapted.base_layer.weight, before, rtol=0, atol=0)
