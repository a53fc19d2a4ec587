"""Vision-language chat models: Qwen-VL, SmolVLM, LLaVA, InternVL and others of transformers' image-text-to-text family.

A conversation starts with the image, and that prefix is read once: its keys and values are cached, and every question
continues them. Models with layers that cache no keys and values (sliding windows, linear attention) read the whole
conversation for each question, one at a time; for them only the vision tower's output is kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL.Image import Image
from PIL.Image import new as new_image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.hub.files import first_line
from catalens.models.readers.kv_cache import (
    CachedState,
    ForwardInputs,
    Prefill,
    cache_argument,
    forward_causal,
    pad_left,
)
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import check_fits, end_token_ids, plain_ids

DESCRIBE = "Describe this picture in one sentence."
"""The instruction that makes a chat model write a caption."""

_SMALL_WH = (64, 64)
_PROBE = "x"
"""Any question: the tokens before it are the same for all."""


@dataclass(frozen=True, slots=True)
class ImagePrefix:
    """The common prefix of every conversation about one image.

    Attributes:
        ids: its tokens, up to the last one of the image.
        inputs: further model inputs, by name.
        features: output of the vision tower; None where the inputs hold the pixels, or it is in the cached keys and
            values.
    """

    ids: list[int]
    inputs: Mapping[str, Any]
    features: Any = None

    def inputs_for(self, length: int) -> dict[str, Any]:
        """Return the inputs of a conversation of `length` tokens: those per token are 0 (text) after the prefix."""
        return {name: self._extended(value, length) for name, value in self.inputs.items()}

    def _extended(self, value: Tensor, length: int) -> Tensor:
        if value.shape[:2] != (1, len(self.ids)) or value.is_floating_point():
            return value
        return torch.nn.functional.pad(value, (0, length - len(self.ids)))


class Chat:
    """Any model of the family that has a chat template."""

    keeps_history = True

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self._processor, self._model = loaded, loaded.processor, loaded.model
        self.tokenizer = loaded.processor.tokenizer
        if not getattr(self._processor, "chat_template", None):
            raise ModelError(
                f"{self.name} has no chat template; copy chat_template.jinja from the model it was made from, "
                "or use its variant that was tuned for chat or instructions"
            )
        # The placeholder in a text is not always the token that the image becomes.
        self._placeholder: str = getattr(self._processor, "image_token", None) or "<image>"
        text_config: Any = self._model.config.get_text_config()
        self._max_positions: int = getattr(text_config, "max_position_embeddings", None) or 1 << 20
        # Without generation_config.json the model's own end may not be that of a turn, which the tokenizer knows.
        ends = (*end_token_ids(self._model.generation_config.eos_token_id), self.tokenizer.eos_token_id)
        self.end_ids = tuple(dict.fromkeys(each for each in ends if each is not None))
        self._caches_all = _caches_all_layers(self._model)
        if not self._caches_all and not self.takes_vision_output:
            raise ModelError(
                f"{self.name} neither caches all layers nor accepts encoded images, so it cannot be run here"
            )
        self.answer_prefix = self._reply_prefix()
        self._check_processor()

    @property
    def takes_vision_output(self) -> bool:
        """Whether the model can be given the output of its vision tower in place of pixels."""
        return "mm_encoder_outputs" in inspect.signature(self._model.forward).parameters

    @property
    def caches_all(self) -> bool:
        """Whether every layer attends to all tokens before, whose keys and values it caches."""
        return self._caches_all

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower, and the language model over the prefix where it is cached; see `Family`."""
        if not self._caches_all:
            return TorchImages(self.encode_vision(images))
        prefixes = self.prepare(images)
        state = CachedState.concat([self._read(each.ids, each)[0] for each in prefixes])
        return TorchImages([replace(each, inputs={}) for each in prefixes], state)

    def prepare(self, images: Sequence[Image]) -> list[ImagePrefix]:
        """Preprocess images, without running the model."""
        return [self._prepare(image) for image in images]

    def encode_vision(self, images: Sequence[Image]) -> list[ImagePrefix]:
        """Run the vision tower alone, which a model must allow with `takes_vision_output`."""
        return [replace(each, **self._features(each)) for each in self.prepare(images)]

    def prompt_ids(self, prefix: ImagePrefix, question: str) -> list[int]:
        """Return the tokens of a conversation about an image, up to the answer to its first question.

        Raises:
            InputError: they leave no room for an answer.
        """
        ids = [*prefix.ids, *self._tail(self._conversation(question, ()))]
        return check_fits(ids, self._max_positions, "the conversation")

    def position_ids(self, row: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        """Return the positions of a prefix: (1, length), or (3, 1, length) where patches have two dimensions."""
        find = getattr(getattr(self._model, "model", None), "get_rope_index", None)
        if find is None:
            return torch.arange(row.shape[1], device=row.device)[None]
        takes = inspect.signature(find).parameters
        taken = {name: value for name, value in inputs.items() if name in takes}
        position_ids: Tensor = find(input_ids=row, **taken)[0]
        return position_ids

    def turn_end_id(self) -> int:
        """Return the token with which the chat template ends an answer; not every end token of a model does."""
        answered: str = self._processor.apply_chat_template(
            [*_messages(_PROBE, ()), _message("assistant", _PROBE)], add_generation_prompt=False, tokenize=False
        )
        ends = [each for each in plain_ids(self.tokenizer, answered) if each in self.end_ids]
        return ends[-1] if ends else self.end_ids[0]

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Ask for a description that starts with the prompt; see `Family`."""
        conversation = self._conversation(DESCRIBE, ())
        tail = self._tail(conversation, f"{self.answer_prefix}{prompt}" if prompt else "")
        return self._prefill(encoded, [tail])

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Ask each question at the end of the conversation; see `Family`."""
        return self._prefill(encoded, [self._tail(self._conversation(each, history)) for each in questions])

    def _check_processor(self) -> None:
        """Check, without running the model, that the processor makes the tokens that images are put in for.

        Raises:
            ModelError: it belongs to another model.
        """
        image_id = getattr(self._model.config, "image_token_id", None)
        try:
            ids = self._prepare(new_image("RGB", _SMALL_WH)).ids
            if image_id in (None, *ids):
                return
            reason = f"it writes no token {image_id} for an image"
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            reason = first_line(error)
        raise ModelError(
            f"{self.name} has the processor of another model ({reason}); copy the processor's and tokenizer's files "
            "from the model it was made from"
        )

    def _reply_prefix(self) -> str:
        """Return the whitespace that the template puts before a reply."""
        asked = self._conversation(_PROBE, ())
        answered: str = self._processor.apply_chat_template(
            [*_messages(_PROBE, ()), _message("assistant", _PROBE)], add_generation_prompt=False, tokenize=False
        )
        lead, found, _ = answered.removeprefix(asked).partition(_PROBE) if answered.startswith(asked) else ("", "", "")
        return lead if found and lead.isspace() else ""

    def _conversation(self, question: str, history: Sequence[Turn]) -> str:
        """Return the text of a conversation up to the reply."""
        text: str = self._processor.apply_chat_template(
            _messages(question, history), add_generation_prompt=True, tokenize=False
        )
        return text

    def _tail(self, conversation: str, reply: str = "") -> list[int]:
        """Return the tokens of a conversation after the image's placeholder, and of the start of a reply."""
        _, mark, rest = conversation.partition(self._placeholder)
        if not mark:
            raise ModelError(f"the chat template of {self.name} has no image placeholder {self._placeholder}")
        # With the placeholder before it, the rest is tokenized as it is within the whole text.
        ids = plain_ids(self.tokenizer, f"{mark}{rest}")
        return [*ids[ids.index(self.tokenizer.convert_tokens_to_ids(mark)) + 1 :], *plain_ids(self.tokenizer, reply)]

    def _prepare(self, image: Image) -> ImagePrefix:
        """Preprocess an image and find the tokens that every conversation about it starts with."""
        conversation = self._conversation(_PROBE, ())
        prepared = self._processor.apply_chat_template(
            _messages(_PROBE, (), image),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        inputs = {name: self._on_device(value) for name, value in prepared.items() if name != "attention_mask"}
        ids: list[int] = inputs.pop("input_ids")[0].tolist()
        tail = self._tail(conversation)
        if ids[len(ids) - len(tail) :] != tail:
            raise ModelError(
                f"the processor of {self.name} changes the text after an image; such models cannot be run here"
            )
        prefix_ids = ids[: len(ids) - len(tail)]
        # Per-token inputs are cut to the prefix's tokens.
        inputs = {
            name: value[:, : len(prefix_ids)] if value.shape[:2] == (1, len(ids)) else value
            for name, value in inputs.items()
        }
        return ImagePrefix(prefix_ids, inputs)

    def _on_device(self, value: Any) -> Tensor:
        tensor = torch.as_tensor(value).to(self._loaded.device)
        return tensor.to(self._loaded.dtype) if tensor.is_floating_point() else tensor

    def _features(self, prefix: ImagePrefix) -> dict[str, Any]:
        """Run the vision tower alone; return its output, and the inputs without the pixels."""
        takes = inspect.signature(self._model.get_image_features).parameters
        taken = {name: value for name, value in prefix.inputs.items() if name in takes}
        left = {name: value for name, value in prefix.inputs.items() if not name.startswith("pixel")}
        return {"features": self._model.get_image_features(**taken, return_dict=True), "inputs": left}

    def _read(self, ids: list[int], prefix: ImagePrefix) -> tuple[CachedState, Tensor]:
        """Run the language model over tokens that start with the image's; return its logits (1, vocabulary) too."""
        row = torch.tensor([ids], device=self._loaded.device)
        cache = _new_cache(self._model)
        inputs = prefix.inputs_for(len(ids))
        if prefix.features is not None:
            inputs["mm_encoder_outputs"] = {"image": prefix.features}
        position_ids = self.position_ids(row, inputs)
        inputs |= cache_argument(self._model, cache)
        output = self._model(input_ids=row, position_ids=position_ids, use_cache=True, logits_to_keep=1, **inputs)
        state = CachedState(self._forward, cache, torch.ones_like(row), position_ids.max().view(1) + 1)
        return state, output.logits[:, -1].float()

    def _prefill(self, encoded: TorchImages, tails: list[list[int]]) -> list[Prefill]:
        """Start a text for each image and tail."""
        if encoded.prefix is None:
            return [self._prefill_whole(prefix, tail) for prefix in encoded.features for tail in tails]
        prompts = [[*prefix.ids, *tail] for prefix in encoded.features for tail in tails]
        longest = max(len(check_fits(each, self._max_positions, "the conversation")) for each in prompts)
        state = encoded.prefix.expand(len(tails))
        ids, mask = pad_left(tails * len(encoded), self._loaded.device)
        logits = state.forward(ids, mask, last_only=True)[:, -1]
        return [Prefill(state, logits, prompts, self._max_positions - longest)]

    def _prefill_whole(self, prefix: ImagePrefix, tail: list[int]) -> Prefill:
        ids = check_fits([*prefix.ids, *tail], self._max_positions, "the conversation")
        state, logits = self._read(ids, prefix)
        return Prefill(state, logits, [ids], self._max_positions - len(ids))

    def _forward(self, inputs: ForwardInputs) -> Tensor:
        return forward_causal(self._model, inputs)


def _messages(question: str, history: Sequence[Turn], image: Image | None = None) -> list[dict[str, Any]]:
    """Return a conversation whose first question comes with the image."""
    questions = [turn.question for turn in history] + [question]
    messages = [_message("user", questions[0])]
    messages[0]["content"].insert(0, {"type": "image"} if image is None else {"type": "image", "image": image})
    for turn, follow_up in zip(history, questions[1:], strict=True):
        messages += [_message("assistant", turn.answer), _message("user", follow_up)]
    return messages


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _new_cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def _caches_all_layers(model: Any) -> bool:
    """Return whether every layer caches keys and values of all tokens, so that rows can be padded and continued."""
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in _new_cache(model).layers)
