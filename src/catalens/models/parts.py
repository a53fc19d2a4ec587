"""What every pretrained encoder comes apart into: two towers, a tokenizer, and what to do to a picture first.

The loaders of transformers and open_clip make it; the torch encoder runs it, and the export writes it as a bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

Resize = Literal["squash", "crop", "crop_even", "pad"]
Resample = Literal["bicubic", "bilinear", "lanczos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """From an RGB picture of any size to the numbers a tower takes.

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
    """What a tower that keeps the shape of pictures cuts them into: at most `most` squares of `side` pixels."""

    side: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParts:
    """A pretrained encoder in pieces.

    Attributes:
        name: as a user gives it, such as "openai/clip-vit-base-patch32".
        revision: the commit or tag; a hash of the weights for a local folder.
        dim: width of a vector.
        preprocess: what happens to a picture before the image tower.
        image: module, normalised float pixels (n, 3, height, width) → (n, dim), not yet of unit length.
        text: module, token ids (n, length) int64 → (n, dim), not yet of unit length.
        tokenizer: gives a text's ids with its marks of begin and end, without padding or cutting.
        max_tokens: ids beyond it are cut.
        pad_id: None: each text goes in at its true length (a causal tower). A number: texts are padded with it
            to max_tokens, because the tower was trained so (SigLIP).
        end_id: the mark of a text's end; its state is the text's vector in a causal tower.
        logit_scale: what a cosine is multiplied by.
        logit_bias: None for a softmax (CLIP), a number for sigmoids (SigLIP).
        licence: SPDX identifier or words; "unknown" where the model does not say.
        source: where it came from, in words.
        unknown_texts: texts that mean "none of these", where the model was trained to know them.
        patches: for a tower that keeps the shape of pictures; None where all are of the preprocess's size.
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
