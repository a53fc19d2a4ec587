"""`catalens export`: a pretrained encoder into a folder that needs no torch, with proof that it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, Texts, settings

if TYPE_CHECKING:
    from catalens.models.parity import Parity


@command(
    "catalens export ViT-B-32/openai clip-b32",
    "catalens export openai/clip-vit-large-patch14 clip-l14 --precision int8 --least-cosine 0.99",
    "catalens export ViT-L-14/openai clip-l14 --pictures shots/ --texts queries.txt",
    "catalens tag photo.jpg --model clip-b32",
)
def export(
    model: Annotated[str, Argument(metavar="MODEL", help="Pretrained encoder, as in `catalens models`.")],
    folder: Annotated[Path, Argument(metavar="DIR", help="Folder to create.")],
    precision: Annotated[
        Literal["float32", "float16", "bf16", "int8"],
        Option(
            help="float16 and bf16 halve the size (bf16 also computes so where the processor can); int8 quarters it."
        ),
    ] = "bf16",
    least_cosine: Annotated[
        float | None,
        Option(
            help="Minimum cosine similarity to the model's own vectors; below it, nothing is written.",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[str | None, Option(help="Pictures for the comparison. \\[drawn ones]")] = None,
    texts: Texts = None,
    revision: Annotated[str | None, Option(help="Commit, branch or tag of the hub. \\[main]")] = None,
    json: Json = False,
) -> None:
    """Write a pretrained encoder as a bundle: a folder that loads without torch and runs faster.

    Its vectors are compared with the model's own, over pictures and texts, and the speed of both is measured.
    """
    from catalens.demo.drawn import draw_catalogue
    from catalens.models.parity import check_cosine
    from catalens.pipelines.exporting import PROBES, find_parts, read_probes

    if least_cosine is not None:
        check_cosine(least_cosine)
    parts = find_parts(model, revision, settings().cache)
    from catalens.models.export import export as write

    drawn = list(draw_catalogue(PROBES))
    images = [product.picture for product in drawn]
    if pictures:
        images, failures = read_probes(pictures, parts.preprocess.size_wh)
        for failure in failures:
            output.say(f"failed: {failure.error}", style="red")
    output.say(f"writing {parts.name} as {precision} into {folder} ...")
    parity = write(
        parts,
        folder,
        precision=precision,
        least_cosine=least_cosine,
        pictures=images,
        texts=inputs.words(texts)[:PROBES] if texts else [product.title for product in drawn],
        runtime=settings().runtime,
    )
    _report(folder, parity, as_json=output.wants_json(json))


def _report(folder: Path, parity: Parity, *, as_json: bool) -> None:
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    found = parity.to_dict()
    if as_json:
        output.emit({"folder": str(folder), "size_mb": round(size_mb, 1), **found})
        return
    rows = [
        (
            what,
            each["items"],
            *(f"{each[name]:.5f}" for name in ("least_cosine", "mean_cosine")),
            *(_speed(each[name]) for name in ("per_s", "reference_per_s")),
        )
        for what, each in found.items()
    ]
    columns = ("", "compared#", "least cosine#", "mean cosine#", "per second#", "by torch#")
    output.show_rows(rows, *columns, title=f"{folder}: {size_mb:,.1f} MB")


def _speed(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"
