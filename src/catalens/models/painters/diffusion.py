"""Image-to-image generation with diffusers on this machine.

Weights are read from safetensors only, and remote code is never run.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

from catalens.core.errors import AnswerError, ModelError
from catalens.core.json_text import parse_json
from catalens.core.types import PaintRequest
from catalens.models.allocator import keep_memory
from catalens.models.device import choose_device, choose_dtype
from catalens.models.own_code import without_own_code
from catalens.models.painters.sizes import SizeWh, fit_area

if TYPE_CHECKING:
    import torch

INSTALL = 'pip install "catalens[restyle]"'
Pipeline: TypeAlias = Any
"""An image-to-image pipeline of diffusers; the families share a call signature, but no type."""

_USUAL_SIDE = 128
"""Side of the latents where the model does not say; 1,024 pixels for most."""


def load_diffusion_painter(name: str, *, revision: str | None, device: str, dtype: str) -> DiffusionPainter:
    """Load an image-to-image pipeline from a folder, the cache of the hub, or the hub; see `load_painter`.

    Raises:
        InputError: the device or dtype does not exist.
        ModelError: libraries or files are missing, or the model is not an image-to-image model.
    """
    pipelines = _pipelines()
    chosen = choose_device(device)
    number = _dtype(chosen, dtype)
    if chosen.type == "cpu":
        keep_memory()
    local = Path(name).expanduser()
    folder = local if local.is_dir() else _from_hub(name, revision)
    # Parts that were left out when the model was saved, such as the third text encoder of Stable Diffusion 3.
    absent = {part: None for part, kind in _index(folder).items() if kind == [None, None]}
    try:
        with without_own_code():
            pipeline = pipelines.from_pretrained(
                str(folder),
                dtype=number,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                **absent,
            )
        pipeline.to(chosen)
    except Exception as error:  # every component has its own loader and errors
        raise ModelError(f"{name} cannot be loaded as an image-to-image model: {_line(error)}") from error
    pipeline.set_progress_bar_config(disable=True)
    shown = folder.resolve().name if local.is_dir() else name
    return DiffusionPainter(f"{shown}@{_revision(folder)}", pipeline)


class DiffusionPainter:
    """A `Painter` over a diffusers image-to-image pipeline."""

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        """Take a loaded pipeline.

        Args:
            name: model and revision.
            pipeline: of `AutoPipelineForImage2Image`, on its device.
        """
        self.name = name
        self._pipeline: Pipeline | None = pipeline
        self._accepted = frozenset(inspect.signature(pipeline.__call__).parameters)

    def size_for(self, size_wh: SizeWh) -> SizeWh:
        """Return the output size for an image: the area that the model was trained at, with sides that it can halve."""
        pipeline = self._open
        denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
        settings = getattr(denoiser, "config", {})
        side = settings.get("sample_size") or getattr(pipeline, "default_sample_size", _USUAL_SIDE)
        side = max(side) if isinstance(side, list | tuple) else side
        halvings = 2 ** max(0, len(settings.get("down_block_types") or ()) - 1)  # of a U-Net's latents
        scale = pipeline.vae_scale_factor
        in_patches = scale * max(halvings, settings.get("patch_size") or 1)
        return fit_area(size_wh, (side * scale) ** 2, max(in_patches, pipeline.image_processor.config.vae_scale_factor))

    def paint(self, request: PaintRequest) -> Image.Image:
        """Return an RGB image of the size that `size_for` returns.

        Noise is drawn on the CPU, so that a seed has the same result on every device.

        Raises:
            AnswerError: the safety checker withheld the image, or it is black.
            ModelError: the model does not support a setting of the request, or fails.
        """
        import torch

        width, height = self.size_for(request.image.size)
        given: dict[str, Any] = {
            "prompt": request.prompt,
            "image": request.image.resize((width, height), Image.Resampling.LANCZOS),
            "strength": request.strength,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
        }
        given |= self._options(request, width, height)
        try:
            with torch.inference_mode():
                painted = self._open(**given)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ModelError(f"{self.name} failed to paint: {_line(error)}") from error
        if any(getattr(painted, "nsfw_content_detected", None) or ()):
            raise AnswerError(
                f"{self.name}: the model's safety checker withheld the image; change the prompt or the seed"
            )
        picture: Image.Image = painted.images[0].convert("RGB")
        if picture.getextrema() == ((0, 0), (0, 0), (0, 0)):
            raise AnswerError(f"{self.name} returned a black image, which half precision can cause; load it as float32")
        return picture

    def close(self) -> None:
        """Free the weights."""
        self._pipeline = None

    @property
    def _open(self) -> Pipeline:
        if self._pipeline is None:
            raise ModelError(f"{self.name} is closed; load it again")
        return self._pipeline

    def _options(self, request: PaintRequest, width: int, height: int) -> dict[str, Any]:
        """Return the settings of a request that differ from the defaults, if this pipeline accepts them."""
        asked = {
            "negative_prompt": request.negative_prompt or None,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
        }
        options = {name: value for name, value in asked.items() if value is not None}
        strange = sorted(options.keys() - self._accepted)
        if strange:
            raise ModelError(f"{self.name} does not support {' or '.join(strange)}; leave it out")
        return options | {
            name: value for name, value in (("width", width), ("height", height)) if name in self._accepted
        }


def _pipelines() -> Pipeline:
    """Return the class that chooses a model's pipeline."""
    try:
        with warnings.catch_warnings():
            # One of its pipelines is compiled at import with torch.jit.script.
            warnings.filterwarnings("ignore", r".torch\.jit\.script. is deprecated", FutureWarning)
            from diffusers import AutoPipelineForImage2Image
    except ImportError as error:
        raise ModelError(f"image generation on this machine needs diffusers: {INSTALL}") from error
    return AutoPipelineForImage2Image


def _index(folder: Path) -> dict[str, Any]:
    """Read the components of a model."""
    file = folder / "model_index.json"
    try:
        return dict(parse_json(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is not a diffusers model: it has no {file.name}") from error
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error


def _dtype(device: torch.device, dtype: str) -> torch.dtype:
    """Return the type that is asked for; "auto" is float16 on an accelerator and float32 on a processor."""
    usual = "float32" if device.type == "cpu" else "float16"
    return choose_dtype(usual if dtype == "auto" else dtype, device)


def _from_hub(name: str, revision: str | None) -> Path:
    """Return the folder of a hub model: from the cache, else downloaded."""
    from diffusers import DiffusionPipeline

    wanted = {"revision": revision, "use_safetensors": True}
    try:
        return Path(DiffusionPipeline.download(name, local_files_only=True, **wanted))
    except Exception:  # noqa: BLE001 - incomplete in the cache, whatever the error; the download says why
        pass
    try:
        return Path(DiffusionPipeline.download(name, **wanted))
    except Exception as error:  # the hub's, the network's and the file system's errors have no common root
        raise ModelError(
            f"{name} is not a folder here, not complete in the cache, and cannot be downloaded ({_line(error)}); "
            "without a network, give the folder of a diffusers model"
        ) from error


def _revision(folder: Path) -> str:
    """Return the commit of a folder in the hub's cache; else a short hash of its file names, sizes and first MiB."""
    if folder.parent.name == "snapshots":
        return folder.name[:12]
    digest = hashlib.sha256()
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(json.dumps([file.relative_to(folder).as_posix(), file.stat().st_size]).encode())
        with file.open("rb") as stream:
            digest.update(stream.read(1 << 20))
    return digest.hexdigest()[:12]


def _line(error: Exception) -> str:
    """Return the first line of a library's message, which may run over pages."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
