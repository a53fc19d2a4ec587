"""The promises of every encoder, kept by pretrained ones of each family."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.protocols import Encoder
from catalens.models.registry import load_encoder
from tests.contracts.test_encoder import *  # noqa: F403 - the suite, over this file's fixture
from tests.support.tiny_encoders import Tiny

FAMILIES = ["clip", "siglip", "siglip2", "siglip2 NaFlex", "open_clip ViT", "open_clip ResNet"]


@pytest.fixture(params=FAMILIES, scope="module")  # type: ignore[no-redef]
def encoder(request: pytest.FixtureRequest, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    cache: Path = tmp_path_factory.mktemp("cache")
    return load_encoder(str(tiny(request.param)), runtime="torch", device="cpu", cache=cache)
