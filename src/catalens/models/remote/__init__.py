"""Models behind a server: one client for chat completions, with deadlines, limits, retries and redaction."""

from __future__ import annotations

from importlib.util import find_spec

from catalens.core.errors import ModelError


def need_httpx(what: str) -> None:
    """Check that httpx is installed.

    Args:
        what: needs it, such as "readers behind a server".

    Raises:
        ModelError: it is not; the message has the command that installs it.
    """
    if find_spec("httpx") is None:
        raise ModelError(f'{what} need httpx: pip install "catalens[remote]"')
