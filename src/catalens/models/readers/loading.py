"""Loads a vision-language model of transformers: safe weights, the chosen device and dtype, no remote code."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL.Image import Image

from catalens.core.errors import InputError, ModelError
from catalens.models.allocator import keep_memory
from catalens.models.device import choose_device, choose_dtype
from catalens.models.hub.files import (
    check_files,
    check_image_processor,
    check_image_size,
    check_vocabulary,
    first_line,
    is_unsafe_pickle,
    unsafe_pickle,
    why_unloadable,
)
from catalens.models.hub.layout import choose_weights
from catalens.models.hub.weights import quiet_transformers
from catalens.models.own_code import without_own_code

if TYPE_CHECKING:
    import torch

INSTALL = 'pip install "catalens[hub]"'
Quantise = Literal["8bit", "4bit"]
LARGE_BYTES = 4 << 30
"""Size of weights on disk from which a model is taken for large."""
_IMAGE_PROCESSORS = {"blip": "Blip", "blip-2": "Blip", "git": "CLIP"}
"""Model type → how its image processor's name begins; those of chat models differ from one model to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How to load a model.

    Attributes:
        device: "cpu", "cuda", "cuda:1", "mps"; None for the fastest available.
        dtype: of `catalens.models.device.DTYPES`; "auto" is the fastest on the device.
        quantise: "8bit" or "4bit" weights; None for unquantised weights.
        compile_after: images after which a vision tower in float32 on a processor may be compiled; None for never.
    """

    device: str | None = None
    dtype: str = "auto"
    quantise: Quantise | None = None
    compile_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in inference mode.

    Attributes:
        name: as a user gives it, with the revision.
        model: of transformers.
        processor: its tokenizer and image processor.
        device: where the weights are.
        dtype: of the activations.
        compile_after: images after which the vision tower may be compiled; None for never.
        exact: the dtype was asked for by its name, so nothing may be computed in another one.
        quantise: "8bit" or "4bit" weights; None for unquantised weights.
    """

    name: str
    model: Any
    processor: Any
    device: torch.device
    dtype: torch.dtype
    compile_after: int | None = None
    exact: bool = True
    quantise: Quantise | None = None

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        """Preprocess images for the vision tower: (n, 3, height, width)."""
        prepared = self.processor.image_processor(list(images), return_tensors="pt")
        pixels: torch.Tensor = prepared["pixel_values"].to(self.device, self.dtype)
        return pixels


def need_libraries() -> None:
    """Check that torch and transformers are installed.

    Raises:
        ModelError: one is missing; the message has the command that installs it.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelError(f"readers of the hub need {error.name or 'more libraries'}: {INSTALL}") from error


def read_config(folder: Path) -> Any:
    """Read a model's configuration.

    Raises:
        ModelError: it is missing or damaged, or needs remote code, which is never run.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} has no configuration that transformers knows: {first_line(error)}") from error


def load(folder: Path, name: str, model_class: str, wanted: Wanted) -> Loaded:
    """Load a model and its processor from a folder.

    Args:
        folder: as transformers saves one.
        name: for messages.
        model_class: of transformers, such as "BlipForConditionalGeneration".
        wanted: device, dtype and quantisation.

    Raises:
        InputError: the device or dtype does not exist.
        ModelError: files are missing or damaged, weights are missing, or it does not fit into memory.
    """
    import torch

    check_files(folder)
    transformers: Any = import_module("transformers")
    device = choose_device(wanted.device)
    dtype = choose_dtype(wanted.dtype, device, large=_weights_bytes(folder) > LARGE_BYTES)
    if device.type == "cpu":
        keep_memory()
    settings: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "output_loading_info": True}
    if wanted.quantise:
        settings |= {"quantization_config": _bits(wanted.quantise, dtype), "device_map": {"": str(device)}}
    try:
        with quiet_transformers(), without_own_code():
            model, info = getattr(transformers, model_class).from_pretrained(str(folder), **settings)
            processor = transformers.AutoProcessor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        if not wanted.quantise:
            model = model.to(device)
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{name} does not fit into the memory of {device}; try quantise='8bit' or '4bit'") from error
    except Exception as error:  # transformers and safetensors raise many kinds for damaged files
        raise _translated(error, folder, name) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"{folder} lacks {len(missing)} weights of {model_class}, {missing[0]} among them")
    check_vocabulary(folder, len(processor.tokenizer), model.config.get_text_config().vocab_size)
    _check_images(folder, processor.image_processor, model.config)
    _keep_gradients(model)
    compiles = device.type == "cpu" and dtype == torch.float32 and not wanted.quantise
    return Loaded(
        name=name,
        model=model.eval(),
        processor=processor,
        device=device,
        dtype=dtype,
        compile_after=wanted.compile_after if compiles else None,
        exact=wanted.dtype != "auto",
        quantise=wanted.quantise,
    )


