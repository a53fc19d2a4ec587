"""What every writer promises, and what names a writer may have."""

from __future__ import annotations

import pytest

from catalens.core.errors import AnswerError, InputError, ModelError
from catalens.core.protocols import Writer
from catalens.models.writers import load_writer

INSTRUCTION = 'Describe:\n{"fact": "colour", "value": "red"}\n{"fact": "heel_height", "value": "5 cm"}\nThanks.'


@pytest.fixture
def writer() -> Writer:
    return load_writer("fake")


def test_a_writer_gives_text_and_the_same_again(writer: Writer) -> None:
    assert writer.name
    text = writer.write("be brief", INSTRUCTION)
    assert text == "The colour is red. The heel height is 5 cm."
    assert writer.write("be brief", INSTRUCTION) == text
    writer.close()
    writer.close()  # twice is harmless


def test_a_text_that_would_be_cut_off_is_an_error_and_so_is_none(writer: Writer) -> None:
    with pytest.raises(AnswerError, match="cut off after 3 tokens"):
        writer.write("be brief", INSTRUCTION, max_tokens=3)
    with pytest.raises(AnswerError, match="no facts"):
        writer.write("be brief", "Hello.")


@pytest.mark.parametrize("name", ["", "gpt", "bedrock", "bedrock:", "openai:  ", "template:x"])
def test_a_name_that_is_none_lists_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match=r"bedrock:MODEL-ID, openai:URL#MODEL .* transformers:FOLDER, fake"):
        load_writer(name)


def test_a_timeout_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="must be above 0"):
        load_writer("fake", timeout_s=0)


def test_a_folder_that_is_not_there_is_named() -> None:
    pytest.importorskip("transformers", reason='a local model needs transformers: pip install "catalens[hub]"')
    with pytest.raises(ModelError, match="'no/such' is not a folder"):
        load_writer("transformers:no/such")
