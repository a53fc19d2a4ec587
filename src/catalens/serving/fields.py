"""/v1/descriptions: a description of attributes that are known already."""

from __future__ import annotations

from typing import Any

from catalens.serving.capabilities import DESCRIPTION, describe_stage
from catalens.serving.schemas import DescriptionsRequest
from catalens.serving.service import Service


async def describe_fields(asked: DescriptionsRequest, service: Service) -> dict[str, Any]:
    """Return the description of a product's attributes.

    Raises:
        InputError: nothing is known of it.
    """
    stage = describe_stage(asked, service.config, from_fields=False)
    # The stage reads attributes where a picture's would be: request fields are not columns of a record.
    rows = {name: {"value": value} for name, value in asked.attributes.items()}
    return DESCRIPTION(await service.run([stage], None, asked.model, {"attributes": rows}))
