"""`catalens demo`: the main job from end to end, on products drawn by code or on the user's own pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, Model, session_for
from catalens.cli.tally import Tally
from catalens.demo.folder import CATALOGUE, begin_folder, check_folder, without_folder
from catalens.demo.report import DemoRun, judge, queries_for, right_first, write_pages

if TYPE_CHECKING:
    from catalens.catalogue.sources import Source
    from catalens.pipelines.session import Session

Truth = Mapping[str, str]
"""Group name → what is true of one picture."""

_HITS = 5


@command("catalens demo", "catalens demo --pictures photos/ --out look", "catalens demo --count 200 --json")
def demo(
    pictures: Annotated[str | None, Option(help="Your own folder or table instead of drawn products.")] = None,
    out: Annotated[
        Path, Option(help="The folder for everything that is made: new, empty, or an earlier demo's.")
    ] = Path("catalens-demo"),
    count: Annotated[int, Option(min=1, max=10_000, help="How many products to draw.")] = 68,
    model: Model = None,
    json: Json = False,
) -> None:
    """Draw a small catalogue, index it, tag it, search it, and say how often that was right; then look at photographs.

    What is on a drawn product is known, so every answer can be judged. The photographs are those that scikit-image
    carries, where it is installed, or your own.
    """
    from catalens.catalogue.sources import open_source

    own = without_folder(open_source(inputs.existing(pictures)), out) if pictures is not None else None
    check_folder(out)
    session = session_for(model)
    begin_folder(out)
    source, truths = (own, {}) if own is not None else draw(count, out)
    tally = Tally(as_json=json)
    seen = _look(source, truths, session, out / CATALOGUE, tally)
    if seen.records:
        _show(seen, as_json=json)
        for page in write_pages(seen, out):
            output.say(f"written: {page}")
        output.say("next, try:")
        output.say(f'  catalens search {out / CATALOGUE} "{seen.searches[0].query if seen.searches else "red dress"}"')
        output.say(f"  catalens attributes {seen.records[0].source}")
    if own is None and not json:
        _look_at_photos(out)
    tally.finish()


def _look_at_photos(out: Path) -> None:
    from catalens.cli.demo_photos import demo_photos, show_photos

    if files := demo_photos():
        show_photos(files, out)
    else:
        output.say('for real photographs: pip install "catalens[demo]", or catalens tag photo.jpg')


def draw(count: int, out: Path) -> tuple[Source, dict[str, Truth]]:
    """Write drawn products as a shop would have them, pictures and a table; give the source and the truth by id."""
    from catalens.catalogue.sources import open_source
    from catalens.demo.drawn import draw_catalogue

    folder = out / "pictures"
    output.say(f"drawing {count} products into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    truths: dict[str, Truth] = {}
    with (out / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", "type", "colour", "pattern", "sleeve_length"])
        for product in draw_catalogue(count):
            known = (product.article_type, product.colour, product.pattern, product.sleeve_length)
            name = f"pictures/{product.id}.png"
            product.picture.save(out / name)
            table.writerow([product.id, name, product.title, *(value or "" for value in known)])
            pairs = zip(("type", "colour", "pattern", "sleeve_length"), known, strict=True)
            truths[product.id] = {group: value for group, value in pairs if value}
    return open_source(out / "products.csv"), truths


def _look(source: Source, truths: Mapping[str, Truth], session: Session, catalogue: Path, tally: Tally) -> DemoRun:
    """Index a source into a new catalogue, read every picture's attributes, and search for what is there."""
    from catalens.catalogue.opening import open_index
    from catalens.catalogue.search import Query, Weighted, search
    from catalens.pipelines.attributes import schema_reader
    from catalens.pipelines.ingest import ingest

    encoder = session.encoder()
    read = schema_reader(encoder, "fashion", session)
    with open_index(catalogue, encoder_name=encoder.name, dim=encoder.dim) as index:
        with output.progress("indexing", source.total) as update:
            report = ingest(source, encoder, index, on_progress=lambda now: update(now.done))
        tally.done = report.added
        tally.report(report.failures)
        output.say(
            f"indexed {report.added} pictures, {report.items_per_s:.0f} a second; {report.limited_by} took longest"
        )
        records = list(index.records())
        answers = read(index.vectors([record.id for record in records])) if records else []
        known = [truths.get(record.id, {}) for record in records]
        read_values = [{name: each.value for name, each in row.items() if each.values} for row in answers]
        searches = [
            replace(asked, hits=search(index, encoder, Query((Weighted(asked.query),)), k=_HITS))
            for asked in queries_for(known if truths else read_values)
        ]
    return DemoRun(encoder.name, records, answers, known, searches)


def _show(seen: DemoRun, *, as_json: bool) -> None:
    from catalens.catalogue.display import title_of

    judged = judge(seen)
    right, asked = right_first(seen)
    if as_json:
        for score in judged:
            output.emit({"attribute": score.group, "right": score.right, "unknown": score.unknown, "of": score.of})
        output.emit({"searches": len(seen.searches), "first_hit_right": right, "of": asked})
        return
    if judged:
        rows = [(each.group, each.right, each.unknown, each.of, f"{each.right / each.of:.0%}") for each in judged]
        output.show_rows(
            rows, "attribute", "right#", "unknown#", "of#", "share#", title="Attributes, judged by what was drawn"
        )
    else:
        _show_answers(seen)
    found = [(each.query, " · ".join(title_of(hit.record) for hit in each.hits[:3])) for each in seen.searches[:8]]
    if found:
        output.show_rows(found, "query", "best hits", title="Searches")
    if asked:
        output.show(f"first hit of the right type and colour: {right} of {asked} searches ({right / asked:.0%})")


def _show_answers(seen: DemoRun, most: int = 20) -> None:
    from catalens.catalogue.display import title_of

    rows = []
    for record, answers in zip(seen.records[:most], seen.answers, strict=False):
        said = [f"{name}: {each.value} {each.confidence:.2f}" for name, each in answers.items() if each.values]
        rows.append((title_of(record), " · ".join(said) or "unknown"))
    output.show_rows(rows, "picture", "attributes", title="Attributes")
    if len(seen.records) > most:
        output.say(f"… and {len(seen.records) - most} more, in the report")
