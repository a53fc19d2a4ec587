"""`catalens models`: which encoders can be named."""

from __future__ import annotations

import typer

from catalens.cli import output
from catalens.cli.options import Json, examples


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens models", "catalens tag photo.jpg --model starter", "catalens tag photo.jpg --model path/to/bundle"
        )
    )(models)


def models(json: Json = False) -> None:
    """List the encoders that can be named; a bundle of your own is named by its folder."""
    from catalens.models.registry import list_models

    specs = list_models()
    if output.wants_json(json):
        for spec in specs:
            output.emit({"name": spec.name, "about": spec.about, "licence": spec.licence, "size_mb": spec.size_mb})
        return
    rows = [(spec.name, f"{spec.size_mb:.1f}", spec.licence, spec.about) for spec in specs]
    output.show_rows(rows, "name", "MB#", "licence", "about")
