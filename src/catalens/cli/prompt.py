"""`catalens prompt`: the words that would make this picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import output as out
from catalens.cli.jobs import (
    ColumnsFlag,
    IfExistsFlag,
    IntoFlag,
    MemoryLimitFlag,
    OutputFlag,
    SidecarFlag,
    run_stages,
)
from catalens.cli.options import Json, Model, Pictures, examples, session_for
from catalens.cli.remote import ServerFlag
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

_CAPTION = "Caption"
_SEARCH = "Search"


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
            help="Caption to begin with; {title} is a table's column.",
            rich_help_panel=_CAPTION,
            show_default=False,
        ),
    ] = None,
    captioner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Reader that captions the picture: a name from `catalens models`.",
            rich_help_panel=_CAPTION,
            show_default=False,
        ),
    ] = None,
    no_caption: Annotated[
        bool, typer.Option("--no-caption", help="Begin with the nearest term.", rich_help_panel=_CAPTION)
    ] = False,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of term tables (artists.txt, flavors.txt …), or fashion, or clip-interrogator.",
            show_default=False,
        ),
    ] = None,
    max_flavors: Annotated[
        int | None, typer.Option(min=1, help="Maximum terms. \\[32; classic: 3]", show_default=False)
    ] = None,
    runners_up: Annotated[int, typer.Option(min=0, help="Terms of each table to list that came next.")] = 0,
    token_limit: Annotated[
        int | None, typer.Option(min=8, help="Maximum tokens. \\[the encoder's context length]", show_default=False)
    ] = None,
    search: Annotated[
        Literal["exact", "lazy"],
        typer.Option(help="lazy re-scores only the terms that may still win.", rich_help_panel=_SEARCH),
    ] = "exact",
    check: Annotated[
        bool,
        typer.Option("--check", help="Also search exactly, and report what lazy lost.", rich_help_panel=_SEARCH),
    ] = False,
    min_flavors: Annotated[
        int, typer.Option(min=0, help="Terms to add even if they do not help.", rich_help_panel=_SEARCH)
    ] = 8,
    candidates: Annotated[
        int, typer.Option(min=1, help="Nearest terms to search among.", rich_help_panel=_SEARCH)
    ] = 2048,
    like: Annotated[
        Literal["clip-interrogator"] | None,
        typer.Option(help="Reproduce that tool's output exactly.", rich_help_panel=_SEARCH, show_default=False),
    ] = None,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: Model = None,
    server: ServerFlag = None,
    json: Json = False,
) -> None:
    """Find the prompt that would make these pictures, for an image generator.

    A prompt is a caption and the terms that bring the whole nearest to the picture, with a cosine for each. Without
    --model, images are routed to the bundled product or everyday encoder. An interrupted run continues when the same
    command is given again.
    """
    from catalens.pipelines.destination import Destination
    from catalens.pipelines.prompting import VALUES, PromptStage, prompt_stages
    from catalens.tasks.interrogation import Plan

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
    stage = PromptStage(plan=plan, vocabulary=vocabulary, caption=caption, check=check)
    stages = prompt_stages(stage, captioner, captions=not no_caption)
    destination = Destination(
        text="prompt",
        known=stage.gives,
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )
    shown = [*VALUES, *stage.gives[len(VALUES) :]]
    session = session_for(model)
    run_stages(
        pictures,
        stages,
        session,
        destination,
        shown=shown,
        show=_show,
        json=json,
        memory_limit=memory_limit,
        server=server,
    )


def _show(record: Record, values: Values) -> None:
    out.show(prompt_table(record, values))


def prompt_table(record: Record, values: Values) -> Table:
    """Return a prompt, its terms and what came next as a table."""
    from rich.text import Text

    tokens = "" if values["tokens"] is None else f", {values['tokens']} tokens"
    made = out.table("words", "what", "cosine#", title=record.id)
    made.add_row(
        Text(values["prompt"], style="bold"), f"prompt{tokens}, by {values['encoder']}", f"{values['cosine']:.3f}"
    )
    for term in values["terms"]:
        made.add_row(Text(term["term"]), term["kind"], f"{term['cosine']:.3f}")
    for term in values["runners_up"]:
        made.add_row(Text(term["term"], style="dim"), f"next {term['kind']}", f"{term['cosine']:.3f}")
    for words in values["left_out"]:
        made.add_row(Text(words, style="dim"), "no room", "")
    return made
