"""Reads the image preprocessing of transformers and open_clip as a `Preprocess`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from catalens.core.errors import ModelError
from catalens.models.hub.files import check_image_processor, read_json
from catalens.models.parts import Patches, Preprocess

_FILTERS: Mapping[int, Literal["lanczos", "bilinear", "bicubic"]] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's number of a filter → its name."""

_CLIP = {
    "size": {"shortest_edge": 224},
    "crop_size": 224,
    "do_center_crop": True,
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}
_SIGLIP = {
    "size": {"height": 224, "width": 224},
    "do_center_crop": False,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
}
_NAFLEX = {**_SIGLIP, "size": {"height": 256, "width": 256}, "resample": 2, "patch_size": 16, "max_num_patches": 256}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"clip": _CLIP, "siglip": _SIGLIP, "siglip2": _NAFLEX}
"""Defaults of transformers' image processors."""


_PROCESSORS: Mapping[str, str] = {"clip": "CLIP", "siglip": "Siglip", "siglip2": "Siglip2"}
"""How names of a family's image processors begin; SigLIP 2 of a fixed size has SigLIP's."""


def transformers_preprocess(folder: Path, family: str) -> Preprocess:
    """Read `preprocessor_config.json`, or the part of `processor_config.json` that holds the same.

    Args:
        folder: of the model.
        family: a key of `DEFAULTS`.

    Raises:
        ModelError: the file is missing, or asks for steps that these families do not have.
    """
    file, facts = _facts(folder, family)
    try:
        size_wh, resize = _resizing(facts)
        made = Preprocess(
            size_wh=size_wh,
            resize=resize,
            resample=_FILTERS[facts.get("resample", 3)],
            mean=_three(facts["image_mean"]),
            std=_three(facts["image_std"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{file} asks for an unsupported image preprocessing: {error!r}") from error
    if not all(facts.get(step, True) for step in ("do_resize", "do_rescale", "do_normalize")):
        raise ModelError(f"{file} leaves out resizing, rescaling or normalising; an encoder needs all three")
    return made


def transformers_patches(folder: Path, family: str) -> Patches:
    """Read the size and number of patches from the same files.

    Raises:
        ModelError: the file is missing, or holds no whole numbers.
    """
    file, facts = _facts(folder, family)
    side, most = facts["patch_size"], facts["max_num_patches"]
    if not (isinstance(side, int) and isinstance(most, int) and side > 0 and most > 0):
        raise ModelError(f"{file} asks for {most!r} patches of {side!r} pixels; both must be whole numbers above 0")
    return Patches(side, most)


def open_clip_preprocess(facts: Mapping[str, Any], name: str) -> Preprocess:
    """Read what open_clip wrote on a model's image tower.

    Raises:
        ModelError: pictures would be brought to size by their longer side, which no model of the zoo does.
    """
    size = facts["size"]
    height, width = (size, size) if isinstance(size, int) else size
    ways: dict[str, Literal["crop_even", "squash"]] = {"shortest": "crop_even", "squash": "squash"}
    if facts["resize_mode"] not in ways or (facts["resize_mode"] == "shortest" and width != height):
        raise ModelError(f"{name} resizes pictures by {facts['resize_mode']!r}, which is not supported")
    return Preprocess(
        size_wh=(width, height),
        resize=ways[facts["resize_mode"]],
        resample="bilinear" if facts["interpolation"] == "bilinear" else "bicubic",
        mean=_three(facts["mean"]),
        std=_three(facts["std"]),
    )


def _facts(folder: Path, family: str) -> tuple[Path, dict[str, Any]]:
    """Return the preprocessing file, and its contents over the defaults of the family."""
    file = folder / "preprocessor_config.json"
    if file.is_file():
        said = read_json(file)
    else:
        file = folder / "processor_config.json"
        said = read_json(file).get("image_processor") or {}
    kind = said.get("image_processor_type") or said.get("feature_extractor_type")
    if isinstance(kind, str):
        check_image_processor(file, kind, _PROCESSORS[family])
    return file, {**DEFAULTS[family], **{key: value for key, value in said.items() if value is not None}}


def _resizing(facts: Mapping[str, Any]) -> tuple[tuple[int, int], Literal["crop", "squash"]]:
    """Return the (width, height) of the input, and how an image is resized to it."""
    size, crop = facts["size"], facts["do_center_crop"]
    if isinstance(size, int):
        size = {"shortest_edge": size} if crop else {"height": size, "width": size}
    if not crop:
        return (size["width"], size["height"]), "squash"
    cut = facts["crop_size"]
    cut = {"height": cut, "width": cut} if isinstance(cut, int) else cut
    if not size.get("shortest_edge") == cut["height"] == cut["width"]:
        raise ValueError(f"resized to {size} and cut to {cut}")
    return (cut["width"], cut["height"]), "crop"


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    red, green, blue = (float(each) for each in values)
    return red, green, blue
