"""`catalens package`: a model as a bundle for SageMaker or DJL Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.options import Json, settings


@command(
    "catalens package sagemaker bundled out/ --task attributes",
    "catalens package sagemaker path/to/bundle out/model.tar.gz --task embeddings",
    "catalens package djl bundled out/ --task prompts",
)
def package(
    server: Annotated[Literal["sagemaker", "djl"], Argument(help="Model server.")],
    model: Annotated[
        str, Argument(metavar="MODEL", help="bundled, starter, everyday, a folder, a hub id or s3://PREFIX.")
    ],
    out: Annotated[Path, Argument(metavar="OUT", help="Folder, or a file that ends in .tar.gz.")],
    task: Annotated[
        Literal["tags", "embeddings", "captions", "answers", "prompts", "attributes", "descriptions"],
        Option(help="What the endpoint does with an image alone."),
    ] = "captions",
    wheels: Annotated[
        Path | None, Option("--offline", metavar="FOLDER", help="Wheels to put inside, for networks without an index.")
    ] = None,
    model_address: Annotated[
        str | None, Option(metavar="S3", help="s3:// prefix of the weights, which DJL Serving fetches.")
    ] = None,
    batch_size: Annotated[int, Option(min=1, help="Maximum batch size of DJL Serving.")] = 8,
    batch_delay: Annotated[
        int, Option(min=0, help="Milliseconds that DJL Serving waits to fill a batch; a lone request waits that long.")
    ] = 10,
    json: Json = False,
) -> None:
    """Write a model, the code that serves it and its pinned requirements as one archive.

    The same input gives the same bytes. The endpoint answers what /invocations of `catalens serve` answers.
    """
    from catalens.deployment.bundles import BundleOptions
    from catalens.deployment.bundles import package as write

    options = BundleOptions(
        task=task,
        wheels=wheels,
        model_address=model_address,
        batch_size=batch_size,
        max_batch_delay_ms=batch_delay,
    )
    made = write(server, model, out, options, cache=settings().cache)
    if output.wants_json(json):
        output.emit(
            {"path": str(made.path), "bytes": made.size, "unpacked_bytes": made.unpacked_size, "files": made.members}
        )
    else:
        sizes = f"{made.size / 1e6:,.1f} MB, {made.unpacked_size / 1e6:,.1f} MB unpacked"
        output.show(f"{made.path}: {made.members} files, {sizes}")
