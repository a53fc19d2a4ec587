"""`catalens review …`: what models are unsure of, decided by people, one key per decision."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command, command_group
from catalens.cli.options import Json, Where, session_for
from catalens.core.errors import InputError
from catalens.core.files import check_writable, write_text_atomically

if TYPE_CHECKING:
    from catalens.catalogue.review import Review
    from catalens.catalogue.review_tables import Item, Verdict

CatalogueFile = Annotated[str, Argument(metavar="CATALOGUE", help="File of the catalogue.")]
Reviewer = Annotated[str | None, Option(metavar="NAME", help="Who decides. \\[the user of this machine]")]
_VERDICTS: Mapping[str, Verdict] = {"y": "accepted", "u": "unknown", "s": "skipped"}
_KEYS = "1-9 choose · y keep · u unknown · s skip · b undo · q stop, or write another value"


@dataclass(frozen=True, slots=True)
class WantedFlags:
    """What a review asks: the attributes of `Wanted`."""

    schema: Annotated[str | None, Option(help="The schema: a bundled name or a .yaml file. \\[the encoder's]")] = None
    groups: Annotated[str | None, Option(help="Comma-separated groups of the schema. \\[all]")] = None
    unsure: Annotated[int, Option(min=0, help="Questions in which the tags are least sure.")] = 50
    disagreements: Annotated[
        int, Option(min=0, help="Questions in which tags, the record's field and the reader's answer differ.")
    ] = 50
    sample: Annotated[int, Option(min=0, help="Questions drawn at random.")] = 20
    look_at: Annotated[int, Option(min=1, help="Records to examine, drawn at random.")] = 1000
    answers: Annotated[bool, Option("--answers/--no-answers", help="Also ask the reader, which takes longer.")] = True
    seed: Annotated[int, Option(help="Random seed.")] = 0
    where: Where = None


@command(
    "catalens review fill shop.catalens",
    "catalens review fill shop.catalens --groups colour,type --unsure 200 --disagreements 0",
    "catalens review fill shop.catalens --where 'price > 500' --no-answers",
)
def fill(
    catalogue: CatalogueFile,
    asked: WantedFlags,
    json: Json = False,
) -> None:
    """Add questions about a catalogue's records to its review; what was asked before is not asked again."""
    from catalens.pipelines.reviewing import Wanted, fill_review

    groups = tuple(inputs.words(asked.groups)) if asked.groups else ()
    filled = fill_review(_file(catalogue), session_for(), Wanted(**asdict(asked) | {"groups": groups}))
    for failure in filled.failures:
        output.say(f"failed: {failure.id}: {failure.error}", style="red")
    counts = {str(reason): count for reason, count in filled.added.items()}
    row = {"looked_at": filled.looked_at, **counts, "failed": len(filled.failures)}
    if output.wants_json(json):
        output.emit(row)
    else:
        output.show_rows([tuple(row.values())], *(f"{name}#" for name in row))
    if filled.failures:
        raise typer.Exit(1)


@command("catalens review decide shop.catalens", "catalens review decide shop.catalens --reviewer ana")
def decide(catalogue: CatalogueFile, reviewer: Reviewer = None) -> None:
    """Answer the questions of a review one by one: one line each, from the terminal or standard input."""
    from catalens.catalogue.review import Review, ReviewConflictError

    name = reviewer or getpass.getuser()
    with Review(_file(catalogue)) as review:
        lines = _typed()
        item = review.take(name)
        while item is not None:
            _ask(review, item)
            line = next(lines, "q").strip()
            if line == "q":
                break
            try:
                item = _act(review, item, name, line) or review.take(name)
            except ReviewConflictError as error:
                output.say(str(error), style="yellow")
                item = review.take(name)
            except InputError as error:
                output.say(f"{error}; {_KEYS}", style="red")
        progress = review.progress()
    output.say(f"{progress.decided} of {progress.total} questions decided")


def _file(catalogue: str) -> Path:
    """Return the path of a catalogue that exists and can be reviewed.

    Raises:
        InputError: there is no such file, or it is on a server.
    """
    from catalens.catalogue.review import check_reviewable

    check_reviewable(catalogue)
    return inputs.existing(catalogue)


