"""Tiny checkpoints of vision-language models: the real classes, random weights from a seed, saved as transformers does.

The weights are larger than a fresh model's, so that words differ from picture to picture and no two are nearly tied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from catalens.models.readers.blip import BlipAnswers, BlipCaptions
from catalens.models.readers.blip2 import Blip2Opt, Blip2T5
from catalens.models.readers.chat import Chat
from catalens.models.readers.git import Git
from catalens.models.readers.loading import Loaded, Wanted, load
from catalens.models.readers.reader import Family

CORPUS = [
    "a photo of a red shirt with short sleeves and a blue collar",
    "Question: What colour is it? Answer: a green shirt. Question: Is it a shirt? Answer: yes",
    "what colour is it ? is it a dress ? describe this picture in one sentence . begin",
    "Describe this picture in one sentence. What is it? What? red blue green shoes on white ground",
    "user assistant system USER: ASSISTANT: x",
]
SIDE = 32
transformers: Any = import_module("transformers")
"""Its own types are partial."""


def _vocabulary(marks: Sequence[str]) -> dict[str, int]:
    words = sorted({word for line in CORPUS for word in line.lower().replace("?", " ? ").replace(".", " . ").split()})
    return {word: at for at, word in enumerate([*marks, *words])}


def bert_like() -> Any:
    """Lower-case words between [CLS] and [SEP], as BLIP and GIT read them."""
    vocabulary = _vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def byte_pairs(*marks: str, begin: str = "", named: dict[str, str] | None = None) -> Any:
    """Byte pairs as OPT and chat models read them; `marks` are special, the first ends a text, some have names."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = [AddedToken(mark, special=True, normalized=False) for mark in ("<pad>", *marks)]
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    if begin:
        number = tokenizer.token_to_id(begin)
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, number)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token=marks[0],
        bos_token=begin or None,
        extra_special_tokens=named or {},
    )


def pieces() -> Any:
    """Pieces that end with </s>, as T5 reads them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    marks = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=marks, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _alive(model: Any, *, scale: float = 3.0) -> Any:
    """Give a model whose words depend on what it sees."""
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim > 1:
                values.normal_(0, scale * 0.3 / values.shape[-1] ** 0.5)
            elif "norm" not in name.lower() and "layernorm" not in name.lower():
                values.normal_(0, 0.1)
    model.tie_weights()
    return model.eval()


def save(folder: Path, model: Any, processor: Any) -> Path:
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _blip_parts(width: int) -> tuple[Any, Any]:
    """Give a configuration whose vision tower has this width, and a processor."""
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
    return save(folder, _alive(transformers.BlipForConditionalGeneration(config)), processor)


def blip_answers(folder: Path) -> Path:
    config, processor = _blip_parts(32)  # the answering decoder takes states of both towers
    torch.manual_seed(1)
    return save(folder, _alive(transformers.BlipForQuestionAnswering(config)), processor)


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
    model = _alive(transformers.GitForCausalLM(config))
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
    return save(folder, _alive(model), processor)


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
_GEMMA_TEMPLATE = (
    "<bos>{% for message in messages %}<start_of_turn>{{ 'model' if message['role'] == 'assistant' else 'user' }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
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
    model = _alive(transformers.LlavaForConditionalGeneration(config))
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
    marks = ("<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = byte_pairs(*marks)
    number = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": 8, "mlp_ratio": 2}
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
    }
    config = transformers.Qwen2VLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=number["<|image_pad|>"],
        video_token_id=number["<|video_pad|>"],
        vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
    )
    torch.manual_seed(6)
    model = _alive(transformers.Qwen2VLForConditionalGeneration(config))
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessor(patch_size=8, size=sizes)
    videos = transformers.Qwen2VLVideoProcessor(patch_size=8)
    processor = transformers.Qwen2VLProcessor(images, tokenizer, videos, chat_template=_QWEN_TEMPLATE)
    return save(folder, model, processor)


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
    model = _alive(transformers.Gemma3ForConditionalGeneration(config))
    images = transformers.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = transformers.Gemma3Processor(images, tokenizer, chat_template=_GEMMA_TEMPLATE, image_seq_length=4)
    return save(folder, model, processor)


BUILD: dict[str, Callable[[Path], Path]] = {
    "blip": blip_captions,
    "blip-vqa": blip_answers,
    "git": git,
    "blip2-opt": blip2_opt,
    "blip2-t5": blip2_t5,
    "llava": llava,
    "qwen2-vl": qwen2_vl,
    "gemma3": gemma3,
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
