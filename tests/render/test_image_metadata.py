"""Painted pictures: what they were made with goes in and comes out, and nothing on disk is lost on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from catalens.core.errors import InputError
from catalens.core.images import read_image
from catalens.render.image_metadata import PaintFacts, facts_from_text, read_painted, save_painted

FACTS = PaintFacts(
    prompt='a château by "Monet", Seed: 5, 冬, oil: thick',
    negative_prompt="blur, Steps: 9",
    model="tiny, model@abc:1",
    seed=4_294_967_294,
    strength=0.55,
    steps=30,
    guidance=7.5,
)
SPARE = PaintFacts(prompt="a boat", model="fake", seed=0, strength=0.6)


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize("facts", [FACTS, SPARE], ids=["all", "few"])
@pytest.mark.parametrize("ending", [".png", ".PNG", ".jpg", ".jpeg", ".webp"])
def test_facts_come_back_as_they_went_in(picture: Image.Image, tmp_path: Path, ending: str, facts: PaintFacts) -> None:
    path = tmp_path / f"out{ending}"
    save_painted(picture, path, facts)
    assert read_painted(path) == facts
    assert read_image(path).size == picture.size
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing is left beside it"
    if ending == ".png":
        assert read_image(path).tobytes() == picture.tobytes()


def test_a_line_break_in_a_prompt_becomes_a_space(picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    save_painted(picture, path, PaintFacts(prompt="a\nNegative prompt: b", model="m", seed=1, strength=1))
    assert read_painted(path).prompt == "a Negative prompt: b"
    assert read_painted(path).negative_prompt == ""


def test_pictures_of_the_webui_are_read(picture: Image.Image, tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(
        "parameters",
        "a castle\nwith a moat\nNegative prompt: fog,\nrain\nSteps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, "
        'Size: 512x512, Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: b, c: d", Version: v1.10',
    )
    picture.save(tmp_path / "theirs.png", pnginfo=chunks)
    read = read_painted(tmp_path / "theirs.png")
    assert (read.prompt, read.negative_prompt) == ("a castle\nwith a moat", "fog,\nrain")
    assert (read.model, read.seed, read.steps, read.guidance, read.strength) == ("v1-5", 42, 20, 7.0, 1.0)


@pytest.mark.parametrize("text", ["", "a boat", "a boat\nSeed: x, Model: m", 'a\nSeed: 1, Model: "m'])
def test_other_text_is_no_fact(text: str) -> None:
    assert facts_from_text(text) is None


def test_a_picture_that_says_nothing_is_refused(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "plain.jpg")
    with pytest.raises(InputError, match=r"plain\.jpg does not say"):
        read_painted(tmp_path / "plain.jpg")
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"no\.png cannot be read"):
        read_painted(tmp_path / "no.png")


def test_what_is_there_stays_unless_it_may_be_overwritten(picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="is there already"):
        save_painted(picture, path, SPARE)
    assert path.read_bytes() == b"precious"
    save_painted(picture, path, SPARE, overwrite=True)
    assert read_painted(path) == SPARE


def test_a_picture_that_cannot_be_written_leaves_what_is_there(picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "out.jpg"
    save_painted(picture, path, SPARE)
    before = path.read_bytes()
    long = PaintFacts(prompt="x" * 40_000, model="m", seed=1, strength=1)
    with pytest.raises(InputError, match=r"do not fit into a JPEG; use \.png"):
        save_painted(picture, path, long, overwrite=True)
    assert path.read_bytes() == before
    save_painted(picture, tmp_path / "long.png", long)
    assert read_painted(tmp_path / "long.png") == long


@pytest.mark.parametrize(
    ("name", "message"), [("out.gif", "ends in .png"), ("out", "ends in .png"), ("no/out.png", "there is no folder")]
)
def test_a_place_where_nothing_can_go_is_refused(picture: Image.Image, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        save_painted(picture, tmp_path / name, SPARE)
