"""The parts of a pretrained encoder: two towers, a tokenizer, and the preprocessing of images.

The loaders of transformers and open_clip build them; the torch encoder runs them, and the export writes a bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer
    from torch import nn

Resize = Literal["squash", "crop", "crop_even", "pad"]
Resample = Literal["bicubic", "bilinear", "lanczos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """From an RGB image of any size to the input of a tower.

    Attributes:
        size_wh: width and height of the tower's input in pixels.
        resize: "squash" to that size; "crop" the middle after the shorter side fits, where an odd margin is rounded
            down (transformers), or "crop_even", to the even pixel (torchvision, open_clip); "pad" to it in white.
        resample: Pillow's filter.
        mean: of each channel, for pixels in [0, 1].
        std: of each channel, for pixels in [0, 1].
    """

    size_wh: tuple[int, int]
    resize: Resize
    resample: Resample
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Patches:
    """Patches of a tower that keeps the aspect ratio: at most `most` squares of `side` pixels."""

    side: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParts:
    """A pretrained encoder in parts.

    Attributes:
        name: as the user wrote it, such as "openai/clip-vit-base-patch32".
        revision: the commit or tag; a hash of the weights for a local folder.
        dim: width of a vector.
        preprocess: preprocessing before the image tower.
        image: module, normalised float pixels (n, 3, height, width) → (n, dim), not yet of unit length.
        text: module, token ids (n, length) int64 → (n, dim), not yet of unit length.
        tokenizer: returns a text's ids with special tokens, without padding or truncation.
        max_tokens: longer texts are truncated.
        pad_id: None: texts are encoded at their true length (a causal tower). A number: texts are padded with it
            to max_tokens, as the tower was trained (SigLIP).
        end_id: id of the end token; its state is the text's vector in a causal tower.
        logit_scale: multiplier of cosines.
        logit_bias: None for a softmax (CLIP), a number for sigmoids (SigLIP).
        licence: SPDX identifier or words; "unknown" where the model does not say.
        source: origin, in words.
        unknown_texts: texts that mean "none of these", where the model was trained to know them.
        patches: for a tower that keeps the aspect ratio; None for a fixed input size.
        save: writes the model, with the weights that its towers have by then, into a folder that loads by path.
    """

    name: str
    revision: str
    dim: int
    preprocess: Preprocess
    image: nn.Module
    text: nn.Module
    tokenizer: Tokenizer
    max_tokens: int
    pad_id: int | None
    end_id: int
    logit_scale: float
    logit_bias: float | None
    licence: str
    source: str
    unknown_texts: Sequence[str] = ()
    patches: Patches | None = None
    save: Callable[[Path], None] | None = None
