"""Runs a pretrained encoder with torch, on the CPU or an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.errors import ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.device import choose_device, choose_dtype
from catalens.models.parts import EncoderParts, Preprocess
from catalens.models.resizing import fit_all
from catalens.models.tokens import Tokens, group_by_key, stack_ids


class TorchEncoder:
    """An `Encoder` over two torch modules; several threads may use it at once.

    Args:
        parts: of the encoder; the modules are moved, not copied.
        device: such as "cuda:1"; None takes the fastest.
        dtype: one of `catalens.models.device.DTYPES`; None is float32 on a processor and float16 on an accelerator.

    Raises:
        InputError: the device or dtype is unknown.
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
        """Return (n, dim) unit vectors of n RGB images of any size.

        Raises:
            InputError: an image is not RGB.
            ModelError: the tower failed, or returned an invalid vector.
        """
        if not images:
            return np.empty((0, self.dim), dtype=np.float32)
        return self._encode(images, self.parts.preprocess)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of n texts, batched by length.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the tower failed, or returned an invalid vector.
        """
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        ids = self._tokens.read(texts)
        for places in group_by_key(map(len, ids)):
            out[places] = self._rows(self._text, torch.from_numpy(stack_ids(ids, places)).to(self._device))
        return out

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return the number of tokens of a text, special tokens included, and the number that is encoded.

        Raises:
            InputError: the text is not a str, or contains a lone surrogate.
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

    def _rows(self, tower: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> Vectors:
        """Run a tower and check for one finite, non-zero row per item."""
        try:
            with torch.inference_mode():
                rows: NDArray[np.float32] = tower(batch).float().cpu().numpy()
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed on {len(batch)} items on {self._device}: {error}") from error
        if rows.shape != (len(batch), self.dim):
            raise ModelError(f"{self.name} returned an array {rows.shape}; expected ({len(batch)}, {self.dim})")
        lengths = np.linalg.norm(rows, axis=1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ModelError(f"{self.name} returned a row that is all zeros or not finite")
        return unit_rows(rows)
