"""Vision-language models for answer training: frozen image features, and a loss on the answer's tokens alone.

The loss of a batch is the summed negative log-likelihood of the tokens of all answers, their end tokens included, and
their number; tokens of questions and padding never count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from catalens.core.errors import ModelError
from catalens.models.readers.adapters import quiet
from catalens.models.readers.blip import BlipAnswers
from catalens.models.readers.blip2 import Blip2Opt, Blip2T5, dialogue
from catalens.models.readers.blip_decoder import BlipTextStack, CrossAttention
from catalens.models.readers.chat import Chat
from catalens.models.readers.kv_cache import pad_right
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import Family
from catalens.models.readers.tokens import plain_ids
from catalens.training.finetune.answer_labels import IGNORED, answer_labels
from catalens.training.finetune.chat_answers import ChatAnswers
from catalens.training.finetune.packing import logits_at, pack, takes_masks


class AnswerModel(Protocol):
    """A model whose answers can be trained.

    Attributes:
        targets: names of the linear layers that get adapters by default.
        frozen: expression of the modules that get none, the frozen part among them.
        frozen_parts: modules that nothing but `features` runs, and that can be moved.
        language: the language model, where it is a module of its own; else None.
        keeps_features: whether the frozen part's output can be kept; else `features` only preprocesses.
        shares_images: whether questions about one image that are side by side cost less than apart, with the same loss.
        task: what the hub calls a model that does this.
    """

    targets: tuple[str, ...]
    frozen: str
    frozen_parts: Sequence[Any]
    language: Any
    keeps_features: bool
    shares_images: bool
    task: str

    def features(self, images: Sequence[Image]) -> Any:
        """Return the frozen part's output for n images, which can be indexed by image, on the model's device."""

    def pack(self, features: Any) -> list[dict[str, Tensor]]:
        """Return the tensors of each image's features, by name."""

    def unpack(self, packed: Sequence[Mapping[str, Tensor]]) -> Any:
        """Return features of packed tensors, on the model's device."""

    def logits(
        self, features: Any, questions: Sequence[str], answers: Sequence[str], counts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (rows, length, vocabulary), and the token that each predicts (rows, length), or `IGNORED`.

        Args:
            features: of m images.
            questions: n, those about an image side by side.
            answers: to them; the tokens of the first one come first, and so on, whatever a row is.
            counts: numbers of questions about each image; None for one about each.
        """


def answer_model(loaded: Loaded, family: Family) -> AnswerModel:
    """Return the training side of a reader.

    Raises:
        ModelError: answers of this family cannot be trained.
    """
    kinds: dict[type, type[Any]] = {
        Blip2Opt: _OptAnswers,
        Blip2T5: _T5Answers,
        BlipAnswers: _BlipAnswers,
        Chat: ChatAnswers,
    }
    if type(family) not in kinds:
        raise ModelError(f"{loaded.name} cannot be fine-tuned to answer; BLIP-2, BLIP VQA and chat models can")
    model: AnswerModel = kinds[type(family)](loaded, family)
    return model


def answer_loss(
    model: AnswerModel,
    features: Any,
    questions: Sequence[str],
    answers: Sequence[str],
    counts: Sequence[int] | None = None,
) -> tuple[Tensor, int]:
    """Return the summed negative log-likelihood of the answers' tokens, and their number; see `AnswerModel.logits`."""
    logits, labels = model.logits(features, questions, answers, counts)
    flat = cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return flat, int((labels != IGNORED).sum())


def checkpoint_activations(model: AnswerModel, name: str) -> None:
    """Make the language model keep only the inputs of its layers while it trains.

    Raises:
        ModelError: the model has no language model that can.
    """
    if not getattr(model.language, "supports_gradient_checkpointing", False):
        raise ModelError(f"{name} has no activations to checkpoint; leave --checkpoint-activations out")
    with quiet():
        model.language.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


class _Answers:
    """What the families of BLIP share; their features are the tensor (n, length, width)."""

    frozen = r"(.*\.)?(vision_model|qformer|language_projection)\..*"
    keeps_features = True
    shares_images = False
    task = "visual-question-answering"

    def __init__(self, loaded: Loaded, family: Family) -> None:
        self._model, self._family, self._tokenizer = loaded.model, family, family.tokenizer
        self._loaded, self._end_id = loaded, int(family.end_ids[0])
        parts = ("vision_model", "qformer", "language_projection")
        self._parts = [getattr(loaded.model, name) for name in parts if hasattr(loaded.model, name)]
        self.frozen_parts = [] if loaded.quantise else self._parts
        self.language: Any = getattr(loaded.model, "language_model", None)

    def features(self, images: Sequence[Image]) -> Tensor:
        """Run the frozen part, without dropout also while the rest is trained; see `AnswerModel`."""
        for each in self._parts:
            each.eval()
        with torch.no_grad():
            found: Tensor = self._family.encode_images(images).features
        return found.detach()

    def pack(self, features: Tensor) -> list[dict[str, Tensor]]:
        """Return each image's tensor; see `AnswerModel`."""
        return [{"features": each} for each in features]

    def unpack(self, packed: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Return the features of all images; see `AnswerModel`."""
        return torch.stack([each["features"] for each in packed]).to(self._loaded.device, self._loaded.dtype)

    def _answer_ids(self, answer: str) -> list[int]:
        return [*plain_ids(self._tokenizer, f"{self._family.answer_prefix}{answer}"), self._end_id]

    def _prompts(self, questions: Sequence[str]) -> list[list[int]]:
        return [self._tokenizer(dialogue(each, ())).input_ids for each in questions]


class _OptAnswers(_Answers):
    targets = ("q_proj", "v_proj")

    def __init__(self, loaded: Loaded, family: Family) -> None:
        super().__init__(loaded, family)
        self.shares_images = takes_masks(self.language.config)

    def logits(
        self, features: Tensor, questions: Sequence[str], answers: Sequence[str], counts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run the language model over image, prompt and answer; see `AnswerModel`."""
        if not self.shares_images:
            features, counts = _repeated(features, counts), None
        packed = pack(
            [[]] * len(features),
            self._prompts(questions),
            [self._answer_ids(each) for each in answers],
            counts or [1] * len(features),
            features.device,
            before=features.shape[1],
        )
        words = self.language.get_input_embeddings()(packed.ids)
        embeds = torch.cat([features.to(words.dtype), words], dim=1)
        inputs = {
            "inputs_embeds": embeds,
            "attention_mask": packed.mask(embeds.dtype),
            "position_ids": packed.offsets,
            "use_cache": False,
        }
        return logits_at(self.language, packed.places, inputs), packed.labels


class _T5Answers(_Answers):
    targets = ("q", "v")

    def logits(
        self, features: Tensor, questions: Sequence[str], answers: Sequence[str], counts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode image and prompt, and decode the answer; see `AnswerModel`."""
        features = _repeated(features, counts)
        ids, mask = pad_right(self._prompts(questions), features.device)
        language = self.language
        words = language.get_input_embeddings()(ids)
        embeds = torch.cat([features.to(words.dtype), words], dim=1)
        seen = torch.cat([mask.new_ones(features.shape[:2]), mask], dim=1)
        target, there = pad_right([self._answer_ids(each) for each in answers], features.device)
        start = torch.full_like(target[:, :1], language.config.decoder_start_token_id)
        logits = language(
            inputs_embeds=embeds,
            attention_mask=seen,
            decoder_input_ids=torch.cat([start, target[:, :-1]], dim=1),
            decoder_attention_mask=torch.cat([there[:, :1], there[:, :-1]], dim=1),
            use_cache=False,
        ).logits
        return logits, answer_labels(target, there, [0] * len(target))


class _BlipAnswers(_Answers):
    targets = ("query", "value")
    shares_images = True

    def logits(
        self, features: Tensor, questions: Sequence[str], answers: Sequence[str], counts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode image and question, and decode the answer; see `AnswerModel`."""
        model = self._model
        # The reader's own stack: the library's decoder sees the padding of a question.
        encoder = BlipTextStack(model.text_encoder)
        decoder = BlipTextStack(model.text_decoder.bert, model.text_decoder.cls)
        ids, mask = pad_right([self._tokenizer(each).input_ids for each in questions], features.device)
        image = encoder.project(features)
        if len(set(counts or [])) > 1:
            # The stack takes as many texts about one image as about another.
            image = CrossAttention([(_repeated(k, counts), _repeated(v, counts)) for k, v in image.layers], None)
        hidden = encoder.encode(ids, mask, image)
        target, there = pad_right([self._answer_ids(each) for each in answers], features.device)
        start = torch.full_like(target[:, :1], model.config.text_config.bos_token_id)
        shifted = torch.cat([start, target[:, :-1]], dim=1)
        logits, _ = decoder.decode(shifted, None, decoder.project(hidden, mask), last_only=False)
        return logits, answer_labels(target, there, [0] * len(target))


def _repeated(features: Tensor, counts: Sequence[int] | None) -> Tensor:
    """Return the features of each row's image."""
    if counts is None:
        return features
    return features.repeat_interleave(torch.tensor(counts, device=features.device), dim=0)
