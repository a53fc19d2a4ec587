"""Write generated images with their generation parameters, so that they can be made again, and read them back.

The parameters are stored where other programs for such images write and look for them, and in their format: the text
chunk `parameters` of a PNG, the user comment in the Exif data of a JPEG or a WebP.

Source:
    stable-diffusion-webui (AUTOMATIC1111), "infotext": the prompt, then `Negative prompt: …`, then one line of
    `Name: value` pairs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, PngImagePlugin

from catalens.core.errors import InputError
from catalens.core.files import write_atomically
from catalens.core.json_text import parse_json

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""File extension → Pillow's format."""

_CHUNK = "parameters"
_UNICODE = b"UNICODE\0"
_NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r'(?P<name>[A-Z][A-Za-z ]*): (?P<value>"(?:\\.|[^"\\])*"|[^,]*)')


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintFacts:
    """The generation parameters of an image.

    Attributes:
        prompt: on one line.
        model: name of the image generator.
        seed: random seed.
        strength: 0 keeps the input image, 1 ignores it.
        negative_prompt: what to avoid.
        steps: denoising steps; None is the model's default.
        guidance: classifier-free guidance scale; None is the model's default.
    """

    prompt: str
    model: str
    seed: int
    strength: float
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None


def check_place(path: Path, *, overwrite: bool = False) -> None:
    """Check that an image can be written to a path, before one is generated.

    Raises:
        InputError: the extension is not one of `FORMATS`, the folder is missing, or the file exists.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} cannot be written: give a name that ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}, so no {path}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(f"{path} is there already, and stays; overwrite it on purpose, or choose another name")


def save_painted(image: Image.Image, path: Path, facts: PaintFacts, *, overwrite: bool = False) -> None:
    """Write an image with its generation parameters, whole or not at all.

    Args:
        image: RGB.
        path: its extension selects the format.
        facts: the generation parameters.
        overwrite: replace an existing file.

    Raises:
        InputError: see `check_place`; the parameters are too long for the format, or the file cannot be written.
    """
    check_place(path, overwrite=overwrite)
    text = facts_to_text(facts, image.size)
    kind = FORMATS[path.suffix.lower()]

    def write(file: BinaryIO) -> None:
        if kind == "PNG":
            chunks = PngImagePlugin.PngInfo()
            chunks.add_itxt(_CHUNK, text)
            image.save(file, kind, pnginfo=chunks)
            return
        exif = Image.Exif()
        # UTF-16, big end first, is what the webui's own reader expects after this mark.
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _UNICODE + text.encode("utf-16-be")
        image.save(file, kind, exif=exif, quality=95)

    try:
        write_atomically(path, write)
    except ValueError as error:
        raise InputError(f"{path}: {len(text):,} letters of prompts do not fit into a {kind}; use .png") from error


def read_painted(path: Path) -> PaintFacts:
    """Read the generation parameters of an image; other programs that write the same format are understood.

    Raises:
        InputError: not an image, or it has no generation parameters.
    """
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
            image.load()  # text may stand behind the pixels
            text = image.info.get(_CHUNK) or _user_comment(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    facts = facts_from_text(str(text))
    if facts is None:
        raise InputError(f"{path} does not say what it was painted with")
    return facts


def facts_to_text(facts: PaintFacts, size_wh: tuple[int, int]) -> str:
    """Format generation parameters as the text stored in an image.

    >>> facts = PaintFacts(prompt="a boat", negative_prompt="blur", model="m", seed=7, strength=0.6)
    >>> print(facts_to_text(facts, (8, 8)))
    a boat
    Negative prompt: blur
    Seed: 7, Size: 8x8, Model: m, Denoising strength: 0.6, Version: catalens
    """
    pairs = {
        "Steps": facts.steps,
        "CFG scale": facts.guidance,
        "Seed": facts.seed,
        "Size": f"{size_wh[0]}x{size_wh[1]}",
        "Model": json.dumps(facts.model) if set(facts.model) & set(',"') else facts.model,
        "Denoising strength": facts.strength,
        "Version": "catalens",
    }
    lines = [" ".join(facts.prompt.split())]
    if facts.negative_prompt:
        lines.append(_NEGATIVE + " ".join(facts.negative_prompt.split()))
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items() if value is not None))
    return "\n".join(lines)


def facts_from_text(text: str) -> PaintFacts | None:
    """Parse the text stored in an image; None if it is in another format, or lacks a prompt, seed or model."""
    *prompts, last = text.strip().split("\n")
    pairs = {pair["name"]: pair["value"].strip() for pair in _PAIR.finditer(last)}
    quoted = pairs.get("Model", "").startswith('"')
    at = next((at for at, line in enumerate(prompts) if line.startswith(_NEGATIVE)), len(prompts))
    try:
        return PaintFacts(
            prompt="\n".join(prompts[:at]),
            negative_prompt="\n".join(prompts[at:]).removeprefix(_NEGATIVE),
            model=str(parse_json(pairs["Model"])) if quoted else pairs["Model"],
            seed=int(pairs["Seed"]),
            strength=float(pairs.get("Denoising strength", 1.0)),
            steps=int(pairs["Steps"]) if "Steps" in pairs else None,
            guidance=float(pairs["CFG scale"]) if "CFG scale" in pairs else None,
        )
    except (KeyError, ValueError):
        return None


def _user_comment(image: Image.Image) -> str:
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if isinstance(comment, bytes) and comment.startswith(_UNICODE):
        return comment.removeprefix(_UNICODE).decode("utf-16-be", "replace")
    return ""
