"""Vectors of every family against the library that owns it, on the same pictures and texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL.Image import Image
from PIL.Image import new as new_image
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, Siglip2Model, SiglipModel
from transformers.models.siglip import SiglipImageProcessorPil, SiglipTokenizer
from transformers.models.siglip2 import Siglip2ImageProcessorPil, Siglip2Tokenizer

from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.hub.naflex import size_wh
from catalens.models.parts import Patches
from catalens.models.registry import load_encoder
from tests.support.tiny_encoders import Tiny

TEXTS = [
    "a red striped t-shirt",
    "A PHOTO of a Cat!",
    "two straps, a zip & a golden buckle",
    "",
    "été 夏 naïve",
    "it's  the   men's\tshoe_no.7",
]
Reference = Callable[[Path, list[Image], list[str]], tuple[Vectors, Vectors, float, float | None]]


def clip(folder: Path, images: list[Image], texts: list[str]) -> tuple[Vectors, Vectors, float, float | None]:
    model = CLIPModel.from_pretrained(folder).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
    ids = AutoTokenizer.from_pretrained(folder)(texts, padding="max_length", max_length=77, return_tensors="pt")
    with torch.inference_mode():
        rows = (model.get_image_features(**pixels).pooler_output, model.get_text_features(**ids).pooler_output)
    return unit_rows(rows[0].numpy()), unit_rows(rows[1].numpy()), model.logit_scale.exp().item(), None


def inner_clip(folder: Path, images: list[Image], texts: list[str]) -> tuple[Vectors, Vectors, float, float | None]:
    return clip(folder / "0_CLIPModel", images, texts)


def siglip(folder: Path, images: list[Image], texts: list[str]) -> tuple[Vectors, Vectors, float, float | None]:
    naflex = (folder / "config.json").read_text().count('"siglip2"') > 0
    model: Any = (Siglip2Model if naflex else SiglipModel).from_pretrained(folder)
    model.eval()
    processor = Siglip2ImageProcessorPil if naflex else SiglipImageProcessorPil
    kind = SiglipTokenizer if (folder / "spiece.model").is_file() else Siglip2Tokenizer
    pixels = processor.from_pretrained(folder)(images=images, return_tensors="pt")
    asked = {"padding": "max_length", "max_length": 16, "truncation": True, "return_tensors": "pt"}
    ids = kind.from_pretrained(folder)(texts, **asked).input_ids
    with torch.inference_mode():
        rows = (model.get_image_features(**pixels).pooler_output, model.get_text_features(ids).pooler_output)
    scale, bias = model.logit_scale.exp().item(), model.logit_bias.item()
    return unit_rows(rows[0].numpy()), unit_rows(rows[1].numpy()), scale, bias


def opened(folder: Path, images: list[Image], texts: list[str]) -> tuple[Vectors, Vectors, float, float | None]:
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    model.eval()
    with torch.inference_mode():
        rows = model.encode_image(torch.stack([preprocess(each) for each in images])), model.encode_text(ids)
    bias = None if model.logit_bias is None else model.logit_bias.item()
    return unit_rows(rows[0].numpy()), unit_rows(rows[1].numpy()), model.logit_scale.exp().item(), bias


REFERENCES: dict[str, Reference] = {
    "clip": clip,
    "sentence-transformers": inner_clip,
    "siglip": siglip,
    "siglip2": siglip,
    "siglip2 NaFlex": siglip,
    "open_clip ViT": opened,
    "open_clip ResNet": opened,
    "open_clip SigLIP": opened,
}


@pytest.mark.parametrize("family", REFERENCES)
def test_vectors_are_those_of_the_model_s_own_library(
    tiny: Tiny, family: str, pictures: list[Image], tmp_path: Path
) -> None:
    folder = tiny(family)
    encoder = load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)
    assert isinstance(encoder, TorchEncoder)
    # Texts of SigLIP's 16 tokens are short; what is longer is cut in another place, on purpose.
    texts = [text for text in TEXTS if len(set(encoder.count_tokens(text))) == 1]
    assert len(texts) >= 3
    of_pictures, of_texts, scale, bias = REFERENCES[family](folder, pictures, texts)
    assert (encoder.encode_images(pictures) * of_pictures).sum(axis=1).min() >= 0.99999
    assert (encoder.encode_texts(texts) * of_texts).sum(axis=1).min() >= 0.99999
    assert encoder.logit_scale == pytest.approx(scale, rel=1e-5)
    assert encoder.logit_bias == (None if bias is None else pytest.approx(bias))
    # Random towers tell things apart: agreement is not that of constants.
    assert all((rows @ rows.T).min() < 0.99 for rows in (of_pictures, of_texts))


def test_sentence_transformers_itself_gives_the_same(tiny: Tiny, pictures: list[Image], tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny("sentence-transformers")
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    encoder = load_encoder(str(folder), runtime="torch", device="cpu", cache=tmp_path)
    # Its pictures are resized by torchvision, not by Pillow.
    for rows, inputs in ((encoder.encode_texts(TEXTS), TEXTS), (encoder.encode_images(pictures[:3]), pictures[:3])):
        assert (rows * unit_rows(np.asarray(theirs.encode(inputs)))).sum(axis=1).min() >= 0.999


def test_naflex_keeps_the_shape_of_every_picture(tiny: Tiny, tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny("siglip2 NaFlex")), runtime="torch", device="cpu", cache=tmp_path)
    wide = new_image("RGB", (640, 40), "white")
    wide.paste("navy", (0, 0, 320, 40))
    shapes = [wide, wide.rotate(90, expand=True), wide.resize((64, 64)), new_image("RGB", (1, 900), "red")]
    alone = np.concatenate([encoder.encode_images([each]) for each in shapes])
    together = encoder.encode_images([*shapes, *shapes[::-1]])
    assert np.allclose(together[:4], alone, atol=1e-6)
    assert np.allclose(together[:3:-1], alone, atol=1e-6)
    # Sixteen patches of eight pixels: sixteen beside each other, sixteen above each other, four by four.
    assert [size_wh(each.size, Patches(8, 16)) for each in shapes] == [(128, 8), (8, 128), (32, 32), (8, 128)]
    # Stretched to the square of a fixed size, the first and the third would be the same picture.
    assert (alone[0] * alone[2]).sum() < 0.999


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near(tiny: Tiny, dtype: str, pictures: list[Image], tmp_path: Path) -> None:
    folder = str(tiny("clip"))
    exact, near = (load_encoder(folder, runtime="torch", device="cpu", dtype=each) for each in ("float32", dtype))
    assert isinstance(near, TorchEncoder)
    assert (exact.encode_texts(TEXTS) * near.encode_texts(TEXTS)).sum(axis=1).min() > 0.999
    assert (exact.encode_images(pictures) * near.encode_images(pictures)).sum(axis=1).min() > 0.999
