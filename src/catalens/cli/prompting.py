"""The stages of a prompt job: a reader says what is there, an encoder finds the words that come nearest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalens.cli import output
from catalens.cli.options import encoder_for, label_folder
from catalens.cli.worlds import Worlds
from catalens.core.errors import CatalensError

if TYPE_CHECKING:
    from rich.table import Table

    from catalens.core.protocols import Encoder
    from catalens.core.types import Record, Vectors
    from catalens.models.readers import Reader
    from catalens.pipelines.engine import Picture, Stage, Step, Values
    from catalens.tasks.interrogation import Plan, Prompt, Tables, Term, Vocabulary

CAPTION, ENCODER = "caption", "encoder"
VALUES = ("prompt", "cosine", "tokens", ENCODER, CAPTION, "terms", "left_out", "runners_up")
CHECKED = ("exact_cosine", "loss")
_LONG_SEARCHES = ("best", "negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a prompt is to be.

    Attributes:
        plan: for the task.
        tables: what it is made of; None: what the encoder knows.
        model: the encoder's name; None: each picture has the shipped one that knows its world.
        caption: what every prompt begins with, a template with the names of columns; None where a reader says it.
        check: search exactly as well, and say what the lazy search lost.
    """

    plan: Plan
    tables: Tables | None
    model: str | None
    caption: str | None
    check: bool


def prompt_stages(load_reader: Callable[[], Reader] | None, wanted: Wanted) -> list[Stage]:
    """Return the stages of a prompt job.

    Args:
        load_reader: loads what captions the pictures; None where nothing does.
        wanted: what the prompts are to be.
    """
    from catalens.pipelines.engine import Stage

    stages = [Stage("captions", lambda: _reader_step(load_reader()))] if load_reader is not None else []
    return [*stages, Stage("prompts", lambda: _encoder_step(wanted))]


def _reader_step(reader: Reader) -> Step:
    from catalens.models.readers.rerank import UNKNOWN
    from catalens.pipelines.engine import Step
    from catalens.tasks.captions import clean_caption

    def run(pictures: Sequence[Picture]) -> list[Values]:
        captions = reader.caption(reader.encode_images([picture.image for picture in pictures]))
        # A prompt begins with the nearest term rather than with "something unknown".
        return [{CAPTION: "" if said[0] == UNKNOWN else clean_caption(said[0])} for said in captions]

    return Step(run, size_wh=reader.input_size_wh, close=reader.close)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A picture's vector, and what can find words for it."""

    encoder: Encoder
    vocabulary: Vocabulary
    vector: Vectors


