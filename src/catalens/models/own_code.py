"""Refuses code that a model brings along, without the question that transformers asks at the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_own_code() -> Iterator[None]:
    """Make transformers refuse the code in a model's folder, also of nested configurations.

    `trust_remote_code=False` reaches the model itself. For a part, which a configuration nests, transformers asks at
    the terminal whether its code may run, and a pipe can say yes.
    """
    from transformers import dynamic_module_utils

    before = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0  # no time to answer: it does not ask
    try:
        yield
    finally:
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = before
