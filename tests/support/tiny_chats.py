"""Tiny checkpoints of chat models that see: the real classes, random weights from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.support.tiny_parts import SIDE, alive, byte_pairs, save, transformers

_LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% if message['role'] == 'assistant' %}</s>{% else %} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
_QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}<|im_start|>system\na photo<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_QWEN_MARKS = ("<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_GEMMA_TEMPLATE = (
    "<bos>{% for message in messages %}<start_of_turn>{{ 'model' if message['role'] == 'assistant' else 'user' }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
_INTERNVL_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<IMG_CONTEXT>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def llava(folder: Path) -> Path:
    tokenizer = byte_pairs("</s>", "<image>", begin="")
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
        "projection_dim": 8,
    }
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "max_position_embeddings": 512,
    }
    config = transformers.LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    torch.manual_seed(5)
    model = alive(transformers.LlavaForConditionalGeneration(config))
    square = {"height": SIDE, "width": SIDE}
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=square),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_LLAVA_TEMPLATE,
    )
    return save(folder, model, processor)


def qwen2_vl(folder: Path) -> Path:
    tokenizer = byte_pairs(*_QWEN_MARKS)
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": 8, "mlp_ratio": 2}
    config = transformers.Qwen2VLConfig(**_qwen_config(tokenizer, vision))
    torch.manual_seed(6)
    model = alive(transformers.Qwen2VLForConditionalGeneration(config))
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessor(patch_size=8, size=sizes)
    videos = transformers.Qwen2VLVideoProcessor(patch_size=8)
    processor = transformers.Qwen2VLProcessor(images, tokenizer, videos, chat_template=_QWEN_TEMPLATE)
    return save(folder, model, processor)


def qwen2_5_vl(folder: Path) -> Path:
    """Like Qwen2-VL, with a vision tower of which some layers see windows only."""
    tokenizer = byte_pairs(*_QWEN_MARKS)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 8,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    config = transformers.Qwen2_5_VLConfig(**_qwen_config(tokenizer, vision))
    torch.manual_seed(8)
    model = alive(transformers.Qwen2_5_VLForConditionalGeneration(config))
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessor(patch_size=8, size=sizes)
    videos = transformers.Qwen2VLVideoProcessor(patch_size=8)
    processor = transformers.Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=_QWEN_TEMPLATE)
    return save(folder, model, processor)


def qwen3_vl(folder: Path) -> Path:
    """Like Qwen2-VL, with layers of the vision tower that layers of the language model are given too."""
    tokenizer = byte_pairs(*_QWEN_MARKS)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 8,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    config = transformers.Qwen3VLConfig(**_qwen_config(tokenizer, vision, num_hidden_layers=3, head_dim=8))
    torch.manual_seed(15)
    model = alive(transformers.Qwen3VLForConditionalGeneration(config))
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessor(patch_size=8, size=sizes)
    videos = transformers.Qwen3VLVideoProcessor(patch_size=8)
    processor = transformers.Qwen3VLProcessor(images, tokenizer, videos, chat_template=_QWEN_TEMPLATE)
    return save(folder, model, processor)


def _qwen_config(tokenizer: Any, vision: dict[str, Any], **more: Any) -> dict[str, Any]:
    number = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in _QWEN_MARKS}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": number["<|im_end|>"],
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
        **more,
    }
    return {
        "vision_config": vision,
        "text_config": text,
        "image_token_id": number["<|image_pad|>"],
        "video_token_id": number["<|video_pad|>"],
        "vision_start_token_id": number["<|vision_start|>"],
        "vision_end_token_id": number["<|vision_end|>"],
    }


def gemma3(folder: Path) -> Path:
    """A model with sliding windows, which keeps no whole past."""
    marks = ("<end_of_turn>", "<bos>", "<start_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
    tokenizer = byte_pairs(*marks, named=dict(zip(("boi_token", "eoi_token", "image_token"), marks[3:], strict=True)))
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
        "vision_use_head": False,
    }
    text = {
        "model_type": "gemma3_text",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "sliding_window": 12,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    config = transformers.Gemma3Config(
        vision_config=vision,
        text_config=text,
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids(marks[3]),
        eoi_token_index=tokenizer.convert_tokens_to_ids(marks[4]),
        image_token_index=tokenizer.convert_tokens_to_ids(marks[5]),
    )
    torch.manual_seed(7)
    model = alive(transformers.Gemma3ForConditionalGeneration(config))
    images = transformers.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = transformers.Gemma3Processor(images, tokenizer, chat_template=_GEMMA_TEMPLATE, image_seq_length=4)
    return save(folder, model, processor)


def smolvlm(folder: Path) -> Path:
    """SmolVLM 2, whose processor cuts a picture into a grid and a view of the whole."""
    tokenizer = _of_smolvlm()
    config = transformers.SmolVLMConfig(**_smolvlm_config(tokenizer))
    torch.manual_seed(9)
    model = alive(transformers.SmolVLMForConditionalGeneration(config))
    sizes = {"size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}}
    images, videos = transformers.SmolVLMImageProcessor(**sizes), transformers.SmolVLMVideoProcessor(**sizes)
    processor = transformers.SmolVLMProcessor(
        images, tokenizer, videos, image_seq_len=4, chat_template=_SMOLVLM_TEMPLATE
    )
    return save(folder, model, processor)


def idefics3(folder: Path) -> Path:
    """The class of the first SmolVLM."""
    tokenizer = _of_smolvlm()
    config = transformers.Idefics3Config(**_smolvlm_config(tokenizer))
    torch.manual_seed(12)
    model = alive(transformers.Idefics3ForConditionalGeneration(config))
    images = transformers.Idefics3ImageProcessor(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})
    processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=_SMOLVLM_TEMPLATE)
    return save(folder, model, processor)


def _of_smolvlm() -> Any:
    grid = [f"<row_{down}_col_{across}>" for down in (1, 2) for across in (1, 2)]
    marks = ("<end_of_utterance>", "<|im_start|>", "<fake_token_around_image>", "<image>", "<global-img>", *grid)
    return byte_pairs(*marks)


def _smolvlm_config(tokenizer: Any) -> dict[str, Any]:
    vision = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 0,
    }
    image = tokenizer.convert_tokens_to_ids("<image>")
    return {"vision_config": vision, "text_config": text, "image_token_id": image, "scale_factor": 2}


def internvl(folder: Path) -> Path:
    """InternVL 3, whose processor cuts a picture into as many squares as its shape asks for."""
    marks = ("<|im_end|>", "<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    names = ("start_image_token", "end_image_token", "context_image_token", "video_token")
    tokenizer = byte_pairs(*marks, named=dict(zip(names, marks[2:], strict=True)))
    vision = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": [SIDE, SIDE],
        "patch_size": [8, 8],
    }
    text = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 0,
    }
    config = transformers.InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    torch.manual_seed(11)
    model = alive(transformers.InternVLForConditionalGeneration(config))
    square = {"height": SIDE, "width": SIDE}
    images = transformers.GotOcr2ImageProcessor(size=square, crop_to_patches=True, max_patches=4)
    videos = transformers.InternVLVideoProcessor(size=square)
    processor = transformers.InternVLProcessor(
        images, tokenizer, videos, image_seq_length=4, chat_template=_INTERNVL_TEMPLATE
    )
    return save(folder, model, processor)
