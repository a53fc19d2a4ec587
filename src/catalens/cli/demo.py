"""`catalens demo`: the main job from end to end, on products drawn by code or on the user's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, Model, session_for
from catalens.cli.tag import tags_line
from catalens.cli.tally import Tally
from catalens.demo.folder import CATALOGUE, begin_folder, check_folder, without_folder
from catalens.demo.report import DemoRun, answer_rows, judge, right_first, score_rows, search_rows, write_pages

if TYPE_CHECKING:
    from catalens.pipelines.ingest import Report


_SHOWN = 20
"""Pictures whose attributes are listed."""


@command("catalens demo", "catalens demo --pictures photos/ --out look", "catalens demo --count 200 --json")
def demo(
    pictures: Annotated[str | None, Option(help="Folder or table to use instead of drawn products.")] = None,
    out: Annotated[Path, Option(help="Output folder: new, empty, or of an earlier demo.")] = Path("catalens-demo"),
    count: Annotated[int, Option(min=1, max=10_000, help="Number of products to draw.")] = 68,
    model: Model = None,
    json: Json = False,
) -> None:
    """Draw a small catalogue, then index, tag and search it and measure the accuracy; then tag and caption photographs.

    The attributes of a drawn product are known, so every answer can be checked. The photographs are those that come
    with scikit-image, if it is installed, or your own.
    """
    from catalens.catalogue.sources import open_source
    from catalens.demo.running import run_demo, write_products

    own = without_folder(open_source(inputs.existing(pictures)), out) if pictures is not None else None
    check_folder(out)
    session = session_for(model)
    begin_folder(out)
    if own is None:
        output.say(f"drawing {count} products into {out / 'pictures'}")
    source, truths = (own, {}) if own is not None else write_products(count, out)
    tally = Tally(as_json=json)

    def indexed(report: Report) -> None:
        tally.done = report.added
        tally.report(report.failures)
        rate = f"{report.items_per_s:.0f} a second; {report.limited_by} took longest"
        output.say(f"indexed {report.added} pictures, {rate}")

    with output.progress("indexing", source.total) as update:
        seen = run_demo(
            source, truths, session, out / CATALOGUE, on_progress=lambda now: update(now.done), on_indexed=indexed
        )
    if seen.records:
        _show(seen, as_json=json)
        for page in write_pages(seen, out):
            output.say(f"written: {page}")
        output.say("next, try:")
        output.say(f'  catalens search {out / CATALOGUE} "{seen.searches[0].query if seen.searches else "red dress"}"')
        output.say(f"  catalens attributes {seen.records[0].source}")
    if own is None and not json:
        _show_photos(out)
    tally.finish()


def _show_photos(out: Path) -> None:
    """Print the tags and the caption of each photograph, and write them on a contact sheet."""
    from catalens.demo.photos import demo_photos, photo_sheet, read_photos

    files = demo_photos()
    if not files:
        output.say('for real photographs: pip install "catalens[demo]", or catalens tag photo.jpg')
        return
    found = read_photos(files, session_for())
    rows = [
        (Path(record.source).name, tags_line(values), values["caption"], values["encoder"]) for record, values in found
    ]
    output.show_rows(rows, "photograph", "tags", "caption", "encoder", title="Photographs")
    output.save_image(photo_sheet(found), out / "photographs.png")


def _show(seen: DemoRun, *, as_json: bool) -> None:
    judged, (right, asked) = judge(seen), right_first(seen)
    if as_json:
        for score in judged:
            output.emit({"attribute": score.group, "right": score.right, "unknown": score.unknown, "of": score.of})
        output.emit({"searches": len(seen.searches), "first_hit_right": right, "of": asked})
        return
    if judged:
        heads = ("attribute", "right#", "unknown#", "of#", "share#")
        output.show_rows(score_rows(judged), *heads, title="Attributes, judged by what was drawn")
    else:
        output.show_rows(answer_rows(seen, _SHOWN), "picture", "attributes", title="Attributes")
        if (more := len(seen.records) - _SHOWN) > 0:
            output.say(f"… and {more} more, in the report")
    if found := search_rows(seen):
        output.show_rows(found, "query", "best hits", title="Searches")
    if asked:
        output.show(f"first hit of the right type and colour: {right} of {asked} searches ({right / asked:.0%})")
