"""What `catalens export` works on: a pretrained encoder's parts, and pictures to compare two encoders with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError
from catalens.core.types import Outcome
from catalens.pipelines.pictures import named_entries
from catalens.pipelines.prefetch import read_item

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.models.parts import EncoderParts

PROBES = 32
"""Pictures, and texts, that are compared."""
_EXPORTED = "a pretrained encoder, such as ViT-B-32/openai or the folder of one"


def find_parts(model: str, revision: str | None, cache: Path) -> EncoderParts:
    """Load what can be exported of a model.

    Args:
        model: a name, hub id or folder.
        revision: commit, branch or tag of the hub.
        cache: folder of fetched models.

    Raises:
        InputError: the model is a bundle already, or a reader.
        ModelError: it is not here, or cannot be loaded.
    """
    from catalens.models.hub.loading import find_files, load_parts
    from catalens.models.registry import SHIPPED, find_place, known_reader, shipped

    folder = shipped(model) if model in SHIPPED else Path(model).expanduser()
    if (folder / "bundle.json").is_file():
        raise InputError(
            f"{model} is a bundle already, with the precision it was made with: copy the folder {folder} as it is; "
            f"another precision can be made of {_EXPORTED}"
        )
    if known_reader(model):
        raise InputError(f"{model} is a reader, which captions and answers; what is exported is {_EXPORTED}")
    return load_parts(find_files(find_place(model), cache=cache, revision=revision))


def read_probes(name: str, size_wh: tuple[int, int]) -> tuple[list[Image], list[Outcome]]:
    """Return the first pictures of a file, folder, pattern or table, and those that cannot be read.

    Args:
        name: of the pictures.
        size_wh: size at which a model takes them; they are decoded no larger than is useful for it.

    Raises:
        InputError: nothing has that name, or no picture can be read.
    """
    read = [
        each if isinstance(each, Outcome) else read_item(each, size_wh)
        for each in islice(named_entries([name]), PROBES)
    ]
    images = [each for each in read if each is not None and not isinstance(each, Outcome)]
    if not images:
        raise InputError(f"{name} holds no pictures to compare with")
    return images, [each for each in read if isinstance(each, Outcome)]
