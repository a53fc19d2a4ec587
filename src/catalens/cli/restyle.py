"""`catalens restyle`: a picture painted anew in the style of somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from catalens.cli import inputs, output
from catalens.cli.encoding import Tally
from catalens.cli.options import Json, Pictures, examples
from catalens.core.errors import CatalensError, InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources import Item
    from catalens.cli.restyle_prompt import Words
    from catalens.core.protocols import Painter

_WORDS, _PAINTER = "Words", "Painter"


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
    artist: Annotated[str, typer.Option(help="Whose style.", show_default=False)] = "",
    work: Annotated[str, typer.Option(help="Which painting of theirs.", show_default=False)] = "",
    prompt: Annotated[
        str | None,
        typer.Option(help="What is in the picture. \\[found by the interrogator]", rich_help_panel=_WORDS),
    ] = None,
    negative: Annotated[
        str,
        typer.Option(
            help="What to keep out; auto: what is farthest from it.", rich_help_panel=_WORDS, show_default=False
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
        Literal["best", "fast", "classic"], typer.Option(help="How the interrogator looks.", rich_help_panel=_WORDS)
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
        typer.Option(metavar="NAME", help="The reader that captions the picture first.", rich_help_panel=_WORDS),
    ] = None,
    no_caption: Annotated[
        bool, typer.Option("--no-caption", help="No caption: begin with the nearest term.", rich_help_panel=_WORDS)
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
        typer.Option(min=0.0, max=1.0, help="0 keeps the picture, 1 forgets it.", rich_help_panel=_PAINTER),
    ] = 0.6,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 2, help="Where chance comes from.", rich_help_panel=_PAINTER)
    ] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Denoising steps. \\[the model's]", rich_help_panel=_PAINTER)
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=0.0, help="How closely to follow the prompt. \\[the model's]", rich_help_panel=_PAINTER),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where diffusers paints: auto, cpu, cuda or mps.", rich_help_panel=_PAINTER)
    ] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        typer.Option(help="The numbers it paints with.", rich_help_panel=_PAINTER),
    ] = "auto",
    region: Annotated[
        str | None, typer.Option(help="Of Bedrock, such as us-west-2. \\[the environment's]", rich_help_panel=_PAINTER)
    ] = None,
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .png, .jpg or .webp file, or a folder for several pictures. \\[NAME-restyled.png, here]",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print each request as JSON; load no painter, paint nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Paint pictures anew in somebody's style.

    The words come from the picture itself: a caption, and what the interrogator finds near it. The painting
    carries its prompt, seed and model, in the form that other programs for such pictures read.
    """
    from catalens.cli.restyle_prompt import Wording, words_for

    found = inputs.entries(pictures)
    wording = Wording(
        artist=artist,
        work=work,
        template=template,
        prompt=prompt,
        negative=negative,
        mode=mode,
        vocabulary=vocabulary,
        encoder=model,
        captioner=captioner,
        no_caption=no_caption,
    )
    places = _places(found, output_path, overwrite=overwrite, make=not dry_run)
    words = words_for(wording)
    loaded = None if dry_run else _load(painter, device=device, dtype=dtype, region=region)
    options = {"strength": strength, "steps": steps, "guidance": guidance, "seed": seed}
    job = _Job(words, options, places, loaded, painter)
    _run(found, job, as_json=dry_run or output.wants_json(json))


