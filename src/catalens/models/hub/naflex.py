"""SigLIP 2's NaFlex models: a picture keeps its shape and becomes as many patches as that takes, up to a limit.

transformers pads every picture to the limit and masks the rest. Here pictures of one shape go together, so nothing is
padded, nothing is masked, and no vector depends on what else was in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from catalens.core.types import Vectors
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.parts import EncoderParts, Patches
from catalens.models.tokens import alike


class NaflexImage(nn.Module):
    """Normalised pixels (n, 3, height, width), both sides whole patches → (n, dim)."""

    def __init__(self, model: nn.Module, side: int) -> None:
        super().__init__()
        self.vision_model = model.vision_model
        self.side = side

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the tower."""
        n, channels, height, width = pixels.shape
        down, across = height // self.side, width // self.side
        patches = pixels.reshape(n, channels, down, self.side, across, self.side).permute(0, 2, 4, 3, 5, 1)
        return self.vision_model(
            pixel_values=patches.reshape(n, down * across, -1),
            pixel_attention_mask=torch.ones(n, down * across, dtype=torch.int64, device=pixels.device),
            spatial_shapes=torch.tensor([[down, across]]).expand(n, 2),
        ).pooler_output


class NaflexEncoder(TorchEncoder):
    """An `Encoder` whose pictures keep their shape.

    Args:
        parts: the pieces.
        patches: what pictures are cut into.
        device: as for `TorchEncoder`, and so is dtype.
    """

    def __init__(
        self, parts: EncoderParts, patches: Patches, *, device: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(parts, device=device, dtype=dtype)
        self._patches = patches

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Return (n, dim) unit rows for n RGB pictures of any size, those of one shape together.

        Raises:
            InputError: a picture is not RGB.
            ModelError: the tower failed, or gave what is no vector.
        """
        out = np.empty((len(images), self.dim), dtype=np.float32)
        sizes = [size_wh(image.size, self._patches) for image in images]
        for places in alike(sizes):
            preprocess = replace(self.parts.preprocess, size_wh=sizes[places[0]])
            out[places] = self._encode([images[at] for at in places], preprocess)
        return out


@lru_cache(maxsize=4096)
def size_wh(of_picture: tuple[int, int], patches: Patches) -> tuple[int, int]:
    """Return the (width, height) in pixels that a picture of another (width, height) is brought to."""
    from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

    width, height = of_picture
    found = get_image_size_for_max_num_patches(height, width, patches.side, patches.most)
    return found[1], found[0]
