"""GIT: one causal decoder that reads the image's patches as if they were words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.checks import NO_HISTORY
from catalens.models.readers.kv_cache import CachedState, ForwardInputs, Prefill, cache_argument, pad_left
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import check_fits, end_token_ids, plain_ids


class Git:
    """`GitForCausalLM`: captions, and with its VQA checkpoints answers; each question on its own."""

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.answer_prefix = loaded, loaded.processor.tokenizer, ""
        config = loaded.model.config
        self._bos_id: int = config.bos_token_id
        self._max_positions: int = config.max_position_embeddings
        self._patches: int = loaded.model.git.encoder.layer[0].attention.self.image_patch_tokens
        self.end_ids = end_token_ids(config.eos_token_id)
        if config.num_image_with_embedding:
            raise ModelError(
                f"{self.name} reads {config.num_image_with_embedding} frames of a video; use a GIT model for images"
            )

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Let the decoder read the patches and the start token; see `Family`."""
        from transformers import DynamicCache

        pixels = self._loaded.pixels(images)
        n = len(pixels)
        ids = torch.full((n, 1), self._bos_id, device=pixels.device)
        cache = DynamicCache()
        model = self._loaded.model
        model(input_ids=ids, pixel_values=pixels, use_cache=True, **cache_argument(model, cache))
        # The start token is read again with each prompt, whose logits depend on it.
        cache.crop(-1)
        patches = torch.ones((n, self._patches), dtype=torch.int64, device=pixels.device)
        prefix = CachedState(self._forward, cache, patches, patches.new_zeros(n))
        return TorchImages([None] * n, prefix)

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Start captions with the prompt; see `Family`."""
        return [self._prefill(encoded, [self._prompt_ids(prompt)])]

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Let the model continue each question; see `Family`."""
        if history:
            raise ModelError(NO_HISTORY.format(name=self.name))
        return [self._prefill(encoded, [self._prompt_ids(each) for each in questions])]

    def _prompt_ids(self, text: str) -> list[int]:
        return check_fits([self._bos_id, *plain_ids(self.tokenizer, text)], self._max_positions, text)

    def _prefill(self, encoded: TorchImages, prompts: list[list[int]]) -> Prefill:
        """Start a text for each image and prompt."""
        assert encoded.prefix is not None, "set by encode_images"
        n, longest = len(encoded), max(map(len, prompts))
        state = encoded.prefix.expand(len(prompts))
        ids, mask = pad_left(prompts * n, state.next_position.device)
        logits = state.forward(ids, mask, last_only=True)[:, -1]
        return Prefill(state, logits, prompts * n, self._max_positions - longest)

    def _forward(self, inputs: ForwardInputs) -> Tensor:
        # The model itself prepends the patches, which are never padding, to a mask of the words.
        mask = inputs.attention_mask
        logits: Tensor = self._loaded.model(
            input_ids=inputs.input_ids,
            position_ids=inputs.position_ids,
            attention_mask=None if mask is None else mask[:, self._patches :],
            use_cache=True,
            logits_to_keep=inputs.logits_to_keep,
            **cache_argument(self._loaded.model, inputs.past_key_values),
        ).logits
        return logits
