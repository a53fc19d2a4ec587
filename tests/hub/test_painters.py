"""Painting with diffusers: our painter gives what diffusers' own call gives, and says what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Img2ImgPipeline, StableDiffusionXLImg2ImgPipeline
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.types import PaintRequest
from catalens.models.painters.diffusion import DiffusionPainter
from catalens.models.painters.loading import load_painter
from tests.support.tiny_painters import save_prudish, save_sd3, save_sdxl

# diffusers' schedulers make numpy arrays of tensors in the way of numpy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 72, 3), dtype=np.uint8))
ASKED: dict[str, Any] = {"image": PICTURE, "prompt": "a boat", "strength": 0.5, "steps": 4, "seed": 7}


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sd3(tmp_path_factory.mktemp("sd3"))


def load(name: Path | str, **more: Any) -> DiffusionPainter:
    painter = load_painter(str(name), device="cpu", **more)
    assert isinstance(painter, DiffusionPainter)
    return painter


@pytest.fixture(scope="module")
def painter(sdxl: Path) -> DiffusionPainter:
    return load(sdxl)


@pytest.mark.parametrize("kind", ["sdxl", "sd3"])
def test_it_paints_what_diffusers_own_call_paints(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    if kind == "sdxl":
        theirs = StableDiffusionXLImg2ImgPipeline.from_pretrained(str(folder))
    else:
        theirs = StableDiffusion3Img2ImgPipeline.from_pretrained(str(folder), text_encoder_3=None, tokenizer_3=None)
    theirs.set_progress_bar_config(disable=True)
    ours = load(folder)
    size_wh = ours.size_for(PICTURE.size)
    more = {"width": size_wh[0], "height": size_wh[1]} if kind == "sd3" else {}
    expected = theirs(
        prompt="a boat",
        image=PICTURE.resize(size_wh, Image.Resampling.LANCZOS),
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=3.0,
        negative_prompt="blur",
        generator=torch.Generator().manual_seed(7),
        **more,
    ).images[0]
    painted = ours.paint(PaintRequest(**ASKED, guidance=3.0, negative_prompt="blur"))
    assert (painted.mode, painted.size) == ("RGB", size_wh)
    assert painted.tobytes() == expected.tobytes()


def test_the_same_request_gives_the_same_picture_and_any_other_another(painter: DiffusionPainter) -> None:
    first = painter.paint(PaintRequest(**ASKED)).tobytes()
    assert painter.paint(PaintRequest(**ASKED)).tobytes() == first
    changes: list[dict[str, Any]] = [
        *(
            {"seed": 8},
            {"prompt": "a cat"},
            {"strength": 1.0},
            {"negative_prompt": "x"},
            {"guidance": 9.0},
            {"steps": 8},
        )
    ]
    for change in changes:
        assert painter.paint(PaintRequest(**ASKED | change)).tobytes() != first, change


def test_every_shape_of_picture_is_painted_at_the_model_s_own_area(painter: DiffusionPainter) -> None:
    for size_wh, expected in (((72, 48), (40, 28)), ((7, 7), (32, 32)), ((3000, 100), (176, 4))):
        assert painter.size_for(size_wh) == expected
        painted = painter.paint(PaintRequest(**ASKED | {"image": PICTURE.resize(size_wh)}))
        assert painted.size == expected


def test_the_name_holds_the_folder_s_name_and_changes_with_its_weights(sdxl: Path, tmp_path: Path) -> None:
    name = load(sdxl).name
    assert name.startswith("tiny-sdxl@")
    assert load(sdxl).name == name
    other = tmp_path / "tiny-sdxl"
    shutil.copytree(sdxl, other)
    weights = other / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert load(other).name.startswith("tiny-sdxl@")
    assert load(other).name != name


def test_a_picture_that_the_safety_checker_blanks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="safety checker withheld the image"):
        load(save_prudish(tmp_path)).paint(PaintRequest(**ASKED))


def test_a_black_picture_is_an_error(sdxl: Path) -> None:
    pipeline = StableDiffusionXLImg2ImgPipeline.from_pretrained(str(sdxl))
    pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight.zero_()
        pipeline.vae.decoder.conv_out.bias.fill_(-5)
    with pytest.raises(ModelError, match="returned a black image"):
        DiffusionPainter("dark", pipeline).paint(PaintRequest(**ASKED))


def test_a_strength_that_leaves_no_step_is_an_error_of_ours(painter: DiffusionPainter) -> None:
    with pytest.raises(ModelError, match="failed to paint"):
        painter.paint(PaintRequest(**ASKED | {"strength": 0.1}))


def test_what_a_pipeline_does_not_take_is_refused_and_not_dropped(sdxl: Path) -> None:
    class Plain:
        """A pipeline like those without a negative prompt."""

        def __call__(self, prompt: str, image: Image.Image, strength: float, generator: torch.Generator) -> None:
            raise AssertionError("must not be called")

        image_processor = load(sdxl)._open.image_processor
        vae_scale_factor = 8

    with pytest.raises(ModelError, match="plain does not support negative_prompt or num_inference_steps"):
        DiffusionPainter("plain", Plain()).paint(PaintRequest(image=PICTURE, prompt="a", negative_prompt="b", steps=2))


def test_only_safetensors_are_read(sdxl: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(sdxl, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder)


def test_a_model_s_own_code_is_not_run(sdxl: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coded"
    shutil.copytree(sdxl, folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["trap", "Trap"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder)
    assert not (tmp_path / "sprung").exists()


def test_folders_and_names_that_are_no_model_are_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a diffusers model: it has no model_index\.json"):
        load(tmp_path)
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(ModelError, match=r"model_index\.json cannot be read"):
        load(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"}))
    with pytest.raises(ModelError, match="cannot be loaded as an image-to-image model"):
        load(tmp_path)


def test_a_hub_model_without_a_network_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"org/model is not a folder here.*give the folder of a diffusers model"):
        load("org/model")


def test_devices_and_numbers_that_are_none_are_refused(sdxl: Path) -> None:
    with pytest.raises(InputError, match="there is no device 'gpu'; there are: "):
        load_painter(str(sdxl), device="gpu")
    with pytest.raises(InputError, match="there is no dtype 'int8'"):
        load(sdxl, dtype="int8")
    assert load(sdxl, dtype="bfloat16")._open.unet.dtype == torch.bfloat16
