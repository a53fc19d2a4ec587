"""Chat models for answer training: what their frozen vision towers put out, and logits of answers in a conversation.

A row is the conversation that the reader would have: the model's own chat template around the image and the question,
then the answer and the token that ends a turn. Adapters go into the language model alone, so that the output of the
vision tower and projector stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.models.readers.chat import Chat, ImagePrefix
from catalens.models.readers.loading import Loaded
from catalens.models.readers.tokens import plain_ids
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.packing import Packed, logits_at, pack, takes_masks

_UNUSED = ("last_hidden_state", "hidden_states", "attentions")
"""Fields of a vision tower's output that language models are not given."""
_PER_LAYER = ("deepstack_features",)
"""Fields that are lists over layers; other lists are over images."""
_IDS, _INPUT, _VISION = "ids", "input.", "vision."
"""Names, and starts of names, of packed tensors."""
_PROBES_WH = ((64, 48), (40, 80))
_PROBED = (
    ["What is it?", "What colour is it?", "Which colour?", "What is it made of?"],
    ["a shirt", "red", "navy blue", "cotton"],
)
"""Questions, half of them about each image, and their answers."""
_REFUSALS = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What models raise that take an input in another form."""
_AGREE, _AGREE_ROUGHLY = 1e-3, 0.05
"""Largest difference of logits, relative to the largest of them: in float32, and in half precision or quantised."""


class ChatAnswers:
    """The training side of a `Chat`; see `AnswerModel`.

    Raises:
        ModelError: the model's language model cannot be found.
    """

    targets: tuple[str, ...] = ("q_proj", "v_proj")
    frozen_parts: Sequence[Any] = ()  # some language models run a part of theirs
    task = "image-text-to-text"

    def __init__(self, loaded: Loaded, family: Chat) -> None:
        self._loaded, self._model, self._family = loaded, loaded.model, family
        self.language = loaded.model.get_decoder()
        name = next((name for name, each in loaded.model.named_modules() if each is self.language), "")
        if not name:
            raise ModelError(f"{loaded.name} has no language model of its own, so its answers cannot be fine-tuned")
        self.frozen = rf"(?!{re.escape(name)}\.).*"
        self._end_id = family.turn_end_id()
        self.shares_images = False
        self.keeps_features = family.takes_vision_output and self._agrees()
        self.shares_images = self._packs()

    def features(self, images: Sequence[Image.Image]) -> list[ImagePrefix]:
        """Run the vision tower, or only preprocess where its output cannot be kept; see `AnswerModel`."""
        inside = {id(each) for each in self.language.modules()}
        for each in self._model.modules():
            if id(each) not in inside:
                each.training = False
        if not self.keeps_features:
            return self._family.prepare(images)
        return self._encode(images)

    def pack(self, features: Sequence[ImagePrefix]) -> list[dict[str, Tensor]]:
        """Return each image's tensors by name; see `AnswerModel`."""
        return [_pack(each) for each in features]

    def unpack(self, packed: Sequence[Mapping[str, Tensor]]) -> list[ImagePrefix]:
        """Return what `features` returned; see `AnswerModel`."""
        return [_unpack({name: self._placed(value) for name, value in each.items()}) for each in packed]

    def logits(
        self,
        features: Sequence[ImagePrefix],
        questions: Sequence[str],
        answers: Sequence[str],
        counts: Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the model over whole conversations; see `AnswerModel`."""
        counts = counts or [1] * len(features)
        if not self.shares_images:
            features = [each for each, count in zip(features, counts, strict=True) for _ in range(count)]
            counts = [1] * len(features)
        asked = [each for each, count in zip(features, counts, strict=True) for _ in range(count)]
        prompts = [self._family.prompt_ids(each, question) for each, question in zip(asked, questions, strict=True)]
        packed = pack(
            [each.ids for each in features],
            [prompt[len(each.ids) :] for each, prompt in zip(asked, prompts, strict=True)],
            [self._answer_ids(each) for each in answers],
            counts,
            self._loaded.device,
        )
        # Pixels of several images cannot be stacked in every model: without its vision tower's output, row by row.
        step = 1 if features[0].features is None else len(features)
        parts = [slice(at, at + step) for at in range(0, len(features), step)]
        return torch.cat([self._run(features[part], packed, part) for part in parts]), packed.labels

    def _run(self, features: Sequence[ImagePrefix], packed: Packed, part: slice) -> Tensor:
        """Return the logits at the places of some rows: (m, places, vocabulary)."""
        ids = packed.ids[part]
        given = [each.inputs_for(ids.shape[1]) for each in features]
        inputs: dict[str, Any] = {name: torch.cat([each[name] for each in given]) for name in given[0]}
        if features[0].features is not None:
            inputs["mm_encoder_outputs"] = {"image": _joined([each.features for each in features])}
        if packed.shares:
            places = [self._positions(each, row) for each, row in zip(features, packed.offsets[part], strict=True)]
            inputs["position_ids"] = torch.cat(places, dim=-2)
        inputs |= {"input_ids": ids, "attention_mask": packed.mask(self._loaded.dtype)[part], "use_cache": False}
        return logits_at(self._model, packed.places[part], inputs)

    def _positions(self, prefix: ImagePrefix, offsets: Tensor) -> Tensor:
        """Return the positions of a row's tokens: (1, length), or (3, 1, length) where patches have two dimensions."""
        length = len(prefix.ids)
        row = torch.tensor([prefix.ids], device=offsets.device)
        start = self._family.position_ids(row, prefix.inputs_for(length))
        rest = (start.max() + 1 + offsets[length:] - length).expand(*start.shape[:-1], -1)
        return torch.cat([start, rest], dim=-1)

    def _answer_ids(self, answer: str) -> list[int]:
        return [*plain_ids(self._family.tokenizer, f"{self._family.answer_prefix}{answer}"), self._end_id]

    def _encode(self, images: Sequence[Image.Image]) -> list[ImagePrefix]:
        with torch.no_grad():
            return [
                replace(each, features=_output({name: each.features[name] for name in _used(each.features)}))
                for each in self._family.encode_vision(images)
            ]

    def _placed(self, value: Tensor) -> Tensor:
        placed = value.to(self._loaded.device)
        return placed.to(self._loaded.dtype) if placed.is_floating_point() else placed

    def _agrees(self) -> bool:
        """Return whether a batch of kept outputs gives the logits that the model gives to each image's pixels."""
        images = _probes()
        try:
            kept = self._probed(self.unpack(self.pack(self._encode(images))))
        except _REFUSALS:
            return False
        return self._same(kept, self._probed(self._family.prepare(images)))

    def _packs(self) -> bool:
        """Return whether conversations in one row have the logits that each has in a row of its own."""
        if not (self._family.caches_all and takes_masks(self._model.config.get_text_config())):
            return False
        features = self.features(_probes())
        self.shares_images = True
        try:
            packed = self._probed(features)
        except _REFUSALS:
            return False
        finally:
            self.shares_images = False
        return self._same(packed, self._probed(features))

    @torch.no_grad()
    def _probed(self, features: Sequence[ImagePrefix]) -> Tensor:
        """Return the logits of answers to several questions about each image: (tokens, vocabulary)."""
        logits, labels = self.logits(features, *_PROBED, [len(_PROBED[0]) // len(features)] * len(features))
        return logits[labels != IGNORED]

    def _same(self, logits: Tensor, expected: Tensor) -> bool:
        off = (logits - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
        exact = self._loaded.dtype == torch.float32 and not self._loaded.quantise
        return bool(off <= (_AGREE if exact else _AGREE_ROUGHLY))


def _probes() -> list[Image.Image]:
    """Return two drawn images."""
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in _PROBES_WH]


def _used(output: Any) -> list[str]:
    """Return the names of the fields of a vision tower's output that a language model may be given."""
    return [name for name, each in output.items() if name not in _UNUSED and each is not None]


def _output(fields: Mapping[str, Any]) -> Any:
    """Return the output of a vision tower with these fields, as transformers has it."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    output: Any = BaseModelOutputWithPooling()
    for name, value in fields.items():
        output[name] = value
    return output


def _joined(outputs: Sequence[Any]) -> Any:
    """Return the output of a vision tower for the images of several outputs."""
    joined: dict[str, Any] = {}
    for name in outputs[0]:
        values = [each[name] for each in outputs]
        layers = zip(*values, strict=True) if name in _PER_LAYER else ()
        joined[name] = [_of_images(layer) for layer in layers] if name in _PER_LAYER else _of_images(values)
    return _output(joined)


def _of_images(values: Sequence[Any]) -> Any:
    """Join tensors whose first dimension is over images, or lists over images."""
    return torch.cat(list(values)) if isinstance(values[0], Tensor) else [each for value in values for each in value]


def _pack(prefix: ImagePrefix) -> dict[str, Tensor]:
    packed = {_IDS: torch.tensor(prefix.ids)}
    packed |= {f"{_INPUT}{name}": value for name, value in prefix.inputs.items()}
    for name, value in prefix.features.items():
        packed |= _leaves(f"{_VISION}{name}", value)
    return packed


def _leaves(path: str, value: Any) -> dict[str, Tensor]:
    """Return the tensors of a tensor, or of lists of them, by their dotted paths."""
    if isinstance(value, Tensor):
        return {path: value}
    return {name: leaf for at, each in enumerate(value) for name, leaf in _leaves(f"{path}.{at}", each).items()}


def _unpack(packed: Mapping[str, Tensor]) -> ImagePrefix:
    inputs = {name.removeprefix(_INPUT): each for name, each in packed.items() if name.startswith(_INPUT)}
    vision: dict[str, Any] = {}
    for path, each in packed.items():
        if path.startswith(_VISION):
            *branches, last = path.removeprefix(_VISION).split(".")
            at = vision
            for branch in branches:
                at = at.setdefault(branch, {})
            at[last] = each
    return ImagePrefix(packed[_IDS].tolist(), inputs, _output({name: _lists(each) for name, each in vision.items()}))


def _lists(value: Any) -> Any:
    """Return a tensor, or lists for dictionaries whose keys are numbers."""
    return [_lists(value[str(at)]) for at in range(len(value))] if isinstance(value, dict) else value
