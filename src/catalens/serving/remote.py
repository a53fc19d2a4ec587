"""Pictures by address, from hosts that the configuration lists; never from this machine's own network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from catalens.core.errors import ImageError, InputError
from catalens.serving.config import ServeConfig

_TIMEOUT_S = 10.0
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses of the public internet; Python also calls some outside of it global."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


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
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            resolved = await _public_address(host, port)
            return await _get(address, host, resolved, config.max_body_bytes)
    except TimeoutError as error:
        raise ImageError(f"the picture's host did not answer within {_TIMEOUT_S:g} s") from error


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

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) is what counts, since packets go there.

    >>> [is_public(ipaddress.ip_address(each)) for each in ("93.184.216.34", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            return address in _UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast


@cache
def _tls() -> ssl.SSLContext:
    """Return what hosts are verified with. Reading all certificates takes 40 ms, in which nobody else is served."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


async def _get(address: str, host: str, resolved: str, max_bytes: int) -> bytes:
    import httpx

    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError("an address cannot be read") from error
    target = url.copy_with(host=resolved)
    # What is compressed may grow a thousandfold in one step, before its size can be checked.
    headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
    extensions = {"sni_hostname": host} if url.scheme == "https" else {}
    try:
        async with (
            httpx.AsyncClient(verify=_tls(), follow_redirects=False, trust_env=False, timeout=_TIMEOUT_S) as client,
            client.stream("GET", target, headers=headers, extensions=extensions) as response,
        ):
            if response.status_code != 200:
                raise ImageError(f"the picture's host answered {response.status_code}")
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise ImageError("the picture cannot be fetched: its host compresses it, although it was asked not to")
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > max_bytes:
                    raise ImageError(f"the fetched picture is larger than {max_bytes:,} bytes")
    except httpx.HTTPError as error:
        raise ImageError(f"the picture cannot be fetched: {_in_words(error)}") from error
    return bytes(content)


def _in_words(error: Exception) -> str:
    import httpx

    words: tuple[tuple[type[Exception], str], ...] = (
        (httpx.TimeoutException, "its host does not answer in time"),
        (httpx.ConnectError, "its host cannot be connected to, or shows no valid certificate"),
        (httpx.RemoteProtocolError, "its host breaks off, or answers with something that is no HTTP"),
        (httpx.NetworkError, "the connection to its host broke"),
    )
    return next((said for kind, said in words if isinstance(error, kind)), "its host's answer cannot be read")
