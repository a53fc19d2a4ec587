"""Which encoders there are, and the one function that loads one by its name.

What is known of a model is data (`list_models`); code runs only for the model that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder

CALIBRATION = "{schema}.calibration.json"
"""File beside a bundle that holds what was learned about a schema with it."""

CUTOFF = "cutoff.json"
"""File beside a bundle that holds the relevance cut-off learned with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What is known of a model before a byte of it is loaded.

    Attributes:
        name: what a user calls it.
        kind: "encoder".
        about: one line for people.
        licence: SPDX identifier or words.
        size_mb: of everything it needs on disk.
        folder: where its bundle is; None for a model without weights.
    """

    name: str
    kind: str
    about: str
    licence: str
    size_mb: float
    folder: Path | None


def shipped(name: str) -> Path:
    """Give the folder of a bundle inside the package."""
    return Path(str(resources.files("catalens.models"))) / name


def list_models() -> list[ModelSpec]:
    """Give every model that can be loaded by name, without loading one."""
    folder = shipped("starter")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6 if folder.is_dir() else 0.0
    return [
        ModelSpec(
            name="starter",
            kind="encoder",
            about="clothes, shoes, bags, jewellery, watches and beauty products; shipped with the package",
            licence="Apache-2.0",
            size_mb=round(size, 1),
            folder=folder,
        ),
        ModelSpec(
            name="fake",
            kind="encoder",
            about="no weights and no meaning: hashes, to try the plumbing",
            licence="Apache-2.0",
            size_mb=0.0,
            folder=None,
        ),
    ]


def load_encoder(name: str = "starter", *, runtime: str = "auto", threads: int | None = None) -> Encoder:
    """Load an encoder by its name, or a bundle by its folder.

    Args:
        name: a name of `list_models()`, or the path of a folder that holds `bundle.json`.
        runtime: what runs the graphs: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.

    Raises:
        InputError: no runtime is called so.
        ModelError: nothing is called so (the message gives the nearest name), or it cannot be loaded.
    """
    if name == "fake":
        from catalens.models.fakes import FakeEncoder

        return FakeEncoder()
    known = {spec.name: spec.folder for spec in list_models()}
    folder = known.get(name) or Path(name)
    if name in known or folder.is_dir():
        from catalens.models.bundle import load_bundle

        return load_bundle(folder, runtime=runtime, threads=threads)
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ModelError(
        f"there is no model {name!r}{hint}; there are: {', '.join(known)}, "
        "or the folder of a bundle, which holds bundle.json"
    )


def shipped_calibration(encoder_name: str, schema: str) -> Path | None:
    """Give the calibration that came with an encoder for a schema, if there is one.

    Args:
        encoder_name: as the encoder says it, such as "starter@1"; another revision has no calibration here.
        schema: the schema's name, such as "fashion".
    """
    from catalens.models.facts import read_facts

    name, _, revision = encoder_name.partition("@")
    for spec in list_models():
        if spec.name == name and spec.folder is not None:
            file = spec.folder / CALIBRATION.format(schema=schema)
            if file.is_file() and read_facts(spec.folder).revision == revision:
                return file
    return None


def shipped_cutoff(encoder_name: str) -> Path | None:
    """Give the relevance cut-off that came with an encoder, if there is one."""
    file = shipped(encoder_name.partition("@")[0]) / CUTOFF
    return file if file.is_file() else None
