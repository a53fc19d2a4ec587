"""Readers refuse incomplete folders by the same checks as encoders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from catalens.core.errors import ModelError
from catalens.models.readers import load_reader
from tests.support.tiny_readers import BUILD

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BUILD["blip"](tmp_path_factory.mktemp("readers") / "tiny-blip")


@pytest.fixture
def folder(blip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(blip, tmp_path / "blip"))


def load(folder: Path) -> object:
    return load_reader(str(folder), device="cpu")


def test_a_reader_without_its_tokenizer_is_refused(folder: Path) -> None:
    for name in TOKENIZERS:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"has no tokenizer: none of tokenizer\.json.*save_pretrained"):
        load(folder)


def test_a_reader_without_its_image_preprocessing_is_refused(folder: Path) -> None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json or processor_config\.json is missing"):
        load(folder)


def test_a_reader_with_more_tokens_than_embeddings_is_refused(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"new{at}": len(vocabulary) + at for at in range(2000)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="has the tokenizer of another model"):
        load(folder)


def test_an_adapter_of_a_reader_is_named(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "Salesforce/blip-vqa-base"}))
    with pytest.raises(ModelError, match=r"an adapter of PEFT .* merge it into Salesforce/blip-vqa-base"):
        load(folder)
