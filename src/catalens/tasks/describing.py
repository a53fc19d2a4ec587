"""Describing: facts → a product description that says every fact and adds none.

A writer is asked, its text is checked, what is wrong is named to it once, and then the template writes. The template
needs no writer, says every fact by the way it is built, and knows English alone.
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
    """A description, and how it came to be.

    Attributes:
        sentences: each with the facts that it says; a sentence says at least one, or lists search words.
        writer: whose text it is.
        language: of the text; English where the template had to step in.
        problems: what was wrong with each text of the writer that was not used, one list an attempt.
        left_out: search words that tell what the facts do not, so that no text may hold them.
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
        facts: what is known of it.
        lexicon: of the schema that the facts' labels are from; what the check reads with.
        writer: a language model; None: the template.
        style: tone, length, language, search words, seed.
        instruction: what the writer is told, as `load_instruction` gives it; None: the package's own.

    Returns:
        The writer's text where it is true to the facts, at the first or second attempt; else the template's.

    Raises:
        InputError: the template is asked for a tone or a language that it does not know.
        ModelError: the writer cannot be had; an answer of no use (`AnswerError`) is an attempt that failed.
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
    told, last = instruction or load_instruction(), ""
    words = {fact.name: "; ".join(phrases_of(fact, lexicon.schema)) for fact in facts}
    faults: list[tuple[str, ...]] = []
    for _ in range(_ATTEMPTS):
        try:
            ask = instruct(told, words, wanted, faults[-1] if last else (), last)
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
    """Refuse what only a model could write.

    Raises:
        InputError: the template does not know the language or the tone.
    """
    if not style.english:
        raise InputError(f"the template writes English, not {style.language!r}; name a model with --writer")
    if style.tone not in tones():
        raise InputError(f"the template has no tone {style.tone!r}; it has: {', '.join(tones())}; a model takes any")


def cleaned(text: str) -> str:
    """Take off what chat models put around an answer: thoughts, fences, quotation marks, stars.

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
