"""`catalens restyle`: pictures repainted in the style of an artist."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.jobs import run_and_tell
from catalens.cli.options import Json, Pictures, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

_prompt = partial(Option, rich_help_panel="Prompt")
_painter = partial(Option, rich_help_panel="Painter")


@dataclass(frozen=True, slots=True)
class PromptFlags:
    """What is painted: an artist's style, and the prompt, which is found where none is given."""

    artist: Annotated[str, Option(help="Artist.")] = ""
    work: Annotated[str, Option(help="Work of that artist.")] = ""
    prompt: Annotated[str | None, _prompt(help="Prompt. \\[from the interrogator]")] = None
    negative: Annotated[str, _prompt(help="Negative prompt; auto takes the terms farthest from the picture.")] = ""
    template: Annotated[
        str | None,
        _prompt(
            help="Prompt template with {prompt}, {artist} and {work}. "
            "\\[This scene is a {work} painting with {artist} style, {prompt}]"
        ),
    ] = None
    mode: Annotated[Literal["best", "fast", "classic"], _prompt(help="Mode of the interrogator.")] = "best"
    vocabulary: Annotated[str | None, _prompt(help="The interrogator's tables: a folder, or clip-interrogator.")] = None


@dataclass(frozen=True, slots=True)
class PainterFlags:
    """What paints, and how: the attributes of `PaintStage`."""

    painter: Annotated[
        str | None, _painter(metavar="NAME", help="A diffusers model's folder or hub id, bedrock:MODEL-ID, or fake.")
    ] = None
    strength: Annotated[
        float, _painter(min=0.0, max=1.0, help="Denoising strength: 0 keeps the picture, 1 ignores it.")
    ] = 0.6
    seed: Annotated[int, _painter(min=0, max=2**32 - 2, help="Random seed.")] = 0
    steps: Annotated[int | None, _painter(min=1, help="Denoising steps. \\[the model's]")] = None
    guidance: Annotated[float | None, _painter(min=0.0, help="Guidance scale. \\[the model's]")] = None
    device: Annotated[str, _painter(help="Device for diffusers: auto, cpu, cuda or mps.")] = "auto"
    dtype: Annotated[Literal["auto", "float32", "float16", "bfloat16"], _painter(help="Weight precision.")] = "auto"
    region: Annotated[str | None, _painter(help="AWS region of Bedrock, such as us-west-2. \\[the environment's]")] = (
        None
    )


@command(
    'catalens restyle photo.jpg --artist "Van Gogh" --work "The Starry Night" --dry-run',
    'catalens restyle photo.jpg --artist "Van Gogh" --painter stabilityai/stable-diffusion-xl-base-1.0',
    'catalens restyle photo.jpg --artist Monet --prompt "a boat" --painter models/sdxl --output out.png',
    "catalens restyle photos/ --artist Hokusai --negative auto --output restyled/ "
    "--painter bedrock:stability.sd3-5-large-v1:0 --region us-west-2",
    'catalens restyle photo.jpg --prompt "a boat" --template "{prompt}, watercolour" --painter fake',
)
def restyle(
    pictures: Pictures,
    *,
    words: PromptFlags,
    model: Annotated[str | None, _prompt("--model", "-m", metavar="NAME", help="The interrogator's encoder.")] = None,
    captioner: Annotated[str | None, _prompt(metavar="NAME", help="Reader that captions the picture first.")] = None,
    no_caption: Annotated[bool, _prompt("--no-caption", help="Start from the nearest term.")] = False,
    painting: PainterFlags,
    output_path: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="A .png, .jpg or .webp file, or a folder for several pictures. \\[NAME-restyled.png, here]",
        ),
    ] = None,
    if_exists: Annotated[
        Literal["skip", "overwrite"], Option(help="What to do with images that already exist.")
    ] = "skip",
    overwrite: Annotated[bool, Option("--overwrite", help="The same as --if-exists overwrite.", hidden=True)] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print each request as JSON, without loading a painter.")
    ] = False,
    json: Json = False,
) -> None:
    """Repaint pictures in the style of an artist (image-to-image diffusion).

    The prompt comes from the picture: a caption, and the terms that the interrogator finds nearest. Prompt, seed and
    model are stored in the image's metadata, in the form that image generators read. Existing images are skipped.
    """
    from catalens.models.painters.loading import ACCEPTED
    from catalens.pipelines.restyling import (
        PaintStage,
        RestylePrompt,
        RestylePromptStage,
        painting_files,
        restyle_stages,
    )

    found = inputs.entries(pictures)
    if sum((words.prompt is not None, captioner is not None, no_caption)) > 1:
        raise InputError("--prompt, --captioner and --no-caption exclude each other; give one of them")
    if painting.painter is None and not dry_run:
        raise InputError(f"no painter is named: give --painter with {ACCEPTED}; or --dry-run, which needs none")
    how = asdict(painting)
    device = how.pop("device")
    paint = PaintStage(**how | {"painter": None if dry_run else painting.painter})
    files = painting_files(output_path, many=found.are_many, if_exists="overwrite" if overwrite else if_exists)
    prompts = RestylePromptStage(words=RestylePrompt(**asdict(words)))
    stages = restyle_stages(prompts, paint, captioner, captions=not no_caption)
    session = session_for(model, device=None if device == "auto" else device)
    if not dry_run:
        session.painter(paint.painter or "", dtype=paint.dtype, region=paint.region)
    tally = Tally(as_json=dry_run or output.wants_json(json))
    rows: list[tuple[str, str, str]] = []

    def result(record: Record, values: Values) -> None:
        row = files.row(record, values)
        if tally.as_json:
            output.emit(row | {"painter": row["painter"] or painting.painter})
        else:
            rows.append((row["id"], row["output"], row["prompt"]))

    entries = files.without_own(found)
    report = run_and_tell(entries, stages, session, [] if dry_run else [files], tally, result)
    if rows:
        output.show_rows(rows, "picture", "painting", "prompt")
    if report.skipped:
        output.say(f"{report.skipped} paintings exist already; --if-exists overwrite replaces them")
    tally.finish()
