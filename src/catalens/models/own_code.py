"""No model brings code of its own: what transformers would ask at the terminal is refused before it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_own_code() -> Iterator[None]:
    """Let transformers refuse the code in a model's folder, that of the model's parts too.

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
