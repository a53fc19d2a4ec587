"""English as far as descriptions need it: which words are the same word, articles, plurals and lists.

It knows nothing of products; what is not English passes through unharmed, only unmatched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_WORD = re.compile(r"\d+(?:[.,/]\d+)*|[^\W\d_]+", re.UNICODE)
_POSSESSIVE = re.compile(r"(?<=\w)['’]s?\b")
_AMERICAN = (
    ("color", "colour"),
    ("gray", "grey"),
    ("jewelry", "jewellery"),
    ("fiber", "fibre"),
    ("moisturiz", "moisturis"),
    ("pajama", "pyjama"),
)
_IRREGULAR = {"man": "men", "woman": "women", "child": "children", "scarves": "scarf", "analog": "analogue"}
_UNCOUNTED = frozenset({"people", "clothing", "equipment", "food", "furniture"})
_SIBILANT = ("ses", "xes", "zes", "ches", "shes")
_SINGULAR_ENDINGS = ("ss", "us", "is", "canvas")
_SILENT_H = re.compile(r"hour|honest|heir")
_SOUNDS_LIKE_YOU_OR_WON = re.compile(r"uni(?!n|m)|us[aeiu]|u\b|eu|one\b|once\b")
_SPELLED_WITH_A_VOWEL = frozenset("aefhilmnorsx")
_AFTER_THE_HEAD = re.compile(r"\s(?:of|with|on|in|for|and)\s")


@lru_cache(maxsize=8192)
def stems(text: str) -> tuple[str, ...]:
    """Return the words of a text so that spellings and inflections of one word are equal.

    >>> stems("Women's short-sleeved Tops") == stems("women short sleeves top")
    True
    >>> stems("striped, GRAY") == stems("stripes grey")
    True
    >>> stems("navy blue") == stems("blue")
    False
    """
    plain = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).lower())
    return tuple(map(_stem, _WORD.findall(plain)))


def _stem(word: str) -> str:
    for american, british in _AMERICAN:
        word = word.replace(american, british)
    word = _IRREGULAR.get(word, word)
    if len(word) >= 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(_SIBILANT) and len(word) >= 5:
        word = word[:-2]
    elif len(word) >= 4 and word.endswith("s") and not word.endswith(_SINGULAR_ENDINGS):
        word = word[:-1]
    if len(word) >= 6 and word.endswith("ed"):
        word = word[:-2]
        if word[-1] == word[-2] and word[-1] not in "lsfz":
            word = word[:-1]
    return word[:-1] if len(word) >= 5 and word.endswith("e") else word


def find(phrase: Sequence[str], text: Sequence[str]) -> int:
    """Return where the words of a phrase stand side by side in a text, or -1.

    >>> find(("b", "c"), ("a", "b", "c"))
    1
    """
    n = len(phrase)
    wanted = tuple(phrase)
    return next((at for at in range(len(text) - n + 1) if tuple(text[at : at + n]) == wanted), -1) if n else -1


def is_plural(noun: str) -> bool:
    """Return whether a noun phrase is plural, by its head noun.

    >>> [is_plural(noun) for noun in ("short sleeves", "a dress", "pair of jeans", "polka dots", "canvas")]
    [True, False, False, True, False]
    """
    head = _AFTER_THE_HEAD.split(noun.strip(), maxsplit=1)[0].lower()
    return head.endswith("s") and not head.endswith(_SINGULAR_ENDINGS)


def article(words: str) -> str:
    """Return "a" or "an", by how the first word sounds.

    >>> [article(words) for words in ("olive shirt", "unisex top", "A-line dress", "v-neck", "one shoulder")]
    ['an', 'a', 'an', 'a', 'a']
    """
    first = words.strip().lower()
    letter = re.match(r"([a-z])(?![a-z])", first)
    if letter:
        return "an" if letter.group(1) in _SPELLED_WITH_A_VOWEL else "a"
    if _SOUNDS_LIKE_YOU_OR_WON.match(first):
        return "a"
    return "an" if (first and first[0] in "aeiou") or _SILENT_H.match(first) else "a"


def with_article(noun: str) -> str:
    """Put "a" or "an" before one thing; several, an uncounted one, and what has such a word already, stay as they are.

    >>> [with_article(noun) for noun in ("round neck", "open toe", "laces", "a zip", "no sleeves", "sports equipment")]
    ['a round neck', 'an open toe', 'laces', 'a zip', 'no sleeves', 'sports equipment']
    """
    has_one = re.match(r"(?:a|an|the|no|many|with|without)\s", noun.lower())
    is_uncounted = noun.lower().rpartition(" ")[2] in _UNCOUNTED
    return noun if has_one or is_uncounted or is_plural(noun) else f"{article(noun)} {noun}"


def listed(items: Sequence[str]) -> str:
    """Join items with commas and "and".

    >>> listed(["a hood", "a zip", "pockets"])
    'a hood, a zip and pockets'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def lowered(name: str) -> str:
    """Write a title as it stands within a sentence; capitals that mean something stay.

    >>> [lowered(name) for name in ("Navy Blue", "V-Neck", "PU", "A-Line", "iPad")]
    ['navy blue', 'V-neck', 'PU', 'A-line', 'iPad']
    """
    return re.sub(
        r"[^\W\d_]+", lambda word: word[0].lower() if len(word[0]) > 1 and word[0].istitle() else word[0], name
    )


def capital(sentence: str) -> str:
    """Capitalise the first letter."""
    return sentence[:1].upper() + sentence[1:]