def _load(name: str | None, *, device: str, dtype: str, region: str | None) -> Painter:
    from catalens.models.painters.loading import ACCEPTED, load_painter

    if name is None:
        raise InputError(f"no painter is named: give --painter with {ACCEPTED}; or --dry-run, which needs none")
    return load_painter(name, device=device, dtype=dtype, region=region)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where paintings go: one file, or a folder, made if wanted; no two paintings of a run share a place."""

    output: Path
    is_file: bool
    overwrite: bool
    make: bool
    taken: dict[Path, str] = field(default_factory=dict)

    def is_painting(self, item: Item) -> bool:
        """Say whether this run has just painted it: a folder may be read while paintings are put into it."""
        return isinstance(item.picture, Path) and item.picture.resolve() in self.taken

    def place(self, item: Item) -> Path:
        """Return the file of an item's painting, before it is painted.

        Raises:
            InputError: something is there, or another picture of this run goes there.
        """
        from catalens.render.image_metadata import check_place

        stem = Path(item.id).stem if item.id != inputs.STANDARD_INPUT else "picture"
        path = self.output if self.is_file else self.output / f"{stem}-restyled.png"
        owner = self.taken.setdefault(path.resolve(), item.id)
        if owner != item.id:
            raise InputError(f"its painting would go to {path}, where that of {owner} goes; rename one of the two")
        if self.make and not self.is_file:
            self.output.mkdir(parents=True, exist_ok=True)
        if self.is_file or self.output.is_dir():
            check_place(path, overwrite=self.overwrite)
        return path


def _places(found: inputs.Entries, path: Path | None, *, overwrite: bool, make: bool) -> _Places:
    from catalens.render.image_metadata import FORMATS

    is_file = path is not None and bool(path.suffix) and not path.is_dir()
    if path is not None and is_file and path.suffix.lower() not in FORMATS:
        raise InputError(f"--output {path}: give a name that ends in {', '.join(FORMATS)}, or a folder")
    many = len(found.names) > 1 or any(Path(name).is_dir() or inputs.is_table(Path(name)) for name in found.names)
    if is_file and many:
        raise InputError(f"--output {path} is one picture; give a folder for several")
    return _Places(output=path or Path(), is_file=is_file, overwrite=overwrite, make=make)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is done to each picture; without a painter it is only said."""

    words: Words
    options: Mapping[str, Any]
    places: _Places
    painter: Painter | None
    painter_name: str | None

    def run(self, item: Item) -> dict[str, Any]:
        """Restyle one picture, and give the row that tells of it.

        Raises:
            CatalensError: it cannot be read, painted or written.
            OSError: it cannot be written.
        """
        from catalens.core.images import read_image
        from catalens.core.types import PaintRequest
        from catalens.render.image_metadata import PaintFacts, save_painted

        path = self.places.place(item)
        image = read_image(item.picture, name=item.source)
        prompt, negative = self.words(image)
        request = PaintRequest(image=image, prompt=prompt, negative_prompt=negative, **self.options)
        said = {"prompt": prompt, "negative_prompt": negative, **self.options}
        row = {"id": item.id, "source": item.source, "output": str(path), "painter": self.painter_name, **said}
        if self.painter is None:
            return row | {"image": {"width": image.width, "height": image.height}}
        painted = self.painter.paint(request)
        facts = PaintFacts(model=self.painter.name, **said)
        save_painted(painted, path, facts, overwrite=self.places.overwrite)
        return row | {"painter": self.painter.name}


def _run(found: inputs.Entries, job: _Job, *, as_json: bool) -> None:
    from catalens.core.types import Outcome

    tally = Tally(as_json=as_json)
    rows: list[tuple[str, str, str]] = []
    with output.progress("painting", quiet=as_json) as update:
        for entry in found:
            if not isinstance(entry, Outcome) and job.places.is_painting(entry):
                continue
            try:
                if isinstance(entry, Outcome):
                    raise InputError(entry.error or "cannot be read")
                row = job.run(entry)
            except (CatalensError, OSError) as error:
                tally.report([Outcome(entry.id, _named(entry.id, str(error)))])
            else:
                tally.done += 1
                rows.append((row["id"], row["output"], row["prompt"]))
                if as_json:
                    output.emit(row)
            update(tally.done + tally.failed)
    if rows and not as_json:
        output.show_rows(rows, "picture", "painting", "prompt")
    tally.finish()


def _named(id: str, message: str) -> str:
    """Name the picture in a message that does not."""
    return message if id in message else f"{id}: {message}"
