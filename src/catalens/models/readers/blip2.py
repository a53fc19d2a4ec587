"""BLIP-2: a vision tower and a Q-Former give a language model 32 embeddings of the image.

With OPT they are the start of the text, read once and kept as keys and values; with Flan-T5 they are encoded together
with each question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.types import Turn
from catalens.models.readers.kv_cache import (
    CachedState,
    ForwardInputs,
    Prefill,
    cache_argument,
    forward_causal,
    pad_left,
    pad_right,
)
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import check_fits, end_token_ids


def dialogue(question: str, history: Sequence[Turn]) -> str:
    """Return the prompt of a question, as LAVIS words it.

    >>> dialogue("Which colour?", [Turn("What is it?", "a shirt")])
    'Question: What is it? Answer: a shirt. Question: Which colour? Answer:'
    """
    before = "".join(f"Question: {turn.question} Answer: {turn.answer}. " for turn in history)
    return f"{before}Question: {question} Answer:"


class Blip2Opt:
    """`Blip2ForConditionalGeneration` over OPT."""

    keeps_history = True

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self._language = loaded, loaded.model.language_model
        # After "Answer:" a word begins with its space.
        self.tokenizer, self.answer_prefix = loaded.processor.tokenizer, " "
        self.end_ids = end_token_ids(self._language.generation_config.eos_token_id)
        config = self._language.config
        self._bos_id: int = config.bos_token_id
        self._max_positions: int = config.max_position_embeddings - loaded.model.config.num_query_tokens

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower and the Q-Former; see `Family`."""
        return _query_embeddings(self._loaded, images)

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Start captions with the prompt; see `Family`."""
        return [self._prefill(encoded, [self._prompt_ids(prompt)])]

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Start answers after `Question: … Answer:`; see `Family`."""
        return [self._prefill(encoded, [self._prompt_ids(dialogue(each, history)) for each in questions])]

    def _prompt_ids(self, text: str) -> list[int]:
        return check_fits(_special_ids(self.tokenizer, text) if text else [self._bos_id], self._max_positions, text)

    def _prefill(self, encoded: TorchImages, prompts: list[list[int]]) -> Prefill:
        n, longest = len(encoded), max(map(len, prompts))
        if encoded.prefix is None:
            encoded.prefix = self._read_images(encoded.features)
        state = encoded.prefix.expand(len(prompts))
        ids, mask = pad_left(prompts * n, encoded.features.device)
        logits = state.forward(ids, mask, last_only=True)[:, -1]
        return Prefill(state, logits, prompts * n, self._max_positions - longest)

    def _read_images(self, features: Tensor) -> CachedState:
        from transformers import DynamicCache

        n, length, _ = features.shape
        mask = torch.ones((n, length), dtype=torch.int64, device=features.device)
        cache = DynamicCache()
        embeds = features.to(self._language.get_input_embeddings().weight.dtype)
        given = cache_argument(self._language, cache)
        self._language(inputs_embeds=embeds, use_cache=True, logits_to_keep=1, **given)
        return CachedState(self._forward, cache, mask, mask.sum(dim=1))

    def _forward(self, inputs: ForwardInputs) -> Tensor:
        return forward_causal(self._language, inputs)


class Blip2T5:
    """`Blip2ForConditionalGeneration` over Flan-T5."""

    keeps_history = True
    _MAX_POSITIONS = 512
    """Tokens that T5 was trained on; its positions are relative, so nothing breaks beyond."""

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self._language = loaded, loaded.model.language_model
        self.tokenizer, self.answer_prefix = loaded.processor.tokenizer, ""
        self.end_ids = end_token_ids(self._language.generation_config.eos_token_id)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower and the Q-Former; see `Family`."""
        return _query_embeddings(self._loaded, images)

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Encode image and prompt; see `Family`."""
        config = self._language.config
        alone = self.end_ids[0] if config.bos_token_id is None else config.bos_token_id
        return [self._prefill(encoded, [_special_ids(self.tokenizer, prompt) if prompt else [alone]])]

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Encode image and `Question: … Answer:`; see `Family`."""
        return [self._prefill(encoded, [_special_ids(self.tokenizer, dialogue(each, history)) for each in questions])]

    def _prefill(self, encoded: TorchImages, prompts: list[list[int]]) -> Prefill:
        from transformers import DynamicCache, EncoderDecoderCache

        n, q = len(encoded), len(prompts)
        for prompt in prompts:
            check_fits(prompt, self._MAX_POSITIONS, "the question")
        ids, mask = pad_right(prompts * n, encoded.features.device)
        words = self._language.get_input_embeddings()(ids)
        images = encoded.features.to(words.dtype).repeat_interleave(q, dim=0)
        mask = torch.cat([mask.new_ones(images.shape[:2]), mask], dim=1)
        encoder = self._language.get_encoder()
        hidden = encoder(inputs_embeds=torch.cat([images, words], dim=1), attention_mask=mask).last_hidden_state
        start: int = self._language.config.decoder_start_token_id
        nothing = mask.new_zeros((n * q, 0))
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        state = CachedState(self._forward, cache, nothing, mask.new_zeros(n * q), (hidden, mask))
        first = state.forward(torch.full((n * q, 1), start, device=mask.device), last_only=True)[:, -1]
        return Prefill(state, first, [[start]] * (n * q), self._MAX_POSITIONS)

    def _forward(self, inputs: ForwardInputs) -> Tensor:
        hidden, encoder_mask = inputs.context
        logits: Tensor = self._language(
            decoder_input_ids=inputs.input_ids,
            decoder_attention_mask=inputs.attention_mask,
            encoder_outputs=(hidden,),
            attention_mask=encoder_mask,
            use_cache=True,
            **cache_argument(self._language, inputs.past_key_values),
        ).logits
        return logits


def _query_embeddings(loaded: Loaded, images: Sequence[Image]) -> TorchImages:
    """Return the language model's input embeddings of images: (n, query tokens, width)."""
    return TorchImages(
        loaded.model.get_image_features(pixel_values=loaded.pixels(images), return_dict=True).pooler_output
    )


def _special_ids(tokenizer: Any, text: str) -> list[int]:
    """Return a text's ids with the tokenizer's special tokens: a start token for OPT, an end token for T5."""
    ids: list[int] = tokenizer(text).input_ids
    return ids
