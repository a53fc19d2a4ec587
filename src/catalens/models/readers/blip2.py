"""BLIP-2: a vision tower and a Q-Former give a language model 32 words about the picture.

With OPT those words are the beginning of the text, read once and kept as keys and values; with Flan-T5 they are read
together with each question by its encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.types import Turn
from catalens.models.readers.kv_cache import CachedReading, Start, Step, go_on, left_padded, right_padded
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import as_ends, fitting


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
        self.tokenizer, self.lead = loaded.processor.tokenizer, " "
        self.ends = as_ends(self._language.generation_config.eos_token_id)
        config = self._language.config
        self._begin: int = config.bos_token_id
        self._most: int = config.max_position_embeddings - loaded.model.config.num_query_tokens

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower and the Q-Former; see `Family`."""
        return _seen(self._loaded, images)

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Begin captions with the prompt; see `Family`."""
        return [self._start(encoded, [self._prompt(prompt)])]

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Begin answers after `Question: … Answer:`; see `Family`."""
        return [self._start(encoded, [self._prompt(dialogue(each, history)) for each in questions])]

    def _prompt(self, text: str) -> list[int]:
        return fitting(_marked_ids(self.tokenizer, text) if text else [self._begin], self._most, text)

    def _start(self, encoded: TorchImages, prompts: list[list[int]]) -> Start:
        n, longest = len(encoded), max(map(len, prompts))
        if encoded.prefix is None:
            encoded.prefix = self._read_pictures(encoded.features)
        reading = encoded.prefix.spread(len(prompts))
        ids, mask = left_padded(prompts * n, encoded.features.device)
        return Start(reading, reading.read(ids, mask, last=True)[:, -1], prompts * n, self._most - longest)

    def _read_pictures(self, features: Tensor) -> CachedReading:
        from transformers import DynamicCache

        n, length, _ = features.shape
        mask = torch.ones((n, length), dtype=torch.int64, device=features.device)
        cache = DynamicCache()
        embeds = features.to(self._language.get_input_embeddings().weight.dtype)
        self._language(inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return CachedReading(self._forward, cache, mask, mask.sum(dim=1))

    def _forward(self, step: Step) -> Tensor:
        return go_on(self._language, step)


class Blip2T5:
    """`Blip2ForConditionalGeneration` over Flan-T5."""

    keeps_history = True
    _MOST = 512
    """Tokens that T5 was trained on; its places are relative, so that nothing breaks beyond."""

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self._language = loaded, loaded.model.language_model
        self.tokenizer, self.lead = loaded.processor.tokenizer, ""
        self.ends = as_ends(self._language.generation_config.eos_token_id)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower and the Q-Former; see `Family`."""
        return _seen(self._loaded, images)

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Let the encoder read picture and prompt; see `Family`."""
        config = self._language.config
        alone = self.ends[0] if config.bos_token_id is None else config.bos_token_id
        return [self._start(encoded, [_marked_ids(self.tokenizer, prompt) if prompt else [alone]])]

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Let the encoder read picture and `Question: … Answer:`; see `Family`."""
        return [self._start(encoded, [_marked_ids(self.tokenizer, dialogue(each, history)) for each in questions])]

    def _start(self, encoded: TorchImages, prompts: list[list[int]]) -> Start:
        from transformers import DynamicCache, EncoderDecoderCache

        n, q = len(encoded), len(prompts)
        for prompt in prompts:
            fitting(prompt, self._MOST, "the question")
        ids, mask = right_padded(prompts * n, encoded.features.device)
        words = self._language.get_input_embeddings()(ids)
        pictures = encoded.features.to(words.dtype).repeat_interleave(q, dim=0)
        mask = torch.cat([mask.new_ones(pictures.shape[:2]), mask], dim=1)
        encoder = self._language.get_encoder()
        states = encoder(inputs_embeds=torch.cat([pictures, words], dim=1), attention_mask=mask).last_hidden_state
        begin: int = self._language.config.decoder_start_token_id
        nothing = mask.new_zeros((n * q, 0))
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        reading = CachedReading(self._forward, cache, nothing, mask.new_zeros(n * q), (states, mask))
        first = reading.read(torch.full((n * q, 1), begin, device=mask.device), last=True)[:, -1]
        return Start(reading, first, [[begin]] * (n * q), self._MOST)

    def _forward(self, step: Step) -> Tensor:
        states, encoded = step.context
        logits: Tensor = self._language(
            decoder_input_ids=step.ids,
            decoder_attention_mask=step.mask,
            encoder_outputs=(states,),
            attention_mask=encoded,
            past_key_values=step.cache,
            use_cache=True,
        ).logits
        return logits


def _seen(loaded: Loaded, images: Sequence[Image]) -> TorchImages:
    """Return what the language model takes of pictures: (n, query tokens, width)."""
    return TorchImages(
        loaded.model.get_image_features(pixel_values=loaded.pixels(images), return_dict=True).pooler_output
    )


def _marked_ids(tokenizer: Any, text: str) -> list[int]:
    """Return a text's ids with the tokenizer's own marks: a begin for OPT, an end for T5."""
    ids: list[int] = tokenizer(text).input_ids
    return ids
