"""`catalens tag`: labels that fit a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalens.cli import inputs, output
from catalens.cli.attributes import schema_reader
from catalens.cli.encoding import Tally, encoded
from catalens.cli.options import Calibrated, Json, Model, Pictures, encoder_for, examples, label_folder
from catalens.cli.worlds import Worlds, by_picture
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources import Entry
    from catalens.core.protocols import Encoder
    from catalens.core.types import Tag, Vectors

Tagger = Callable[["Vectors"], "list[list[dict[str, Any]]]"]
"""(n, dim) vectors → n lists of tags as they are printed, best first."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which tags are given: at most `top` of them, at least as likely as `threshold`, none of `deny`."""

    top: int
    threshold: float | None
    deny: frozenset[str]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        "tag",
        epilog=examples(
            "catalens tag photo.jpg",
            "catalens tag photos/ --top 3 > tags.jsonl",
            'catalens tag photo.jpg --labels "a photo of cats,a photo of dogs"',
            'catalens tag photos/ --vocabulary words.txt --template "a photo of {}" --threshold 0.2',
            "catalens tag photos/ --schema shop.yaml --calibration shop.json",
            "cat photo.jpg | catalens tag -",
        ),
    )(tag)


def tag(
    pictures: Pictures,
    labels: Annotated[str | None, typer.Option(help="Labels between commas, or a text file with one a line.")] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="A large list of labels, whose vectors are kept: a shipped name or a text file.")
    ] = None,
    schema: Annotated[
        str | None, typer.Option(help="Groups of labels: a shipped name or a .yaml file. \\[fashion]")
    ] = None,
    template: Annotated[
        list[str] | None, typer.Option(help="A sentence with {} for the label; several are averaged. \\[{}]")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="The probability that a tag needs. \\[0; for a schema 0.35]")
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            "-k",
            min=1,
            help="At most so many tags for each picture: the likeliest labels, or the first of a schema's questions.",
        ),
    ] = 10,
    deny: Annotated[str | None, typer.Option(help="Tags never to give, between commas or in a text file.")] = None,
    calibration: Calibrated = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Tag pictures: labels that fit, each with its probability.

    Without labels of yours, a product is tagged by the shipped fashion schema and any other photograph by the
    everyday one; without a model of yours, each picture gets the shipped encoder that knows its world.
    A picture that nothing fits has no tags, or the tag "unknown".
    """
    if sum(choice is not None for choice in (labels, vocabulary, schema)) > 1:
        raise InputError("--labels, --vocabulary and --schema exclude each other; give one of them")
    found = inputs.entries(pictures)
    rules = Rules(top, threshold, frozenset(inputs.words(deny)) if deny else frozenset())
    if labels is None and vocabulary is None and template:
        raise InputError("--template goes with --labels or --vocabulary; a schema has templates of its own")
    if (labels is not None or vocabulary is not None) and calibration is not None:
        raise InputError("--calibration goes with a schema: it was learned for the groups of one")
    words = None if labels is None and vocabulary is None else _words(labels, vocabulary)

    def tagger(encoder: Encoder, world: str) -> Tagger:
        if words is not None:
            return _by_labels(encoder, words, template, rules)
        return _by_schema(encoder, schema or world, calibration, rules)

    worlds = Worlds(tagger) if by_picture(model) and schema is None else Worlds(tagger, encoder_for(model))
    _run(found, worlds, as_json=output.wants_json(json))


def _run(found: Iterable[Entry], worlds: Worlds[list[dict[str, Any]]], *, as_json: bool) -> None:
    tally = Tally(as_json=as_json)
    rows: list[tuple[str, str, str]] = []
    with output.progress("tagging", quiet=as_json) as update:
        for batch in encoded(found, worlds.encoder, size_wh=worlds.size_wh):
            for record, (encoder, tags) in zip(batch.records, worlds.read(batch.images, batch.vectors), strict=True):
                if as_json:
                    output.emit({"id": record.id, "source": record.source, "tags": tags, "encoder": encoder})
                else:
                    said = [f"{each['label']} {each['score']:.2f}" for each in tags]
                    rows.append((record.id, " · ".join(said) or "unknown", encoder))
            update(tally.count(batch))
    if rows:
        output.show_rows(rows, "picture", "tags", "encoder")
    tally.finish()


def _words(labels: str | None, vocabulary: str | None) -> list[str]:
    return inputs.words(labels) if labels is not None else _vocabulary(vocabulary or "")


def _vocabulary(name: str) -> list[str]:
    from catalens.tasks.vocabularies import load_vocabulary

    return load_vocabulary(name)


def _by_labels(encoder: Encoder, labels: Sequence[str], templates: Sequence[str] | None, rules: Rules) -> Tagger:
    from catalens.tasks.labels import build_bank
    from catalens.tasks.tagging import TagRules, tag

    with output.progress("encoding labels", len(labels)) as update:
        bank = build_bank(
            encoder,
            list(dict.fromkeys(labels)),
            templates=templates or ("{}",),
            cache_dir=label_folder(),
            progress=update,
        )
    # A few labels are shown with "none of these" among them, so that what is shown sums to one.
    limits = TagRules(deny=rules.deny, show_unknown=len(bank) < rules.top)

    def give(vectors: Vectors) -> list[list[dict[str, Any]]]:
        tags = tag(vectors, bank, top_k=rules.top, min_score=rules.threshold or 0.0, rules=limits)
        return [[tag_row(each) for each in row] for row in tags]

    return give


def _by_schema(encoder: Encoder, schema: str | None, calibration: Path | None, rules: Rules) -> Tagger:
    read = schema_reader(encoder, schema, calibration, rules.threshold)
    denied = {word.casefold() for word in rules.deny}

    def give(vectors: Vectors) -> list[list[dict[str, Any]]]:
        # In the schema's order: what it is comes before how sure one is that it is of regular length.
        return [
            [
                tag_row(value) | {"group": name}
                for name, attribute in attributes.items()
                for value in attribute.values
                if value.label.casefold() not in denied
            ][: rules.top]
            for attributes in read(vectors)
        ]

    return give


def tag_row(tag: Tag) -> dict[str, Any]:
    """Return a tag as it is printed."""
    return {"label": tag.label, "score": round(tag.score, 4)}
