"""BLIP-2 with random weights in the proportions of the published models: widths a quarter, depths about a quarter.

ViT-g 39 × 1408 → 10 × 352, 257 patches; Q-Former 12 × 768 → 3 × 192, 32 queries; Flan-T5-XL 2 × 24 × 2048 →
2 × 6 × 512; OPT-2.7B 32 × 2560 → 8 × 640; vocabularies a quarter, too. Dropout is off. Files are float32, and language
models have values that 16 bits hold, as those that BLIP-2 was trained around have: OPT float16, Flan-T5 bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from catalens.training.finetune.pairs import load_templates

_T5_WORDS, _OPT_WORDS = 8032, 12568
OfHub = Any
"""An object of transformers, whose own types are partial."""
transformers: OfHub = import_module("transformers")


def write_t5(folder: Path, answers: Sequence[str]) -> None:
    """Write a scaled BLIP-2 Flan-T5-XL whose tokenizer knows the questions that ship, and some answers."""
    torch.manual_seed(0)
    text = transformers.T5Config(
        vocab_size=_T5_WORDS,
        d_model=512,
        d_kv=64,
        d_ff=1280,
        num_layers=6,
        num_heads=8,
        bos_token_id=1,
        eos_token_id=1,
        pad_token_id=0,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    _write(folder, text, _pieces(answers), torch.bfloat16)


def write_opt(folder: Path, answers: Sequence[str], *, depth: int = 1, dtype: torch.dtype = torch.float16) -> None:
    """Write a scaled BLIP-2 OPT-2.7B whose tokenizer knows the questions that ship, and some answers.

    Args:
        folder: to write.
        answers: that the tokenizer knows.
        depth: 2 for half the published depths.
        dtype: that holds the values of the language model.
    """
    torch.manual_seed(0)
    tokenizer = _byte_pairs(answers)
    text = transformers.OPTConfig(
        vocab_size=_OPT_WORDS,
        hidden_size=640,
        word_embed_proj_dim=640,
        ffn_dim=2560,
        num_hidden_layers=8 * depth,
        num_attention_heads=8,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.convert_tokens_to_ids("</s>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("Ċ"),
        pad_token_id=tokenizer.pad_token_id,
        dropout=0.0,
    )
    _write(folder, text, tokenizer, dtype, depth=depth)


def _write(folder: Path, text: OfHub, tokenizer: OfHub, dtype: torch.dtype, *, depth: int = 1) -> None:
    vision = {"hidden_size": 352, "intermediate_size": 1536, "num_hidden_layers": 10 * depth, "num_attention_heads": 4}
    bridge = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 3 * depth, "num_attention_heads": 3}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = transformers.Blip2Config(
        vision_config={**vision, "image_size": 224, "patch_size": 14},
        qformer_config={**bridge, **still, "encoder_hidden_size": 352, "vocab_size": 20},
        text_config=text.to_dict(),
        num_query_tokens=32,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = transformers.Blip2ForConditionalGeneration(config)
    with torch.no_grad():
        for each in model.language_model.parameters():
            each.copy_(each.to(dtype))
    model.save_pretrained(folder)
    images = transformers.BlipImageProcessor(size={"height": 224, "width": 224})
    transformers.Blip2Processor(images, tokenizer, num_query_tokens=32).save_pretrained(folder)


def _pieces(answers: Sequence[str]) -> OfHub:
    """Pieces of the questions and answers, ended by </s> as T5 has them."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    marks = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=marks, unk_token="<unk>")
    made.train_from_iterator(_corpus(answers), trainer)
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", made.token_to_id("</s>"))]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    return _filled(fast, _T5_WORDS)


def _byte_pairs(answers: Sequence[str]) -> OfHub:
    """Pairs of bytes of the questions and answers, begun by </s> as OPT has them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<pad>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(_corpus(answers), trainer)
    made.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", made.token_to_id("</s>"))]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="</s>", padding_side="right"
    )
    return _filled(fast, _OPT_WORDS)


def _corpus(answers: Sequence[str]) -> list[str]:
    questions = [question for each in load_templates() for question in each.questions]
    return [*questions, *answers, "Question: Answer:"] * 3


def _filled(tokenizer: OfHub, size: int) -> OfHub:
    """Return a tokenizer as large as the vocabulary, which costs a model as much whatever words the rows have."""
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.add_tokens([f"<extra_{at}>" for at in range(size - len(tokenizer))])
    return tokenizer
