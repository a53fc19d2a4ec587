"""What `--server` names: a service whose models do the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catalens.cli.options import settings
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.client import Client
    from catalens.core.protocols import Encoder
    from catalens.pipelines.stages import Stage

_INSTALL = "--server needs more than the base install: pip install 'catalens[client]'"


def stages_at(stages: Sequence[Stage], url: str) -> list[Stage]:
    """Return stages whose models are a server's.

    Raises:
        InputError: the client is not installed, or a stage asks for what servers do not do.
    """
    try:
        from catalens.client.stages import at_server
    except ModuleNotFoundError as error:
        raise InputError(_INSTALL) from error
    return at_server(stages, checked_address(url), settings().server_key)


def client_of(url: str) -> Client:
    """Return a client of a server.

    Raises:
        InputError: the client is not installed, or the address is none.
    """
    try:
        from catalens.client import Client
    except ModuleNotFoundError as error:
        raise InputError(_INSTALL) from error
    return Client(checked_address(url), api_key=settings().server_key)


def encoder_of(url: str) -> Encoder:
    """Return a server's encoder.

    Raises:
        InputError: the client is not installed, or the address is none.
    """
    client = client_of(url)
    from catalens.client.encoder import RemoteEncoder

    return RemoteEncoder(client)


def checked_address(url: str) -> str:
    """Return the address back.

    Raises:
        InputError: it is none.
    """
    try:
        from catalens.client.calls import server_address
    except ModuleNotFoundError as error:
        raise InputError(_INSTALL) from error
    try:
        return server_address(url)
    except InputError as error:
        raise InputError(f"--server: {error}") from None
