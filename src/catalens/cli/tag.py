"""`catalens tag`: labels that fit a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs
from catalens.cli.commands import command
from catalens.cli.flags import RunFlags, SidecarFlags, TableFlags
from catalens.cli.jobs import RowTable, run_stages
from catalens.cli.options import Calibrated, Model, Pictures, session_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values


@command(
    "catalens tag photo.jpg",
    "catalens tag photos/ --top 3 > tags.jsonl",
    "catalens tag photos/ --output tags.csv",
    'catalens tag photo.jpg --labels "a photo of cats,a photo of dogs"',
    'catalens tag photos/ --vocabulary words.txt --template "a photo of {}" --threshold 0.2',
    "catalens tag photos/ --schema shop.yaml --calibration shop.json",
    "cat photo.jpg | catalens tag -",
)
def tag(
    pictures: Pictures,
    *,
    labels: Annotated[str | None, Option(help="Comma-separated labels, or a file of labels.")] = None,
    vocabulary: Annotated[
        str | None, Option(help="Large list of labels, encoded once: a bundled name or a file.")
    ] = None,
    schema: Annotated[
        str | None, Option(help="Schema of label groups: a bundled name or a .yaml file. \\[fashion or everyday]")
    ] = None,
    template: Annotated[
        list[str] | None, Option(help="Prompt template with {} for the label; several are averaged. \\[{}]")
    ] = None,
    threshold: Annotated[
        float | None, Option(min=0.0, max=1.0, help="Minimum probability of a tag. \\[0; for a schema 0.35]")
    ] = None,
    top: Annotated[
        int, Option("--top", "-k", min=1, help="Maximum tags per picture: the most probable, or a schema's first.")
    ] = 10,
    deny: Annotated[str | None, Option(help="Tags to leave out: comma-separated, or a file with one per line.")] = None,
    calibration: Calibrated = None,
    sidecars: SidecarFlags,
    table: TableFlags,
    model: Model = None,
    run: RunFlags,
) -> None:
    """Tag pictures with the labels that fit, each with its probability.

    Without --labels or --model, images are routed to the bundled product or everyday encoder and read with its
    schema. A picture that no label fits gets no tags, or the tag "unknown".
    """
    from catalens.pipelines.tagging import LABELS, TAGS, TagStage
    from catalens.tasks.vocabularies import load_vocabulary

    if sum(choice is not None for choice in (labels, vocabulary, schema)) > 1:
        raise InputError("--labels, --vocabulary and --schema exclude each other; give one of them")
    if labels is None and vocabulary is None and template:
        raise InputError("--template goes with --labels or --vocabulary; a schema has templates of its own")
    if (labels is not None or vocabulary is not None) and calibration is not None:
        raise InputError("--calibration goes with a schema: it was learned for the groups of one")
    words = inputs.words(labels) if labels is not None else load_vocabulary(vocabulary) if vocabulary else []
    stage = TagStage(
        labels=tuple(words),
        templates=tuple(template or ()),
        schema=schema,
        threshold=threshold,
        top=top,
        deny=tuple(inputs.words(deny)) if deny else (),
        calibration=inputs.existing(calibration) if calibration else None,
    )

    def row(record: Record, values: Values) -> list[tuple[str, str, str]]:
        return [(record.id, tags_line(values), values["encoder"])]

    destination = table.destination(LABELS, (TAGS, LABELS, "encoder"), sidecars, default_columns=(f"tags={LABELS}",))
    show = RowTable(("picture", "tags", "encoder"), row)
    run_stages(pictures, [stage], session_for(model), destination, run, shown=(TAGS, "encoder"), show=show)


def tags_line(values: Values) -> str:
    """Return the tags of a picture with their probabilities."""
    return " · ".join(f"{each['label']} {each['score']:.2f}" for each in values["tags"]) or "unknown"
