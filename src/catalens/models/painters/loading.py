"""From a painter's name to the painter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError
from catalens.models.hub.names import NO_REVISIONS, split_revision

if TYPE_CHECKING:
    from catalens.core.protocols import Painter

BEDROCK = "bedrock:"
ACCEPTED = (
    "the folder of a diffusers model, a hub id such as stabilityai/stable-diffusion-xl-base-1.0, optionally with "
    "@REVISION, bedrock:MODEL-ID such as bedrock:stability.sd3-5-large-v1:0, or fake"
)


def load_painter(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    region: str | None = None,
) -> Painter:
    """Load a painter by name.

    Args:
        name: a folder or a hub id (optionally with @REVISION) of an image-to-image diffusers model, such as SDXL or
            Stable Diffusion 3.5; `bedrock:MODEL-ID`; or "fake".
        device: for diffusers: "auto", "cpu", "cuda", "cuda:1" or "mps".
        dtype: for diffusers: "auto" (float32 on a processor, half precision on a GPU), "float32", "float16" or
            "bfloat16".
        region: for Bedrock; None for the environment's.

    Raises:
        InputError: the device or dtype does not exist.
        ModelError: the name is unknown or has no revisions, a library is missing, or the model cannot be loaded.
    """
    if name == "fake":
        from catalens.models.painters.fake import FakePainter

        return FakePainter()
    if name.startswith(BEDROCK):
        from catalens.models.painters.bedrock import load_bedrock_painter

        return load_bedrock_painter(name.removeprefix(BEDROCK), region=region)
    bare, named = split_revision(name)
    local = Path(bare).expanduser().is_dir()
    if named is not None and (bare == "fake" or local):
        raise ModelError(NO_REVISIONS.format(name=bare))
    if not bare or (not local and bare.count("/") != 1):
        raise ModelError(f"there is no painter {name!r}; accepted are {ACCEPTED}")
    from catalens.models.painters.diffusion import load_diffusion_painter

    return load_diffusion_painter(bare, revision=named, device=device, dtype=dtype)
