"""Runs a pretrained encoder with torch, on a processor or an accelerator."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.errors import ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.device import choose_device, choose_dtype
from catalens.models.fitting import fit_all
from catalens.models.parts import EncoderParts, Preprocess
from catalens.models.tokens import Tokens, alike, rows_of


class TorchEncoder:
    """An `Encoder` over two torch modules; several threads may use one at once.

    Args:
        parts: the pieces; the modules are moved, not copied.
        device: where they run, such as "cuda:1"; None takes the best there is.
        dtype: one of `catalens.models.device.DTYPES`; None is float32 on a processor and float16 on an accelerator.

    Raises:
        InputError: there is no such device or type.
    """

    def __init__(self, parts: EncoderParts, *, device: str | None = None, dtype: str | None = None) -> None:
        self.parts = parts
        self.name = f"{parts.name}@{parts.revision}"
        self.dim = parts.dim
        self.input_size_wh = parts.preprocess.size_wh
        self.logit_scale = parts.logit_scale
        self.logit_bias = parts.logit_bias
        self.unknown_texts: Sequence[str] = parts.unknown_texts
        self._device = choose_device(device)
        self._dtype = choose_dtype(dtype or ("float32" if self._device.type == "cpu" else "float16"), self._device)
        self.fingerprint = f"{self.name}#torch-{str(self._dtype).removeprefix('torch.')}"
        self._image, self._text = (self._placed(module) for module in (parts.image, parts.text))
        mean, std = (torch.tensor(each, device=self._device) for each in (parts.preprocess.mean, parts.preprocess.std))
        self._mean, self._std = mean.view(3, 1, 1), std.view(3, 1, 1)
        self._tokens = Tokens(parts.tokenizer, max_tokens=parts.max_tokens, pad_id=parts.pad_id, end_id=parts.end_id)
        self._pool = ThreadPoolExecutor(thread_name_prefix="fit")

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Return (n, dim) unit rows for n RGB pictures of any size.

        Raises:
            InputError: a picture is not RGB.
            ModelError: the tower failed, or gave what is no vector.
        """
        if not images:
            return np.empty((0, self.dim), dtype=np.float32)
        return self._encode(images, self.parts.preprocess)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for n texts, those of one length together.

        Raises:
            InputError: a text is not a str, or holds half a character.
            ModelError: the tower failed, or gave what is no vector.
        """
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        ids = self._tokens.read(texts)
        for places in alike(map(len, ids)):
            out[places] = self._rows(self._text, torch.from_numpy(rows_of(ids, places)).to(self._device))
        return out

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return how many tokens a text has, its marks of begin and end included, and how many are read.

        Raises:
            InputError: the text is not a str, or holds half a character.
        """
        return self._tokens.count(text)

    def _encode(self, images: Sequence[Image], preprocess: Preprocess) -> Vectors:
        pixels = torch.from_numpy(fit_all(images, preprocess, self._pool)).to(self._device)
        scaled = (pixels.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std
        return self._rows(self._image, scaled.to(self._dtype))

    def _placed(self, module: torch.nn.Module) -> torch.nn.Module:
        try:
            return module.to(device=self._device, dtype=self._dtype).eval()
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"{self.name} cannot be put on {self._device}: {error}") from error

    def _rows(self, tower: torch.nn.Module, batch: torch.Tensor) -> Vectors:
        """Run a tower; anything but one row with a direction for each item is its fault, and is never passed on."""
        try:
            with torch.inference_mode():
                rows: NDArray[np.float32] = tower(batch).float().cpu().numpy()
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed on {len(batch)} items on {self._device}: {error}") from error
        if rows.shape != (len(batch), self.dim):
            raise ModelError(f"{self.name} gave an array {rows.shape} where ({len(batch)}, {self.dim}) is due")
        lengths = np.linalg.norm(rows, axis=1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ModelError(f"{self.name} gave a row of zeros or of numbers that are not finite")
        return unit_rows(rows)
