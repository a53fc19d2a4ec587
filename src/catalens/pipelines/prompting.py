"""Prompts from pictures: a caption, and the vocabulary's terms that bring the whole text nearest to the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.errors import CatalensError, InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.pipelines.bundled_captions import CheckedCaptions
from catalens.pipelines.captioning import CAPTION, fields_of
from catalens.pipelines.encoding import BATCH_SIZE, ENCODER, encode_pictures
from catalens.pipelines.reading import encode_for_reader
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values
from catalens.tasks.interrogation import Evidence, Plan, Prompt, Tables, Term, Vocabulary

PROMPT = "prompt"
VALUES = (PROMPT, "cosine", "tokens", ENCODER, CAPTION, "terms", "left_out", "runners_up")
CHECK_VALUES = ("exact_cosine", "loss")
_LONG_SEARCHES = ("best", "negative")
_TOLD_FROM = 1000
"""Vocabularies of more terms take long to encode the first time."""


@dataclass(frozen=True, slots=True)
class FirstCaptionStage:
    """The caption that a prompt begins with; empty where the reader does not know the picture.

    Attributes:
        reader: its name; None is the configured one.
    """

    reader: str | None = None
    name = "captions"
    gives = (CAPTION,)

    def load(self, session: Session) -> Step:
        """Load the reader."""
        from catalens.models.readers.support import UNKNOWN
        from catalens.tasks.captions import clean_caption

        reader, checked = session.reader(self.reader), CheckedCaptions(session)

        def run(pictures: Sequence[Picture]) -> list[Values]:
            with session.lock(reader.name):
                captions = checked.caption(reader, encode_for_reader(pictures, reader))
            # A prompt begins with the nearest term rather than with "something unknown".
            return [{CAPTION: "" if group[0] == UNKNOWN else clean_caption(group[0])} for group in captions]

        return Step(run, size_wh=reader.input_size_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStage:
    """A prompt for each picture, from its caption and a vocabulary.

    Attributes:
        plan: mode, search and limits; see `Plan`.
        vocabulary: a folder of tables, "fashion" or "clip-interrogator"; None takes what suits the encoder.
        caption: what every prompt begins with, a template with columns; None takes what `FirstCaptionStage` found.
        check: search exactly as well, and give what the lazy search lost.
        encoder: its name; None takes the configured one, or chooses by the picture.
    """

    plan: Plan = field(default_factory=Plan)
    vocabulary: str | None = None
    caption: str | None = None
    check: bool = False
    encoder: str | None = None
    name = "prompts"

    @property
    def gives(self) -> tuple[str, ...]:
        """The prompt, its terms and figures."""
        return (*VALUES, *(CHECK_VALUES if self.check else ()))

    def load(self, session: Session) -> Step:
        """Load the encoders and a named vocabulary, which is encoded when the first picture comes."""
        router = session.router(self.encoder)
        searcher = Interrogator(self.plan, self.vocabulary, session, check=self.check)

        def run(pictures: Sequence[Picture]) -> list[Values | CatalensError]:
            captions = [_caption(picture, self.caption) for picture in pictures]
            good = [at for at, caption in enumerate(captions) if isinstance(caption, str)]
            routed = encode_pictures([pictures[at] for at in good], router, session).split()
            found = iter(searcher.prompts(routed, [str(captions[at]) for at in good]))
            return [caption if isinstance(caption, CatalensError) else next(found) for caption in captions]

        # Long searches are kept in the job's journal after every few pictures.
        batch_size = 4 if self.plan.mode in _LONG_SEARCHES else BATCH_SIZE
        return Step(run, size_wh=router.input_size_wh, batch_size=batch_size, finish=searcher.tell_loss)


def prompt_stages(prompts: PromptStage, captioner: str | None = None, *, captions: bool = True) -> list[Stage]:
    """Return the stages of a prompt job: a reader's caption unless one is given or none is wanted, and the search."""
    reads = captions and prompts.caption is None and prompts.plan.mode != "negative"
    return [*([FirstCaptionStage(captioner)] if reads else []), prompts]