def _encoder_step(wanted: Wanted) -> Step:
    from catalens.pipelines.engine import Step
    from catalens.tasks.interrogation import load_tables

    def reader(encoder: Encoder, _world: str) -> Callable[[Vectors], list[_Seen]]:
        # The starter knows products only, and has no use for the words of painters.
        own = "fashion" if encoder.name.startswith("starter@") else None
        vocabulary = _vocabulary(encoder, wanted.tables or load_tables(own))
        return lambda vectors: [_Seen(encoder, vocabulary, vector) for vector in vectors]

    worlds: Worlds[_Seen] = Worlds(reader, None if wanted.model is None else encoder_for(wanted.model))
    losses: list[float] = []

    def run(pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        captions = [_caption(picture, wanted.caption) for picture in pictures]
        good = [at for at, caption in enumerate(captions) if isinstance(caption, str)]
        images = [pictures[at].image for at in good]
        seen = [each for _, each in worlds.read(images, worlds.encoder.encode_images(images))]
        values = _found(seen, [str(captions[at]) for at in good], wanted)
        losses.extend(float(value["loss"]) for value in values if "loss" in value)
        found = dict(zip(good, values, strict=True))
        return [caption if isinstance(caption, CatalensError) else found[at] for at, caption in enumerate(captions)]

    def close() -> None:
        if losses:
            mean, most = sum(losses) / len(losses), max(losses)
            output.say(f"the lazy search lost {mean:.4f} of the cosine on average, {most:.4f} at most")

    # Long searches are kept in the job's journal after every few pictures.
    batch_size = 4 if wanted.plan.mode in _LONG_SEARCHES else 32
    return Step(run, size_wh=worlds.size_wh or worlds.encoder.input_size_wh, batch_size=batch_size, close=close)


def _found(seen: Sequence[_Seen], captions: Sequence[str], wanted: Wanted) -> list[dict[str, Any]]:
    """Return the values of each picture; those of one encoder are searched together."""
    import numpy as np

    from catalens.tasks.interrogation import interrogate

    values: dict[int, dict[str, Any]] = {}
    for name in dict.fromkeys(each.encoder.name for each in seen):
        places = [at for at, each in enumerate(seen) if each.encoder.name == name]
        first, vectors = seen[places[0]], np.stack([seen[at].vector for at in places])
        texts = [captions[at] for at in places]
        prompts = interrogate(first.encoder, first.vocabulary, vectors, texts, wanted.plan)
        values |= {at: values_of(prompt, captions[at], name) for at, prompt in zip(places, prompts, strict=True)}
        if wanted.check:
            exact = replace(wanted.plan, search="exact")
            best = interrogate(first.encoder, first.vocabulary, vectors, texts, exact)
            for at, nearest, prompt in zip(places, best, prompts, strict=True):
                loss = _short(_loss(wanted.plan, nearest, prompt))
                values[at] |= {"exact_cosine": _short(nearest.cosine), "loss": loss}
    return [values[at] for at in range(len(seen))]


def _vocabulary(encoder: Encoder, tables: Tables) -> Vocabulary:
    from catalens.tasks.interrogation import build_vocabulary

    told: list[int] = []

    def tell(_done: int, total: int) -> None:
        if total > 1000 and not told:
            output.say(f"encoding the vocabulary with {encoder.name}, once; it is kept")
            told.append(total)

    return build_vocabulary(encoder, tables, cache_dir=label_folder(), progress=tell)


def _caption(picture: Picture, template: str | None) -> str | CatalensError:
    """Return the caption of a picture, or say why it has none."""
    from catalens.tasks.captions import fill_template

    if template is None:
        return str(picture.values.get(CAPTION, ""))
    record = picture.record
    known = {"name": Path(record.id).stem} | {name: str(value) for name, value in record.fields.items()}
    try:
        return fill_template(template, known)
    except CatalensError as error:
        return error


def values_of(prompt: Prompt, caption: str, encoder: str) -> dict[str, Any]:
    """Return a prompt as JSON values, with the caption that it begins with and the encoder that found it."""
    return {
        "prompt": prompt.text,
        "cosine": _short(prompt.cosine),
        "tokens": prompt.tokens,
        ENCODER: encoder,
        CAPTION: caption,
        "terms": [_term(term) for term in prompt.terms],
        "left_out": list(prompt.left_out),
        "runners_up": [_term(term) for term in prompt.runners_up],
    }


def _term(term: Term) -> dict[str, Any]:
    return {"term": term.text, "kind": term.kind, "cosine": _short(term.cosine)}


def _loss(plan: Plan, exact: Prompt, lazy: Prompt) -> float:
    """Say how much better the exact prompt is: nearer, or farther in mode negative."""
    return (exact.cosine - lazy.cosine) * (-1 if plan.mode == "negative" else 1)


def _short(cosine: float) -> float:
    return round(cosine, 4)


def prompt_table(record: Record, values: Values) -> Table:
    """Lay out a prompt, its terms and what came next, for a person."""
    from rich.text import Text

    tokens = "" if values["tokens"] is None else f", {values['tokens']} tokens"
    made = output.table("words", "what", "cosine#", title=record.id)
    made.add_row(
        Text(values["prompt"], style="bold"), f"prompt{tokens}, by {values[ENCODER]}", f"{values['cosine']:.3f}"
    )
    for term in values["terms"]:
        made.add_row(Text(term["term"]), term["kind"], f"{term['cosine']:.3f}")
    for term in values["runners_up"]:
        made.add_row(Text(term["term"], style="dim"), f"next {term['kind']}", f"{term['cosine']:.3f}")
    for words in values["left_out"]:
        made.add_row(Text(words, style="dim"), "no room", "")
    if "loss" in values:
        made.add_row("", "exact search", f"{values['exact_cosine']:.3f}")
    return made
