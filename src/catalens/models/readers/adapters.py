"""Adapters of PEFT: a folder that holds only the change, and names the base model that it is merged into."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError
from catalens.models.hub.files import ADAPTER, first_line
from catalens.models.json_files import load_json

if TYPE_CHECKING:
    from catalens.models.readers.loading import Loaded

INSTALL = 'pip install "catalens[finetune]"'
_WEIGHTS = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter and no model."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def base_of_adapter(folder: Path) -> str:
    """Return the name or folder of an adapter's base model.

    Raises:
        ModelError: the configuration cannot be read or names no base, or there are no safe weights.
    """
    file = folder / ADAPTER
    try:
        base = load_json(file).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error
    if not isinstance(base, str) or not base.strip():
        raise ModelError(f"{file} names no base model; set base_model_name_or_path to the model it was trained from")
    if not (folder / _WEIGHTS).is_file():
        raise ModelError(f"{folder} is an adapter without {_WEIGHTS}; save it again with peft's save_pretrained")
    return base


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of names that PEFT still uses and transformers is about to drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def with_adapter(loaded: Loaded, folder: Path) -> Loaded:
    """Merge an adapter into its loaded base; the name keeps the base's and gets the adapter's digest.

    Quantised weights are left as they are, with the adapter beside them: a merge would round them again.

    Raises:
        ModelError: PEFT is missing, or the adapter does not fit the model.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelError(f"{folder} is an adapter, which needs peft: {INSTALL}") from error
    try:
        with quiet():
            tuned = PeftModel.from_pretrained(loaded.model, str(folder), local_files_only=True)
        missing = [name for name, each in tuned.named_parameters() if "lora_" in name and each.is_meta]
        model = tuned.get_base_model() if loaded.quantise else tuned.merge_and_unload()
    except Exception as error:  # peft, torch and safetensors raise many kinds for files that do not fit
        raise ModelError(f"the adapter {folder} does not fit {loaded.name}: {first_line(error)}") from error
    if missing:
        raise ModelError(f"the adapter {folder} lacks weights, {missing[0]} among them")
    digest = hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest()[:12]
    return replace(loaded, name=f"{loaded.name}+{folder.resolve().name}.{digest}", model=model.eval())
