"""`catalens models`: which models can be named, what is on this machine, and fetching one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import add_commands, command, examples
from catalens.cli.options import Json, settings

if TYPE_CHECKING:
    from pathlib import Path

    from catalens.models.hub.loading import Files
    from catalens.models.registry import ModelSpec

Name = Annotated[
    str, Argument(metavar="NAME", help="As in `catalens models`, or any other of the hub, also as NAME@REVISION.")
]
Revision = Annotated[str | None, Option(help="A commit, branch or tag of the hub; main by itself.")]


def models(context: typer.Context, json: Json = False) -> None:
    """List the well-known models, and what is on this machine, in the cache of the hub too.

    Any pair of open_clip, hub id, or folder of a model or bundle can be named as well.
    """
    if context.invoked_subcommand is not None:
        return
    from catalens.models.cached import list_cached
    from catalens.models.registry import list_models

    specs = [(spec, _state(spec)) for spec in list_models()] + [(spec, "cached") for spec in list_cached()]
    if output.wants_json(json):
        for spec, state in specs:
            output.emit(_facts(spec, state))
        return
    rows = [(spec.name, spec.kind, f"{spec.size_mb:,.1f}", spec.licence, state, spec.about) for spec, state in specs]
    output.show_rows(rows, "name", "kind", "MB#", "licence", "here", "about")


@command(
    "catalens models pull openai/clip-vit-base-patch32",
    "catalens models pull hf-hub:Marqo/marqo-fashionSigLIP --revision main",
    "catalens models pull s3://bucket/models/my-clip",
)
def pull(name: Name, revision: Revision = None, json: Json = False) -> None:
    """Fetch a model's files, or what changed of them, so that it works without a network from then on."""
    from catalens.models.hub.loading import find_files
    from catalens.models.registry import SHIPPED, find_place

    if name in (*SHIPPED, "fake"):
        output.say(f"{name} is shipped with the package: there is nothing to fetch")
        return
    files = find_files(find_place(name), cache=settings().cache, revision=revision, refresh=True)
    if output.wants_json(json):
        output.emit(_found(files))
    else:
        output.show(f"{files.place.name} at {files.revision or 'no revision'} is in {files.folder}")


@command("catalens models info starter", "catalens models info ViT-B-32/openai")
def info(name: Name, json: Json = False) -> None:
    """Say what is known of a model without loading it, and without a network."""
    from catalens.models.registry import SHIPPED, describe, find_place

    known = describe(name)
    facts: dict[str, Any] = _facts(known, _state(known)) if known else {}
    if name in SHIPPED and known is not None and known.folder is not None:
        facts |= _of_bundle(known.folder)
    elif name != "fake":
        place = find_place(name)
        facts = {"name": place.name, **facts, "from": place.kind, "target": place.target}
        found = _on_disk(name)
        if known and found.get("licence") == "unknown":
            del found["licence"]
        facts |= found
    if output.wants_json(json):
        output.emit(facts)
    else:
        output.show_rows(facts.items(), "", "")


def _facts(spec: ModelSpec, state: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "about": spec.about,
        "licence": spec.licence,
        "size_mb": spec.size_mb,
        "here": state,
    }


def _state(spec: ModelSpec) -> str:
    """Say whether a model is on this machine, in a word."""
    if spec.folder is not None:
        return "shipped" if spec.folder.is_dir() else "missing"
    return "" if spec.name == "fake" else "cached" if _on_disk(spec.name) else "to fetch"


def _on_disk(name: str) -> dict[str, Any]:
    """Say where a model's files are, if they are on this machine; empty if they are not."""
    from catalens.models.hub.loading import files_here
    from catalens.models.registry import find_place

    files = files_here(find_place(name), cache=settings().cache)
    return _found(files) if files else {}


def _found(files: Files) -> dict[str, Any]:
    from catalens.models.hub.kinds import ENCODER, dim_of, kind_of
    from catalens.models.hub.layout import licence_of
    from catalens.models.registry import size_mb

    facts: dict[str, Any] = {"name": files.place.name, "kind": ENCODER, "revision": files.revision}
    if files.place.kind == "file" and files.weights is not None:
        # What else lies in its folder is not the model's.
        return facts | {"size_mb": round(files.weights.stat().st_size / 1e6, 1), "folder": str(files.folder)}
    kind, dim = kind_of(files.folder) if files.place.kind != "zoo" else ENCODER, dim_of(files.folder)
    facts |= {"kind": kind, "licence": licence_of(files.folder), "size_mb": size_mb(files.folder), "dim": dim}
    facts |= {"folder": str(files.folder)}
    if (files.folder / "bundle.json").is_file():
        facts |= _of_bundle(files.folder)
    return {name: value for name, value in facts.items() if value is not None}


def _of_bundle(folder: Path) -> dict[str, Any]:
    from catalens.models.facts import read_facts

    if not folder.is_dir():
        return {}
    facts = read_facts(folder)
    return {
        "revision": facts.revision,
        "licence": facts.licence,
        "dim": facts.dim,
        "pixels": "×".join(map(str, facts.input_size_wh)),
        "max_tokens": facts.max_tokens,
        "source": facts.source,
        "folder": str(folder),
    }


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
