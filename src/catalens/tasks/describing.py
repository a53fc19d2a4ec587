"""Describing: facts → a product description that states every fact and adds none.

A writer's text is checked; on failure it gets one more attempt with the problems listed, and then the template writes.
The template needs no writer, states every fact by construction, and writes English only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from catalens.core.errors import AnswerError, InputError
from catalens.core.protocols import Writer
from catalens.tasks.checking import Findings, check, check_marked, invented
from catalens.tasks.facts import Facts
from catalens.tasks.instruction import Style, instruct, load_instruction, system_words
from catalens.tasks.lexicon import Lexicon
from catalens.tasks.phrasing import phrases_of
from catalens.tasks.template import Length, Sentence, compose, tones

TEMPLATE = "template"
"""The name of the writer that needs no model."""

_ATTEMPTS = 2
_MAX_TOKENS: Mapping[Length, int] = {"short": 200, "medium": 400, "long": 700}
_THOUGHTS = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)
_FENCE = re.compile(r"^```\w*\n(.*)\n```$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description and its origin.

    Attributes:
        sentences: each with the facts it states; a sentence states at least one, or lists keywords.
        writer: name of the writer, or `TEMPLATE`.
        language: of the text; English where the template stepped in.
        problems: of each rejected text, one tuple per attempt.
        left_out: keywords that would add a fact, and are therefore not used.
    """

    sentences: tuple[Sentence, ...]
    writer: str
    language: str
    problems: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences in a row."""
        return " ".join(sentence.text for sentence in self.sentences)


def describe(
    facts: Facts,
    lexicon: Lexicon,
    *,
    writer: Writer | None = None,
    style: Style | None = None,
    instruction: str | None = None,
) -> Description:
    """Write a description of a product, by a writer or by the template.

    Args:
        facts: what is known of the product.
        lexicon: of the schema of the facts' labels; used by the check.
        writer: a language model; None for the template.
        style: tone, length, language, search words, seed.
        instruction: as `load_instruction` returns it; None for the package's own.

    Returns:
        The writer's first or second text if it passes the check, else the template's.

    Raises:
        InputError: the template does not support the tone or the language.
        ModelError: the writer is unavailable; an unusable answer (`AnswerError`) counts as a failed attempt.
    """
    wanted = style or Style()
    kept = tuple(word for word in wanted.keywords if not invented(word, facts, lexicon))
    left_out = tuple(word for word in wanted.keywords if word not in kept)
    wanted = replace(wanted, keywords=kept)
    if writer is None:
        check_template_can(wanted)
        return Description(
            sentences=_by_template(facts, lexicon, wanted), writer=TEMPLATE, language="English", left_out=left_out
        )
    template, last = instruction or load_instruction(), ""
    words = {fact.name: "; ".join(phrases_of(fact, lexicon.schema)) for fact in facts}
    faults: list[tuple[str, ...]] = []
    for _ in range(_ATTEMPTS):
        try:
            ask = instruct(template, words, wanted, faults[-1] if last else (), last)
            last = cleaned(writer.write(system_words(), ask, max_tokens=_MAX_TOKENS[wanted.length]))
        except AnswerError as error:
            faults.append((str(error),))
            last = ""
            continue
        found = _read(last, facts, lexicon, wanted)
        if not found.problems:
            return Description(
                sentences=found.sentences,
                writer=writer.name,
                language=wanted.language,
                problems=tuple(faults),
                left_out=left_out,
            )
        faults.append(found.problems)
    return Description(
        sentences=_by_template(facts, lexicon, wanted),
        writer=TEMPLATE,
        language="English",
        problems=tuple(faults),
        left_out=left_out,
    )


def check_template_can(style: Style) -> None:
    """Check that the template supports a style.

    Raises:
        InputError: the template does not know the language or the tone.
    """
    if not style.english:
        raise InputError(f"the template writes English, not {style.language!r}; name a model with --writer")
    if style.tone not in tones():
        raise InputError(f"the template has no tone {style.tone!r}; it has: {', '.join(tones())}; a model takes any")


def cleaned(text: str) -> str:
    """Remove what chat models put around an answer: reasoning, code fences, quotation marks, asterisks.

    >>> cleaned('<think>hm</think>"A **red** dress."')
    'A red dress.'
    """
    plain = _THOUGHTS.sub("", text).strip()
    plain = _FENCE.sub(r"\1", plain).replace("**", "")
    quoted = len(plain) > 1 and plain[0] in '"“' and plain[-1] in '"”' and not re.search(r'["“”]', plain[1:-1])
    return plain[1:-1].strip() if quoted else plain


def _read(text: str, facts: Facts, lexicon: Lexicon, style: Style) -> Findings:
    return check(text, facts, lexicon, style.keywords) if style.english else check_marked(text, facts, style.keywords)


def _by_template(facts: Facts, lexicon: Lexicon, style: Style) -> tuple[Sentence, ...]:
    tone = style.tone if style.tone in tones() else "plain"
    return compose(facts, lexicon.schema, tone=tone, length=style.length, keywords=style.keywords, seed=style.seed)
