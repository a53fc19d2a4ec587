"""`catalens index …`: looking after a catalogue; how it is filled is in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import index_add, index_check, index_migrate, inputs, output
from catalens.cli.commands import command, command_group
from catalens.cli.filtering import filter_of, say_nothing_found, say_what_excludes_nothing
from catalens.cli.options import Catalogue, Json, Model, Where
from catalens.cli.tally import Tally

if TYPE_CHECKING:
    from catalens.core.protocols import Index


@command("catalens index info shop.catalens")
def info(catalogue: Catalogue, json: Json = False) -> None:
    """Show what a catalogue holds: records, encoder, and the number of records with each field."""
    from catalens.pipelines.catalogue import describe_catalogue

    facts = describe_catalogue(inputs.catalogue(catalogue))
    if output.wants_json(json):
        output.emit(facts)
        return
    fields = facts.pop("fields")
    output.show_rows(facts.items(), "what", "value")
    if fields:
        output.show_rows(fields.items(), "field", "records#")


@command(
    "catalens index list shop.catalens --where 'price > 500' -k 20",
    "catalens index list shop.catalens > records.jsonl",
    name="list",
)
def list_records(
    catalogue: Catalogue,
    where: Where = None,
    limit: Annotated[int | None, Option("--limit", "-k", min=1, help="Maximum number of records. \\[all]")] = None,
    json: Json = False,
) -> None:
    """List records with their fields, in the order in which they were added."""
    from itertools import islice

    from catalens.catalogue.display import fields_line
    from catalens.core.filters import matches

    condition, as_json = filter_of(where), output.wants_json(json)
    found, rows = 0, []
    with _open(catalogue) as index:
        chosen = (each for each in index.records() if condition is None or matches(condition, each.fields))
        for found, record in enumerate(islice(chosen, limit), start=1):  # noqa: B007 - how many there were
            if as_json:
                output.emit({"id": record.id, "source": record.source, "fields": dict(record.fields)})
            else:
                rows.append((record.id, fields_line(record)))
        if not found:
            say_nothing_found(index, condition)
        else:
            say_what_excludes_nothing(index, condition, ())
    if rows:
        output.show_rows(rows, "id", "fields")


@command(
    "catalens index duplicates shop.catalens", "catalens index duplicates shop.catalens --min-score 0.99 > pairs.jsonl"
)
def duplicates(
    catalogue: Catalogue,
    min_score: Annotated[float, Option(min=0.0, max=1.0, help="Minimum cosine similarity of near-duplicates.")] = 0.98,
    json: Json = False,
) -> None:
    """Find near-duplicates, in groups."""
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
    ids: Annotated[list[str], Argument(metavar="ID", help="Ids of the records to remove.")],
    json: Json = False,
) -> None:
    """Remove records. Unknown ids are reported, and the exit code is then 1."""
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
    drop: Annotated[bool, Option("--drop", help="Remove records whose picture can no longer be read.")] = False,
    model: Model = None,
    json: Json = False,
) -> None:
    """Re-encode every picture with another encoder or a newer revision; nothing changes until that is complete.

    A run that was stopped continues when the same command is given again. `catalens index migrate --encoder` keeps the
    replaced catalogue.
    """
    inputs.catalogue(catalogue)
    tally = Tally(as_json=output.wants_json(json))
    row = index_migrate.reencode(catalogue, model, tally, drop=drop)
    _show(catalogue, row, as_json=tally.as_json)
    tally.finish(empty_is_fine=True)


@command("catalens index graph shop.catalens", "catalens index graph shop.catalens --drop")
def graph(
    catalogue: Catalogue,
    drop: Annotated[bool, Option("--drop", help="Delete the graph: every search is exact again.")] = False,
    json: Json = False,
) -> None:
    """Build an HNSW graph, which keeps search fast from about half a million records.

    Search with it is approximate, with high recall; search with --where stays exact.
    """
    from catalens.catalogue.opening import open_file

    with open_file(inputs.catalogue(catalogue)) as index:
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

    output.report([{"catalogue": shown(catalogue), **facts}], as_json=as_json)


def _open(catalogue: str, *, write: bool = False) -> Index:
    from catalens.catalogue.opening import open_index

    return open_index(inputs.catalogue(catalogue), read_only=not write)


group = command_group(
    "Create and maintain a catalogue: records, vectors and keywords in one file, or on a search server.",
    "catalens index add shop.catalens photos/",
    "catalens index info shop.catalens",
    commands=(
        index_add.add,
        info,
        list_records,
        remove,
        duplicates,
        reencode,
        index_migrate.migrate,
        graph,
        index_check.check,
    ),
)
