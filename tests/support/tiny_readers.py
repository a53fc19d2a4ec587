"""Tiny checkpoints of vision-language models: the real classes, random weights from a seed, saved by transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from catalens.models.readers.blip import BlipAnswers, BlipCaptions
from catalens.models.readers.blip2 import Blip2Opt, Blip2T5
from catalens.models.readers.chat import Chat
from catalens.models.readers.git import Git
from catalens.models.readers.loading import Loaded, Wanted, load
from catalens.models.readers.reader import Family
from tests.support.tiny_chats import gemma3, idefics3, internvl, llava, qwen2_5_vl, qwen2_vl, qwen3_vl, smolvlm
from tests.support.tiny_parts import SIDE, alive, bert_like, byte_pairs, pieces, save, transformers


def _blip_parts(width: int) -> tuple[Any, Any]:
    """Return a configuration whose vision tower has this width, and a processor."""
    tokenizer = bert_like()
    size = len(tokenizer) + 1  # [DEC] is the model's, and not in the tokenizer
    text = {
        "vocab_size": size,
        "hidden_size": 32,
        "encoder_hidden_size": width,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "projection_dim": 8,
        "bos_token_id": size - 1,
        "eos_token_id": 3,
        "pad_token_id": 0,
        "sep_token_id": 3,
    }
    vision = {
        "hidden_size": width,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }
    config = transformers.BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
    images = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return config, transformers.BlipProcessor(images, tokenizer)


def blip_captions(folder: Path) -> Path:
    config, processor = _blip_parts(24)
    torch.manual_seed(0)
    return save(folder, alive(transformers.BlipForConditionalGeneration(config)), processor)


def blip_answers(folder: Path) -> Path:
    config, processor = _blip_parts(32)  # the answering decoder takes states of both towers
    torch.manual_seed(1)
    return save(folder, alive(transformers.BlipForQuestionAnswering(config)), processor)


def git(folder: Path) -> Path:
    tokenizer = bert_like()
    vision = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }
    config = transformers.GitConfig(
        vision_config=vision,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    square = {"height": SIDE, "width": SIDE}
    images = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=square)
    torch.manual_seed(2)
    model = alive(transformers.GitForCausalLM(config))
    return save(folder, model, transformers.GitProcessor(images, tokenizer))


def _blip2(folder: Path, text_config: Any, tokenizer: Any, seed: int) -> Path:
    images = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=6)
    vision = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }
    bridge = {
        "vocab_size": 20,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "encoder_hidden_size": 24,
    }
    config = transformers.Blip2Config(
        vision_config=vision,
        qformer_config=bridge,
        text_config=text_config.to_dict(),
        num_query_tokens=6,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(seed)
    model = transformers.Blip2ForConditionalGeneration(config)
    return save(folder, alive(model), processor)


def blip2_opt(folder: Path) -> Path:
    tokenizer = byte_pairs("</s>", begin="</s>")
    config = transformers.OPTConfig(
        vocab_size=len(tokenizer) + 1,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=tokenizer.convert_tokens_to_ids("Ċ"),
        pad_token_id=0,
    )
    return _blip2(folder, config, tokenizer, 3)


def blip2_t5(folder: Path) -> Path:
    tokenizer = pieces()
    config = transformers.T5Config(
        vocab_size=len(tokenizer) + 1,
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        bos_token_id=1,
        eos_token_id=1,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    return _blip2(folder, config, tokenizer, 14)


BUILD: dict[str, Callable[[Path], Path]] = {
    "blip": blip_captions,
    "blip-vqa": blip_answers,
    "git": git,
    "blip2-opt": blip2_opt,
    "blip2-t5": blip2_t5,
    "llava": llava,
    "qwen2-vl": qwen2_vl,
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "gemma3": gemma3,
    "smolvlm": smolvlm,
    "idefics3": idefics3,
    "internvl": internvl,
}
FAMILY: dict[str, Callable[[Loaded], Family]] = {
    "blip": BlipCaptions,
    "blip-vqa": BlipAnswers,
    "git": Git,
    "blip2-opt": Blip2Opt,
    "blip2-t5": Blip2T5,
}
"""Of those that are no chat model."""
CAPTIONERS = [name for name in BUILD if name != "blip-vqa"]
ANSWERERS = [name for name in BUILD if name != "blip"]
CHATS = [name for name in BUILD if name not in FAMILY]


@cache
def tiny(name: str) -> tuple[Loaded, Family]:
    """Build, save and load a tiny checkpoint, once for all tests; in float32 on the processor."""
    with TemporaryDirectory() as folder:
        BUILD[name](Path(folder))
        kind = transformers.AutoConfig.from_pretrained(folder).architectures[0]
        loaded = load(Path(folder), name, kind, Wanted(device="cpu", dtype="float32"))
    return loaded, FAMILY.get(name, Chat)(loaded)
