"""`catalens caption`: what is in a picture, in a sentence; beside the pictures, or in a table."""

from __future__ import annotations

from dataclasses import asdict
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
    check_flags,
)
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
from catalens.cli.options import Json, Pictures, QuantiseFlag, ReaderModel, examples, reader_for, reader_name, settings
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.cli.captioning import Tagging

_TEMPLATE = "What is written"


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
    prompt: Annotated[str, typer.Option(help="Words that the caption goes on from.", show_default=False)] = "",
    count: Annotated[
        int, typer.Option(min=1, help="Captions for each picture: one a line in a text file, a list in a table.")
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
            help="What is written, with {caption}, {tags}, an attribute such as {colour}, or a column. \\[{caption}]",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Fixed words before.", rich_help_panel=_TEMPLATE, show_default=False)
    ] = "",
    suffix: Annotated[str, typer.Option(help="Fixed words after.", rich_help_panel=_TEMPLATE, show_default=False)] = "",
    labels: Annotated[
        str | None,
        typer.Option(
            help="Tags to choose from: between commas, or a text file with one a line.",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        str, typer.Option(help="Where tags and attributes come from, without labels.", rich_help_panel=_TEMPLATE)
    ] = "fashion",
    top: Annotated[
        int, typer.Option(min=1, help="At most so many tags for each picture.", rich_help_panel=_TEMPLATE)
    ] = 10,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="The probability that a tag needs. \\[0.35]",
            rich_help_panel=_TEMPLATE,
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The encoder that gives the tags.", rich_help_panel=_TEMPLATE, show_default=False
        ),
    ] = None,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: ReaderModel = None,
    quantise: QuantiseFlag = None,
    json: Json = False,
) -> None:
    """Caption pictures: say what is there, without loops and stock phrases.

    Without --sidecar and --output the captions are printed. A run that was cut short goes on where it was
    when the same command is given again; a picture that cannot be read is named, and the others go on.
    """
    from catalens.cli.captioning import Tagging, Wanted, caption_stages
    from catalens.core.types import Decoding
    from catalens.tasks.schema import load_schema

    decoding = Decoding(
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    check_flags(decoding, count)
    written = template if template is not None else "{caption}, {tags}" if labels else "{caption}"
    wanted = Wanted(prompt=prompt, count=count, decoding=decoding, template=written, prefix=prefix, suffix=suffix)
    tagging = Tagging(
        encoder=encoder,
        labels=inputs.words(labels) if labels is not None else [],
        schema=schema,
        groups=load_schema(schema),
        threshold=threshold,
        top=top,
    )
    has_tags = _asks_for_tags(written, tagging)
    stages = caption_stages(lambda: reader_for(model, quantise), wanted, tagging if has_tags else None)
    destination = Destination(
        text="caption",
        several="captions",
        known=["caption", *(["captions"] if count > 1 else []), *(["tags", "attributes"] if has_tags else [])],
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )
    said = [reader_name(model), quantise, prompt, count, asdict(decoding), written, prefix, suffix]
    tagged = [encoder or settings().model, tagging.labels, schema, threshold, top] if has_tags else None
    run_words(pictures, stages, destination, job=["caption", said, tagged], memory_limit=memory_limit, json=json)


def _asks_for_tags(template: str, tagging: Tagging) -> bool:
    """Say whether a template needs an encoder to look as well.

    Raises:
        InputError: it has no caption, or flags ask for tags that it does not have.
    """
    from catalens.cli.captioning import CAPTION, TAGS
    from catalens.tasks.captions import template_names

    names = template_names(template)
    if CAPTION not in names:
        raise InputError(f"the template {template!r} has no {{caption}}; `catalens tag` gives tags alone")
    if any(name in (TAGS, *tagging.attributes) for name in names):
        return True
    if tagging.labels or tagging.encoder is not None:
        raise InputError(f"the template {template!r} has no {{tags}}, so --labels and --encoder would do nothing")
    return False
