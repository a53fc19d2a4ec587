"""What an OpenSearch index says of itself: read, created, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from catalens.catalogue.opensearch.address import Address, Space
from catalens.catalogue.opensearch.foreign import layout_of
from catalens.catalogue.opensearch.mapping import FORMAT, VECTOR, known_parts, new_index
from catalens.core.errors import CatalogueError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an index.

    Attributes:
        encoder_name: the encoder that made the vectors.
        dim: width of a vector.
        index: its own name, also where the address is an alias.
        space: distance of the vector field.
        parts: names of fields with their kinds, as the mapping has them.
        settings: with which an index like it is created, as an address has them.
        replaces: of an index that took, or is to take, the place of another: the `name` of both, and as what the
            other is `kept`.
    """

    encoder_name: str
    dim: int
    index: str
    space: Space
    parts: frozenset[tuple[str, str]]
    settings: Mapping[str, str]
    replaces: Mapping[str, str]


def read(client: OpenSearch, address: Address) -> Facts | None:
    """Return what an index says of itself; None where there is none.

    Raises:
        CatalogueError: it was not made by Catalens, or by a newer one.
    """
    from opensearchpy.exceptions import NotFoundError

    try:
        found = client.indices.get(index=address.index)
    except NotFoundError:
        return None
    if len(found) != 1:
        raise CatalogueError(
            f"{address.shown} is an alias of {len(found)} indexes; point it at one of {', '.join(found)}"
        )
    ((index, facts),) = found.items()
    mapping = facts["mappings"]
    about = mapping.get("_meta", {}).get("catalens")
    if about is None:
        raise _stranger(address, facts)
    if about["format"] != FORMAT:
        raise CatalogueError(f"{address.shown} has format {about['format']}, which needs a newer Catalens")
    vector = mapping["properties"][VECTOR]
    space = vector.get("space_type") or vector.get("method", {}).get("space_type") or "cosinesimil"
    return Facts(
        encoder_name=about["encoder"],
        dim=about["dim"],
        index=index,
        space=cast(Space, space),
        parts=frozenset(known_parts(mapping)),
        settings=_settings(vector, facts["settings"]["index"]) | {"space": space},
        replaces=about.get("replaces", {}),
    )


def create(
    client: OpenSearch, address: Address, encoder_name: str, dim: int, *, replaces: Mapping[str, str] | None = None
) -> Facts:
    """Create an index; one that another process has just created is read. For `replaces` see `Facts`.

    Raises:
        CatalogueError: see `read`.
    """
    from opensearchpy.exceptions import RequestError

    body = new_index(encoder_name, dim, address.settings)
    if replaces is not None:
        body["mappings"]["_meta"]["catalens"]["replaces"] = dict(replaces)
    try:
        client.indices.create(index=address.index, body=body)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
    found = read(client, address)
    if found is None:
        raise CatalogueError(f"{address.shown} vanished while it was created")
    return found


def own_name(client: OpenSearch, index: str) -> str:
    """Return the own name of the index that a name or an alias leads to at this moment."""
    (found,) = client.indices.get_settings(index=index, name="index.uuid")
    return str(found)


def _stranger(address: Address, facts: Mapping[str, Any]) -> CatalogueError:
    """Return the error for an index from elsewhere, with what can be done."""
    try:
        layout = layout_of(facts, address.shown)
    except CatalogueError as error:
        return error
    return CatalogueError(
        f"{address.shown} was not made by Catalens, and nothing says which encoder made the vectors in its field "
        f"{layout.vector!r}; to read it, name the encoder in the address: {address.shown}?encoder=NAME"
    )


def _settings(vector: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a vector field and of its index."""
    found = {"shards": settings["number_of_shards"], "replicas": settings["number_of_replicas"]}
    method = vector.get("method", {})
    chosen = {"engine": method.get("engine"), **method.get("parameters", {})}
    chosen |= {"mode": vector.get("mode"), "compression": vector.get("compression_level")}
    known = ("engine", "m", "ef_construction", "mode", "compression")
    return found | {name: str(chosen[name]) for name in known if chosen.get(name)}
