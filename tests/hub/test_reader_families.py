"""The promises of readers, over every family of models."""

from __future__ import annotations

from typing import ClassVar

import pytest

from catalens.core.errors import InputError, ModelError
from catalens.models.readers import Reader
from catalens.models.readers.reader import TorchReader
from tests.support.reader_contract import AnswererContract, CaptionerContract, pictures
from tests.support.tiny_readers import tiny


class Over:
    name: ClassVar[str]

    @pytest.fixture
    def reader(self) -> Reader:
        return TorchReader(tiny(self.name)[1])


class TestBlip(Over, CaptionerContract):
    name = "blip"

    def test_it_answers_nothing(self, reader: Reader) -> None:
        with pytest.raises(ModelError, match="answers no questions; blip-vqa"):
            reader.answer(reader.encode_images(pictures(1)), ["What?"])


class TestBlipAnswers(Over, AnswererContract):
    name = "blip-vqa"
    keeps_conversation = False

    def test_it_describes_nothing(self, reader: Reader) -> None:
        with pytest.raises(ModelError, match="no captions; blip-base"):
            reader.caption(reader.encode_images(pictures(1)))


class TestGit(Over, CaptionerContract, AnswererContract):
    name = "git"
    keeps_conversation = False


class TestBlip2Opt(Over, CaptionerContract, AnswererContract):
    name = "blip2-opt"


class TestBlip2T5(Over, CaptionerContract, AnswererContract):
    name = "blip2-t5"


class TestLlava(Over, CaptionerContract, AnswererContract):
    name = "llava"


class TestQwen2Vl(Over, CaptionerContract, AnswererContract):
    name = "qwen2-vl"


class TestQwen25Vl(Over, CaptionerContract, AnswererContract):
    name = "qwen2.5-vl"


class TestQwen3Vl(Over, CaptionerContract, AnswererContract):
    name = "qwen3-vl"


class TestSmolVlm(Over, CaptionerContract, AnswererContract):
    name = "smolvlm"


class TestIdefics3(Over, CaptionerContract, AnswererContract):
    name = "idefics3"


class TestInternVl(Over, CaptionerContract, AnswererContract):
    name = "internvl"


class TestGemma3(Over, CaptionerContract, AnswererContract):
    name = "gemma3"


@pytest.mark.parametrize("name", ["blip", "git"])
def test_a_prompt_that_fills_the_model_is_refused(name: str) -> None:
    reader = TorchReader(tiny(name)[1])
    with pytest.raises(InputError, match="51 tokens; the model reads fewer than 40"):
        reader.caption(reader.encode_images(pictures(1)), prompt="red " * 50)
