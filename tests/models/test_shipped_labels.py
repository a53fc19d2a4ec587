"""The vectors of the bundled schemas' labels that come with the bundled encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from catalens.core.types import Vectors
from catalens.models.bundle import load_bundle
from catalens.models.registry import shipped
from catalens.tasks.attributes import build_schema_bank
from catalens.tasks.schema import load_schema

READS = [("starter", "fashion"), ("everyday", "everyday")]


@pytest.mark.parametrize(("name", "schema"), READS)
def test_no_text_is_encoded_for_a_bundled_schema(
    name: str, schema: str, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_bundle(shipped(name), cache=kept)

    def refuse(texts: list[str]) -> Vectors:
        raise AssertionError(f"{name} has no vectors for {texts[:3]}; run scripts/write_label_vectors.py")

    monkeypatch.setattr(encoder, "encode_texts", refuse)
    build_schema_bank(encoder, load_schema(schema), cache_dir=None)


@pytest.mark.parametrize(("name", "schema"), READS)
def test_they_are_what_the_encoder_gives(name: str, schema: str, kept: Path) -> None:
    encoder = load_bundle(shipped(name), cache=kept)
    stored = build_schema_bank(encoder, load_schema(schema))
    encoder.label_folder = None
    made = build_schema_bank(encoder, load_schema(schema))
    for group, bank in stored.banks.items():
        np.testing.assert_allclose(bank.vectors, made.banks[group].vectors, atol=2e-3)


def test_damaged_vectors_are_encoded_again(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_bundle(shipped("starter"), cache=kept)
    expected = build_schema_bank(encoder, load_schema("fashion"))
    encoder.label_folder = tmp_path
    for file in (shipped("starter") / "labels").iterdir():
        content = bytearray(file.read_bytes())
        content[200] ^= 1
        (tmp_path / file.name).write_bytes(content)
    texts: list[str] = []
    encode = encoder.encode_texts

    def encoded(some: Sequence[str]) -> Vectors:
        texts.extend(some)
        return encode(some)

    monkeypatch.setattr(encoder, "encode_texts", encoded)
    made = build_schema_bank(encoder, load_schema("fashion"))
    assert texts
    for group, bank in expected.banks.items():
        np.testing.assert_allclose(bank.vectors, made.banks[group].vectors, atol=2e-3)
