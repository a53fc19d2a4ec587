"""Low-rank adapters through PEFT: attach, save, load through the base, merge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError
from catalens.models.readers.adapters import INSTALL, quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Settings of an adapter; the defaults are those of the source article.

    Attributes:
        rank: of the update.
        alpha: scale of the update is alpha / rank.
        dropout: of the adapter's input.
        targets: names of linear layers; empty for the family's own.
        use_dora: decompose weights into magnitude and direction.
        use_rslora: scale by the root of the rank.
    """

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ()
    use_dora: bool = False
    use_rslora: bool = False


def attach(model: Any, lora: Lora, targets: Sequence[str], *, frozen: str | None) -> Any:
    """Freeze a model and return it with trainable adapters, which replace its layers in place.

    Args:
        model: of transformers, or any module.
        lora: settings of the adapter.
        targets: names of linear layers, where the settings name none.
        frozen: expression of modules that get no adapter; None for none.

    Raises:
        ModelError: PEFT is missing, or no layer has one of the names.
    """
    peft = need_peft()
    _check_names(model, lora.targets, frozen)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets or targets),
        exclude_modules=frozen,
        use_dora=lora.use_dora,
        use_rslora=lora.use_rslora,
        bias="none",
    )
    try:
        with quiet():
            return peft.get_peft_model(model, config)
    except ValueError as error:
        names = ", ".join(lora.targets or targets)
        raise ModelError(
            f"no adapter can be attached to {names}: {error}; name linear layers with --target-modules"
        ) from error


def _check_names(model: Any, names: Sequence[str], frozen: str | None) -> None:
    """Refuse names without a layer: PEFT is content if one of several has any."""
    there = [name for name, _ in model.named_modules() if not (frozen and re.fullmatch(frozen, name))]
    for wanted in names:
        if not any(name == wanted or name.endswith(f".{wanted}") for name in there):
            near = get_close_matches(wanted, {name.rpartition(".")[2] for name in there}, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(f"--target-modules: no layer that can have an adapter is called {wanted!r}{meant}")


def need_peft() -> Any:
    """Return PEFT.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise ModelError(f"adapters need peft: {INSTALL}") from error
    return peft


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write an adapter's folder, in PEFT's format, which names its base model."""
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(str(folder), save_embedding_layers=False)