class Interrogator:
    """Finds prompts for encoded pictures; those of one encoder are searched together."""

    def __init__(self, plan: Plan, vocabulary: str | None, session: Session, *, check: bool = False) -> None:
        self._plan, self._name, self._session, self._check = plan, vocabulary, session, check
        # What is wrong with a vocabulary of the user's is an error of the job, not of each picture.
        self._tables = None if vocabulary is None else _tables(vocabulary)
        self._vocabularies: dict[str, Vocabulary] = {}
        self._losses: list[float] = []

    def prompts(self, routed: Sequence[tuple[Encoder, Vectors]], captions: Sequence[str]) -> list[Values]:
        """Return the values of each picture.

        Args:
            routed: encoder and vector (dim,) of each of n pictures.
            captions: n texts that prompts begin with; an empty one leaves the beginning to the terms.
        """
        values: dict[int, dict[str, Any]] = {}
        for name in dict.fromkeys(encoder.name for encoder, _ in routed):
            places = [at for at, (encoder, _) in enumerate(routed) if encoder.name == name]
            encoder = routed[places[0]][0]
            vectors, texts = np.stack([routed[at][1] for at in places]), [captions[at] for at in places]
            prompts = self.search(encoder, vectors, texts, self._plan)
            values |= {at: _values(prompt, captions[at], name) for at, prompt in zip(places, prompts, strict=True)}
            if self._check:
                exact = self.search(encoder, vectors, texts, replace(self._plan, search="exact"))
                for at, best, prompt in zip(places, exact, prompts, strict=True):
                    loss = _rounded(_loss(self._plan, best, prompt))
                    self._losses.append(loss)
                    values[at] |= {"exact_cosine": _rounded(best.cosine), "loss": loss}
        return [values[at] for at in range(len(routed))]

    def search(self, encoder: Encoder, vectors: Vectors, captions: Sequence[str], plan: Plan) -> list[Prompt]:
        """Return a prompt for each vector (n, dim) of one encoder."""
        from catalens.tasks.interrogation import interrogate

        with self._session.lock(encoder.name):
            return interrogate(encoder, self._vocabulary(encoder), vectors, captions, plan)

    def tell_loss(self) -> None:
        """Notify of what the lazy search lost."""
        if self._losses:
            mean, most = sum(self._losses) / len(self._losses), max(self._losses)
            self._session.notify(f"the lazy search lost {mean:.4f} of the cosine on average, {most:.4f} at most")
        self._losses.clear()  # the step may be kept for another job

    def _vocabulary(self, encoder: Encoder) -> Vocabulary:
        from catalens.tasks.interrogation import build_vocabulary

        if encoder.name not in self._vocabularies:
            evidence, session = self._evidence(encoder), self._session
            # The product encoder does not know the words of painters.
            own = "fashion" if encoder.name.startswith("starter@") else None
            tables = self._tables or (_tables(own) if evidence is None else evidence.tables())
            notified: list[int] = []

            def tell(done: int, total: int) -> None:
                if total > _TOLD_FROM and not notified:
                    session.notify(f"encoding the vocabulary with {encoder.name}, once; it is kept")
                    notified.append(total)
                if session.on_progress is not None:
                    session.on_progress("encoding the vocabulary", done, total)

            vocabulary = build_vocabulary(
                session.paced(encoder), tables, evidence=evidence, cache_dir=session.label_cache, progress=tell
            )
            self._vocabularies[encoder.name] = vocabulary
        return self._vocabularies[encoder.name]

    def _evidence(self, encoder: Encoder) -> Evidence | None:
        """Return what a bundled encoder knows, unless a vocabulary is named or another tool's rules apply."""
        from catalens.models.registry import bundled_prompt_terms
        from catalens.tasks.interrogation import load_evidence

        file = None if self._name or self._plan.compatible else bundled_prompt_terms(encoder.name)
        if file is None:
            return None
        return load_evidence(file, encoder.name, getattr(encoder, "classes", {}), encoder.logit_scale)


def _tables(vocabulary: str | None) -> Tables:
    from catalens.tasks.interrogation import load_tables

    return load_tables(vocabulary)


def _caption(picture: Picture, template: str | None) -> str | CatalensError:
    """Return the caption of a picture, or why it has none."""
    from catalens.tasks.captions import fill_template

    if template is None:
        return str(picture.values.get(CAPTION, ""))
    record = picture.record
    known: Mapping[str, str] = fields_of(record) | {"name": Path(record.id).stem}
    try:
        return fill_template(template, known)
    except InputError as error:
        return error


def _values(prompt: Prompt, caption: str, encoder: str) -> dict[str, Any]:
    return {
        PROMPT: prompt.text,
        "cosine": _rounded(prompt.cosine),
        "tokens": prompt.tokens,
        ENCODER: encoder,
        CAPTION: caption,
        "terms": [_term(term) for term in prompt.terms],
        "left_out": list(prompt.left_out),
        "runners_up": [_term(term) for term in prompt.runners_up],
    }


def _term(term: Term) -> dict[str, Any]:
    return {"term": term.text, "kind": term.kind, "cosine": _rounded(term.cosine)}


def _loss(plan: Plan, exact: Prompt, lazy: Prompt) -> float:
    """Return how much better the exact prompt is: nearer, or farther in mode negative."""
    return (exact.cosine - lazy.cosine) * (-1 if plan.mode == "negative" else 1)


def _rounded(cosine: float) -> float:
    return round(cosine, 4)
