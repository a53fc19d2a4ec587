"""Pictures under a prefix of an S3 bucket, listed page by page; each is fetched when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from catalens.catalogue.sources.items import Entry, Item
from catalens.core.content import Limits
from catalens.core.errors import InputError
from catalens.core.folders import IMAGE_EXTENSIONS
from catalens.core.types import FieldValue, Outcome

Client: TypeAlias = Any
"""A `boto3.client("s3")`, which has no static type."""
_SCHEME = "s3://"


def is_bucket(name: str) -> bool:
    """Return whether a name is that of a bucket."""
    return name.startswith(_SCHEME)


def bucket_entries(address: str, *, client: Client = None) -> Iterable[Entry]:
    """Return the pictures under `s3://bucket/prefix`, lazily, in the order of their keys.

    The id is the key below the prefix; the fields are the name and the folder, as for a folder on disk. Each iteration
    lists the bucket anew.

    Args:
        address: of the prefix.
        client: S3 client; None makes one from the usual credentials and settings.

    Raises:
        InputError: boto3 is not installed, or the address names no bucket, or an archive.
    """
    if address.lower().endswith((".tar", ".tar.gz", ".tgz")):
        raise InputError(f"{address} is an archive, which is read from a disk only; fetch it first")
    bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
    if not bucket:
        raise InputError(f"{address} names no bucket; use s3://BUCKET/PREFIX")
    if client is None:
        _client()  # its absence is an error of the job, not of each picture
    return _Bucket(bucket, prefix, client)


def fetch(address: str) -> bytes:
    """Return the content of `s3://bucket/key`.

    Raises:
        InputError: boto3 is not installed, or the object cannot be fetched.
    """
    return object_at(address)()


def object_at(address: str) -> Callable[[], bytes]:
    """Return what fetches `s3://bucket/key` when it is called."""
    bucket, _, key = address.removeprefix(_SCHEME).partition("/")
    return _Object(bucket, key)


@dataclass(frozen=True, slots=True)
class _Object:
    """Fetches a picture when it is called; small enough to be sent to a worker.

    Attributes:
        client: None uses the usual settings, wherever it is called.
    """

    bucket: str
    key: str
    client: Client = None

    def __call__(self) -> bytes:
        client = self.client or _client()
        try:
            content: bytes = client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()
        except Exception as error:  # botocore raises many kinds, by the service and by the network
            raise InputError(f"{_SCHEME}{self.bucket}/{self.key} cannot be fetched: {error}") from error
        return content


@dataclass(frozen=True, slots=True)
class _Bucket:
    bucket: str
    prefix: str
    client: Client

    def __iter__(self) -> Iterator[Entry]:
        """Return an entry per picture; nothing is fetched yet."""
        for key, size in self._keys():
            yield self._entry(key, size)

    def _keys(self) -> Iterator[tuple[str, int]]:
        client = self.client or _client()
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            for page in pages:
                for each in page.get("Contents", []):
                    if PurePosixPath(each["Key"]).suffix.lower() in IMAGE_EXTENSIONS:
                        yield each["Key"], each["Size"]
        except Exception as error:  # as above
            raise InputError(f"{_SCHEME}{self.bucket}/{self.prefix} cannot be listed: {error}") from error

    def _entry(self, key: str, size: int) -> Entry:
        source = f"{_SCHEME}{self.bucket}/{key}"
        id = key.removeprefix(self.prefix).lstrip("/") or PurePosixPath(key).name
        most = Limits().max_bytes
        if size > most:
            return Outcome(id, f"{source}: it has {size:,} bytes; at most {most:,} are read")
        path = PurePosixPath(id)
        fields: dict[str, FieldValue] = {"name": path.stem}
        if path.parent.name:
            fields["folder"] = str(path.parent)
        return Item(id, _Object(self.bucket, key, self.client), source, fields)


@cache
def _client() -> Client:
    try:
        import boto3
    except ImportError as error:
        raise InputError('pictures in a bucket need boto3: pip install "catalens[aws]"') from error
    return boto3.client("s3")
