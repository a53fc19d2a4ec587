"""`catalens finetune`: models adapted to a catalogue of one's own."""

from __future__ import annotations

import typer

from catalens.cli import finetune_answers, finetune_prepare, finetune_starter
from catalens.cli.options import examples


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Fine-tune a model on your own catalogue.",
        epilog=examples("catalens finetune starter products.csv --labels category --out shop"),
    )
    group.command(epilog=examples(*finetune_starter.EXAMPLES))(finetune_starter.starter)
    group.command(epilog=examples(*finetune_prepare.EXAMPLES))(finetune_prepare.prepare)
    group.command(epilog=examples(*finetune_answers.EXAMPLES))(finetune_answers.answers)
    app.add_typer(group, name="finetune")
