"""Readers refuse incomplete folders by the same checks as encoders."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from catalens.core.errors import ModelError
from catalens.models.readers import load_reader
from catalens.models.readers.loading import save_model
from tests.support.reader_contract import pictures
from tests.support.tiny_parts import transformers
from tests.support.tiny_readers import BUILD, tiny

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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("built")

    def build(name: str) -> Path:
        return root / name if (root / name).is_dir() else BUILD[name](root / name)

    return build


def with_processor_of(other: Path, folder: Path) -> Path:
    shutil.copy(other / "processor_config.json", folder)
    return folder


@pytest.mark.parametrize(
    ("name", "other"), [("blip", "git"), ("git", "blip"), ("blip2-opt", "git"), ("blip2-t5", "llava")]
)
def test_the_image_preprocessing_of_another_family_is_refused(
    built: Callable[[str], Path], tmp_path: Path, name: str, other: str
) -> None:
    folder = with_processor_of(built(other), Path(shutil.copytree(built(name), tmp_path / name)))
    with pytest.raises(ModelError, match=r"has the image preprocessing of another model: \w+, where the model needs"):
        load(folder)


@pytest.mark.parametrize("name", ["blip", "git", "blip2-opt"])
def test_images_of_another_size_than_the_model_takes_are_refused(
    built: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(built(name), tmp_path / name))
    processor = json.loads((folder / "processor_config.json").read_text())
    part = "crop_size" if processor["image_processor"].get("do_center_crop") else "size"
    processor["image_processor"][part] = {"height": 96, "width": 96}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    with pytest.raises(ModelError, match=r"makes images of 96 × 96 pixels, and the model takes (\d+) × \1"):
        load(folder)


def test_an_image_size_that_is_no_square_is_left_to_the_model(built: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(built("git"), tmp_path / "git"))
    processor = json.loads((folder / "processor_config.json").read_text())
    processor["image_processor"]["do_center_crop"] = False
    (folder / "processor_config.json").write_text(json.dumps(processor))
    load(folder)


def test_damaged_settings_of_generation_are_named(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos')
    with pytest.raises(ModelError, match=r"generation_config\.json cannot be read"):
        load(folder)


def test_damaged_weights_are_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short .*; fetch it again"):
        load(folder)


def test_sampling_settings_without_sampling_are_not_written(tmp_path: Path) -> None:
    """Models with them are published, and transformers reads but does not write them."""
    loaded, _ = tiny("llava")
    model = copy.deepcopy(loaded.model)
    model.generation_config.update(do_sample=False, temperature=0.6)
    save_model(replace(loaded, model=model), tmp_path)
    with load_reader(str(tmp_path), device="cpu", dtype="float32") as reader:
        assert reader.answer(reader.encode_images(pictures(1)), ["What?"])
    ends = transformers.GenerationConfig.from_pretrained(tmp_path).eos_token_id
    assert ends == loaded.model.generation_config.eos_token_id


@pytest.mark.parametrize(("name", "other"), [("llava", "qwen2-vl"), ("qwen2.5-vl", "llava"), ("gemma3", "smolvlm")])
def test_the_processor_of_another_chat_model_is_refused(
    built: Callable[[str], Path], tmp_path: Path, name: str, other: str
) -> None:
    folder = with_processor_of(built(other), Path(shutil.copytree(built(name), tmp_path / name)))
    with pytest.raises(ModelError, match="has the processor of another model"):
        load(folder)


@pytest.mark.parametrize("name", ["blip", "git", "blip2-opt", "llava"])
def test_a_reader_with_a_fraction_of_its_tokens_is_refused(
    built: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(built(name), tmp_path / name))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    model = tokenizer["model"]
    model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda pair: pair[1])[:12])
    if "merges" in model:
        model["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="has the tokenizer of another model"):
        load(folder)


def test_what_a_library_raises_over_files_that_do_not_fit_is_an_error_of_the_model(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    reader = load_reader(str(built("blip")), device="cpu")
    reader._family.encode_images = lambda _: (_ for _ in ()).throw(ValueError("expected 4, got 5"))  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"could not encode the images \(expected 4, got 5\)"):
        reader.encode_images([Image.new("RGB", (8, 8))])
