"""Addresses of servers as they may be shown: in names, messages and files."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=//)[^/?#]*@")
_QUERY = re.compile(r"\?[^#]*")


def shown(address: str) -> str:
    """Return an address without its user and password, and without its query, which may hold a key.

    >>> shown("https://user:secret@host:8000/v1?key=secret#model")
    'https://host:8000/v1#model'
    """
    return _QUERY.sub("", _USER.sub("", address))
