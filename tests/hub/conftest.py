"""Tiny checkpoints, made once a run when the first test asks for one, and what to encode with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils import logging

from tests.support import tiny_encoders
from tests.support.tiny_encoders import Tiny


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Return the folder of a tiny checkpoint by its name among `tiny_encoders.BUILDERS`."""

    @cache
    def folder(name: str) -> Path:
        return tiny_encoders.BUILDERS[name](tmp_path_factory.mktemp("tiny") / name.replace(" ", "-"))

    return folder


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """RGB pictures of odd sizes, wide, tall, tiny and of the tower's own size."""
    rng = np.random.default_rng(3)
    sizes = [(50, 40), (41, 77), (32, 32), (300, 9), (1, 1), (97, 64), (64, 64)]
    small = (rng.integers(0, 256, (5, 5, 3), dtype=np.uint8) for _ in sizes)
    return [Image.fromarray(each).resize(size) for each, size in zip(small, sizes, strict=True)]
