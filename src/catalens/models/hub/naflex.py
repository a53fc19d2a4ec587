"""SigLIP 2's NaFlex models: an image keeps its aspect ratio and is cut into patches, up to a limit.

transformers pads every image to the limit and masks the rest. Here images of equal shape are batched together, so
nothing is padded or masked, and no vector depends on its batch-mates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from catalens.core.types import Vectors
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.parts import EncoderParts, Patches
from catalens.models.tokens import group_by_key

if TYPE_CHECKING:
    from transformers import Siglip2Model


class NaflexImage(nn.Module):
    """Normalised pixels (n, 3, height, width), both sides whole patches → (n, dim)."""

    def __init__(self, model: Siglip2Model, side: int) -> None:
        super().__init__()
        self.vision_model = model.vision_model
        self.side = side

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the tower."""
        n, channels, height, width = pixels.shape
        down, across = height // self.side, width // self.side
        patches = pixels.reshape(n, channels, down, self.side, across, self.side).permute(0, 2, 4, 3, 5, 1)
        vectors: Tensor = self.vision_model(
            pixel_values=patches.reshape(n, down * across, -1),
            pixel_attention_mask=torch.ones(n, down * across, dtype=torch.int64, device=pixels.device),
            spatial_shapes=torch.tensor([[down, across]]).expand(n, 2),
        ).pooler_output
        return vectors


class NaflexEncoder(TorchEncoder):
    """An `Encoder` that keeps the aspect ratio of images.

    Args:
        parts: of the encoder.
        patches: size and largest number of patches.
        device: as for `TorchEncoder`, and so is dtype.
    """

    def __init__(
        self, parts: EncoderParts, patches: Patches, *, device: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(parts, device=device, dtype=dtype)
        self._patches = patches

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Return (n, dim) unit vectors of n RGB images of any size, batched by shape.

        Raises:
            InputError: an image is not RGB.
            ModelError: the tower failed, or returned an invalid vector.
        """
        out = np.empty((len(images), self.dim), dtype=np.float32)
        sizes = [size_wh(image.size, self._patches) for image in images]
        for places in group_by_key(sizes):
            preprocess = replace(self.parts.preprocess, size_wh=sizes[places[0]])
            out[places] = self._encode([images[at] for at in places], preprocess)
        return out


@lru_cache(maxsize=4096)
def size_wh(of_picture: tuple[int, int], patches: Patches) -> tuple[int, int]:
    """Return the (width, height) in pixels that an image of another size is resized to."""
    from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

    width, height = of_picture
    found = get_image_size_for_max_num_patches(height, width, patches.side, patches.most)
    return found[1], found[0]
