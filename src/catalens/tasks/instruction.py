"""The prompt of a writer: the facts in a block that no fact can break out of, the style, and earlier problems."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from catalens.core.errors import InputError
from catalens.tasks.template import LENGTHS, Length

_PLACES = re.compile(r"\{(facts|tone|length|language|keywords)\}")
_WORDS = {"short": "at most 40 words", "medium": "at most 80 words", "long": "at most 150 words"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The style of a description.

    Attributes:
        tone: one of `tones()` for the template; any text for a model.
        length: "short", "medium" or "long".
        language: the template and the check of added words support English only.
        keywords: search words that the text should contain.
        seed: random seed of the template.

    Raises:
        InputError: the length is unknown, or a keyword is empty.
    """

    tone: str = "plain"
    length: Length = "medium"
    language: str = "English"
    keywords: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.length not in LENGTHS:
            raise InputError(f"unknown length {self.length!r}; choose one of: {', '.join(LENGTHS)}")
        if not all(map(str.strip, self.keywords)):
            raise InputError("a keyword is empty; leave it out")

    @property
    def english(self) -> bool:
        """Whether the language is a variety of English."""
        first = self.language.strip().lower().replace("_", "-").replace(" ", "-").partition("-")[0]
        return first in {"english", "en", "british", "american"}


def load_instruction(path: Path | None = None) -> str:
    """Read the instruction: the package's own, or a file of the user's.

    The file has the placeholder {facts}, which is wrapped in <facts> and </facts> unless the file does so itself, and
    may have {tone}, {length}, {language} and {keywords}.

    Raises:
        InputError: the file cannot be read, or has no {facts}.
    """
    if path is None:
        return _shipped("instruction")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the instruction {str(path)!r}: {error}") from error
    if "{facts}" not in text:
        raise InputError(f"the instruction {str(path)!r} has no {{facts}}; write it where the facts go")
    return text if "<facts>" in text else text.replace("{facts}", "<facts>\n{facts}\n</facts>")


def system_words() -> str:
    """Return the system prompt of a writer."""
    return _shipped("system")


def instruct(
    instruction: str, facts: Mapping[str, str], style: Style, problems: Sequence[str] = (), last: str = ""
) -> str:
    """Fill in an instruction.

    Args:
        instruction: as `load_instruction` returns it.
        facts: attribute → its value in words; each becomes one line of JSON, in which < and > are escaped: no value
            can end its line or the block.
        style: tone, length, language and keywords.
        problems: of the last text.
        last: that text.
    """
    words = {
        "facts": "\n".join(_quoted({"fact": name, "value": value}) for name, value in facts.items()),
        "tone": style.tone,
        "length": _WORDS[style.length],
        "language": style.language,
        "keywords": f" Use each of these search words once: {_quoted(style.keywords)}." if style.keywords else "",
    }
    # One pass: braces inside a fact are never read as a place.
    parts = [_PLACES.sub(lambda place: words[place.group(1)], instruction).strip()]
    if not style.english:
        parts.append(
            "Put the words that say a fact into double square brackets behind its name and a bar, in every sentence: "
            "[[colour|…]]. Translate the words, never the name."
        )
    if problems:
        faults = "\n".join(f"- {_escaped(problem)}" for problem in problems)
        parts.append(f"Your last text was:\n<text>\n{_escaped(last)}\n</text>\nWrite it again; wrong was:\n{faults}")
    return "\n\n".join(parts)


def _shipped(name: str) -> str:
    file = resources.files("catalens.tasks") / "data" / "describing" / f"{name}.txt"
    return file.read_text(encoding="utf-8").strip()


def _quoted(value: object) -> str:
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
