"""Loads a text model of sentence-transformers beside the pictures of a CLIP model that it was trained to meet.

clip-ViT-B-32-multilingual-v1 is one: texts in fifty languages for the pictures of clip-ViT-B-32.

Source:
    Reimers and Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation".
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from catalens.core.errors import ModelError
from catalens.models.hub.files import check_tokenizer, check_vocabulary, is_unsafe_pickle, read_json, unsafe_pickle
from catalens.models.hub.layout import Layout, licence_of, vocabulary_size
from catalens.models.hub.text_modules import Dense, Pooling, TextModules
from catalens.models.hub.tokenizing import transformers_tokenizer
from catalens.models.hub.weights import load_transformers
from catalens.models.parts import EncoderParts

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    each.__name__: each for each in (nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.Sigmoid)
}


class SentenceText(nn.Module):
    """Token ids (n, length) of texts without padding → (n, dim): a transformer's states, pooled, and dense layers."""

    def __init__(self, transformer: nn.Module, pooling: Pooling, dense: nn.Module) -> None:
        super().__init__()
        self.transformer, self.dense = transformer, dense
        self.pooling = pooling

    def forward(self, ids: Tensor) -> Tensor:
        """Run the tower."""
        states = self.transformer(input_ids=ids).last_hidden_state
        rows: Tensor = self.dense(states.mean(dim=1) if self.pooling == "mean" else states[:, 0])
        return rows


def sentence_parts(
    layout: Layout, modules: TextModules, images: EncoderParts, name: str, revision: str, folder: Path
) -> EncoderParts:
    """Load a text model, and join it to an image tower.

    Args:
        layout: of the transformer.
        modules: of the text model.
        images: the model whose pictures are meant; its own texts are left out.
        name: as the user wrote it.
        revision: of both.
        folder: of the text model, with its card.

    Raises:
        ModelError: files are missing, damaged or of another model, or the vectors have different widths.
    """
    from transformers import AutoModel

    check_tokenizer(layout.folder, "copy it from the model it was made from")
    tokenizer, _ = transformers_tokenizer(layout.folder, lowers=modules.lowers)
    check_vocabulary(layout.folder, tokenizer.get_vocab_size(), vocabulary_size(layout, tokenizer.get_vocab_size()))
    text = SentenceText(load_transformers(AutoModel, layout), modules.pooling, _dense(modules.dense))
    end = tokenizer.encode("").ids
    if not end:
        raise ModelError(f"{layout.folder} has a tokenizer that marks no end of a text, which pooling needs")
    with torch.inference_mode():
        dim = text.eval()(torch.tensor([end])).shape[1]
    if dim != images.dim:
        raise ModelError(
            f"{name}: its texts are vectors of {dim} numbers and the pictures of {images.name} of {images.dim}, so "
            "they are not made for each other"
        )
    licences = dict.fromkeys((licence_of(folder), images.licence))
    return replace(
        images,
        name=name,
        revision=revision,
        text=text,
        tokenizer=tokenizer,
        max_tokens=_max_tokens(layout, modules),
        pad_id=None,
        end_id=end[-1],
        licence=", ".join(licences),
        source=f"sentence-transformers, with the pictures of {images.source}",
        save=None,
    )


def _dense(layers: tuple[Dense, ...]) -> nn.Module:
    steps: OrderedDict[str, nn.Module] = OrderedDict()
    for at, layer in enumerate(layers):
        activation = str(layer.config.get("activation_function", "Tanh")).rpartition(".")[2]
        if activation not in _ACTIVATIONS:
            raise ModelError(f"{layer.config_file} has the activation {activation}; known: {', '.join(_ACTIVATIONS)}")
        steps[f"linear{at}"], steps[f"activation{at}"] = _linear(layer), _ACTIVATIONS[activation]()
    return nn.Sequential(steps).requires_grad_(requires_grad=False)


def _linear(layer: Dense) -> nn.Linear:
    try:
        if layer.weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(layer.weights)
        else:
            weights = torch.load(layer.weights, map_location="cpu", weights_only=True)
        linear = nn.Linear(
            int(layer.config["in_features"]),
            int(layer.config["out_features"]),
            bias=bool(layer.config.get("bias", True)),
        )
        linear.load_state_dict({name.removeprefix("linear."): each.float() for name, each in weights.items()})
    except Exception as error:
        if is_unsafe_pickle(error):
            raise unsafe_pickle(layer.weights) from error
        raise ModelError(f"{layer.weights} is not the layer of {layer.config_file}: {error}") from error
    return linear


def _max_tokens(layout: Layout, modules: TextModules) -> int:
    """Return the length at which sentence-transformers cuts a text."""
    file = layout.folder / "tokenizer_config.json"
    tokenizer = read_json(file).get("model_max_length") if file.is_file() else None
    limits = (
        modules.max_tokens,
        None if modules.max_tokens else tokenizer,
        layout.config.get("max_position_embeddings"),
    )
    return min([each for each in limits if isinstance(each, int) and each > 0] or [512])
