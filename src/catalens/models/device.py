"""Which device torch runs a model on, and in which type it computes: one choice for encoders, readers and painters."""

from __future__ import annotations

import timeit
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from catalens.core.errors import InputError

if TYPE_CHECKING:
    import torch

_LEAST_GAIN = 1.25
"""Least speed-up of products for which a processor computes in bfloat16."""
DTYPES = ("auto", "float32", "float16", "bfloat16")
"""Names of types; "auto" is the fastest that the device computes in."""


def choose_device(asked: str | None = None) -> torch.device:
    """Return the device that is asked for, or the fastest there is.

    Args:
        asked: "cpu", "cuda", "cuda:1" or "mps"; None or "auto" for the fastest.

    Raises:
        InputError: there is no such device here; the message lists those there are.
    """
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = {"cuda": cards > 0, "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked is None or asked == "auto":
        return torch.device(next(name for name, there in found.items() if there))
    kind, colon, number = asked.partition(":")
    numbered = number.isascii() and number.isdigit() and int(number) < (cards if kind == "cuda" else 1)
    if not found.get(kind, False) or (colon and not numbered):
        raise InputError(f"there is no device {asked!r}; there are: {', '.join(k for k, v in found.items() if v)}")
    return torch.device(asked)


def choose_dtype(asked: str, device: torch.device, *, large: bool = False) -> torch.dtype:
    """Return the type that is asked for, or the fastest one that the device computes in.

    Args:
        asked: one of `DTYPES`.
        device: from `choose_device`.
        large: the model spends its time on reading weights rather than on products, and float32 might not fit: on a
            processor that has bfloat16 at all, "auto" is bfloat16.

    Raises:
        InputError: there is no type of that name.
    """
    import torch

    if asked not in DTYPES:
        raise InputError(f"there is no dtype {asked!r}; there are: {', '.join(DTYPES)}")
    if asked != "auto":
        chosen: torch.dtype = getattr(torch, asked)
        return chosen
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_has_bfloat16() and (large or _bfloat16_is_faster()) else torch.float32


def cpu_has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 itself; without, it is emulated and slower than float32."""
    return _cpu_has("avx512_bf16", "amx_bf16", "bf16")


@cache
def _bfloat16_is_faster() -> bool:
    """Return whether matrix products take clearly less time in bfloat16 than in float32 here.

    With AMX they take a quarter; with the instructions of AVX-512 alone, on some processors twice as long. One thread
    is measured: several wait for each other while other programs have the cores, so that chance would decide.
    """
    import torch

    def least_s(dtype: torch.dtype) -> float:
        left, right = (torch.ones(size, dtype=dtype) for size in ((128, 768), (768, 768)))
        return min(timeit.repeat(lambda: left @ right, number=1, repeat=30))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return least_s(torch.bfloat16) * _LEAST_GAIN < least_s(torch.float32)
    finally:
        torch.set_num_threads(threads)


def cpu_has_bytes() -> bool:
    """Return whether the processor has instructions for products of 8-bit integers; without, torch emulates them."""
    return _cpu_has("avx512_vnni", "amx_int8", "avx_vnni", "i8mm", "dot")


def _cpu_has(*names: str) -> bool:
    import torch

    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in names)
