"""How much arithmetic a device can do, and how much of it a model uses: what is left to win."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import in_turns
from catalens.models.device import cpu_has_bfloat16, cpu_has_bytes

_SIZE = 2048
_DEPTH = 512


def operations_per_s(device: str = "cpu", rounds: int = 20) -> dict[str, float]:
    """Measure plain products of (2048, 512) by (512, 2048), in every type that the device multiplies fast.

    Returns:
        Type → operations a second; a multiplication and an addition are two.
    """
    contestants: dict[str, Callable[[], object]] = {}
    for name in types(device):
        work = _product(name, device)
        try:
            work()
        except (RuntimeError, NotImplementedError):
            continue  # this device or this torch has no such product
        contestants[name] = work
    taken_s = in_turns(contestants, rounds)
    return {name: 2.0 * _SIZE * _SIZE * _DEPTH * _REPEATS / each for name, each in taken_s.items()}


def types(device: str) -> list[str]:
    """Return the types that a device has instructions for; torch emulates the others, hundreds of times as slowly."""
    if device != "cpu":
        return ["float32", "bfloat16", "float16", "int8"]
    return ["float32", *["bfloat16"] * cpu_has_bfloat16(), *["int8"] * cpu_has_bytes()]


_REPEATS = 8
"""Products in a timed run, which a clock can then measure."""


def _product(name: str, device: str) -> Callable[[], object]:
    if name == "int8":
        left = torch.randint(-8, 8, (_SIZE, _DEPTH), dtype=torch.int8, device=device)
        right = torch.randint(-8, 8, (_SIZE, _DEPTH), dtype=torch.int8, device=device).T
        multiply = torch._int_mm
    else:
        left = torch.randn(_SIZE, _DEPTH, dtype=getattr(torch, name), device=device)
        right = torch.randn(_DEPTH, _SIZE, dtype=getattr(torch, name), device=device)
        multiply = torch.mm

    def work() -> None:
        for _ in range(_REPEATS):
            made = multiply(left, right)
        if device != "cpu":
            made[0, 0].item()  # wait for the device

    return work


def operations_of(run: Callable[[], object]) -> int:
    """Count the operations of a run of torch, those of its products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def share_of_limit(items_per_s: float, operations: int, limits: Mapping[str, float]) -> float:
    """Say which part of what the device could do at best a contestant does.

    >>> share_of_limit(50.0, 10, {"float32": 500.0, "int8": 2000.0})
    0.25
    """
    return items_per_s * operations / max(limits.values())
