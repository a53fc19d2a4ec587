"""What our one loop writes is, token for token, what transformers' `generate` writes with the same settings."""

from __future__ import annotations

import pytest
import torch

from catalens.core.types import Decoding, Turn
from catalens.models.readers.blip2 import dialogue
from catalens.models.readers.chat import DESCRIBE
from catalens.models.readers.generate import generate
from catalens.models.readers.kv_cache import Prefill
from tests.support.reader_contract import pictures
from tests.support.reader_references import Settings, generated
from tests.support.tiny_readers import ANSWERERS, CAPTIONERS, CHATS, tiny

QUESTIONS = ["What colour is it?", "Is it a red dress with short sleeves?", "What?"]
MARKS = {
    "llava": "<image>",
    "qwen2-vl": "<|image_pad|>",
    "qwen2.5-vl": "<|image_pad|>",
    "qwen3-vl": "<|image_pad|>",
    "gemma3": "<start_of_image>",
    "smolvlm": "<image>",
    "idefics3": "<image>",
    "internvl": "<IMG_CONTEXT>",
}
WAYS: dict[str, tuple[Decoding, int, Settings]] = {
    "greedy": (Decoding(max_tokens=8), 1, {"max_new_tokens": 8}),
    "at least": (Decoding(max_tokens=8, min_tokens=5), 1, {"max_new_tokens": 8, "min_new_tokens": 5}),
    "penalty": (Decoding(max_tokens=8, repetition_penalty=1.7), 1, {"max_new_tokens": 8, "repetition_penalty": 1.7}),
    "beams": (
        Decoding(max_tokens=7, beams=4),
        3,
        {"max_new_tokens": 7, "num_beams": 4, "num_return_sequences": 3},
    ),
    "beams at least": (
        Decoding(max_tokens=7, min_tokens=4, beams=3, repetition_penalty=1.3),
        1,
        {"max_new_tokens": 7, "min_new_tokens": 4, "num_beams": 3, "repetition_penalty": 1.3},
    ),
}


def written(starts: list[Prefill], name: str, way: str) -> list[list[list[int]]]:
    decoding, count, _ = WAYS[way]
    return [text for start in starts for text in generate(start, decoding, tiny(name)[1].end_ids, count)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prompt", ["", "a photo of a"])
@pytest.mark.parametrize("name", [name for name in CAPTIONERS if name not in CHATS])
def test_captions(name: str, prompt: str, way: str) -> None:
    family, images = tiny(name)[1], pictures()
    with torch.inference_mode():
        ours = written(family.prefill_captions(family.encode_images(images), prompt), name, way)
    assert ours == [generated(name, image, prompt, WAYS[way][2]) for image in images]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ANSWERERS)
def test_answers(name: str, way: str) -> None:
    family, images = tiny(name)[1], pictures()
    with torch.inference_mode():
        ours = written(family.prefill_answers(family.encode_images(images), QUESTIONS, []), name, way)
    worded = [dialogue(each, ()) for each in QUESTIONS] if name.startswith("blip2") else QUESTIONS
    assert ours == [generated(name, image, each, WAYS[way][2]) for image in images for each in worded]


@pytest.mark.parametrize("name", CHATS)
def test_a_question_may_hold_the_mark_of_a_picture(name: str) -> None:
    family, images = tiny(name)[1], pictures(2)
    with torch.inference_mode():
        encoded = family.encode_images(images)
        ours = written(
            family.prefill_answers(encoded, ["What colour?", f"What is {MARKS[name]} for?"], []), name, "greedy"
        )
        alone = written(family.prefill_answers(encoded, ["What colour?"], []), name, "greedy")
    assert ours[::2] == alone
    assert len(ours) == 4


@pytest.mark.parametrize("name", CHATS)
def test_captions_and_conversations_of_chat_models(name: str) -> None:
    family, images, history = tiny(name)[1], pictures(), [Turn("What is it?", "a shirt"), Turn("What?", "red")]
    with torch.inference_mode():
        encoded = family.encode_images(images)
        described = written(family.prefill_captions(encoded, ""), name, "greedy")
        answered = written(family.prefill_answers(encoded, QUESTIONS[:1], history), name, "greedy")
    settings = WAYS["greedy"][2]
    assert described == [generated(name, image, DESCRIBE, settings) for image in images]
    assert answered == [generated(name, image, QUESTIONS[0], settings, history) for image in images]
