"""How a name becomes an encoder: compiled on a processor, torch where it is asked for, plain words where it fails."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL.Image import Image
from safetensors.torch import load_file, save_file

from catalens.core.errors import InputError, ModelError
from catalens.models.bundle import BundleEncoder
from catalens.models.export import write_bundle
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.hub.naflex import NaflexEncoder
from catalens.models.registry import load_encoder
from tests.support.tiny_encoders import Tiny


def copied(tiny: Tiny, family: str, folder: Path) -> Path:
    shutil.copytree(tiny(family), folder)
    return folder


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_on_a_processor_it_is_compiled_and_kept(
    tiny: Tiny, family: str, pictures: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny(family))
    exact = load_encoder(folder, runtime="torch", device="cpu", cache=tmp_path)
    encoder = load_encoder(folder, runtime="onnxruntime", device="cpu", cache=tmp_path)
    assert isinstance(encoder, BundleEncoder)
    assert encoder.name == exact.name
    texts = ["a red shirt", "a blue hat", ""]
    assert (encoder.encode_images(pictures) * exact.encode_images(pictures)).sum(axis=1).min() > 0.999
    assert (encoder.encode_texts(texts) * exact.encode_texts(texts)).sum(axis=1).min() > 0.999
    # What was kept starts without the library that made it.
    monkeypatch.setitem(sys.modules, "transformers", None)
    again = load_encoder(folder, runtime="onnxruntime", device="cpu", cache=tmp_path)
    assert np.allclose(again.encode_texts(texts), encoder.encode_texts(texts), atol=1e-5)


def test_compiling_brings_no_torch_into_the_process(tiny: Tiny, tmp_path: Path) -> None:
    program = (
        "import sys; from catalens.models.registry import load_encoder; "
        "load_encoder(sys.argv[1], runtime='onnxruntime', device='cpu', cache=sys.argv[2]).encode_texts(['a']); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    ).replace("sys.argv[2]", "__import__('pathlib').Path(sys.argv[2])")
    run = [sys.executable, "-c", program, str(tiny("clip")), str(tmp_path)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "set()\n"
    assert list(tmp_path.glob("compiled/*/bundle.json"))


def test_a_model_that_cannot_be_compiled_runs_on_torch(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("catalens.models.child_process.sys.executable", "/bin/false")
    encoder = load_encoder(str(tiny("clip")), runtime="onnxruntime", device="cpu", cache=tmp_path)
    assert isinstance(encoder, TorchEncoder)
    [notice] = caplog.messages
    assert "cannot be compiled, so torch runs it: its compiler ended with 1" in notice


def test_what_is_wrong_with_a_model_is_said_by_the_compiler_too(tiny: Tiny, tmp_path: Path) -> None:
    folder = copied(tiny, "clip", tmp_path / "mine")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="mine cannot be loaded as a CLIPModel"):
        load_encoder(str(folder), runtime="onnxruntime", device="cpu", cache=tmp_path)


def test_a_type_is_torch_s(tiny: Tiny, tmp_path: Path) -> None:
    assert isinstance(load_encoder(str(tiny("clip")), device="cpu", dtype="bfloat16", cache=tmp_path), TorchEncoder)
    with pytest.raises(InputError, match="no dtype 'int3'; there are: auto, float32"):
        load_encoder(str(tiny("clip")), device="cpu", dtype="int3", cache=tmp_path)
    with pytest.raises(InputError, match="no runtime 'tpu'"):
        load_encoder(str(tiny("clip")), runtime="tpu", device="cpu", cache=tmp_path)


def test_a_single_file_is_loaded_by_its_architecture(tmp_path: Path) -> None:
    import open_clip

    reference = open_clip.create_model("ViT-S-32-alt").eval()
    save_file(reference.state_dict(), tmp_path / "mine.safetensors")
    torch.save(reference.state_dict(), tmp_path / "mine.pt")
    expected = reference.encode_text(open_clip.tokenize(["a red shirt"]), normalize=True).detach().numpy()
    for file in ("mine.safetensors", "mine.pt"):
        encoder = load_encoder(f"ViT-S-32-alt::{tmp_path / file}", runtime="torch", device="cpu", cache=tmp_path)
        assert (encoder.encode_texts(["a red shirt"]) * expected).sum() >= 0.99999


def test_pickled_weights_are_read_as_numbers_only(tiny: Tiny, tmp_path: Path) -> None:
    """A file that would run code when it is unpickled is refused, and runs none."""
    folder = copied(tiny, "clip", tmp_path / "mine")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    assert load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path).dim == 24
    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (mark,)

    torch.save({**weights, "evil": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="is a pickle that holds more than numbers"):
        load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)
    assert not mark.exists()


def test_missing_weights_are_never_random(tiny: Tiny, tmp_path: Path) -> None:
    folder = copied(tiny, "clip", tmp_path / "mine")
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights of a CLIPModel, such as text_projection\.weight"):
        load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)


def test_other_kinds_of_models_are_refused_by_name(tiny: Tiny, tmp_path: Path) -> None:
    folder = copied(tiny, "clip", tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(ModelError, match="has the model_type 'bert'; encoders of transformers have clip, siglip"):
        load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"do_normalize": False}, "leaves out"),
        ({"size": {"shortest_edge": 40}}, "unsupported image preprocessing"),
        ({"resample": 4}, "unsupported image preprocessing"),
        ({"image_mean": [0.5]}, "unsupported image preprocessing"),
    ],
)
def test_preprocessing_that_cannot_be_kept_is_refused(
    tiny: Tiny, said: dict[str, object], reason: str, tmp_path: Path
) -> None:
    folder = copied(tiny, "clip", tmp_path / "mine")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    with pytest.raises(ModelError, match=reason):
        load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)


@pytest.mark.parametrize("most", [0, 2.5, "many"])
def test_a_naflex_model_must_say_how_many_patches_in_whole_numbers(tiny: Tiny, most: object, tmp_path: Path) -> None:
    folder = copied(tiny, "siglip2 NaFlex", tmp_path / "mine")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_num_patches": most}))
    with pytest.raises(ModelError, match=r"preprocessor_config\.json asks for .* patches of 8 pixels"):
        load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)


def test_a_naflex_model_is_run_by_torch_and_not_exported(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(tiny("siglip2 NaFlex"))
    encoder = load_encoder(name, device="cpu", cache=tmp_path)
    assert isinstance(encoder, NaflexEncoder)
    assert caplog.text == "", "that is how it is meant, so there is nothing to warn of"
    with pytest.raises(ModelError, match="keeps the aspect ratio of images, but a bundle's images have one size"):
        write_bundle(encoder.parts, tmp_path, "float32")
    assert not list((tmp_path / "compiled").glob("*"))


def test_a_long_text_is_cut_at_a_word_and_said(tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="catalens")
    for family, most in (("clip", 77), ("siglip", 16), ("siglip2", 16)):
        encoder = load_encoder(str(tiny(family)), runtime="torch", device="cpu", cache=tmp_path)
        assert isinstance(encoder, TorchEncoder)
        words = ["a", "red", "extraordinarily", "striped", "shirt"] * 20
        has, read = encoder.count_tokens(" ".join(words))
        assert has > most >= read > 2
        [row] = encoder.encode_texts([" ".join(words)])
        whole = next(n for n in range(len(words), 0, -1) if encoder.count_tokens(" ".join(words[:n]))[0] <= most)
        assert np.allclose(row, encoder.encode_texts([" ".join(words[:whole])])[0], atol=1e-5)
        assert f"longer than {most} tokens" in caplog.messages[-1]


def test_revisions_are_the_hub_s(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no revisions; only models of the hub do"):
        load_encoder(str(tiny("clip")), revision="main", cache=tmp_path)
    with pytest.raises(ModelError, match="blip-base is a reader"):
        load_encoder("blip-base", cache=tmp_path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps:7", "cpu:1"])
def test_a_device_that_is_not_there_is_named_before_anything_is_loaded(tiny: Tiny, tmp_path: Path, device: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in (str(tiny("clip")), str(tmp_path / "empty")):
        with pytest.raises(InputError, match=f"there is no device '{device}'; there are: .*cpu"):
            load_encoder(name, device=device, cache=tmp_path)
