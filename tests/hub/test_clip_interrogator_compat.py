"""The compatible plan against clip-interrogator itself: same random weights, same tables, same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.core.protocols import Encoder
from catalens.demo.drawn import draw_catalogue
from catalens.models.registry import load_encoder
from catalens.tasks.interrogation import Plan, build_vocabulary, interrogate, load_tables
from catalens.tasks.prompts.tables import TABLES
from tests.support.tiny_encoders import Tiny

# What clip-interrogator calls is old by now.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore:(User provided device_type|CUDA is not available)"
)

CAPTIONS = ["a shirt on a white background", "a photo of a shoe", "a drawing of a bag beside a wall"]


@pytest.fixture(scope="module")
def folder(tiny: Tiny) -> Path:
    return tiny("open_clip ViT")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the shipped terms; enough flavors to be ranked in pieces."""
    made = tmp_path_factory.mktemp("tables")
    shipped = load_tables()
    for name in TABLES:
        terms = getattr(shipped, name)
        (made / f"{name}.txt").write_text("\n".join(terms if name == "flavors" else terms[:30]), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder), runtime="torch")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [product.picture.convert("RGB") for product in draw_catalogue(len(CAPTIONS))]


@pytest.fixture(scope="module")
def other(folder: Path, tables: Path) -> Any:
    """clip-interrogator with the same weights and tables; nothing is downloaded."""
    import open_clip
    from clip_interrogator import Config, Interrogator

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    config = Config(
        caption_model_name=None,
        clip_model_name="ViT-B-32/given",
        cache_path=None,
        download_cache=False,
        data_path=str(tables),
        device="cpu",
        quiet=True,
        flavor_intermediate_count=24,
    )
    config.clip_model, config.clip_preprocess = model.eval(), preprocess
    return Interrogator(config)


def ours(encoder: Encoder, tables: Path, pictures: list[Image.Image], **plan: Any) -> list[str]:
    own = load_tables(tables)
    sites = load_tables("clip-interrogator").sites
    vocabulary = build_vocabulary(
        encoder, type(own)(**{n: getattr(own, n) for n in TABLES if n != "sites"}, sites=sites)
    )
    vectors = encoder.encode_images(pictures)
    found = interrogate(encoder, vocabulary, vectors, CAPTIONS, Plan(compatible=True, candidates=24, **plan))
    return [prompt.text for prompt in found]


def test_both_see_the_same(other: Any, encoder: Encoder, pictures: list[Image.Image]) -> None:
    theirs = np.concatenate([other.image_to_features(picture).numpy() for picture in pictures])
    assert np.abs(theirs - encoder.encode_images(pictures)).max() < 1e-4


def test_best(other: Any, encoder: Encoder, tables: Path, pictures: list[Image.Image]) -> None:
    theirs = [
        other.interrogate(picture, min_flavors=2, max_flavors=6, caption=caption)
        for picture, caption in zip(pictures, CAPTIONS, strict=True)
    ]
    assert ours(encoder, tables, pictures, min_flavors=2, max_flavors=6) == theirs


def test_fast_up_to_the_limit(other: Any, encoder: Encoder, tables: Path, pictures: list[Image.Image]) -> None:
    theirs = [
        other.interrogate_fast(picture, caption=caption) for picture, caption in zip(pictures, CAPTIONS, strict=True)
    ]
    assert ours(encoder, tables, pictures, mode="fast") == theirs


def test_classic(other: Any, encoder: Encoder, tables: Path, pictures: list[Image.Image]) -> None:
    theirs = [
        other.interrogate_classic(picture, caption=caption) for picture, caption in zip(pictures, CAPTIONS, strict=True)
    ]
    assert ours(encoder, tables, pictures, mode="classic") == theirs


def test_negative_with_its_lost_sign(other: Any, encoder: Encoder, tables: Path, pictures: list[Image.Image]) -> None:
    theirs = [other.interrogate_negative(picture, max_flavors=10) for picture in pictures]
    assert ours(encoder, tables, pictures, mode="negative", max_flavors=10) == theirs