def _weights_bytes(folder: Path) -> int:
    """Return the size on disk of the weights that transformers loads; other formats and variants do not count."""
    names = choose_weights([each.name for each in folder.iterdir()], open_clip=False)
    return sum((folder / name).stat().st_size for name in names)


def save_model(loaded: Loaded, folder: Path) -> None:
    """Write a model and its processor as transformers has them.

    Some published models have sampling settings without sampling, which transformers reads but does not write: then
    only the special tokens are written.
    """
    model = loaded.model
    settings: Any = getattr(model, "generation_config", None)
    try:
        if settings is not None:
            settings.validate(strict=True)
    except ValueError:
        tokens = {name: each for name, each in settings.to_dict().items() if name.endswith("_token_id")}
        model.generation_config = type(settings)(**tokens)
    model.save_pretrained(str(folder))
    loaded.processor.save_pretrained(str(folder))


def _check_images(folder: Path, image_processor: Any, config: Any) -> None:
    """Check that images are prepared as a model of a square takes them.

    Raises:
        ModelError: the image processor is of another family, or makes images of another size.
    """
    family = _IMAGE_PROCESSORS.get(config.model_type)
    if family is None:
        return
    check_image_processor(folder, type(image_processor).__name__, family)
    size = image_processor.crop_size if getattr(image_processor, "do_center_crop", False) else image_processor.size
    width, height = (dict(size).get(side) for side in ("width", "height"))
    if width and height:  # any other size is one that the model takes, or its own error
        check_image_size(folder, (width, height), config.vision_config.image_size)


def _translated(error: Exception, folder: Path, name: str) -> ModelError:
    if is_unsafe_pickle(error):
        return unsafe_pickle(folder)
    if isinstance(error, ImportError):
        return ModelError(f"{name} needs another library: {first_line(error)}")
    return ModelError(f"{name} cannot be loaded from {folder}: {why_unloadable(error, folder)}")


def _keep_gradients(model: Any) -> None:
    """Keep bitsandbytes from packing 4-bit weights for a processor with bfloat16.

    It packs a layer when it first runs without gradients, whatever type was asked for: products are bfloat16 from then
    on, gradients stop at the layer, and layers of fewer than 64 inputs fail.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def _bits(quantise: Quantise, dtype: torch.dtype) -> Any:
    """Return the configuration of quantised weights.

    Raises:
        InputError: it is neither "8bit" nor "4bit".
        ModelError: the library is missing.
    """
    if quantise not in ("8bit", "4bit"):
        raise InputError(f"quantise is {quantise!r}; it must be '8bit', '4bit' or None")
    settings: Any = import_module("transformers").BitsAndBytesConfig
    if not find_spec("bitsandbytes"):
        raise ModelError(f'weights in {quantise} need bitsandbytes: pip install "catalens[quantise]"')
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of every product that it computes in float16
    if quantise == "8bit":
        return settings(load_in_8bit=True)
    return settings(load_in_4bit=True, bnb_4bit_compute_dtype=dtype, bnb_4bit_quant_type="nf4")
