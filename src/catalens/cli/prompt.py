"""`catalens prompt`: the words that would make this picture."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import output as out
from catalens.cli.jobs import (
    ColumnsFlag,
    Destination,
    IfExistsFlag,
    IntoFlag,
    MemoryLimitFlag,
    OutputFlag,
    SidecarFlag,
    run_words,
)
from catalens.cli.options import Json, Model, Pictures, examples, reader_for, reader_name, settings
from catalens.cli.worlds import by_picture
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.engine import Values

_CAPTION = "What it begins with"
_SEARCH = "How it is searched"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens prompt photo.jpg",
            'catalens prompt photo.jpg --caption "a red dress" --mode fast',
            "catalens prompt photos/ --model ViT-L-14/openai --captioner blip-large --output prompts.csv",
            "catalens prompt photos/ --sidecar .txt --if-exists append --no-caption",
            'catalens prompt captions.csv --caption "{caption}" --output prompts.jsonl',
            "catalens prompt photo.jpg --mode negative --runners-up 3",
            "catalens prompt photo.jpg --vocabulary my-terms/ --search lazy --check",
        )
    )(prompt)


def prompt(
    pictures: Pictures,
    mode: Annotated[
        Literal["best", "fast", "classic", "negative"],
        typer.Option(help="best: term by term, the nearest whole prompt; negative: what the picture is not."),
    ] = "best",
    caption: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="These words; {title} is a table's column.",
            rich_help_panel=_CAPTION,
            show_default=False,
        ),
    ] = None,
    captioner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What a reader says: a name from `catalens models`.",
            rich_help_panel=_CAPTION,
            show_default=False,
        ),
    ] = None,
    no_caption: Annotated[
        bool, typer.Option("--no-caption", help="No caption: the nearest term.", rich_help_panel=_CAPTION)
    ] = False,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Your own tables (artists.txt, flavors.txt …, one term a line); or fashion; or clip-interrogator.",
            show_default=False,
        ),
    ] = None,
    max_flavors: Annotated[
        int | None, typer.Option(min=1, help="Terms at most. \\[32; classic: 3]", show_default=False)
    ] = None,
    runners_up: Annotated[int, typer.Option(min=0, help="Also so many terms of each table that came next.")] = 0,
    token_limit: Annotated[
        int | None, typer.Option(min=8, help="Tokens at most. \\[what the encoder reads]", show_default=False)
    ] = None,
    search: Annotated[
        Literal["exact", "lazy"],
        typer.Option(help="lazy: re-score only the terms that may still win.", rich_help_panel=_SEARCH),
    ] = "exact",
    check: Annotated[
        bool,
        typer.Option("--check", help="Also search exactly, and say what lazy lost.", rich_help_panel=_SEARCH),
    ] = False,
    min_flavors: Annotated[
        int, typer.Option(min=0, help="Terms to add even if they do not help.", rich_help_panel=_SEARCH)
    ] = 8,
    candidates: Annotated[
        int, typer.Option(min=1, help="The nearest terms, among which is searched.", rich_help_panel=_SEARCH)
    ] = 2048,
    like: Annotated[
        Literal["clip-interrogator"] | None,
        typer.Option(help="Give what that tool gives, habits included.", rich_help_panel=_SEARCH, show_default=False),
    ] = None,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Find the words that would make these pictures, for a model that paints.

    A prompt is a caption and the terms that bring the whole nearest to the picture, with a cosine for each. Without
    a model of yours, each picture gets the shipped encoder that knows its world. A run that was cut short goes on where
    it was when the same command is given again.
    """
    from catalens.cli.prompting import CHECKED, VALUES, Wanted, prompt_stages, prompt_table
    from catalens.tasks.interrogation import Plan, load_tables

    if sum((caption is not None, captioner is not None, no_caption)) > 1:
        raise InputError("--caption, --captioner and --no-caption exclude each other; give one of them")
    if check and search == "exact":
        raise InputError("--check measures what --search lazy loses; give both")
    plan = Plan(
        mode=mode,
        search=search,
        min_flavors=min_flavors,
        max_flavors=max_flavors,
        candidates=candidates,
        token_limit=token_limit,
        runners_up=runners_up,
        compatible=like is not None,
    )
    reads = caption is None and not no_caption and mode != "negative"
    tables = None if vocabulary is None else load_tables(vocabulary)
    model = None if by_picture(model) else model or settings().model
    wanted = Wanted(plan=plan, tables=tables, model=model, caption=caption, check=check)
    stages = prompt_stages((lambda: reader_for(captioner)) if reads else None, wanted)
    destination = Destination(
        text="prompt",
        known=[*VALUES, *(CHECKED if check else [])],
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )
    begins = reader_name(captioner) if reads else caption
    job = ["prompt", model, begins, asdict(plan), vocabulary, check]

    def show(record: Record, values: Values) -> None:
        out.show(prompt_table(record, values))

    run_words(pictures, stages, destination, job=job, memory_limit=memory_limit, json=json, show=show)
