"""BLIP: a captioner, and an answerer of single questions; two kinds of checkpoint, each able to do one of the two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.blip_decoder import BlipState, BlipTextStack, CrossAttention, Unprojected
from catalens.models.readers.checks import NO_HISTORY
from catalens.models.readers.kv_cache import Prefill, pad_right
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import check_fits, plain_ids
from catalens.models.readers.vision import VisionTower


class BlipCaptions:
    """`BlipForConditionalGeneration`: captions that continue a prompt."""

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.answer_prefix = loaded, loaded.processor.tokenizer, ""
        decoder, config = loaded.model.text_decoder, loaded.model.config.text_config
        self._vision = VisionTower(loaded.model.vision_model, loaded.compile_after, exact=loaded.exact)
        self._decoder = BlipTextStack(decoder.bert, decoder.cls)
        self._bos_id: int = config.bos_token_id
        self.end_ids: tuple[int, ...] = (config.sep_token_id,)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower; see `Family`."""
        return TorchImages(self._vision(self._loaded.pixels(images)))

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Start captions with `[DEC]` and the prompt; see `Family`."""
        ids = [self._bos_id, *plain_ids(self.tokenizer, prompt)]
        return [_prefill(self._decoder, self._decoder.look_at(encoded.features), ids)]

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:  # noqa: ARG002
        """Refuse: this kind of checkpoint was not trained to answer."""
        raise ModelError(f"{self.name} gives captions and answers no questions; blip-vqa, BLIP-2 and chat models do")


class BlipAnswers:
    """`BlipForQuestionAnswering`: answers each question on its own, without a conversation.

    Padding of a question is masked for the decoder too, so that an answer does not depend on longer questions beside
    it.
    """

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.answer_prefix = loaded, loaded.processor.tokenizer, ""
        model, config = loaded.model, loaded.model.config.text_config
        self._vision = VisionTower(model.vision_model, loaded.compile_after, exact=loaded.exact)
        self._encoder = BlipTextStack(model.text_encoder)
        self._decoder = BlipTextStack(model.text_decoder.bert, model.text_decoder.cls)
        self._bos_id: int = config.bos_token_id
        self.end_ids: tuple[int, ...] = (config.sep_token_id,)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower; see `Family`."""
        return TorchImages(self._vision(self._loaded.pixels(images)))

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:  # noqa: ARG002
        """Refuse: this kind of checkpoint was not trained to describe."""
        raise ModelError(f"{self.name} answers questions and gives no captions; blip-base and blip-large do")

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Encode each question with each image; see `Family`."""
        if history:
            raise ModelError(NO_HISTORY.format(name=self.name))
        rows = [self._question_ids(each) for each in questions]
        ids, mask = pad_right(rows, encoded.features.device)
        n = len(encoded)
        ids, mask = ids.repeat(n, 1), mask.repeat(n, 1)
        hidden = self._encoder.encode(ids, mask, self._encoder.project(encoded.features))
        return [_prefill(self._decoder, self._decoder.project(hidden, mask), [self._bos_id])]

    def _question_ids(self, question: str) -> list[int]:
        ids: list[int] = self.tokenizer(question).input_ids
        return check_fits(ids, self._encoder.max_positions, question)


def _prefill(decoder: BlipTextStack, cross: CrossAttention | Unprojected, ids: list[int]) -> Prefill:
    """Start one text for each item that is attended to, all with the same tokens."""
    check_fits(ids, decoder.max_positions, "the prompt")
    state = BlipState(decoder, cross)
    device = decoder.embeddings.word_embeddings.weight.device
    rows = torch.tensor([ids], device=device).expand(len(cross), -1)
    logits = state.forward(rows, last_only=True)[:, -1]
    return Prefill(state, logits, [ids] * len(cross), decoder.max_positions - len(ids))
