"""`catalens caption`: what is in a picture, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from catalens.cli import inputs
from catalens.cli.decoding import (
    BeamsFlag,
    MaxTokensFlag,
    MinTokensFlag,
    RepetitionPenaltyFlag,
    SeedFlag,
    TemperatureFlag,
    TopPFlag,
    decoding_of,
)
from catalens.cli.jobs import (
    ColumnsFlag,
    IfExistsFlag,
    IntoFlag,
    MemoryLimitFlag,
    OutputFlag,
    RowTable,
    SidecarFlag,
    run_stages,
)
from catalens.cli.options import Json, Pictures, QuantiseFlag, ReaderModel, TimeoutFlag, examples, session_for
from catalens.cli.remote import ServerFlag

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

_TEMPLATE = "Template"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens caption photo.jpg",
            "catalens caption photos/ --sidecar .txt",
            "catalens caption photos/ --output captions.csv",
            'catalens caption photos/ --sidecar .txt --template "{caption}, {tags}" --prefix "sks style,"',
            'catalens caption products.csv --output products.csv --template "{title}: {caption}"',
            'catalens caption photo.jpg --prompt "a photo of" --count 3',
        )
    )(caption)


def caption(
    pictures: Pictures,
    prompt: Annotated[str, typer.Option(help="Prompt for the caption to continue.", show_default=False)] = "",
    count: Annotated[
        int, typer.Option(min=1, help="Captions per picture: one per line in a text file, a list in a table.")
    ] = 1,
    max_tokens: MaxTokensFlag = 40,
    min_tokens: MinTokensFlag = 0,
    beams: BeamsFlag = 1,
    temperature: TemperatureFlag = None,
    top_p: TopPFlag = 1.0,
    seed: SeedFlag = 0,
    repetition_penalty: RepetitionPenaltyFlag = 1.0,
    template: Annotated[
        str | None,
        typer.Option(
            help="Text to write, with {caption}, {tags}, an attribute such as {colour}, or a column. \\[{caption}]",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Fixed text before.", rich_help_panel=_TEMPLATE, show_default=False)] = "",
    suffix: Annotated[str, typer.Option(help="Fixed text after.", rich_help_panel=_TEMPLATE, show_default=False)] = "",
    labels: Annotated[
        str | None,
        typer.Option(
            help="Tags to choose from: comma-separated, or a file.", rich_help_panel=_TEMPLATE, show_default=False
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="Source of tags and attributes, without labels. \\[fashion or everyday]",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Maximum tags per picture.", rich_help_panel=_TEMPLATE)] = 10,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Minimum probability of a tag. \\[0.35]",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Encoder for the tags.", rich_help_panel=_TEMPLATE, show_default=False),
    ] = None,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: ReaderModel = None,
    quantise: QuantiseFlag = None,
    timeout: TimeoutFlag = 60.0,
    server: ServerFlag = None,
    json: Json = False,
) -> None:
    """Caption pictures, without loops and stock phrases.

    Without --sidecar and --output the captions are printed. An interrupted run continues when the same command is
    given again; a picture that cannot be read is named, and the others go on.
    """
    from catalens.pipelines.captioning import CaptionStage, CaptionTemplate, caption_stages
    from catalens.pipelines.destination import Destination

    decoding = decoding_of(
        count,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    written = CaptionTemplate(
        template=template if template is not None else "{caption}, {tags}" if labels else "{caption}",
        prefix=prefix,
        suffix=suffix,
        labels=tuple(inputs.words(labels)) if labels is not None else (),
        schema=schema,
        threshold=threshold,
        top=top,
        encoder=encoder,
    )
    stages = caption_stages(CaptionStage(prompt=prompt, count=count, decoding=decoding), written)
    known = ("caption", *(["captions"] if count > 1 else []), *(["tags", "attributes"] if written.has_tags else []))
    destination = Destination(
        text="caption",
        several="captions",
        known=known,
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )

    def rows(record: Record, values: Values) -> list[tuple[str, str]]:
        return [(record.id, "\n".join(values["captions"]))]

    session = session_for(reader=model, quantise=quantise, timeout_s=timeout)
    show = RowTable(("picture", "caption"), rows)
    run_stages(
        pictures,
        stages,
        session,
        destination,
        shown=known,
        show=show,
        json=json,
        memory_limit=memory_limit,
        server=server,
    )
