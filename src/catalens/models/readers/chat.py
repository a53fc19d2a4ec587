"""Chat models that see: Qwen-VL, SmolVLM, LLaVA, InternVL and the others of transformers' image-text-to-text family.

A conversation begins with the picture, and that beginning is read once: its keys and values are kept, and every
question goes on from them. Models of which some layers keep no such past (sliding windows, linear attention) read
the whole conversation for each question, one at a time; there only the vision tower's work is kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.kv_cache import CachedReading, Start, Step, go_on, left_padded, stacked
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import as_ends, fitting, plain_ids

DESCRIBE = "Describe this picture in one sentence."
"""What a chat model is told to get a caption."""

_PROBE = "x"
"""Any question: what comes before it in a conversation is the same for all."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The beginning of every conversation about one picture.

    Attributes:
        ids: its tokens, through the last one of the picture.
        inputs: what the model takes with them, by name.
        features: what the vision tower made of the picture; None where that is in the keys and values.
    """

    ids: list[int]
    inputs: Mapping[str, Any]
    features: Any = None


class Chat:
    """Any model of the family that comes with a chat template."""

    keeps_history = True

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self._processor, self._model = loaded, loaded.processor, loaded.model
        self.tokenizer = loaded.processor.tokenizer
        if not getattr(self._processor, "chat_template", None):
            raise ModelError(
                f"{self.name} has no chat template; take its version that was tuned for chat or instructions"
            )
        # What stands for a picture in a text is not always what the picture becomes.
        self._placeholder: str = getattr(self._processor, "image_token", None) or "<image>"
        text_config: Any = self._model.config.get_text_config()
        self._most: int = getattr(text_config, "max_position_embeddings", None) or 1 << 20
        self.ends = as_ends(self._model.generation_config.eos_token_id) or (self.tokenizer.eos_token_id,)
        self._keeps = _keeps_past(self._model)
        if not self._keeps and "mm_encoder_outputs" not in inspect.signature(self._model.forward).parameters:
            raise ModelError(
                f"{self.name} neither keeps what it has read nor takes a picture it has encoded; take another"
            )
        self.lead = self._answers_lead()

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower, and the language model over the beginning where it keeps that; see `Family`."""
        beginnings = [self._begin(image) for image in images]
        if not self._keeps:
            return TorchImages([replace(each, **self._features(each)) for each in beginnings])
        prefix = stacked([self._read(each.ids, each)[0] for each in beginnings])
        return TorchImages([replace(each, inputs={}) for each in beginnings], prefix)

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Ask for a description, whose beginning the prompt is; see `Family`."""
        conversation = self._conversation(DESCRIBE, ())
        begun = self._tail(conversation, f"{self.lead}{prompt}" if prompt else "")
        return self._starts(encoded, [begun])

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Ask each question at the end of the conversation; see `Family`."""
        return self._starts(encoded, [self._tail(self._conversation(each, history)) for each in questions])

    def _answers_lead(self) -> str:
        """Return the space that the template puts before what the model says."""
        asked = self._conversation(_PROBE, ())
        answered: str = self._processor.apply_chat_template(
            [*_messages(_PROBE, ()), _said("assistant", _PROBE)], add_generation_prompt=False, tokenize=False
        )
        lead, found, _ = answered.removeprefix(asked).partition(_PROBE) if answered.startswith(asked) else ("", "", "")
        return lead if found and lead.isspace() else ""

    def _conversation(self, question: str, history: Sequence[Turn]) -> str:
        """Return the text of a conversation up to where the model speaks."""
        text: str = self._processor.apply_chat_template(
            _messages(question, history), add_generation_prompt=True, tokenize=False
        )
        return text

    def _tail(self, conversation: str, begun: str = "") -> list[int]:
        """Return the tokens of a conversation after the picture's placeholder, and of a reply that has begun."""
        _, mark, rest = conversation.partition(self._placeholder)
        if not mark:
            raise ModelError(f"the chat template of {self.name} has no place for a picture, {self._placeholder}")
        # With the placeholder before it, the rest becomes the tokens that it is within the whole.
        ids = plain_ids(self.tokenizer, f"{mark}{rest}")
        return [*ids[ids.index(self.tokenizer.convert_tokens_to_ids(mark)) + 1 :], *plain_ids(self.tokenizer, begun)]

    def _begin(self, image: Image) -> _Beginning:
        """Prepare a picture and find the tokens that every conversation about it begins with."""
        conversation = self._conversation(_PROBE, ())
        prepared = self._processor.apply_chat_template(
            _messages(_PROBE, (), image),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        inputs = {name: self._placed(value) for name, value in prepared.items() if name != "attention_mask"}
        ids: list[int] = inputs.pop("input_ids")[0].tolist()
        tail = self._tail(conversation)
        if ids[len(ids) - len(tail) :] != tail:
            raise ModelError(
                f"the processor of {self.name} changes the text after a picture; such models cannot be read"
            )
        begin = ids[: len(ids) - len(tail)]
        # What is said of each token is said of the beginning's tokens only.
        inputs = {
            name: value[:, : len(begin)] if value.shape[:2] == (1, len(ids)) else value
            for name, value in inputs.items()
        }
        return _Beginning(begin, inputs)

    def _placed(self, value: Any) -> Tensor:
        tensor = torch.as_tensor(value).to(self._loaded.device)
        return tensor.to(self._loaded.dtype) if tensor.is_floating_point() else tensor

    def _features(self, beginning: _Beginning) -> dict[str, Any]:
        """Run the vision tower alone; give what it made, and the inputs without the pixels."""
        takes = inspect.signature(self._model.get_image_features).parameters
        taken = {name: value for name, value in beginning.inputs.items() if name in takes}
        left = {name: value for name, value in beginning.inputs.items() if not name.startswith("pixel")}
        return {"features": self._model.get_image_features(**taken, return_dict=True), "inputs": left}

    def _read(self, ids: list[int], beginning: _Beginning) -> tuple[CachedReading, Tensor]:
        """Let the language model read tokens that begin with the picture's; give its logits (1, vocabulary) too."""
        row = torch.tensor([ids], device=self._loaded.device)
        cache = _new_cache(self._model)
        inputs = {name: _widened(value, beginning.ids, ids) for name, value in beginning.inputs.items()}
        if beginning.features is not None:
            inputs["mm_encoder_outputs"] = {"image": beginning.features}
        places = self._places(row, inputs)
        output = self._model(
            input_ids=row, position_ids=places, past_key_values=cache, use_cache=True, logits_to_keep=1, **inputs
        )
        reading = CachedReading(self._forward, cache, torch.ones_like(row), places.max().view(1) + 1)
        return reading, output.logits[:, -1].float()

    def _places(self, row: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        """Return the positions of a beginning: (1, length), or (3, 1, length) where patches lie in a plane."""
        find = getattr(getattr(self._model, "model", None), "get_rope_index", None)
        if find is None:
            return torch.arange(row.shape[1], device=row.device)[None]
        takes = inspect.signature(find).parameters
        places: Tensor = find(input_ids=row, **{name: value for name, value in inputs.items() if name in takes})[0]
        return places

    def _starts(self, encoded: TorchImages, tails: list[list[int]]) -> list[Start]:
        """Begin a text for each picture and tail."""
        if encoded.prefix is None:
            return [self._whole(beginning, tail) for beginning in encoded.features for tail in tails]
        prompts = [[*beginning.ids, *tail] for beginning in encoded.features for tail in tails]
        longest = max(len(fitting(each, self._most, "the conversation")) for each in prompts)
        reading = encoded.prefix.spread(len(tails))
        ids, mask = left_padded(tails * len(encoded), self._loaded.device)
        return [Start(reading, reading.read(ids, mask, last=True)[:, -1], prompts, self._most - longest)]

    def _whole(self, beginning: _Beginning, tail: list[int]) -> Start:
        ids = fitting([*beginning.ids, *tail], self._most, "the conversation")
        reading, logits = self._read(ids, beginning)
        return Start(reading, logits, [ids], self._most - len(ids))

    def _forward(self, step: Step) -> Tensor:
        return go_on(self._model, step)


def _messages(question: str, history: Sequence[Turn], image: Image | None = None) -> list[dict[str, Any]]:
    """Return a conversation in which the first question comes with the picture."""
    asked = [turn.question for turn in history] + [question]
    messages = [_said("user", asked[0])]
    messages[0]["content"].insert(0, {"type": "image"} if image is None else {"type": "image", "image": image})
    for turn, follow_up in zip(history, asked[1:], strict=True):
        messages += [_said("assistant", turn.answer), _said("user", follow_up)]
    return messages


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _widened(value: Tensor, begin: list[int], ids: list[int]) -> Tensor:
    """Extend per-token values to more tokens, which are plain text (0); return other values unchanged."""
    if value.shape[:2] != (1, len(begin)) or value.is_floating_point():
        return value
    return torch.nn.functional.pad(value, (0, len(ids) - len(begin)))


def _new_cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def _keeps_past(model: Any) -> bool:
    """Say whether every layer keeps the keys and values of all tokens, so that rows can be padded and go on."""
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in _new_cache(model).layers)
