"""Pictures by address, from hosts that the configuration lists; never from this machine's own network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from catalens.core.errors import ImageError, InputError
from catalens.serving.config import ServeConfig

_TIMEOUT_S = 10.0


def is_address(text: str) -> bool:
    """Return whether a text is an address on the web rather than base64."""
    return text[:8].lower().startswith(("http://", "https://"))


async def fetch(address: str, config: ServeConfig) -> bytes:
    """Return the content of an address, without following redirects.

    The resolved address is checked and then connected to, so that a second look-up cannot lead elsewhere.

    Raises:
        InputError: the host is not allowed, or leads to a private address.
        ImageError: the address cannot be fetched, or its content is too large.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise InputError("an address cannot be read") from error
    allowed = {each.lower() for each in config.allowed_hosts}
    if host.lower() not in allowed or parts.username is not None:
        raise InputError("pictures are not fetched from that host; send the picture itself, as base64")
    resolved = await _public_address(host, port)
    async with asyncio.timeout(_TIMEOUT_S):
        return await _get(address, host, resolved, config.max_body_bytes)


async def _public_address(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ImageError("the picture's host cannot be found") from error
    addresses = [ipaddress.ip_address(each[4][0].partition("%")[0]) for each in found]
    if not addresses or not all(is_public(each) for each in addresses):
        raise InputError("the picture's host leads to a private address, which is not fetched")
    return str(addresses[0])


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is on the public internet: not private, loopback, link-local or metadata.

    >>> [is_public(ipaddress.ip_address(each)) for each in ("93.184.216.34", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    mapped = getattr(address, "ipv4_mapped", None)
    found = mapped or address
    return found.is_global and not found.is_multicast


async def _get(address: str, host: str, resolved: str, max_bytes: int) -> bytes:
    import httpx

    url = httpx.URL(address)
    target = url.copy_with(host=resolved)
    extensions = {"sni_hostname": host} if url.scheme == "https" else {}
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=_TIMEOUT_S) as client,
            client.stream(
                "GET", target, headers={"Host": url.netloc.decode("ascii")}, extensions=extensions
            ) as response,
        ):
            if response.status_code != 200:
                raise ImageError(f"the picture's host answered {response.status_code}")
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > max_bytes:
                    raise ImageError(f"the fetched picture is larger than {max_bytes:,} bytes")
    except httpx.HTTPError as error:
        raise ImageError(f"the picture cannot be fetched: {type(error).__name__}") from error
    return bytes(content)
