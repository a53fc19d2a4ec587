"""What a run is: its first weights, its rows and the order of its batches; a checkpoint continues no other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBERS = 4
"""Numbers of each weight that are looked at: enough to tell trained models apart."""
_ADAPTER = ("r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora")
"""What the names and shapes of weights do not say of an adapter of PEFT."""


def run_mark(model: Any, rows: Mapping[str, Sequence[Any]], settings: Sequence[int]) -> str:
    """Return a digest that is equal for the same base, adapter, rows and settings, wherever their files are.

    Args:
        model: as it is before training; what an adapter draws at random does not count.
        rows: train and val; equal rows have equal representations.
        settings: numbers that the order of the batches depends on.
    """
    adapters = [[getattr(each, name, None) for name in _ADAPTER] for each in getattr(model, "peft_config", {}).values()]
    digest = hashlib.blake2b(f"{list(settings)} {adapters}".encode(), digest_size=16)
    named = [*model.named_parameters()]
    for name, weight in [each for each in named if not each[1].requires_grad] or named:
        some = weight.detach().flatten()[:_NUMBERS].float().tolist()
        digest.update(f"{name} {tuple(weight.shape)} {some}\n".encode())
    for side in ("train", "val"):
        for row in rows[side]:
            digest.update(f"{side} {row!r}\n".encode())
    return digest.hexdigest()
