"""From a painter's name to the painter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError
from catalens.models.hub.names import NO_REVISIONS, Place, split_revision

if TYPE_CHECKING:
    from catalens.core.protocols import Painter

BEDROCK = "bedrock:"
ACCEPTED = (
    "the folder of a diffusers model, a hub id such as stabilityai/stable-diffusion-xl-base-1.0, with @REVISION or "
    "without, "
    "bedrock:MODEL-ID such as bedrock:stability.sd3-5-large-v1:0, or fake"
)


def load_painter(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    region: str | None = None,
) -> Painter:
    """Load a painter by its name.

    Args:
        name: a folder or a hub id of a diffusers model that goes from picture to picture (SDXL, Stable Diffusion 3.5
            and others), the id with @REVISION or without; `bedrock:MODEL-ID`; or "fake".
        revision: of a hub model: commit, branch or tag; None is the name's own, or else the branch `main`.
        device: for diffusers: "auto", "cpu", "cuda", "mps" or another name of torch.
        dtype: for diffusers: "auto" (float32 on a processor, half precision on a GPU), "float32", "float16" or
            "bfloat16".
        region: for Bedrock: None is the one of the environment.

    Raises:
        InputError: the name asks for another revision.
        ModelError: nothing is called so, it has no revisions, a library is missing, or it cannot be loaded.
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
        raise ModelError(f"there is no painter {name!r}; give {ACCEPTED}")
    from catalens.models.painters.diffusion import load_diffusion_painter

    wanted = revision if local else Place(bare, "hub", bare, revision=named).at(revision).revision
    return load_diffusion_painter(bare, revision=wanted, device=device, dtype=dtype)
