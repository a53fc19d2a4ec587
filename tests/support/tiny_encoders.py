"""Tiny checkpoints of the real classes, random from a seed, saved as their own libraries save them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import sentencepiece
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from tokenizers import processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
    T5Tokenizer,
)
from transformers.models.siglip import SiglipImageProcessorPil, SiglipTokenizer
from transformers.models.siglip2 import Siglip2ImageProcessorPil, Siglip2Tokenizer

SIZE = 32
SENTENCES = (
    "a red striped t-shirt with short sleeves",
    "navy blue leather handbag, two straps and a golden buckle",
    "a photo of a cat on a sofa",
    "men's running shoes in white and green",
    "été 夏 summer dress with flowers",
)
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
PREPROCESS = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"}


def clip(folder: Path) -> Path:
    """CLIP ViT of transformers, with OpenAI's vocabulary and its quick activation."""
    torch.manual_seed(1)
    text = {**TOWER, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    config = CLIPConfig(
        text_config={**text, "max_position_embeddings": 77, "hidden_act": "quick_gelu"},
        vision_config={**TOWER, "image_size": SIZE, "patch_size": 8, "hidden_act": "quick_gelu"},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size=SIZE).save_pretrained(folder)
    theirs = SimpleTokenizer()
    marks = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {marks.get(token, token): at for token, at in theirs.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(theirs.bpe_ranks)).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n", encoding="utf-8")
    return folder


def sentence_transformers(folder: Path) -> Path:
    """The same in the layout of sentence-transformers' clip-ViT-B-32."""
    clip(folder / "0_CLIPModel")
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    return folder


def _siglip_model(folder: Path, vocabulary: int, marks: dict[str, int]) -> None:
    text = {**TOWER, **marks, "vocab_size": vocabulary, "max_position_embeddings": 16, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config={**TOWER, "image_size": SIZE, "patch_size": 8})
    model = SiglipModel(config)
    torch.nn.init.constant_(model.logit_bias, -10.0)
    torch.nn.init.constant_(model.logit_scale, 4.7)
    model.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)


def pieces(folder: Path) -> Path:
    """A SentencePiece model of SigLIP's kind: `</s>` ends and pads."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4),
        model_writer=written,
        vocab_size=120,
        model_type="unigram",
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    file = folder / "spiece.model"
    file.write_bytes(written.getvalue())
    return file


def siglip(folder: Path) -> Path:
    """SigLIP of transformers."""
    torch.manual_seed(2)
    folder.mkdir()
    tokenizer = SiglipTokenizer(str(pieces(folder)), model_max_length=16)
    tokenizer.save_pretrained(folder)
    _siglip_model(folder, tokenizer.vocab_size, {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1})
    return folder


def _gemma(folder: Path) -> int:
    """A vocabulary of Gemma's kind, lower case; gives its size."""
    letters = sorted({"▁", *"".join(SENTENCES).replace(" ", ""), *"abcdefghijklmnopqrstuvwxyz"})
    merges: Any = [("▁", "a"), ("r", "e"), ("▁", "s"), ("h", "i"), ("▁s", "hi"), ("o", "f"), ("▁", "of")]
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    words += ["".join(pair) for pair in merges if "".join(pair) not in words]
    tokenizer = Siglip2Tokenizer(
        vocab={word: at for at, word in enumerate(words)}, merges=merges, padding_side="right", model_max_length=16
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    tokenizer.save_pretrained(folder)
    return len(words)


GEMMA_MARKS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}


def siglip2(folder: Path) -> Path:
    """SigLIP 2 of a fixed size: the model is SigLIP's, the vocabulary is Gemma's."""
    torch.manual_seed(3)
    _siglip_model(folder, _gemma(folder), GEMMA_MARKS)
    return folder


def naflex(folder: Path) -> Path:
    """SigLIP 2 that keeps the shape of pictures, in at most 16 patches."""
    torch.manual_seed(7)
    text = {**TOWER, **GEMMA_MARKS, "max_position_embeddings": 16, "projection_size": 32}
    vision = {**TOWER, "num_patches": 16, "patch_size": 8}
    config = Siglip2Config(text_config={**text, "vocab_size": _gemma(folder)}, vision_config=vision)
    model = Siglip2Model(config)
    # Random positions of a trained size, so that what becomes of them in another shape can be seen.
    torch.nn.init.normal_(model.vision_model.embeddings.position_embedding.weight, std=0.5)
    torch.nn.init.constant_(model.logit_bias, -10.0)
    torch.nn.init.constant_(model.logit_scale, 4.7)
    model.save_pretrained(folder)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    return folder


def _open_clip(folder: Path, config: dict[str, Any], preprocess: dict[str, Any]) -> Path:
    """Save as open_clip's `push_to_hf_hub` lays a repository out."""
    folder.mkdir(exist_ok=True)
    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    model = kind(**{key: value for key, value in config.items() if key != "custom_text"})
    if isinstance(config["vision_cfg"].get("layers"), list):
        # Without statistics of its own, a random ResNet gives the same vector for every picture.
        with torch.no_grad():
            for _ in range(40):
                model.train().visual(torch.randn(8, 3, 4, 4).repeat_interleave(16, 2).repeat_interleave(16, 3))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    said = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}


def open_clip_vit(folder: Path) -> Path:
    """CLIP ViT of open_clip with OpenAI's quick activation."""
    torch.manual_seed(4)
    config = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": VIT, "text_cfg": TEXT}
    return _open_clip(folder, config, {**PREPROCESS, "resize_mode": "shortest"})


def open_clip_resnet(folder: Path) -> Path:
    """CLIP ResNet of open_clip."""
    torch.manual_seed(5)
    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT}
    return _open_clip(folder, config, {**PREPROCESS, "resize_mode": "shortest", "interpolation": "bilinear"})


def open_clip_siglip(folder: Path) -> Path:
    """SigLIP of open_clip: a tower of timm, texts that see their padding, cleaned to bare words."""
    torch.manual_seed(6)
    folder.mkdir()
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(pieces(folder)))
    scored = [(theirs.id_to_piece(at), theirs.get_score(at)) for at in range(theirs.get_piece_size())]
    T5Tokenizer(vocab=scored, extra_ids=0, pad_token="</s>").save_pretrained(folder)
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False}
    text = {
        "context_length": 16,
        "vocab_size": 100,
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "hf_tokenizer_name": "tiny/tiny",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    }
    config = {"embed_dim": 24, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    return _open_clip(folder, config, {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"})


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def copy_to_hub_cache(folder: Path, cache: Path, repository: str) -> Path:
    """Lay a folder out as huggingface_hub caches a repository, and give the snapshot."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return snapshot


Tiny = Callable[[str], Path]
"""Name among `BUILDERS` → the folder of that tiny checkpoint."""

BUILDERS = {
    "clip": clip,
    "sentence-transformers": sentence_transformers,
    "siglip": siglip,
    "siglip2": siglip2,
    "siglip2 NaFlex": naflex,
    "open_clip ViT": open_clip_vit,
    "open_clip ResNet": open_clip_resnet,
    "open_clip SigLIP": open_clip_siglip,
}
