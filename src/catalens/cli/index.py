"""`catalens index …`: looking after a catalogue; how it is filled is in a file of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import index_add, index_check, inputs, output
from catalens.cli.commands import command, command_group
from catalens.cli.filtering import filter_of, say_unknown_fields
from catalens.cli.options import Catalogue, Json, Model, Where, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.catalogue.sources import Entry
    from catalens.core.protocols import Encoder, Index
    from catalens.core.types import Vectors
    from catalens.pipelines.session import Session

_AT_ONCE = 64
"""Vectors that are written at once."""


@command("catalens index info shop.catalens")
def info(catalogue: Catalogue, json: Json = False) -> None:
    """Say what a catalogue holds: records, encoder, and how many records have each field."""
    from catalens.catalogue.opening import scheme_of, shown

    with _open(catalogue) as index:
        fields = Counter(name for record in index.records() for name in record.fields)
        facts = {"catalogue": shown(catalogue), "records": len(index), "encoder": index.encoder_name, "dim": index.dim}
    if scheme_of(catalogue) is None:
        facts["bytes"] = Path(catalogue).stat().st_size
    if output.wants_json(json):
        output.emit({**facts, "fields": dict(fields)})
        return
    output.show_rows(facts.items(), "what", "value")
    if fields:
        output.show_rows(fields.most_common(), "field", "records#")


@command(
    "catalens index list shop.catalens --where 'price > 500' -k 20",
    "catalens index list shop.catalens > records.jsonl",
    name="list",
)
def list_records(
    catalogue: Catalogue,
    where: Where = None,
    limit: Annotated[int | None, Option("--limit", "-k", min=1, help="At most so many records. [all]")] = None,
    json: Json = False,
) -> None:
    """List records with their fields, in the order in which they were added."""
    from itertools import chain, islice

    from catalens.catalogue.display import fields_line
    from catalens.core.filters import matches

    condition = filter_of(where)
    with _open(catalogue) as index:
        chosen = (each for each in index.records() if condition is None or matches(condition, each.fields))
        first = next(chosen, None)
        if first is None:
            output.say("nothing found")
            say_unknown_fields(index, condition)
            return
        records = islice(chain([first], chosen), limit)
        if output.wants_json(json):
            for record in records:
                output.emit({"id": record.id, "source": record.source, "fields": dict(record.fields)})
            return
        rows = [(record.id, fields_line(record)) for record in records]
    output.show_rows(rows, "id", "fields")


@command(
    "catalens index duplicates shop.catalens", "catalens index duplicates shop.catalens --min-score 0.99 > pairs.jsonl"
)
def duplicates(
    catalogue: Catalogue,
    min_score: Annotated[float, Option(min=0.0, max=1.0, help="How alike pictures must be, as a cosine.")] = 0.98,
    json: Json = False,
) -> None:
    """Find pictures that are as good as the same, in groups."""
    from catalens.catalogue.display import fields_line
    from catalens.catalogue.duplicates import find_duplicates

    with _open(catalogue) as index:
        groups = find_duplicates(index, min_score)
    if output.wants_json(json):
        for group in groups:
            output.emit({"ids": [record.id for record in group], "sources": [record.source for record in group]})
    elif groups:
        rows = [
            (number if place == 0 else "", record.id, fields_line(record))
            for number, group in enumerate(groups, start=1)
            for place, record in enumerate(group)
        ]
        output.show_rows(rows, "group#", "id", "fields")
    output.say(f"{len(groups)} groups of near-duplicates")


@command("catalens index remove shop.catalens 10032.jpg 10033.jpg")
def remove(
    catalogue: Catalogue,
    ids: Annotated[list[str], Argument(metavar="ID", help="Records to forget.")],
    json: Json = False,
) -> None:
    """Forget records. Ids that are not there are named, and end the command with 1."""
    from catalens.catalogue.opening import shown
    from catalens.core.types import Outcome

    tally = Tally(as_json=output.wants_json(json))
    with _open(catalogue, write=True) as index:
        known = {record.id for record in index.get(ids) if record is not None}
        tally.done = index.remove(sorted(known))
        records = len(index)
    missing = [each for each in dict.fromkeys(ids) if each not in known]
    tally.report([Outcome(each, f"{shown(catalogue)} has no record {each}") for each in missing])
    _show(catalogue, {"removed": tally.done, "failed": tally.failed, "records": records}, as_json=tally.as_json)
    tally.finish()


@command("catalens index reencode shop.catalens --model path/to/bundle")
def reencode(
    catalogue: Catalogue,
    drop: Annotated[bool, Option("--drop", help="Forget records whose picture cannot be read any more.")] = False,
    model: Model = None,
    json: Json = False,
) -> None:
    """Encode every picture again, with another encoder or a newer revision; until that is done, nothing changes."""
    from catalens.pipelines.catalogue import catalogue_encoder

    session = session_for(model)
    encoder = catalogue_encoder(catalogue, session)
    tally = Tally(as_json=output.wants_json(json))
    with _open_file(catalogue) as index:
        if index.encoder_name == encoder.name:
            raise InputError(f"{catalogue} is of {encoder.name} already; name another encoder with --model")
        index.reencode(encoder.name, encoder.dim, _fresh(index, encoder, session, tally, drop=drop))
        facts = {"encoder": encoder.name, "encoded": tally.done, "failed": tally.failed, "records": len(index)}
    _show(catalogue, facts, as_json=tally.as_json)
    tally.finish()


def _fresh(
    index: EmbeddedIndex, encoder: Encoder, session: Session, tally: Tally, *, drop: bool
) -> Iterator[tuple[Sequence[str], Vectors]]:
    """Return the ids and vectors of the records, a few at a time; what failed is reported, and dropped if wanted."""
    import numpy as np

    from catalens.core.types import Outcome
    from catalens.core.vectors import batched
    from catalens.pipelines.encoding import VECTOR, EncoderStage
    from catalens.pipelines.engine import stream

    with output.progress("encoding", len(index)) as update:
        for some in batched(stream(_items(index), [EncoderStage(encoder)], session), _AT_ONCE):
            good = [event for event in some if event.values is not None]
            failed = [Outcome(event.record.id, event.error) for event in some if event.values is None]
            if failed and drop:
                index.remove([failure.id for failure in failed])
            tally.done += len(good)
            tally.report(failed)
            update(tally.done + tally.failed)
            if good:
                yield (
                    [event.record.id for event in good],
                    np.stack([event.values[VECTOR] for event in good if event.values]),
                )


def _items(index: EmbeddedIndex) -> Iterator[Entry]:
    from catalens.catalogue.sources import Item, read_picture
    from catalens.core.types import Outcome

    for record in index.records():
        try:
            yield Item(record.id, read_picture(record.source), record.source, record.fields)
        except InputError as error:
            yield Outcome(record.id, str(error))


@command("catalens index graph shop.catalens", "catalens index graph shop.catalens --drop")
def graph(
    catalogue: Catalogue,
    drop: Annotated[bool, Option("--drop", help="Delete the graph: every search is exact again.")] = False,
    json: Json = False,
) -> None:
    """Build the graph that keeps large catalogues quick, from about half a million records on.

    Searches with it are nearly exact; those with --where stay exact.
    """
    with _open_file(catalogue) as index:
        if drop:
            index.drop_graph()
        else:
            with output.messages().status(f"building the graph of {len(index)} records"):
                index.build_graph()
        facts = {"graph": "none" if drop else "built", "records": len(index)}
    _show(catalogue, facts, as_json=output.wants_json(json))


def _show(catalogue: str, facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print what became of a catalogue."""
    from catalens.catalogue.opening import shown

    row = {"catalogue": shown(catalogue), **facts}
    if as_json:
        output.emit(row)
    else:
        output.show_rows([tuple(row.values())], *(f"{name}#" if isinstance(row[name], int) else name for name in row))


def _open(catalogue: str, *, write: bool = False) -> Index:
    from catalens.catalogue.opening import open_index

    return open_index(inputs.catalogue(catalogue), read_only=not write)


def _open_file(catalogue: str) -> EmbeddedIndex:
    """Open a catalogue for what only a file can do."""
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.catalogue.opening import scheme_of, shown

    if scheme_of(catalogue):
        raise InputError(f"{shown(catalogue)} is on a server, which keeps a graph itself; this is for catalogue files")
    return EmbeddedIndex.open(inputs.existing(catalogue), read_only=False)


group = command_group(
    "Make a catalogue, and look after it: records, vectors and words in one file, or on a search server.",
    "catalens index add shop.catalens photos/",
    "catalens index info shop.catalens",
    commands=(index_add.add, info, list_records, remove, duplicates, reencode, graph, index_check.check),
)
