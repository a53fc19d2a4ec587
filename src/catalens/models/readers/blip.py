"""BLIP: a captioner, and an answerer of single questions. Two checkpoints, since neither can do the other's work."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.blip_decoder import Med, MedReading
from catalens.models.readers.kv_cache import Start, right_padded
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchImages
from catalens.models.readers.tokens import fitting, plain_ids


class BlipCaptions:
    """`BlipForConditionalGeneration`: captions that go on from a prompt."""

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.lead = loaded, loaded.processor.tokenizer, ""
        decoder, config = loaded.model.text_decoder, loaded.model.config.text_config
        self._med = Med(decoder.bert, decoder.cls)
        self._begin: int = config.bos_token_id
        self.ends: tuple[int, ...] = (config.sep_token_id,)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower; see `Family`."""
        return TorchImages(_seen(self._loaded, images))

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Begin captions with `[DEC]` and the prompt; see `Family`."""
        said = [self._begin, *plain_ids(self.tokenizer, prompt)]
        return [_start(self._med, encoded.features, said)]

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:  # noqa: ARG002
        """Refuse: it never learned to answer."""
        raise ModelError(f"{self.name} gives captions and answers no questions; blip-vqa, BLIP-2 and chat models do")


class BlipAnswers:
    """`BlipForQuestionAnswering`: answers each question by itself, without a conversation.

    A padded question is masked for the decoder too, so that an answer does not depend on longer questions beside it.
    """

    keeps_history = False

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self._loaded, self.tokenizer, self.lead = loaded, loaded.processor.tokenizer, ""
        model, config = loaded.model, loaded.model.config.text_config
        self._encoder, self._decoder = Med(model.text_encoder), Med(model.text_decoder.bert, model.text_decoder.cls)
        self._begin: int = config.bos_token_id
        self.ends: tuple[int, ...] = (config.sep_token_id,)

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower; see `Family`."""
        return TorchImages(_seen(self._loaded, images))

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:  # noqa: ARG002
        """Refuse: it never learned to describe."""
        raise ModelError(f"{self.name} answers questions and gives no captions; blip-base and blip-large do")

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Read each question while looking at each picture; see `Family`."""
        if history:
            raise ModelError(
                f"{self.name} learned single questions and keeps no conversation; BLIP-2 and chat models do"
            )
        rows = [self._question(each) for each in questions]
        ids, mask = right_padded(rows, encoded.features.device)
        n = len(encoded)
        ids, mask = ids.repeat(n, 1), mask.repeat(n, 1)
        states = self._encoder.encode(ids, mask, self._encoder.source(encoded.features))
        return [_start(self._decoder, states, [self._begin], mask)]

    def _question(self, question: str) -> list[int]:
        ids: list[int] = self.tokenizer(question).input_ids
        return fitting(ids, self._encoder.max_tokens, question)


def _seen(loaded: Loaded, images: Sequence[Image]) -> Tensor:
    """Return the vision tower's states: (n, patches + 1, width)."""
    states: Tensor = loaded.model.vision_model(pixel_values=loaded.pixels(images)).last_hidden_state
    return states


def _start(med: Med, states: Tensor, said: list[int], mask: Tensor | None = None) -> Start:
    """Begin one text for each row of states; all of them with the same tokens."""
    fitting(said, med.max_tokens, "the prompt")
    reading = MedReading(med, med.source(states, mask))
    ids = torch.tensor([said], device=states.device).expand(len(states), -1)
    logits = reading.read(ids, last=True)[:, -1]
    return Start(reading, logits, [said] * len(states), med.max_tokens - len(said))
