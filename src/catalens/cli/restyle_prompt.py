"""The words for a restyling: those that were given, else those that the interrogator finds in the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from catalens.cli import output
from catalens.cli.options import encoder_for, label_folder, reader_for
from catalens.core.errors import InputError
from catalens.tasks.restyling import restyling_prompt

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.core.protocols import Encoder

AUTO = "auto"
_PAINTER_TOKENS = 77
"""What the text towers of Stable Diffusion read; words beyond are painted by nobody."""
_FEWEST_TOKENS = 8

Words = Callable[["Image"], tuple[str, str]]
"""A picture → its prompt, in the template, and its negative prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What was said of the words.

    Attributes:
        artist: whose style; may be empty.
        work: which painting; may be empty.
        template: None is the usual one.
        prompt: what is in the picture; None lets the interrogator look.
        negative: what to keep out; "auto" lets the interrogator say.
        mode: the interrogator's.
        vocabulary: the interrogator's; None is the shipped one.
        encoder: the interrogator's; None is the environment's.
        captioner: what says the caption that its prompt begins with; None is the environment's reader.
        no_caption: begin with the nearest term.

    Raises:
        InputError: a prompt is given, and a way to find one as well.
    """

    artist: str
    work: str
    template: str | None
    prompt: str | None
    negative: str
    mode: Literal["best", "fast", "classic"]
    vocabulary: str | None
    encoder: str | None
    captioner: str | None
    no_caption: bool

    def __post_init__(self) -> None:
        if sum((self.prompt is not None, self.captioner is not None, self.no_caption)) > 1:
            raise InputError("--prompt, --captioner and --no-caption exclude each other; give one of them")

    def around(self, words: str) -> str:
        """Put a picture's words into the template."""
        return restyling_prompt(words, artist=self.artist, work=self.work, template=self.template)


def words_for(wording: Wording) -> Words:
    """Return the function that finds a picture's words; models are loaded only where they are needed.

    Raises:
        InputError: the template, the vocabulary or a given prompt makes no sense.
        ModelError: a model cannot be loaded.
    """
    wording.around(wording.prompt if wording.prompt is not None else "words")
    if wording.prompt is not None and wording.negative != AUTO:
        given = wording.around(wording.prompt), wording.negative
        return lambda _image: given
    return _interrogator(wording)


def _interrogator(wording: Wording) -> Words:
    from catalens.core.types import GREEDY
    from catalens.tasks.captions import clean_caption
    from catalens.tasks.interrogation import Plan, build_vocabulary, interrogate, load_tables

    encoder = encoder_for(wording.encoder)
    tables = load_tables(wording.vocabulary)
    with output.progress("encoding the vocabulary") as update:
        vocabulary = build_vocabulary(encoder, tables, cache_dir=label_folder(), progress=update)
    plan = Plan(mode=wording.mode, token_limit=room(encoder, wording))
    reader = reader_for(wording.captioner) if wording.prompt is None and not wording.no_caption else None

    def look(image: Image) -> tuple[str, str]:
        vectors = encoder.encode_images([image])
        words, negative = wording.prompt, wording.negative
        if words is None:
            said = clean_caption(reader.caption(reader.encode_images([image]), decoding=GREEDY)[0][0]) if reader else ""
            words = interrogate(encoder, vocabulary, vectors, [said], plan)[0].text
        if negative == AUTO:
            negative = interrogate(encoder, vocabulary, vectors, [""], Plan(mode="negative"))[0].text
        return wording.around(words), negative

    return look


def room(encoder: Encoder, wording: Wording) -> int | None:
    """Return how many tokens the template leaves for the prompt, so that nothing is cut off behind it.

    Args:
        encoder: whose counting is used; Stable Diffusion's text towers count as CLIP's do.
        wording: with the template, and what fills it.

    Returns:
        At most what the encoder reads; None where it does not count.
    """
    from catalens.tasks.prompts.scoring import CountsTokens

    if not isinstance(encoder, CountsTokens):
        return None
    around = encoder.count_tokens(wording.around("a"))[0] - encoder.count_tokens("a")[0]
    most = encoder.count_tokens("a " * _PAINTER_TOKENS)[1]
    return max(_FEWEST_TOKENS, min(most, _PAINTER_TOKENS - around))
