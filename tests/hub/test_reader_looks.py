"""A picture is looked at once, whatever is asked of it: counted at the towers themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from catalens.core.types import Decoding
from catalens.models.readers.reader import TorchReader
from tests.support.reader_contract import pictures
from tests.support.tiny_readers import ANSWERERS, BUILD, CAPTIONERS, CHATS, tiny

TOWERS: dict[str, Callable[[Any], list[Any]]] = {
    "blip": lambda model: [model.vision_model],
    "blip-vqa": lambda model: [model.vision_model],
    "git": lambda model: [model.git.image_encoder],
    "blip2-opt": lambda model: [model.vision_model, model.qformer],
    "blip2-t5": lambda model: [model.vision_model, model.qformer],
    "llava": lambda model: [model.model.vision_tower],
    "qwen2-vl": lambda model: [model.model.visual],
    "qwen2.5-vl": lambda model: [model.model.visual],
    "qwen3-vl": lambda model: [model.model.visual],
    "gemma3": lambda model: [model.model.vision_tower],
    "smolvlm": lambda model: [model.model.vision_model],
    "idefics3": lambda model: [model.model.vision_model],
    "internvl": lambda model: [model.model.vision_tower],
}


@contextmanager
def counted(modules: list[Any]) -> Iterator[list[int]]:
    counts = [0] * len(modules)

    def count(at: int) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            counts[at] += 1

        return hook

    hooks = [module.register_forward_hook(count(at)) for at, module in enumerate(modules)]
    yield counts
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("name", BUILD)
def test_towers_run_once_a_look_and_never_after(name: str) -> None:
    loaded, family = tiny(name)
    reader, images = TorchReader(family), pictures(3)
    with counted(TOWERS[name](loaded.model)) as counts:
        encoded = reader.encode_images(images)
        # Chat models give each picture its own size, so that each is a call of its own.
        assert counts == [3 if name in CHATS else 1] * len(counts)
        first = list(counts)
        if name in CAPTIONERS:
            reader.caption(encoded, count=2, decoding=Decoding(max_tokens=3, beams=3))
            reader.caption(encoded, prompt="a photo", decoding=Decoding(max_tokens=3, temperature=1.0), count=3)
        if name in ANSWERERS:
            reader.answer(encoded, ["What?", "Is it red?"], decoding=Decoding(max_tokens=3))
            reader.score(encoded, "What?", ["red", "blue"])
        assert counts == first


@pytest.mark.parametrize("name", ["blip2-opt", "llava", "qwen2-vl"])
def test_the_language_model_reads_the_picture_once(name: str) -> None:
    loaded, family = tiny(name)
    reader = TorchReader(family)
    language = loaded.model.language_model if name == "blip2-opt" else loaded.model.model.language_model
    lengths: list[int] = []

    def note(_module: Any, _arguments: Any, given: dict[str, Any], _output: Any) -> None:
        tokens = given["inputs_embeds"] if given.get("inputs_embeds") is not None else given["input_ids"]
        lengths.append(tokens.shape[1])

    hook = language.register_forward_hook(note, with_kwargs=True)
    encoded = reader.encode_images(pictures(1))
    reader.answer(encoded, ["What?"], decoding=Decoding(max_tokens=1))
    through = len(lengths)
    reader.answer(encoded, ["What?"], decoding=Decoding(max_tokens=1))
    reader.score(encoded, "What?", ["red", "blue"])
    hook.remove()
    picture = lengths[0]
    assert max(lengths[through:]) < picture + lengths[through - 1]
    assert all(length <= lengths[through - 1] or length < picture for length in lengths[through:])
