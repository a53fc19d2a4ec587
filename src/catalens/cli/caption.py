"""`catalens caption`: what is in a picture, in a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs
from catalens.cli.commands import command
from catalens.cli.flags import DecodingFlags, ReaderFlags, RunFlags, SidecarFlags, TableFlags
from catalens.cli.jobs import RowTable, run_stages
from catalens.cli.options import Pictures

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.captioning import CaptionTemplate
    from catalens.pipelines.stages import Values

_template = partial(Option, rich_help_panel="Template")


@dataclass(frozen=True, slots=True)
class TemplateFlags:
    """What is written around a caption."""

    template: Annotated[
        str | None,
        _template(
            help="Text to write, with {caption}, {tags}, an attribute such as {colour}, or a column. \\[{caption}]"
        ),
    ] = None
    prefix: Annotated[str, _template(help="Fixed text before it.", show_default=False)] = ""
    suffix: Annotated[str, _template(help="Fixed text after it.", show_default=False)] = ""
    labels: Annotated[str | None, _template(help="Tags to choose from: comma-separated, or a file.")] = None
    schema: Annotated[
        str | None, _template(help="Schema of tags and attributes, if there are no labels. \\[fashion or everyday]")
    ] = None
    top: Annotated[int, _template(min=1, help="Maximum tags per picture.")] = 10
    threshold: Annotated[float | None, _template(min=0.0, max=1.0, help="Minimum probability of a tag. \\[0.35]")] = (
        None
    )
    encoder: Annotated[str | None, _template(metavar="NAME", help="Encoder for the tags.")] = None

    def value(self) -> CaptionTemplate:
        """Return them as a template."""
        from catalens.pipelines.captioning import CaptionTemplate

        plain = "{caption}, {tags}" if self.labels else "{caption}"
        given = {
            "template": plain if self.template is None else self.template,
            "labels": tuple(inputs.words(self.labels)) if self.labels is not None else (),
        }
        return CaptionTemplate(**asdict(self) | given)


@command(
    "catalens caption photo.jpg",
    "catalens caption photos/ --sidecar .txt",
    "catalens caption photos/ --output captions.csv",
    'catalens caption photos/ --sidecar .txt --template "{caption}, {tags}" --prefix "sks style,"',
    'catalens caption products.csv --output products.csv --template "{title}: {caption}"',
    'catalens caption photo.jpg --prompt "a photo of" --count 3',
)
def caption(
    pictures: Pictures,
    *,
    prompt: Annotated[str, Option(help="Prompt that the caption continues.")] = "",
    count: Annotated[
        int, Option(min=1, help="Captions per picture: one per line in a text file, a list in a table.")
    ] = 1,
    decoding: DecodingFlags,
    template: TemplateFlags,
    sidecars: SidecarFlags,
    table: TableFlags,
    reader: ReaderFlags,
    run: RunFlags,
) -> None:
    """Caption pictures, without repetitions and stock phrases.

    Without --sidecar and --output the captions are printed. The same command resumes an interrupted run. A picture
    that cannot be read is reported, and the run continues.
    """
    from catalens.pipelines.captioning import CaptionStage, caption_stages

    written = template.value()
    stages = caption_stages(CaptionStage(prompt=prompt, count=count, decoding=decoding.decoding(count)), written)
    known = ("caption", *(["captions"] if count > 1 else []), *(["tags", "attributes"] if written.has_tags else []))
    destination = table.destination("caption", known, sidecars, several="captions")

    def rows(record: Record, values: Values) -> list[tuple[str, str]]:
        return [(record.id, "\n".join(values["captions"]))]

    show = RowTable(("picture", "caption"), rows)
    run_stages(pictures, stages, reader.session(), destination, run, shown=known, show=show)
