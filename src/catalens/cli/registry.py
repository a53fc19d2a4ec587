"""Which commands there are: a command's module is imported when it runs, not when commands are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import typer
from typer.core import TyperCommand
from typer.main import get_group

from catalens.cli.commands import add_commands

Click: TypeAlias = Any
"""What belongs to Click, which Typer keeps to itself."""

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": (
        "demo:demo",
        "Draw a small catalogue, then index, tag and search it and measure the accuracy; "
        "then tag and caption photographs.",
    ),
    "tag": ("tag:tag", "Tag pictures with the labels that fit, each with its probability."),
    "tag learn": ("learn:learn", "Learn score thresholds from a labelled table, for tag and attributes --calibration."),
    "attributes": (
        "attributes:attributes",
        'Read attributes: a value, or "unknown", for each group of a schema that applies.',
    ),
    "caption": ("caption:caption", "Caption pictures, without repetitions and stock phrases."),
    "prompt": ("prompt:prompt", "Find prompts for an image generator that describe these pictures."),
    "ask": ("ask:ask", "Ask questions about pictures; each picture is encoded once, however many questions there are."),
    "describe": ("describe:describe", "Write product descriptions that state every known attribute, and nothing else."),
    "restyle": ("restyle:restyle", "Repaint pictures in the style of an artist (image-to-image diffusion)."),
    "search": ("search:search", "Search a catalogue by text, by image, or by both, with weights and negative queries."),
    "search learn": (
        "search:learn",
        "Learn a relevance cut-off from queries with relevance judgements, for search --cutoff.",
    ),
    "enrich": (
        "enrich:enrich",
        "Enrich a catalogue: tags, attributes, captions, answers, prompts, descriptions and vectors in one pass.",
    ),
    "embed": ("embed:embed", "Encode pictures and texts as vectors of unit length."),
    "similarity": (
        "similarity:similarity",
        "Compare pictures with texts; without texts, pictures with each other (or texts with each other).",
    ),
    "export": (
        "export:export",
        "Write a pretrained encoder as a bundle: a folder that loads without torch and runs faster.",
    ),
    "serve": (
        "serve:serve",
        "Serve tags, attributes, captions, answers, prompts, descriptions, embeddings and search over HTTP.",
    ),
    "ui": ("ui:ui", "Open a web page for tagging, search, review and comparison; it works without a network."),
    "package": (
        "package:package",
        "Write a model, the code that serves it and its pinned requirements as one archive.",
    ),
    "deploy": ("deploy:deploy", "Create a SageMaker endpoint that serves a bundle."),
    "invoke": ("invoke:invoke", "Ask a SageMaker endpoint about pictures, or for the vectors of texts."),
    "transform": (
        "transform:transform",
        "Run a deployed model over an S3 prefix of images; each answer is stored as the image's key with .out.",
    ),
    "train": ("train:train", "Fine-tune in a SageMaker training job: `catalens finetune` with channels as its files."),
    "undeploy": (
        "deploy:undeploy",
        "Remove an endpoint, its configuration, its uploaded archive and its model; safe to repeat.",
    ),
    "deployments": (
        "deploy:deployments",
        "List the endpoints, unattached models and running jobs that Catalens created.",
    ),
    "doctor": (
        "doctor:doctor",
        "Check the installation: versions, processor, accelerators, extras, caches and the bundled models' checksums.",
    ),
    "index": (
        "index:group",
        "Create and maintain a catalogue: records, vectors and keywords in one file, or on a search server.",
    ),
    "review": (
        "review:group",
        "Review a catalogue: people decide what models are unsure of, and models learn from it.",
    ),
    "eval": ("evaluate:group", "Evaluate an encoder, or captions, on a labelled table."),
    "models": ("models:group", "List known models and models on this machine, including those in the hub's cache."),
    "finetune": (
        "finetune:group",
        "Fine-tune a model on your own catalogue. In a SageMaker training job, hyperparameters are the options.",
    ),
}
"""Name → the function or group in a module of this package, and the first paragraph of its help page.

In the order of the help page.
"""


class Commands(Mapping[str, Click]):
    """The commands by name, each loaded when it is asked for."""

    def __getitem__(self, name: str) -> Click:
        module, _, attribute = COMMANDS[name][0].partition(":")
        found = getattr(import_module(f"catalens.cli.{module}"), attribute)
        alone = typer.Typer()
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=name)
        else:
            add_commands(alone, found)
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def line(name: str) -> TyperCommand | None:
    """Return a command as lists of commands show it, which cannot run; None where there is none of that name."""
    return TyperCommand(name, help=COMMANDS[name][1]) if name in COMMANDS else None
