"""Captions that say only what the picture supports: each phrase is compared with the picture, and unsupported ones go.

A small reader's captions are fluent wherever they come from. The evidence for a phrase is its cosine with the picture
plus that of the whole caption: on validation pictures this tells true from false better than either alone, and better
than the caption with and without the phrase (docs/decisions/061). English only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.tasks.english import article

PhraseKind = Literal["subject", "colour", "clothing", "action", "scene"]
UNKNOWN_CAPTION = "a photo of something unknown"

_COLOURS = "black|white|brown|tan|yellow|grey|gray|red|blue|green|orange|pink|purple|golden|colou?rful"
_COLOUR = re.compile(rf"\b(?:{_COLOURS})(?:(?:,| and|, and) (?:{_COLOURS}))*\s+", re.IGNORECASE)
_CLOTHES = (
    r"shirts?|t-shirts?|jackets?|dress(?:es)?|hats?|caps?|coats?|pants|jeans|shorts|suits?|tops?|sweaters?|uniforms?|"
    r"helmets?|swimsuits?|bathing suits?|sunglasses|glasses|outfits?|jerseys?|vests?|skirts?|shoes|boots|costumes?"
)
_PLACES = "in|on|at|near|through|down|up|over|along|across|into|by|behind|under|around|beside|outside|inside|against"
_VERBS = (
    "run|jump|play|sit|stand|walk|ride|climb|swim|leap|hold|carry|wear|look|pose|smile|lie|lay|sleep|eat|drive|fly|"
    "ski|surf|slide|swing|kick|throw|catch|chase|race|perform|wait|rest|dance|hang|work|watch"
)
_START = re.compile(
    rf"(?<!\bis)(?<!\bare)(?<!\bwhile)\s+(?=(?:is|are)\s+\w+ing\b|(?:{_VERBS}|carrie)s?\b|(?:while\s+)?\w{{2,}}ing\b(?!\s+(?:suit|pool|room))|"
    rf"(?:with|{_PLACES}|next to|in front of|on top of)\s)",
    re.IGNORECASE,
)
_WORN = re.compile(rf"^(?:in|with|wearing)\b.*\b(?:{_CLOTHES})\b", re.IGNORECASE)
_ACTION = re.compile(rf"^(?:is |are |while )*(?P<verb>\w+ing\b.*|(?:{_VERBS}|carrie)s?\b.*)$", re.IGNORECASE)
_OPENING = re.compile(r"^(?:a|the) (?:photo|picture|image) of\s+", re.IGNORECASE)
_DANGLING = re.compile(r"\s+(?:and|is|are|that|who|while|,)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportThresholds:
    """The evidence that each kind of phrase needs, between -2 and 2; infinity drops the kind always.

    The values are those at which four in five phrases are true, learned on validation pictures of `everyday` and `wild`
    with the bundled everyday encoder (revision 3). There is none for actions, colours and clothes of its reader.
    """

    subject: float = 0.393
    scene: float = 0.565
    action: float = math.inf
    colour: float = math.inf
    clothing: float = math.inf

    def of(self, kind: PhraseKind) -> float:
        """Return the threshold of a kind of phrase."""
        return float(getattr(self, kind))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a caption: its own words, and the sentence that an encoder compares."""

    kind: PhraseKind
    words: str
    sentence: str


def split_caption(caption: str) -> list[Phrase]:
    """Split a caption into its subject and what is said of it, in their order.

    A colour comes right after the phrase that holds it.

    >>> [(each.kind, each.words) for each in split_caption("a man in a red shirt is standing on a bed")]
    [('subject', 'a man'), ('clothing', 'in a red shirt'), ('action', 'is standing'), ('scene', 'on a bed')]
    >>> [(each.kind, each.sentence) for each in split_caption("an orange cat sits")]
    [('subject', 'a photo of a cat'), ('colour', 'an orange cat'), ('action', 'somebody sits')]
    """
    first, *rest = _START.split(_OPENING.sub("", " ".join(caption.split()).rstrip(" .")))
    plain = _COLOUR.sub("", first)
    phrases = [Phrase("subject", plain, f"a photo of {_agreeing(plain)}")]
    if plain != first:
        phrases.append(Phrase("colour", first, first))
    for words in rest:
        if _WORN.match(words):
            phrases.append(Phrase("clothing", words, f"somebody {words}"))
        elif found := _ACTION.match(words):
            going_on = re.match(r"\w+ing\b", found["verb"])
            phrases.append(Phrase("action", words, f"somebody {'is ' if going_on else ''}{found['verb']}"))
        else:
            phrases.append(Phrase("scene", words, words))
    return phrases


def supported_captions(
    captions: Sequence[str], vectors: Vectors, encoder: Encoder, thresholds: SupportThresholds = SupportThresholds()
) -> list[str]:
    """Reduce captions to the phrases that their pictures support.

    Args:
        captions: n of them, without model marks.
        vectors: (n, dim), unit rows of the pictures from the encoder.
        encoder: compares.
        thresholds: learned with the same encoder.

    Returns:
        n captions; one whose subject is not supported becomes `UNKNOWN_CAPTION`.

    Raises:
        InputError: there are not as many vectors as captions.
    """
    if len(captions) != len(vectors):
        raise InputError(f"there are {len(vectors)} vectors for {len(captions)} captions; give one for each")
    split = [split_caption(caption) for caption in captions]
    texts = sorted({text for some in split for text in (phrase.sentence for phrase in some)} | set(captions))
    if not texts:
        return []
    places = {text: at for at, text in enumerate(texts)}
    encoded = encoder.encode_texts(texts)
    out = []
    for caption, phrases, vector in zip(captions, split, vectors, strict=True):
        near = encoded @ vector
        evidence = [float(near[places[phrase.sentence]] + near[places[caption]]) for phrase in phrases]
        held = [phrase for phrase, sure in zip(phrases, evidence, strict=True) if sure >= thresholds.of(phrase.kind)]
        out.append(_joined(held))
    return out


def _joined(held: Sequence[Phrase]) -> str:
    if not held or held[0].kind != "subject":
        return UNKNOWN_CAPTION
    subject, *rest = held
    if rest and rest[0].kind == "colour":
        subject, *rest = rest
    parts = [subject.words, *(_DANGLING.sub("", phrase.words) for phrase in rest)]
    said = " ".join(_DANGLING.sub("", part) for part in parts)
    # Without its colours "a black dog and a brown dog" names one thing twice.
    return _agreeing(re.sub(r"^(.+) and \1$", r"\1", said))


def _agreeing(words: str) -> str:
    """Return a phrase whose article fits the word that now follows it."""
    found = re.match(r"an?\s+(\S.*)$", words, re.IGNORECASE)
    return f"{article(found[1])} {found[1]}" if found else words
