"""Captions made fit to keep: loops, stock phrases and model marks taken out, tags and fixed words put in.

Pure text. Cleaning only ever takes words away: what is left was said by the model, in its order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter

from catalens.core.errors import InputError

_MARKS = re.compile(
    r"<\|[^|<>]*\|>"  # <|endoftext|>, <|im_end|>
    r"|</?s>|<pad>|<unk>|<mask>|<image>|<fake_token_around_image>|<(?:start|end)_of_[a-z]+>"
    r"|\[(?:CLS|SEP|PAD|UNK|MASK|BOS|EOS|ENC|DEC)\]",
    re.IGNORECASE,
)
"""What tokenizers of BERT, T5, OPT, GPT-2, Llama and chat models put around texts."""

_PICTURE = r"(?:picture|image|photo|photograph|pic)"
_STOCK = re.compile(
    rf"""(?:
      (?:(?:this|here|it)\ is\ |it's\ )?(?:an?|the|this)\ {_PICTURE}\ (?:of|showing|that\ shows)\b
    | (?:the|this)\ {_PICTURE}\ (?:shows|depicts|features|displays|contains|is\ of)\b
    | (?:in\ (?:the|this)\ {_PICTURE},?\ )?(?:there\ (?:is|are)|(?:we|you|one)\ (?:can\ )?sees?)\b
    | in\ (?:the|this)\ {_PICTURE}\b,?
    | this\ is(?=\ an?\ )
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
"""Beginnings that say only that a picture shows something; "a black and white photo of" says more and stays."""

_NO_WORD = re.compile(r"\b(?:(an?)\s+)?araf+e[a-z]*\b\s*", re.IGNORECASE)
"""A word of no language that BLIP-large is known for: "arafed man", "araffe"."""

_SMALL_WORDS = (
    *("a", "an", "and", "are", "as", "at", "by", "for", "from", "has", "in"),
    *("is", "of", "on", "or", "that", "the", "to", "with"),
)
_DANGLING = re.compile(
    r"(?:[\s,;]+(?:on top of|next to|in front of|on the (?:side|back|front|top) of|"
    rf"{'|'.join(_SMALL_WORDS)}))+[\s,;.]*$",
    re.IGNORECASE,
)
_NAME = re.compile(r"[^{}.\[\]]+")
_PUNCTUATION = ".,;:!?\"'()"


def clean_caption(text: str, *, keep: str = "") -> str:
    """Take out of a caption what the picture did not put there.

    Model marks (`[SEP]`, `</s>`), stock beginnings ("a picture of", "there is"), loops ("ray ban ray ban ray ban")
    and line breaks go. Doing it twice changes nothing more. What is nothing else becomes empty.

    Args:
        text: as the model gave it.
        keep: a beginning that was asked for, and therefore stays even if it is a stock phrase.

    >>> clean_caption("there is a man wearing ray ban ray ban ray ban")
    'a man wearing ray ban'
    >>> clean_caption("a photo of a red shirt [SEP]", keep="a photo of")
    'a photo of a red shirt'
    """
    asked = " ".join(keep.split())
    while (cleaner := _cleaned(text, asked)) != text:
        text = cleaner
    return text


def clean_answer(text: str) -> str:
    """Take model marks and loops out of an answer; its lines stay lines.

    >>> clean_answer("navy blue navy blue navy blue</s>")
    'navy blue'
    """
    lines = [without_loops(line) for line in _MARKS.sub(" ", text).splitlines()]
    return "\n".join(lines).strip()


def without_loops(text: str) -> str:
    """Say once what is said several times in a row, and drop the beginning of a round that was cut off.

    Two or more words said twice in a row are a loop; a single word must be said three times, for there are pom pom
    hats and chow chows, unless it is a small word such as "the".

    >>> without_loops("a man with a hat on top of a hat on top of a hat on top of a hat on.")
    'a man with a hat'
    >>> without_loops("a pom pom hat, a pom pom hat and a tuk tuk")
    'a pom pom hat and a tuk tuk'
    """
    words = text.split()
    while (shorter := _without_first_loop(words)) is not None:
        words = shorter
    return " ".join(words)


def template_names(template: str) -> list[str]:
    """Return the names in a template, in order.

    >>> template_names("{caption}, {tags}")
    ['caption', 'tags']

    Raises:
        InputError: braces that do not close, or hold more than a name.
    """
    try:
        parts = [part for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise InputError(f"the template {template!r} cannot be read: {error}; write names as {{caption}}") from error
    if any(not name or not _NAME.fullmatch(name) or spec or conversion for _, name, spec, conversion in parts):
        raise InputError(f"the template {template!r} has braces that hold no plain name; write names as {{caption}}")
    return [name for _, name, _, _ in parts if name is not None]


def fill_template(template: str, values: Mapping[str, str | Sequence[str]]) -> str:
    """Put values into a template; what is empty takes its comma or its brackets with it.

    Of a list, only what the text before it does not say already is put in.

    Args:
        template: text with names in braces, such as "{caption}, {tags}".
        values: a text, or a list of them, for each name.

    Raises:
        InputError: the template cannot be read, or has a name without a value.

    >>> fill_template("{caption}, {tags}", {"caption": "a red shirt", "tags": ["red", "cotton"]})
    'a red shirt, cotton'
    >>> fill_template("{caption} ({colour}), {tags}", {"caption": "a shirt", "colour": "", "tags": []})
    'a shirt'
    """
    if missing := [name for name in template_names(template) if name not in values]:
        raise InputError(
            f"the template asks for {{{missing[0]}}}; there are {', '.join(sorted(values)) or 'no values'}"
        )
    text = ""
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is not None:
            value = values[name]
            text += value if isinstance(value, str) else ", ".join(_unsaid(value, text))
    return _without_gaps(text)


def with_fixed_words(text: str, *, prefix: str = "", suffix: str = "") -> str:
    """Put fixed words before and after a text, a space between unless the suffix begins with a comma or the like.

    >>> with_fixed_words("a red shirt", prefix="sks style,", suffix=", studio light")
    'sks style, a red shirt, studio light'
    """
    before, after = prefix.strip(), suffix.strip()
    together = after if after[:1] in _PUNCTUATION else f" {after}"
    return f"{before} {text}{together}".strip()


def _cleaned(text: str, asked: str) -> str:
    """Clean once; what comes to light by it may need cleaning too."""
    plain = " ".join(_NO_WORD.sub(_article, _MARKS.sub(" ", text)).split())
    if not asked or not plain.casefold().startswith(asked.casefold()):
        plain = _without_stock(plain)
    return without_loops(plain)


def _article(found: re.Match[str]) -> str:
    """Return the article that fits the next word, where the word that goes had one."""
    if not found[1]:
        return ""
    follows = found.string[found.end() : found.end() + 1].casefold()
    return f"{found[1][0]}n " if follows in "aeiou" else f"{found[1][0]} "


def _without_stock(text: str) -> str:
    rest = text
    while found := _STOCK.match(rest):
        rest = rest[found.end() :]
    return rest[:1].upper() + rest[1:] if text[:1].isupper() else rest


def _without_first_loop(words: Sequence[str]) -> list[str] | None:
    """Take out the first loop; None if there is none."""
    plain = [word.strip(_PUNCTUATION).casefold() or word for word in words]
    for start in range(len(plain)):
        for period in range(1, (len(plain) - start) // 2 + 1):
            same = _same_as_later(plain, start, period)
            rounds = same // period + 1
            needed = 3 if period == 1 and plain[start] not in _SMALL_WORDS else 2
            if rounds >= needed:
                once = [*words[: start + period - 1], _ended_like(words, start, period, rounds)]
                if start + period + same == len(words):  # it went on to where the model was stopped
                    return _DANGLING.sub("", " ".join(once)).split()
                return [*once, *words[start + rounds * period :]]
    return None


def _same_as_later(words: Sequence[str], start: int, period: int) -> int:
    """Count the words from `start` on that are each said again `period` words later."""
    pairs = zip(words[start:], words[start + period :], strict=False)
    return next((at for at, (word, later) in enumerate(pairs) if word != later), len(words) - start - period)


def _ended_like(words: Sequence[str], start: int, period: int, rounds: int) -> str:
    """Return the last word of the first round with what ends the last round: a full stop, or nothing."""
    first, last = words[start + period - 1], words[start + rounds * period - 1]
    return first.rstrip(_PUNCTUATION) + last[len(last.rstrip(_PUNCTUATION)) :]


def _unsaid(items: Sequence[str], text: str) -> list[str]:
    """Return each item once, without those whose words stand in the text."""
    said, new = text.casefold(), []
    for item in items:
        plain = item.casefold().strip()
        if plain and re.search(rf"(?<![\w-]){re.escape(plain)}(?![\w-])", said) is None:
            new.append(item.strip())
            said += f", {plain}"
    return new


def _without_gaps(text: str) -> str:
    """Close what an empty value has left open."""
    text = re.sub(r"\(\s*\)|\[\s*\]", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"\s*,(?:\s*,)*", ",", text)
    return text.strip(" ,")
