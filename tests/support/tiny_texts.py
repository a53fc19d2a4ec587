"""Tiny text models of sentence-transformers' own classes, random from a seed, saved as it saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertModel, BertTokenizer, DistilBertConfig, DistilBertModel, PreTrainedModel

from tests.support.tiny_encoders import SENTENCES

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DIM = 24
"""Of the vectors, as of `tiny_encoders.clip`."""


def multilingual(folder: Path) -> Path:
    """DistilBERT, the mean of its states, a dense layer without bias: clip-ViT-B-32-multilingual-v1."""
    torch.manual_seed(8)
    tokenizer = _tokenizer(lowers=False)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, hidden_dim=64, n_layers=2, n_heads=4)
    _saved(DistilBertModel(config), tokenizer, folder, "mean", Dense(32, DIM, bias=False, activation_function=None))
    return folder


def multilingual_of_old(folder: Path) -> Path:
    """The same as releases before version 3 wrote it: pickled weights, and a switch for each way of pooling."""
    multilingual(folder)
    for place in (folder, folder / "2_Dense"):
        torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
        (place / "model.safetensors").unlink()
    switches = {f"pooling_mode_{name}": name == "mean_tokens" for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **switches}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128, "do_lower_case": False}))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def lowered(folder: Path) -> Path:
    """BERT that reads lower-cased texts, its first state, and two dense layers with bias and activations."""
    torch.manual_seed(9)
    tokenizer = _tokenizer(lowers=True)
    width: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    layers = [Dense(32, 48), Dense(48, DIM, activation_function=torch.nn.GELU())]
    _saved(
        BertModel(BertConfig(vocab_size=len(tokenizer), initializer_range=0.5, **width)),
        tokenizer,
        folder,
        "cls",
        *layers,
    )
    return folder


def _tokenizer(*, lowers: bool) -> BertTokenizer:
    empty = BertTokenizer(vocab={mark: at for at, mark in enumerate(MARKS)}, do_lower_case=lowers)
    trainer = WordPieceTrainer(vocab_size=120, special_tokens=MARKS, show_progress=False)
    empty.backend_tokenizer.train_from_iterator(SENTENCES, trainer)
    vocabulary = empty.backend_tokenizer.get_vocab()
    return BertTokenizer(vocab=vocabulary, do_lower_case=lowers, model_max_length=64)


def _saved(
    model: PreTrainedModel, tokenizer: BertTokenizer, folder: Path, pooling: Literal["mean", "cls"], *dense: Dense
) -> None:
    plain = folder.with_name(f"{folder.name} of transformers")
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    read = Transformer(str(plain))
    SentenceTransformer(modules=[read, Pooling(32, pooling_mode=pooling), *dense], device="cpu").save(str(folder))
