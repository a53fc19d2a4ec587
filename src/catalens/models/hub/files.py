"""Finds what is wrong with the files of a pretrained model before its library loads them.

A library that misses a file may use defaults silently: an empty tokenizer, another image size. The vectors then mean
nothing. Encoders and readers use the same checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError
from catalens.core.files import IS_POINTER, is_pointer
from catalens.models.json_files import load_json

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
"""A folder with one of these has a tokenizer."""
PREPROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
"""One of these says how images are prepared."""
GENERATION = "generation_config.json"
"""Settings of a reader's generation; a folder may lack it."""
ADAPTER = "adapter_config.json"
"""PEFT's configuration of an adapter."""
_PADDED_TOKENS, _LEAST_COVERED = 1024, 0.9
"""Embeddings may be padded by 1024 rows, or by a tenth of a large vocabulary, but never to twice their number."""


def read_json(file: Path) -> dict[str, Any]:
    """Read an object.

    Raises:
        ModelError: the file is missing, damaged, or not an object.
    """
    try:
        found = load_json(file)
    except (OSError, ValueError) as error:
        refuse_pointers([file])
        raise ModelError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{file} does not contain an object")
    return found


def is_file_name(name: str) -> bool:
    """Return whether a text names something directly in a folder, on any system."""
    return bool(name) and not {*"/\\:\0"} & {*name} and name not in (".", "..")


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder with a LoRA or another adapter of PEFT, alone or beside a whole model.

    Raises:
        ModelError: there is one; the message names its base model and the cure.
    """
    file = folder / ADAPTER
    if not file.is_file():
        return
    try:
        base = load_json(file).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    merge = (
        f"merge it into {base or 'its base model'} (PeftModel.from_pretrained(…).merge_and_unload(), then "
        "save_pretrained for the model and for its processor) and name the merged folder"
    )
    if (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} holds a model and an adapter of PEFT ({ADAPTER}), which would be ignored; {merge}, or move "
            f"{ADAPTER} away to use the model without it"
        )
    raise ModelError(f"{folder} is an adapter of PEFT for {base or 'an unnamed model'}, not a whole model; {merge}")


def refuse_pointers(files: Iterable[Path]) -> None:
    """Refuse files that Git LFS left as pointers.

    Raises:
        ModelError: a file is a pointer; the message holds the command that fetches its content.
    """
    for file in files:
        if is_pointer(file):
            raise ModelError(f"{file} {IS_POINTER} in {file.parent}")


def check_files(folder: Path) -> None:
    """Check that a transformers model has a tokenizer and the preparation of images beside its weights.

    Raises:
        ModelError: a file is missing, as after `model.save_pretrained` alone, or damaged; the message names it and the
            cure.
    """
    save = f"AutoProcessor.from_pretrained(…).save_pretrained({str(folder)!r})"
    cure = f"copy it from the model it was made from, or save it: {save}"
    check_tokenizer(folder, cure)
    if not any((folder / name).is_file() for name in PREPROCESSOR_FILES):
        raise ModelError(
            f"{folder} does not say how images are prepared: {' or '.join(PREPROCESSOR_FILES)} is missing; {cure}"
        )
    if (settings := folder / GENERATION).is_file():
        read_json(settings)  # transformers takes its own settings in place of damaged ones, without a word


def check_tokenizer(folder: Path, cure: str) -> None:
    """Check that a folder has a tokenizer, and all of it.

    Args:
        folder: of the model.
        cure: what brings the files, for the message.

    Raises:
        ModelError: a file is missing; the message names it.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(f"{folder} has no tokenizer: none of {', '.join(TOKENIZER_FILES)} is there; {cure}")
    names = [name for name in TOKENIZER_FILES if (folder / name).is_file()]
    if names == ["vocab.json"] and not (folder / "merges.txt").is_file():
        raise ModelError(f"{folder} has half a tokenizer: merges.txt is missing beside vocab.json; {cure}")


def check_vocabulary(folder: Path, tokens: int, embedded: int) -> None:
    """Check that a tokenizer belongs to a model by the size of its vocabulary.

    Args:
        folder: of the model.
        tokens: size of the tokenizer's vocabulary, added tokens included.
        embedded: tokens that the model has an embedding for; it may be rounded up.

    Raises:
        ModelError: the tokenizer has more tokens than the model, or far fewer.
    """
    if tokens > embedded or tokens < max(_LEAST_COVERED * embedded - _PADDED_TOKENS, embedded / 2):
        config = folder / "tokenizer_config.json"
        without = "" if config.is_file() else f" (without {config.name}, which may name its special tokens)"
        raise ModelError(
            f"{folder} has the tokenizer of another model{without}: it has {tokens} tokens, and the model has "
            f"{embedded}; copy the tokenizer's files from the model it was made from"
        )


def check_image_processor(folder: Path, kind: str, family: str) -> None:
    """Check that images are prepared as a family of models was trained.

    Args:
        folder: of the model, or the file that names the processor.
        kind: name of the image processor's class.
        family: how its name begins, such as "CLIP".

    Raises:
        ModelError: it belongs to another family; the vectors or captions would mean nothing.

    >>> check_image_processor(Path("model"), "CLIPImageProcessorFast", "CLIP")
    """
    begins = re.split("imageprocessor|featureextractor", kind, flags=re.IGNORECASE)[0]
    if begins.lower() != family.lower():
        raise ModelError(
            f"{folder} has the image preprocessing of another model: {kind}, where the model needs "
            f"{family}ImageProcessor; copy preprocessor_config.json from the model it was made from"
        )


def check_image_size(folder: Path, prepared_wh: tuple[int, int], taken: object) -> None:
    """Check that images are prepared in the size that a model takes.

    Args:
        folder: of the model.
        prepared_wh: (width, height) that its preprocessing makes.
        taken: sides of the square that its vision tower takes, as its configuration has them.

    Raises:
        ModelError: they differ, so that no image could be encoded.
    """
    if isinstance(taken, int) and prepared_wh != (taken, taken):
        width, height = prepared_wh
        raise ModelError(
            f"{folder} has the image preprocessing of another model: it makes images of {width} × {height} pixels, and "
            f"the model takes {taken} × {taken}; copy preprocessor_config.json from the model it was made from"
        )


def why_unloadable(error: Exception, folder: Path) -> str:
    """Return why a library could not load a folder: with the file or the cure, where its own words lack it."""
    if type(error).__name__ == "SafetensorError":
        broken = next((file for file in sorted(folder.glob("*.safetensors")) if _is_damaged(file)), None)
        return f"{broken.name if broken else 'a file'} is damaged or cut short ({error}); fetch it again"
    if "ignore_mismatched_sizes" in str(error):
        return "its weights have other sizes than config.json says; are both files of the same model?"
    return first_line(error)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its name."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def _is_damaged(file: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), "np"):
            return False
    except (SafetensorError, OSError):
        return True


def is_unsafe_pickle(error: BaseException) -> bool:
    """Return whether loading failed because pickled weights hold more than numbers, by torch's message."""
    text = str(error)
    return any(mark in text for mark in ("weights_only", "Weights only load failed", "WeightsUnpickler"))


def unsafe_pickle(file: Path) -> ModelError:
    """Return the error for pickled weights that could run code when they are loaded."""
    return ModelError(
        f"{file} is a pickle that holds more than numbers and could run code when it is loaded, so it is refused; "
        "take the model's safetensors file, or convert it on a machine that may run its code"
    )
