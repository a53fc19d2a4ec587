"""What tiny checkpoints of vision-language models have in common: tokenizers, lively weights, and saving.

The weights are larger than a fresh model's, so that words differ from picture to picture and no two are nearly tied.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

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


def alive(model: Any, *, scale: float = 3.0) -> Any:
    """Return a model whose words depend on what it sees."""
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
