"""What is wrong with a model's folder is a sentence with the file's name and the cure, before a vector is made."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.core import caching
from catalens.core.errors import ModelError
from catalens.models.compiled import compiled_folder
from catalens.models.hub.files import check_vocabulary
from catalens.models.hub.layout import find_layout
from catalens.models.registry import load_encoder
from tests.support.tiny_encoders import Tiny

FAMILIES = ["clip", "sentence-transformers", "siglip", "siglip2", "siglip2 NaFlex"]
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "spiece.model")


@pytest.fixture
def copied(tiny: Tiny, tmp_path: Path) -> Callable[[str], Path]:
    """Copy a tiny checkpoint, to change it; return the folder that holds the model itself."""

    def copy(family: str) -> Path:
        shutil.copytree(tiny(family), tmp_path / "model")
        inner = tmp_path / "model" / "0_CLIPModel"
        return inner if inner.is_dir() else tmp_path / "model"

    return copy


def load(folder: Path, runtime: str = "torch") -> object:
    name = folder.parent if folder.name == "0_CLIPModel" else folder
    return load_encoder(str(name), runtime=runtime, device="cpu", cache=folder.parent / "cache")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_its_tokenizer_is_refused(copied: Callable[[str], Path], family: str) -> None:
    folder = copied(family)
    for name in TOKENIZERS:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"has no tokenizer: none of tokenizer\.json.*save_pretrained"):
        load(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_its_image_preparation_is_refused(copied: Callable[[str], Path], family: str) -> None:
    folder = copied(family)
    for name in ("preprocessor_config.json", "processor_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json or processor_config\.json is missing; copy it"):
        load(folder)


def test_half_a_tokenizer_is_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("clip")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ModelError, match=r"half a tokenizer: merges\.txt is missing beside vocab\.json"):
        load(folder)


@pytest.mark.parametrize(("family", "other"), [("clip", "siglip"), ("siglip", "clip")])
def test_the_image_preparation_of_another_family_is_refused(
    copied: Callable[[str], Path], tiny: Tiny, family: str, other: str
) -> None:
    folder = copied(family)
    shutil.copy(tiny(other) / "preprocessor_config.json", folder)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json has the image preprocessing of another model: "):
        load(folder)


@pytest.mark.parametrize(("family", "size"), [("clip", {}), ("siglip", {"size": {"height": 64, "width": 64}})])
def test_images_of_another_size_than_the_model_takes_are_refused(
    copied: Callable[[str], Path], family: str, size: dict[str, object]
) -> None:
    folder = copied(family)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **size} if size else {}))
    with pytest.raises(ModelError, match=r"makes images of (\d+) × \1 pixels, and the model takes 32 × 32; copy pre"):
        load(folder)


def test_weights_that_do_not_fit_are_told_apart(copied: Callable[[str], Path], tiny: Tiny) -> None:
    folder = copied("clip")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short .*; fetch it again"):
        load(folder)
    shutil.copy(tiny("siglip") / "model.safetensors", folder)
    with pytest.raises(ModelError, match=r"other sizes than config\.json says; are both files of the same model\?"):
        load(folder)


def test_an_empty_tokenizer_or_configuration_is_named(copied: Callable[[str], Path]) -> None:
    folder = copied("clip")
    (folder / "tokenizer.json").write_text("")
    with pytest.raises(ModelError, match=r"no tokenizer that can be used \(.*\); copy its files from the model it was"):
        load(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"names no model_type in its config\.json"):
        load(folder)


@pytest.mark.parametrize("family", ["siglip", "siglip2"])
def test_patches_for_a_fixed_size_are_refused(copied: Callable[[str], Path], tiny: Tiny, family: str) -> None:
    folder = copied(family)
    shutil.copy(tiny("siglip2 NaFlex") / "preprocessor_config.json", folder)
    with pytest.raises(ModelError, match=r"Siglip2ImageProcessor, where the model needs SiglipImageProcessor"):
        load(folder)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (("tokenizer_config.json",), r"half a tokenizer: tokenizer_config\.json is missing"),
        (TOKENIZERS, r"has no tokenizer: none of tokenizer\.json.*copy the tokenizer's files of tiny/tiny"),
    ],
)
def test_an_open_clip_folder_without_its_tokenizer_is_refused(
    copied: Callable[[str], Path], gone: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = copied("open_clip SigLIP")
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=said):
        load(folder)


def test_the_tokenizer_of_another_model_is_refused(copied: Callable[[str], Path], tiny: Tiny) -> None:
    folder = copied("clip")
    for name in TOKENIZERS:
        (folder / name).unlink(missing_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny("siglip2") / name, folder)
    with pytest.raises(
        ModelError, match=r"has the tokenizer of another model: it has \d+ tokens, and the model has 49408"
    ):
        load(folder)


@pytest.mark.parametrize(("tokens", "embedded"), [(49408, 49408), (50265, 50304), (151657, 152064), (257152, 257216)])
def test_embeddings_may_be_rounded_up(tmp_path: Path, tokens: int, embedded: int) -> None:
    check_vocabulary(tmp_path, tokens, embedded)
    with pytest.raises(ModelError, match="tokenizer of another model"):
        check_vocabulary(tmp_path, embedded + 1, embedded)


def test_an_adapter_names_its_base_and_the_cure(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("clip")
    adapter = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "openai/clip-vit-base-patch32"})
    (folder / "adapter_config.json").write_text(adapter)
    with pytest.raises(ModelError, match=r"an adapter of PEFT .* would be ignored; merge it into openai/clip-vit-base"):
        load(folder)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "adapter_config.json").write_text(adapter)
    with pytest.raises(ModelError, match=r"is an adapter of PEFT for openai/clip-vit-base-patch32.*merge_and_unload"):
        load(alone)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_git_lfs_pointer_is_named(copied: Callable[[str], Path], name: str) -> None:
    folder = copied("clip")
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 605\n")
    with pytest.raises(ModelError, match=rf"{name} is a Git LFS pointer and not the file itself; run `git lfs pull`"):
        load(folder)


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("ran",))


def test_a_pickle_with_code_is_refused_without_advice_to_run_it(copied: Callable[[str], Path]) -> None:
    folder = copied("clip")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": _Runs()}))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle that holds more than numbers") as caught:
        load(folder)
    assert "weights_only" not in str(caught.value)
    assert not Path("ran").exists()


def test_an_index_may_list_files_of_its_folder_only(copied: Callable[[str], Path]) -> None:
    folder = copied("clip")
    (folder / "model.safetensors").rename(folder.parent / "x")
    index = folder / "model.safetensors.index.json"
    for name in ("../x", "/x", "a/b", ".."):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(ModelError, match=r"index\.json lists the weights .* not a file in its own folder"):
            load(folder)
    index.write_text(json.dumps({"weight_map": {"a": "gone.safetensors"}}))
    with pytest.raises(
        ModelError, match=r"half a model: gone\.safetensors is missing, which model\.safetensors\.index"
    ):
        load(folder)


@pytest.mark.parametrize("path", ["../model", "/tmp", "a/b", 3])
def test_a_list_of_modules_may_not_leave_its_folder(tmp_path: Path, path: object) -> None:
    module = {"path": path, "type": "sentence_transformers.models.CLIPModel"}
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(ModelError, match=r"modules\.json keeps the model in .*, which is not a folder in its own"):
        find_layout(tmp_path)


def test_a_deeply_nested_configuration_is_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("clip")
    (folder / "config.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(ModelError, match=r"config\.json cannot be read: it is nested too deeply"):
        load(folder)


def _other_weights(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def _sharded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights-a.safetensors")
    index = {"weight_map": {"a": "weights-a.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


CHANGES: dict[str, Callable[[Path], object]] = {
    "weights": _other_weights,
    "image preparation": lambda folder: _edit(folder / "preprocessor_config.json", "image_mean", [0.1, 0.2, 0.3]),
    "configuration": lambda folder: _edit(folder / "config.json", "logit_scale_init_value", 1.0),
    "tokenizer": lambda folder: _edit(folder / "tokenizer.json", "version", "1.1"),
}


def _edit(file: Path, key: str, value: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("sharded", [False, True])
def test_every_file_that_decides_is_part_of_the_revision(
    copied: Callable[[str], Path], change: str, *, sharded: bool
) -> None:
    folder = copied("clip")
    if sharded:
        _sharded(folder)
    before = find_layout(folder).revision()
    if change == "weights" and sharded:
        (folder / "weights-a.safetensors").write_bytes(b"other")
    else:
        CHANGES[change](folder)
    assert find_layout(folder).revision() != before


def test_a_changed_image_preparation_is_compiled_again(
    copied: Callable[[str], Path], pictures: list[Image.Image]
) -> None:
    folder = copied("clip")
    before = load(folder, "onnxruntime")
    _edit(folder / "preprocessor_config.json", "image_mean", [0.9, 0.1, 0.9])
    again, exact = load(folder, "onnxruntime"), load(folder)
    rows = [each.encode_images(pictures) for each in (before, again, exact)]  # type: ignore[attr-defined]
    assert (rows[1] * rows[2]).sum(axis=1).min() > 0.9999
    assert (rows[0] * rows[2]).sum(axis=1).min() < 0.9999


def test_a_cache_that_cannot_be_written_leaves_the_model_to_torch(
    copied: Callable[[str], Path], pictures: list[Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    caching._noticed.clear()
    folder = copied("clip")
    (folder.parent / "cache").write_text("in the way")
    encoder, exact = load(folder, "onnxruntime"), load(folder)
    rows = [each.encode_images(pictures) for each in (encoder, exact)]  # type: ignore[attr-defined]
    assert np.array_equal(*rows)
    [notice] = [each for each in caplog.messages if "CATALENS_CACHE" in each]
    assert str(folder.parent / "cache") in notice


def test_the_code_that_compiles_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalens.models import compiled

    before = compiled_folder(tmp_path, "a", "1")
    compiled._code_digest.cache_clear()
    monkeypatch.setattr(compiled, "version", lambda _: "9.9")
    try:
        assert compiled_folder(tmp_path, "a", "1") != before
    finally:
        monkeypatch.undo()
        compiled._code_digest.cache_clear()


def test_warnings_of_the_future_stay_in_the_library(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPModel

    original = CLIPModel.from_pretrained

    def warns(*given: Any, **more: Any) -> Any:
        warnings.warn("will change in version 6", FutureWarning, stacklevel=2)
        return original(*given, **more)

    monkeypatch.setattr(CLIPModel, "from_pretrained", staticmethod(warns))
    load(copied("clip"))
