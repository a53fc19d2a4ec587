"""`catalens restyle`: a picture painted anew in the style of somebody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import inputs, output
from catalens.cli.jobs import run_and_tell
from catalens.cli.options import Json, Pictures, examples, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

_WORDS, _PAINTER = "Prompt", "Painter"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            'catalens restyle photo.jpg --artist "Van Gogh" --work "The Starry Night" --dry-run',
            'catalens restyle photo.jpg --artist "Van Gogh" --painter stabilityai/stable-diffusion-xl-base-1.0',
            'catalens restyle photo.jpg --artist Monet --prompt "a boat" --painter models/sdxl --output out.png',
            "catalens restyle photos/ --artist Hokusai --negative auto --output restyled/ "
            "--painter bedrock:stability.sd3-5-large-v1:0 --region us-west-2",
            'catalens restyle photo.jpg --prompt "a boat" --template "{prompt}, watercolour" --painter fake',
        )
    )(restyle)


def restyle(
    pictures: Pictures,
    artist: Annotated[str, typer.Option(help="Artist.", show_default=False)] = "",
    work: Annotated[str, typer.Option(help="Work of that artist.", show_default=False)] = "",
    prompt: Annotated[
        str | None,
        typer.Option(help="What is in the picture. \\[found by the interrogator]", rich_help_panel=_WORDS),
    ] = None,
    negative: Annotated[
        str,
        typer.Option(
            help="Negative prompt; auto finds what is farthest from the picture.",
            rich_help_panel=_WORDS,
            show_default=False,
        ),
    ] = "",
    template: Annotated[
        str | None,
        typer.Option(
            help="The prompt, with {prompt}, {artist} and {work}. "
            "\\[This scene is a {work} painting with {artist} style, {prompt}]",
            rich_help_panel=_WORDS,
        ),
    ] = None,
    mode: Annotated[
        Literal["best", "fast", "classic"], typer.Option(help="Mode of the interrogator.", rich_help_panel=_WORDS)
    ] = "best",
    vocabulary: Annotated[
        str | None,
        typer.Option(help="The interrogator's tables: a folder, or clip-interrogator.", rich_help_panel=_WORDS),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="The interrogator's encoder.", rich_help_panel=_WORDS),
    ] = None,
    captioner: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Reader that captions the picture first.", rich_help_panel=_WORDS),
    ] = None,
    no_caption: Annotated[
        bool, typer.Option("--no-caption", help="Begin with the nearest term.", rich_help_panel=_WORDS)
    ] = False,
    painter: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A diffusers model's folder or hub id, bedrock:MODEL-ID, or fake.",
            rich_help_panel=_PAINTER,
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Denoising strength: 0 keeps the picture, 1 ignores it.", rich_help_panel=_PAINTER
        ),
    ] = 0.6,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 2, help="Random seed.", rich_help_panel=_PAINTER)] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Denoising steps. \\[the model's]", rich_help_panel=_PAINTER)
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=0.0, help="Guidance scale. \\[the model's]", rich_help_panel=_PAINTER),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device for diffusers: auto, cpu, cuda or mps.", rich_help_panel=_PAINTER)
    ] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        typer.Option(help="Weight precision.", rich_help_panel=_PAINTER),
    ] = "auto",
    region: Annotated[
        str | None,
        typer.Option(help="AWS region of Bedrock, such as us-west-2. \\[the environment's]", rich_help_panel=_PAINTER),
    ] = None,
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .png, .jpg or .webp file, or a folder for several pictures. \\[NAME-restyled.png, here]",
        ),
    ] = None,
    if_exists: Annotated[
        Literal["skip", "overwrite"], typer.Option("--if-exists", help="What to do with paintings that exist.")
    ] = "skip",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="The same as --if-exists overwrite.", hidden=True)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print each request as JSON, without loading a painter.")
    ] = False,
    json: Json = False,
) -> None:
    """Paint pictures anew in somebody's style.

    The prompt comes from the picture itself: a caption, and what the interrogator finds near it. The painting
    carries its prompt, seed and model, in the form that other image generators read. Paintings that exist are skipped.
    """
    from catalens.catalogue.sources import Item
    from catalens.models.painters.loading import ACCEPTED
    from catalens.pipelines.restyling import (
        PaintStage,
        RestylePrompt,
        RestylePromptStage,
        painting_files,
        restyle_stages,
    )

    found = inputs.entries(pictures)
    if sum((prompt is not None, captioner is not None, no_caption)) > 1:
        raise InputError("--prompt, --captioner and --no-caption exclude each other; give one of them")
    if painter is None and not dry_run:
        raise InputError(f"no painter is named: give --painter with {ACCEPTED}; or --dry-run, which needs none")
    words = RestylePrompt(
        artist=artist,
        work=work,
        template=template,
        prompt=prompt,
        negative=negative,
        mode=mode,
        vocabulary=vocabulary,
    )
    paint = PaintStage(
        painter=None if dry_run else painter,
        strength=strength,
        steps=steps,
        guidance=guidance,
        seed=seed,
        dtype=dtype,
        region=region,
    )
    files = painting_files(output_path, many=found.are_many, if_exists="overwrite" if overwrite else if_exists)
    stages = restyle_stages(RestylePromptStage(words=words), paint, captioner, captions=not no_caption)
    session = session_for(model, device=None if device == "auto" else device)
    if not dry_run:
        session.painter(paint.painter or "", dtype=dtype, region=region)
    tally = Tally(as_json=dry_run or output.wants_json(json))
    rows: list[tuple[str, str, str]] = []

    def result(record: Record, values: Values) -> None:
        place = str(files.place(record))
        rows.append((record.id, place, values["prompt"]))
        if tally.as_json:
            row = {"id": record.id, "source": record.source, "output": place, "painter": values["painter"] or painter}
            output.emit(row | {name: values[name] for name in _SHOWN if name in values})

    # A folder may be read while paintings are put into it.
    entries = (each for each in found if not (isinstance(each, Item) and files.is_painting(each.source)))
    report = run_and_tell(entries, stages, session, [] if dry_run else [files], tally, result)
    if rows and not tally.as_json:
        output.show_rows(rows, "picture", "painting", "prompt")
    if report.skipped:
        output.say(f"{report.skipped} paintings exist already; --if-exists overwrite replaces them")
    tally.finish()


_SHOWN = ("prompt", "negative_prompt", "strength", "steps", "guidance", "seed", "image")
"""The values of a JSON line."""
