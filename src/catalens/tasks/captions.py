"""Caption clean-up: loops, stock phrases and special tokens removed, tags and fixed words inserted.

Pure text. Cleaning only removes words; the order of the rest is the model's.
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
"""Special tokens of BERT, T5, OPT, GPT-2, Llama and chat models."""

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
    """Remove from a caption what is not about the picture.

    Special tokens (`[SEP]`, `</s>`), stock openings ("a picture of", "there is"), loops ("ray ban ray ban ray ban")
    and line breaks are removed. Idempotent; a caption of nothing else becomes empty.

    Args:
        text: as generated.
        keep: a requested opening, which stays even if it is a stock phrase.

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
    """Remove special tokens and loops from an answer; line breaks stay.

    >>> clean_answer("navy blue navy blue navy blue</s>")
    'navy blue'
    """
    lines = [without_loops(line) for line in _MARKS.sub(" ", text).splitlines()]
    return "\n".join(lines).strip()


def without_loops(text: str) -> str:
    """Keep one of several repetitions in a row, and drop a repetition that was cut off.

    Two or more words repeated once are a loop; a single word must occur three times in a row, for there are pom pom
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
    """Fill a template; an empty value takes its comma or its brackets with it.

    Items of a list that the text before already contains are skipped.

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
    """Add fixed words before and after a text, separated by a space unless the suffix starts with punctuation.

    >>> with_fixed_words("a red shirt", prefix="sks style,", suffix=", studio light")
    'sks style, a red shirt, studio light'
    """
    before, after = prefix.strip(), suffix.strip()
    together = after if after[:1] in _PUNCTUATION else f" {after}"
    return f"{before} {text}{together}".strip()


def _cleaned(text: str, asked: str) -> str:
    """Clean once; the result may need cleaning again."""
    plain = " ".join(_NO_WORD.sub(_article, _MARKS.sub(" ", text)).split())
    if not asked or not plain.casefold().startswith(asked.casefold()):
        plain = _without_stock(plain)
    return without_loops(plain)


def _article(found: re.Match[str]) -> str:
    """Return the article for the next word if the removed word had one."""
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
    """Remove the first loop; None if there is none."""
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
    """Count the words from `start` on that each recur `period` words later."""
    pairs = zip(words[start:], words[start + period :], strict=False)
    return next((at for at, (word, later) in enumerate(pairs) if word != later), len(words) - start - period)


def _ended_like(words: Sequence[str], start: int, period: int, rounds: int) -> str:
    """Return the last word of the first round with what ends the last round: a full stop, or nothing."""
    first, last = words[start + period - 1], words[start + rounds * period - 1]
    return first.rstrip(_PUNCTUATION) + last[len(last.rstrip(_PUNCTUATION)) :]


def _unsaid(items: Sequence[str], text: str) -> list[str]:
    """Return each item once, without those that the text contains."""
    said, new = text.casefold(), []
    for item in items:
        plain = item.casefold().strip()
        if plain and re.search(rf"(?<![\w-]){re.escape(plain)}(?![\w-])", said) is None:
            new.append(item.strip())
            said += f", {plain}"
    return new


def _without_gaps(text: str) -> str:
    """Remove the gaps that empty values leave."""
    text = re.sub(r"\(\s*\)|\[\s*\]", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"\s*,(?:\s*,)*", ",", text)
    return text.strip(" ,")
