"""Whose layout a folder has, and which files of it are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalens.core.errors import ModelError
from catalens.models.hub.layout import choose_weights, find_layout, is_whole, licence_of


def folder(path: Path, *names: str, **said: object) -> Path:
    """Write empty files, and `config.json` with what is said."""
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_text("{}")
    (path / "config.json").write_text(json.dumps(said))
    return path


@pytest.mark.parametrize(
    ("names", "open_clip", "chosen"),
    [
        (["pytorch_model.bin", "model.safetensors", "tf_model.h5"], False, ["model.safetensors"]),
        (["pytorch_model.bin", "flax_model.msgpack"], False, ["pytorch_model.bin"]),
        (["open_clip_pytorch_model.bin", "model.safetensors"], True, ["open_clip_pytorch_model.bin"]),
        (["open_clip_pytorch_model.bin", "open_clip_model.safetensors"], True, ["open_clip_model.safetensors"]),
        (["open_clip_model.safetensors"], False, []),
        (
            ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"],
            False,
            [
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
            ],
        ),
    ],
)
def test_one_format_of_weights_is_chosen(names: list[str], *, open_clip: bool, chosen: list[str]) -> None:
    assert choose_weights(names, open_clip=open_clip) == chosen


def test_sentence_transformers_keeps_the_model_in_a_folder(tmp_path: Path) -> None:
    folder(tmp_path / "0_CLIPModel", "model.safetensors", model_type="clip")
    module = {"path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    layout = find_layout(tmp_path)
    assert (layout.folder, layout.library) == (tmp_path / "0_CLIPModel", "transformers")
    text = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (tmp_path / "modules.json").write_text(json.dumps([module, text]))
    with pytest.raises(ModelError, match="made of CLIPModel, Pooling"):
        find_layout(tmp_path)
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(ModelError, match="not a list of modules"):
        find_layout(tmp_path)


def test_where_two_layouts_are_the_name_decides_and_code_of_others_is_not_run(tmp_path: Path) -> None:
    both = ("open_clip_config.json", "model.safetensors")
    assert find_layout(folder(tmp_path, *both, model_type="clip")).library == "transformers"
    assert find_layout(tmp_path, open_clip=True).library == "open_clip"
    assert find_layout(folder(tmp_path, *both, model_type="siglip", auto_map={})).library == "open_clip"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a model that can be loaded; .*config\.json \(transformers\)"):
        find_layout(tmp_path)
    with pytest.raises(ModelError, match=r"has no weights; transformers keeps them in one of: model\.safetensors"):
        find_layout(folder(tmp_path, model_type="clip"))
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        find_layout(tmp_path)


def test_half_a_download_is_not_whole(tmp_path: Path) -> None:
    parts = ("model.safetensors", "preprocessor_config.json", "tokenizer.json")
    for missing in parts:
        half = folder(tmp_path / missing, *(each for each in parts if each != missing))
        assert not is_whole(half)
    assert is_whole(folder(tmp_path / "all", *parts))
    sharded = folder(tmp_path / "sharded", *parts[1:], "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert not is_whole(sharded)
    (sharded / "model-00002-of-00002.safetensors").touch()
    assert is_whole(sharded)


def test_another_weight_is_another_revision(tmp_path: Path) -> None:
    folder(tmp_path, "model.safetensors", model_type="clip")
    before = find_layout(tmp_path).revision()
    (tmp_path / "README.md").write_text("anything")
    assert find_layout(tmp_path).revision() == before
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert find_layout(tmp_path).revision() != before


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\ntags:\n- clip\nlicense: apache-2.0\n---\ntext", "apache-2.0"),
        ("---\nlicense: 'mit'\n---\n", "mit"),
        ("# no head\nlicense: mit\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_is_what_the_card_says(tmp_path: Path, card: str | None, licence: str) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adapter_model.safetensors", r"weights of an adapter of PEFT without their adapter_config\.json"),
        ("pytorch_lora_weights.safetensors", "a LoRA of diffusers, which is for image generators"),
        ("checkpoint-20/adapter_config.json", r"models are in it: name one, such as .*run/checkpoint-20; a model's"),
        ("checkpoint-20/config.json", r"models are in it: name one, such as .*run/checkpoint-20; a model's"),
    ],
)
def test_what_a_folder_has_in_place_of_a_model_is_named(tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / "run" / name
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(ModelError, match=said):
        find_layout(tmp_path / "run")
