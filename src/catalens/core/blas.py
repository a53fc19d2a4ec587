"""Threads of numpy's matrix products, held back while models run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_PREFIX = "libscipy_openblas"
"""File name of the OpenBLAS in numpy's wheels. Torch may carry an OpenBLAS too, and needs its threads."""
_held = threading.Lock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute numpy's matrix products in the caller's thread while the block runs.

    OpenBLAS's other threads spin for some milliseconds after each product, to be there for the next. Small products
    between runs of a model thereby take the processor from the model (docs/decisions/260-one-blas-thread.md). The
    setting is the process's: of several threads at once the first makes it, and ends it for all.
    """
    if not _held.acquire(blocking=False):
        yield
        return
    try:
        with _numpy_blas().limit(limits=1):
            yield
    finally:
        _held.release()


@cache
def _numpy_blas() -> ThreadpoolController:
    import numpy  # noqa: F401 - a library that is not loaded yet is not found

    return ThreadpoolController().select(prefix=_PREFIX)
