"""Fetches a model from a bucket, once, with checksums; interrupted downloads resume.

A file is written under a temporary name with its version (the ETag) and moved into place when it is complete; a list
of the fetched files lets later uses skip the network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from catalens.core.caching import CACHE_ERRORS
from catalens.core.errors import ModelError
from catalens.core.json_text import parse_json

INSTALL = 'pip install "catalens[aws]"'
LISTED = ".fetched.json"
"""Name, size and ETag of every fetched file; written last."""

Client: TypeAlias = Any
"""A `boto3.client("s3")`, which has no static type."""
_CHUNK = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a bucket: its name below the prefix, its size in bytes and its version."""

    name: str
    size: int
    etag: str


def prefix_folder(address: str, cache: Path) -> Path:
    """Return the local folder of `s3://bucket/prefix`, existing or not."""
    return cache / "s3" / address.removeprefix("s3://")


def is_fetched(folder: Path) -> bool:
    """Return whether a prefix was fetched completely and is still there."""
    return bool(_listed(folder))


def fetch_prefix(address: str, cache: Path, *, client: Client = None) -> Path:
    """Fetch the new and changed files under a prefix; return the local folder.

    Args:
        address: `s3://bucket/prefix`.
        cache: cache folder.
        client: S3 client; None creates one with default settings.

    Raises:
        ModelError: boto3 is not installed, the bucket cannot be read, the prefix is empty, or a file arrives
            damaged.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    folder = prefix_folder(address, cache)
    client = client or _client()
    try:
        items = list(_items(client, bucket, prefix))
        if not items:
            raise ModelError(f"{address} is empty: bucket {bucket} has no file whose key begins with {prefix}/")
        for item in items:
            _fetch(client, bucket, f"{prefix}/{item.name}", item, folder)
    except ModelError:
        raise
    except OSError as error:
        if error.errno not in CACHE_ERRORS:
            raise ModelError(f"{address} cannot be fetched: {error}; what has arrived is kept") from error
        raise ModelError(
            f"{address} cannot be kept in {folder} ({error.strerror}); set CATALENS_CACHE to one that can be written"
        ) from error
    except Exception as error:  # botocore raises many kinds, by the service and by the network
        raise ModelError(f"{address} cannot be fetched: {error}; what has arrived is kept") from error
    (folder / LISTED).write_text(json.dumps([asdict(item) for item in items], indent=1), encoding="utf-8")
    return folder


def _client() -> Client:
    try:
        import boto3
    except ImportError as error:
        raise ModelError(f"reading from S3 needs boto3: {INSTALL}") from error
    return boto3.client("s3")


def _listed(folder: Path) -> list[Item]:
    """Return the fetched files of a folder; empty if one is missing or has another size."""
    try:
        items = [Item(**each) for each in parse_json((folder / LISTED).read_text(encoding="utf-8"))]
        whole = all((folder / item.name).stat().st_size == item.size for item in items)
    except (OSError, ValueError, TypeError):
        return []
    return items if whole else []


def _items(client: Client, bucket: str, prefix: str) -> Iterator[Item]:
    """List the files below a prefix; names that leave the folder are refused."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    for page in pages:
        for each in page.get("Contents", ()):
            name = each["Key"].removeprefix(f"{prefix}/")
            if not name or name.endswith("/"):
                continue
            if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                raise ModelError(f"s3://{bucket}/{each['Key']} has a name that leaves the prefix")
            yield Item(name, int(each["Size"]), each["ETag"].strip('"'))


def _fetch(client: Client, bucket: str, key: str, item: Item, folder: Path) -> None:
    place = folder / item.name
    if item in _listed(folder) or (place.is_file() and place.stat().st_size == item.size and _matches(place, item)):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{item.etag}.part")
    have = part.stat().st_size if part.is_file() else 0
    if have >= item.size:
        part.unlink(missing_ok=True)
        have = 0
    # IfMatch: a file that changed meanwhile is refused, not appended to the old part.
    ranged = {"Range": f"bytes={have}-"} if have else {}
    answer = client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{item.etag}"', **ranged)
    with part.open("ab") as file:
        for chunk in iter(lambda: answer["Body"].read(_CHUNK), b""):
            file.write(chunk)
    size = part.stat().st_size
    sealed = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    if size != item.size or not (sealed or _matches(part, item)):
        part.unlink()
        raise ModelError(f"s3://{bucket}/{key} did not arrive whole: {size} of {item.size} bytes, or others; try again")
    part.replace(place)


def _matches(file: Path, item: Item) -> bool:
    """Compare with the ETag if it is an MD5; of a multipart upload, only the size is known."""
    if not _MD5.fullmatch(item.etag):
        return True
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == item.etag
