"""`catalens models`: which models can be named, what is on this machine, and fetching one."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import add_commands, command, examples
from catalens.cli.options import Json, settings

Name = Annotated[
    str, Argument(metavar="NAME", help="A name from `catalens models`, or any hub id; also NAME@REVISION.")
]
Revision = Annotated[str | None, Option(help="Commit, branch or tag of the hub. \\[main]")]


def models(context: typer.Context, json: Json = False) -> None:
    """List known models and models on this machine, including those in the hub's cache.

    Any ARCHITECTURE/WEIGHTS pair of open_clip, hub id, and folder of a model or bundle works as well.
    """
    if context.invoked_subcommand is not None:
        return
    from catalens.models.inventory import list_known

    rows = list_known(settings().cache)
    if output.wants_json(json):
        output.report(rows, as_json=True)
        return
    shown = ("name", "kind", "size_mb", "licence", "here", "about")
    cells = [[f"{row[name]:,.1f}" if name == "size_mb" else row[name] for name in shown] for row in rows]
    output.show_rows(cells, *("MB#" if name == "size_mb" else name for name in shown))


@command(
    "catalens models pull openai/clip-vit-base-patch32",
    "catalens models pull hf-hub:Marqo/marqo-fashionSigLIP --revision main",
    "catalens models pull s3://bucket/models/my-clip",
)
def pull(name: Name, revision: Revision = None, json: Json = False) -> None:
    """Download a model, or what changed of it, so that it works offline from then on."""
    from catalens.models.hub.loading import find_files
    from catalens.models.inventory import facts_of_files
    from catalens.models.registry import SHIPPED, find_place

    if name in (*SHIPPED, "fake"):
        output.say(f"{name} is bundled with the package: there is nothing to download")
        return
    files = find_files(find_place(name), cache=settings().cache, revision=revision, refresh=True)
    if output.wants_json(json):
        output.emit(facts_of_files(files))
    else:
        output.show(f"{files.place.name} at {files.revision or 'no revision'} is in {files.folder}")


@command("catalens models info starter", "catalens models info ViT-B-32/openai")
def info(name: Name, json: Json = False) -> None:
    """Show what is known of a model, without loading it and without network access."""
    from catalens.models.inventory import describe_model

    facts = describe_model(name, settings().cache)
    if output.wants_json(json):
        output.emit(facts)
    else:
        output.show_rows(facts.items(), "", "")


group = typer.Typer(rich_markup_mode="rich", invoke_without_command=True)
group.callback(
    epilog=examples(
        "catalens models",
        "catalens models pull ViT-L-14/openai",
        "catalens tag photo.jpg --model ViT-L-14/openai",
        "catalens tag photo.jpg --model patrickjohncyh/fashion-clip@main",
        "catalens tag photo.jpg --model path/to/bundle",
    )
)(models)
add_commands(group, pull, info)