def _act(review: Review, item: Item, reviewer: str, line: str) -> Item | None:
    """Do what a line says; return the question that is to be asked next, if it is a certain one."""
    token = secrets.token_hex(16)
    if line == "b":
        undone = review.undo(reviewer)
        if undone is None:
            output.say("there is nothing to undo")
        return undone or item
    verdict = _VERDICTS.get(line, "corrected")
    value = None if line in _VERDICTS else _value(review, item, line)
    review.decide(reviewer, item.number, verdict, value, token=token)
    return None


def _value(review: Review, item: Item, line: str) -> str:
    """Return the label that a number or a text means; a text that means none as it is, which the review refuses.

    Raises:
        InputError: there is no candidate of that number.
    """
    labels = review.questions()[item.question].labels
    if line.isdecimal():
        if not 1 <= int(line) <= len(item.candidates):
            raise InputError(f"there is no candidate {line}")
        return item.candidates[int(line) - 1][0]
    return next((each for each in labels if each.casefold() == line.casefold()), line)


def _ask(review: Review, item: Item) -> None:
    from catalens.catalogue.opening import open_index

    with open_index(review.path, read_only=True) as index:
        (record,) = index.get([item.id])
    rows = [(at, label, share) for at, (label, share) in enumerate(item.candidates, start=1)]
    words = review.questions()[item.question].words
    output.say(f"\n{item.id}  {record.source if record else ''}\n{words}  now: {item.before or 'nothing'}")
    for at, label, share in rows:
        output.say(f"  {at}  {label}  {share:.2f}")
    output.say(_KEYS)


def _typed() -> Iterator[str]:
    """Yield lines until the input ends."""
    while line := sys.stdin.readline():
        yield line


@command("catalens review status shop.catalens", "catalens review status shop.catalens --json")
def status(catalogue: CatalogueFile, json: Json = False) -> None:
    """Show the progress of a review: how often the value before was right, per group, and decisions per reviewer."""
    from catalens.catalogue.review import Review

    with Review(_file(catalogue)) as review:
        progress = review.progress()
    if output.wants_json(json):
        output.emit(progress.row())
        return
    output.say(f"{progress.decided} of {progress.total} questions decided, {progress.leased} on somebody's screen")
    rows = [(name, n, kept) for name, (n, kept) in progress.questions.items()]
    output.show_rows(rows, "question", "decided#", "kept#")
    output.show_rows(progress.reviewers.items(), "reviewer", "decided#")


@command(
    "catalens review export shop.catalens --labelled labelled.csv",
    "catalens review export shop.catalens --pairs corrections.jsonl",
)
def export(
    catalogue: CatalogueFile,
    labelled: Annotated[
        Path | None, Option(metavar="FILE", help="Table with a row per record, for `tag learn` and `eval tags`.")
    ] = None,
    pairs: Annotated[
        Path | None, Option(metavar="FILE", help="Questions with answers as JSON lines, for `finetune prepare`.")
    ] = None,
) -> None:
    """Export the decisions: labelled rows, training pairs or, without a file, every decision as JSON lines."""
    from catalens.catalogue.review import Review
    from catalens.pipelines.review_export import read_reviewed

    path = _file(catalogue)
    for file in (labelled, pairs):
        if file is not None:
            check_writable(file)
    if labelled is None and pairs is None:
        with Review(path) as review:
            for each in review.decisions(withdrawn=True):
                output.emit(each.row())
        return
    reviewed = read_reviewed(path)
    if labelled is not None:
        write_text_atomically(labelled, reviewed.labelled_table())
        output.say(f"written: {labelled}; learn from it with: catalens tag learn {labelled}")
    if pairs is not None:
        write_text_atomically(pairs, reviewed.pairs())
        output.say(f"written: {pairs}; train on it with: catalens finetune prepare {pairs} --out pairs.parquet")


group = command_group(
    "Review a catalogue: people decide what models are unsure of, and models learn from it.",
    "catalens review fill shop.catalens",
    "catalens review decide shop.catalens",
    "catalens ui shop.catalens",
    commands=(fill, decide, status, export),
)
