"""Our causal text tower gives the vectors of the library it was filled from, with and without a prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from catalens.core.protocols import PrefixEncoder
from catalens.models.hub.causal import CausalText, causal_text
from catalens.models.packing import Pack, chain, pack
from catalens.models.registry import load_encoder
from tests.support import tiny_encoders
from tests.support.tiny_encoders import Tiny

LENGTH, VOCABULARY = 20, 300
Model = TypeVar("Model", bound=nn.Module)


def scattered(model: Model) -> Model:
    """Return every weight a size that makes a mistake visible: fresh models are nearly linear."""
    generator = torch.Generator().manual_seed(7)
    for weight in model.parameters():
        weight.data += torch.randn(weight.shape, generator=generator) * (0.15 if weight.ndim > 1 else 0.05)
    model.eval()
    return model


def transformers_clip(activation: str) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    text = {"vocab_size": VOCABULARY, "max_position_embeddings": LENGTH, "eos_token_id": VOCABULARY - 1}
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 64}
    config = CLIPConfig(
        text_config={**sizes, **text, "hidden_act": activation},
        vision_config={**sizes, "image_size": 16, "patch_size": 8},
        projection_dim=24,
    )
    model = scattered(CLIPModel(config))
    return model, lambda ids: model.get_text_features(input_ids=ids).pooler_output


def open_clip_clip(**changes: object) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    vision = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 16}
    text = {"context_length": LENGTH, "vocab_size": VOCABULARY, "width": 32, "heads": 4, "layers": 3, **changes}
    model = scattered(open_clip.model.CLIP(24, vision, text, quick_gelu=True))

    def encode(ids: Tensor) -> Tensor:
        padded = torch.zeros(len(ids), LENGTH, dtype=ids.dtype)
        padded[:, : ids.shape[1]] = ids
        return model.encode_text(padded)

    return model, encode


MODELS: dict[str, Callable[[], tuple[nn.Module, Callable[[Tensor], Tensor]]]] = {
    "transformers, quick": lambda: transformers_clip("quick_gelu"),
    "transformers, gelu": lambda: transformers_clip("gelu"),
    "open_clip": open_clip_clip,
    "open_clip, a bias at the end": lambda: open_clip_clip(proj_bias=True),
    "open_clip, wider": lambda: open_clip_clip(mlp_ratio=3.0),
}


@pytest.fixture(params=MODELS, scope="module")
def pair(request: pytest.FixtureRequest) -> tuple[CausalText, Callable[[Tensor], Tensor]]:
    model, encode = MODELS[request.param]()
    causal = causal_text(model)
    assert causal is not None
    return causal, encode


def texts(n: int, length: int) -> Tensor:
    """Ids whose first five are alike, and whose last is the end mark, the highest id."""
    ids = torch.randint(1, VOCABULARY - 1, (n, length), generator=torch.Generator().manual_seed(length))
    ids[:, :5] = ids[0, :5]
    ids[:, -1] = VOCABULARY - 1
    return ids


def run(causal: CausalText, packed: Pack, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
    ids, sees, ends = (torch.from_numpy(each) for each in (packed.input_ids, packed.attention_mask, packed.ends))
    found: tuple[Tensor, Tensor] = causal(ids, sees, ends, causal.nothing() if past is None else past)
    return found


def test_vectors_are_those_of_the_library(pair: tuple[CausalText, Callable[[Tensor], Tensor]]) -> None:
    causal, encode = pair
    for length in (6, 11, LENGTH):
        [(places, packed)] = pack(texts(4, length).tolist())
        with torch.inference_mode():
            reference = encode(texts(4, length))[places]
            vectors, present = run(causal, packed)
        assert torch.cosine_similarity(vectors, reference).min() > 0.999999
        assert (vectors - reference).abs().max() < 1e-5 * reference.abs().max()
        assert present.shape == (3, 2, 4, packed.input_ids.shape[1], 8)


def test_texts_of_all_lengths_share_rows(
    pair: tuple[CausalText, Callable[[Tensor], Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalens.models.packing.ROW_TOKENS", 24)
    causal, encode = pair
    batches = [texts(7, length) for length in (6, 8, 13, LENGTH)]
    with torch.inference_mode():
        reference = torch.cat([encode(batch) for batch in batches])
        whole = [row for batch in batches for row in batch.tolist()]
        for places, packed in pack(whole):
            vectors, _ = run(causal, packed)
            assert (vectors - reference[places]).abs().max() < 1e-5 * reference.abs().max()


def test_a_past_changes_no_vector(pair: tuple[CausalText, Callable[[Tensor], Tensor]]) -> None:
    causal, encode = pair
    ids = texts(4, 11)
    [(places, endings)] = pack(ids[:, 5:].tolist())
    with torch.inference_mode():
        reference = encode(ids)[places]
        _, two = run(causal, chain(ids[0, :2].tolist()))
        _, five = run(causal, chain(ids[2, 2:5].tolist()), two)
        vectors, _ = run(causal, endings, five)
        _, whole = run(causal, chain(ids[0, 5:].tolist()), five)
        _, at_once = run(causal, chain(ids[0].tolist()))
    assert (vectors - reference).abs().max() < 1e-5 * reference.abs().max()
    assert (whole - at_once).abs().max() < 1e-5 * at_once.abs().max()


def test_towers_of_another_kind_are_left_to_their_library() -> None:
    size = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 64}
    assert causal_text(SiglipModel(SiglipConfig(text_config={**size}, vision_config={**size}))) is None
    for change in ({"no_causal_mask": True}, {"pool_type": "last"}, {"ls_init_value": 0.1}):
        assert causal_text(open_clip_clip(**change)[0]) is None, change
    coca = open_clip.transformer.TextTransformer(vocab_size=VOCABULARY, width=32, heads=2, layers=1, embed_cls=True)
    assert causal_text(coca) is None


@pytest.mark.parametrize("name", ["clip", "open_clip ViT"])
def test_a_pretrained_encoder_shares_prefixes(name: str, tiny: Tiny) -> None:
    encoder = load_encoder(str(tiny(name)), runtime="torch", device="cpu")
    assert isinstance(encoder, PrefixEncoder)
    endings = [", red", "s", "", " and a t-shirt", ", by Vincent van Gogh " * 30, *tiny_encoders.SENTENCES]
    for prefix in ("a photo of a cat", "a photo of a cat, oil on canvas", "a pho", ""):
        whole = encoder.encode_texts([prefix + ending for ending in endings])
        assert np.abs(encoder.encode_after(prefix, endings) - whole).max() < 1e-5


@pytest.mark.parametrize("name", ["siglip", "open_clip SigLIP"])
def test_a_tower_that_sees_everything_shares_none(name: str, tiny: Tiny) -> None:
    if name == "open_clip SigLIP":
        pytest.skip("its tokenizer is on the hub")
    assert not isinstance(load_encoder(str(tiny(name)), runtime="torch", device="cpu"), PrefixEncoder)
