"""Removes credentials from texts that are shown: a server may echo what it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

REDACTED = "[redacted]"
_SHORTEST = 4
"""A shorter secret protects nothing, and removing it would mutilate messages."""
_PATTERNS = (
    re.compile(r"(?i)(?<=bearer )[^\s'\",}]+"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/]{8,}=*"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"(?i)(?<=signature=)[0-9a-f]{16,}"),
    re.compile(r"(?i)(?<=x-amz-security-token[:=])\s*[^\s'\"&,}]+"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"),
)
"""Credentials by their form: bearer and basic authentication, AWS keys, signatures and session tokens, API keys."""
_IN_ADDRESS = (
    (re.compile(r"(?<=://)[^\s/?#'\"]+(?=@)"), REDACTED),
    (
        re.compile(r"(?i)([?&][\w.-]*(?:key|token|secret|passw|pwd|signature|credential)[\w.-]*=)[^\s&#'\"]+"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)(\b(?:x-api-key|password|passwd|pwd)['\"]?\s*[:=]\s*['\"]?)[^\s'\",}&]+"), rf"\1{REDACTED}"),
)
"""Users and passwords of addresses, keys among their parameters, and passwords of connection strings."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the secrets, and without anything that has the form of a credential.

    >>> redact("wrong key 'hunter2' in Authorization: Bearer abc.def", ["hunter2"])
    "wrong key '[redacted]' in Authorization: Bearer [redacted]"
    >>> redact("https://me:hunter2@host/v1?api_key=hunter3&n=1 refuses password=hunter4")
    'https://[redacted]@host/v1?api_key=[redacted]&n=1 refuses password=[redacted]'
    """
    for secret in sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True):
        for form in {secret, repr(secret)[1:-1]}:
            text = text.replace(form, REDACTED)
    for pattern in _PATTERNS:
        text = pattern.sub(REDACTED, text)
    for pattern, instead in _IN_ADDRESS:
        text = pattern.sub(instead, text)
    return text
