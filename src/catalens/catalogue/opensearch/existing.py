"""What an OpenSearch index says of itself: read, created, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from catalens.catalogue.opensearch.address import Address, Space
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
        space: distance of the vector field.
        parts: names of fields with their kinds, as the mapping has them.
    """

    encoder_name: str
    dim: int
    space: Space
    parts: frozenset[tuple[str, str]]


def read(client: OpenSearch, address: Address) -> Facts | None:
    """Return what an index says of itself; None where there is none.

    Raises:
        CatalogueError: it was not made by Catalens, or by a newer one, or its k-NN engine is gone.
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
    (facts,) = found.values()
    mapping = facts["mappings"]
    about = mapping.get("_meta", {}).get("catalens")
    if about is None:
        raise CatalogueError(f"{address.shown} was not made by Catalens{_vector_field(facts)}; {_CURE}")
    if about["format"] != FORMAT:
        raise CatalogueError(f"{address.shown} has format {about['format']}, which needs a newer Catalens")
    vector = mapping["properties"][VECTOR]
    space = vector.get("space_type") or vector.get("method", {}).get("space_type") or "cosinesimil"
    return Facts(
        encoder_name=about["encoder"], dim=about["dim"], space=cast(Space, space), parts=frozenset(known_parts(mapping))
    )


def create(client: OpenSearch, address: Address, encoder_name: str, dim: int) -> Facts:
    """Create an index; one that another process has just created is read.

    Raises:
        CatalogueError: see `read`.
    """
    from opensearchpy.exceptions import RequestError

    body = new_index(encoder_name, dim, address.settings)
    try:
        client.indices.create(index=address.index, body=body)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
    found = read(client, address)
    if found is None:
        raise CatalogueError(f"{address.shown} vanished while it was created")
    return found


_CURE = "give the name of a new index, and add the pictures to it"


def _vector_field(facts: Mapping[str, Any]) -> str:
    """Return what is known of the vectors of an index from elsewhere."""
    for name, field in facts["mappings"].get("properties", {}).items():
        if field.get("type") == "knn_vector":
            # Before 3.0 the graph could be described by settings of the index, and nmslib was the default.
            by_settings = "space_type" in json.dumps(facts["settings"])
            if field.get("method", {}).get("engine", "nmslib" if by_settings else "") == "nmslib":
                return f" and its field {name!r} uses the engine nmslib, which OpenSearch 3 has removed"
            return f" (its vectors are in the field {name!r}, and nothing says which encoder made them)"
    return " and has no vector field"
