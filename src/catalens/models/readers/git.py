"""GIT: one causal decoder that reads the picture's patches as if they were words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.kv_cache import CachedReading, Start, Step, left_padded
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import as_ends, fitting, plain_ids


class Git:
    """`GitForCausalLM`: captions, and with its VQA checkpoints answers; each question by itself."""

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.lead = loaded, loaded.processor.tokenizer, ""
        config = loaded.model.config
        self._begin: int = config.bos_token_id
        self._most: int = config.max_position_embeddings
        self._patches: int = loaded.model.git.encoder.layer[0].attention.self.image_patch_tokens
        self.ends = as_ends(config.eos_token_id)
        if config.num_image_with_embedding:
            raise ModelError(
                f"{self.name} reads {config.num_image_with_embedding} frames of a film; give one for pictures"
            )

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Let the decoder read the patches and its mark of begin; see `Family`."""
        from transformers import DynamicCache

        pixels = self._loaded.pixels(images)
        n = len(pixels)
        ids = torch.full((n, 1), self._begin, device=pixels.device)
        cache = DynamicCache()
        self._loaded.model(input_ids=ids, pixel_values=pixels, past_key_values=cache, use_cache=True)
        # The mark of begin is read again with each prompt: what comes after it is asked of it.
        cache.crop(-1)
        patches = torch.ones((n, self._patches), dtype=torch.int64, device=pixels.device)
        prefix = CachedReading(self._forward, cache, patches, patches.new_zeros(n))
        return TorchImages([None] * n, prefix)

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Begin captions with the prompt; see `Family`."""
        return [self._start(encoded, [self._prompt(prompt)])]

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Let it go on from each question; see `Family`."""
        if history:
            raise ModelError(
                f"{self.name} learned single questions and keeps no conversation; BLIP-2 and chat models do"
            )
        return [self._start(encoded, [self._prompt(each) for each in questions])]

    def _prompt(self, text: str) -> list[int]:
        return fitting([self._begin, *plain_ids(self.tokenizer, text)], self._most, text)

    def _start(self, encoded: TorchImages, prompts: list[list[int]]) -> Start:
        """Begin a text for each picture and prompt."""
        assert encoded.prefix is not None, "look made it"
        n, longest = len(encoded), max(map(len, prompts))
        reading = encoded.prefix.spread(len(prompts))
        ids, mask = left_padded(prompts * n, reading.place.device)
        return Start(reading, reading.read(ids, mask, last=True)[:, -1], prompts * n, self._most - longest)

    def _forward(self, step: Step) -> Tensor:
        # The model itself puts the patches, which are never padding, before a mask of the words.
        logits: Tensor = self._loaded.model(
            input_ids=step.ids,
            position_ids=step.positions,
            attention_mask=None if step.mask is None else step.mask[:, self._patches :],
            past_key_values=step.cache,
            use_cache=True,
            logits_to_keep=step.keep,
        ).logits
        return logits
