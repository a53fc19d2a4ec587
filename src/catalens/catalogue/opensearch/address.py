"""The address of an OpenSearch index, with its settings, and a client for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from catalens.core.errors import CatalogueError, InputError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AWS_HOST = re.compile(r"\.([a-z0-9-]+)\.(es|aoss)\.(?:on\.)?(?:amazonaws\.com(?:\.cn)?|aws)$")
_INDEX_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")

Engine = Literal["lucene", "faiss"]
Space = Literal["cosinesimil", "innerproduct", "l2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a new index; an index that exists keeps its own.

    Attributes:
        engine: k-NN engine: lucene, which every server has, or faiss for large clusters.
        space: distance of the vector field; hits have cosines in each.
        m: links per node of the HNSW graph.
        ef_construction: candidates while the graph is built; more is slower and more exact.
        ef_search: candidates while the graph is searched.
        mode: in_memory or on_disk; empty for the server's default. on_disk chooses the method itself.
        compression: compression level of vectors, such as 16x; empty for the server's default.
        shards: primary shards.
        replicas: copies of each shard.
    """

    engine: Engine = "lucene"
    space: Space = "cosinesimil"
    m: int = 16
    ef_construction: int = 128
    ef_search: int = 100
    mode: Literal["", "in_memory", "on_disk"] = ""
    compression: Literal["", "1x", "2x", "4x", "8x", "16x", "32x"] = ""
    shards: int = 1
    replicas: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed address.

    Attributes:
        shown: the address without its password and settings, for messages.
        base: scheme, host and port, as HTTP has them.
        index: name of the index or alias.
        login: user and password, if the address has them.
        aws: region and service to sign requests for, if it is Amazon's.
        settings: of the index, if it is new.
        encoder: of an index that another program filled; None for one of our own.
        vector_field: of such an index; None if it has only one.
        picture_field: of such an index, with the path or address of the picture; None looks for a usual name.
    """

    shown: str
    base: str
    index: str
    login: tuple[str, str] | None
    aws: tuple[str, str] | None
    settings: Settings
    encoder: str | None = None
    vector_field: str | None = None
    picture_field: str | None = None


def parse_address(uri: str) -> Address:
    """Parse `opensearch://[user:password@]host[:port]/index[?setting=value&…]`.

    `opensearchs` and `https` use TLS. Requests to hosts of Amazon OpenSearch Service are signed; for another name of
    such a host, add `aws_region=…` (and `aws_service=aoss` for a serverless collection).

    Raises:
        InputError: no host, no index, or an unknown setting.

    >>> address = parse_address("opensearch://user:secret@127.0.0.1:9200/shop?engine=faiss&m=32")
    >>> address.shown, address.base, address.settings.engine, address.settings.m
    ('opensearch://127.0.0.1:9200/shop', 'http://127.0.0.1:9200', 'faiss', 32)
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(f"the address of an OpenSearch server cannot be read: {error}") from error
    index = unquote(parts.path.strip("/"))
    place = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{place}{f':{port}' if port else ''}/{index}"
    if not host or not _INDEX_NAME.fullmatch(index):
        raise InputError(
            f"{shown} names no index; write opensearch://HOST:PORT/INDEX, with an index name of lower-case letters, "
            "digits, dots, dashes and underscores"
        )
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    aws = _aws(host, given)
    secure = parts.scheme.lower() != "opensearch"
    port = port or (443 if aws or parts.scheme.lower() == "https" else 9200)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    elsewhere = {name: given.pop(name, None) for name in ("encoder", "vector_field", "picture_field")}
    return Address(
        **elsewhere,
        shown=shown,
        base=f"{'https' if secure or aws else 'http'}://{place}:{port}",
        index=index,
        login=login,
        aws=None if login else aws,
        settings=_settings(given, shown),
    )


def connect(address: Address) -> OpenSearch:
    """Return a client; nothing is sent yet.

    Raises:
        CatalogueError: opensearch-py is missing, or there are no AWS credentials.
    """
    try:
        from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
    except ImportError as error:
        raise CatalogueError(
            "OpenSearch needs opensearch-py; install it with: pip install 'catalens[opensearch]'"
        ) from (error)
    auth: object = address.login
    if address.aws is not None:
        auth = Urllib3AWSV4SignerAuth(_credentials(address.shown), *address.aws)
    return OpenSearch(
        hosts=[address.base],
        http_auth=auth,
        connection_class=Urllib3HttpConnection,
        http_compress=address.base.startswith("https"),
        timeout=60,
        max_retries=3,
        retry_on_timeout=True,
        retry_on_status=(502, 503, 504),
    )


def _credentials(shown: str) -> object:
    try:
        from boto3 import Session
    except ImportError as error:
        raise CatalogueError(f"{shown} needs signed requests; install boto3 with: pip install 'catalens[aws]'") from (
            error
        )
    credentials = Session().get_credentials()
    if credentials is None:
        raise CatalogueError(f"{shown}: no AWS credentials were found; set up a profile, or AWS_ACCESS_KEY_ID")
    return credentials


def _aws(host: str, given: dict[str, str]) -> tuple[str, str] | None:
    """Return region and service of a host; settings of the address come first."""
    found = _AWS_HOST.search(host)
    region, service = given.pop("aws_region", None), given.pop("aws_service", None)
    if found is None and region is None:
        return None
    return region or (found[1] if found else ""), service or (found[2] if found else "es")


def _settings(given: dict[str, str], shown: str) -> Settings:
    defaults = Settings()
    known = {field.name: getattr(defaults, field.name) for field in fields(Settings)}
    choices = {
        "engine": get_args(Engine),
        "space": get_args(Space),
        "mode": ("in_memory", "on_disk"),
        "compression": ("1x", "2x", "4x", "8x", "16x", "32x"),
    }
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"{shown}: there is no setting {name!r}; there are: {', '.join(known)}")
        if name in choices and value not in choices[name]:
            reason = "; OpenSearch 3 has removed it: create the index anew with lucene or faiss" * (value == "nmslib")
            raise InputError(f"{shown}: {name}={value} is not one of {', '.join(choices[name])}{reason}")
        if name not in choices and not value.isdecimal():
            raise InputError(f"{shown}: {name}={value} is not a whole number")
        values[name] = value if name in choices else int(value)
    return Settings(**values)  # type: ignore[arg-type]
