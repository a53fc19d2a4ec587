"""How much room a template leaves for the interrogator's prompt."""

from __future__ import annotations

import pytest

from catalens.models.fakes import FakeEncoder
from catalens.pipelines.restyling import RestylePrompt, token_limit


class CountingEncoder(FakeEncoder):
    """Counts a token a word, and two marks."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def count_tokens(self, text: str) -> tuple[int, int]:
        tokens = len(text.split()) + 2
        return tokens, min(tokens, self._most)


def words(template: str | None, artist: str = "") -> RestylePrompt:
    return RestylePrompt(artist=artist, template=template)


@pytest.mark.parametrize(
    ("most", "template", "artist", "expected"),
    [
        (77, None, "", 77),
        (77, None, "Van Gogh", 77 - 9),  # "This scene is a painting with Van Gogh style,"
        (32, None, "Van Gogh", 32),  # the encoder reads less than what is left
        (200, "{prompt}", "", 77),
        (77, "x " * 90 + "{prompt}", "", 8),  # something has to be said
    ],
)
def test_the_prompt_and_its_template_fit_together(most: int, template: str | None, artist: str, expected: int) -> None:
    assert token_limit(CountingEncoder(most), words(template, artist)) == expected


def test_an_encoder_that_does_not_count_has_no_limit_of_ours() -> None:
    assert token_limit(FakeEncoder(), words(None)) is None
