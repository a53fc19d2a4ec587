"""`catalens export`: a pretrained encoder into a folder that needs no torch, with proof that it is the same."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, Texts, settings
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.models.parity import Parity
    from catalens.models.parts import EncoderParts

_PROBES = 32
"""Pictures, and texts, that are compared."""
_EXPORTED = "a pretrained encoder, such as ViT-B-32/openai or the folder of one"


@command(
    "catalens export ViT-B-32/openai clip-b32",
    "catalens export openai/clip-vit-large-patch14 clip-l14 --precision int8 --least-cosine 0.99",
    "catalens export ViT-L-14/openai clip-l14 --pictures shots/ --texts queries.txt",
    "catalens tag photo.jpg --model clip-b32",
)
def export(
    model: Annotated[str, Argument(metavar="MODEL", help="A pretrained encoder, as in `catalens models`.")],
    folder: Annotated[Path, Argument(metavar="DIR", help="The folder to make.")],
    precision: Annotated[
        Literal["float32", "float16", "bf16", "int8"],
        Option(help="float16 is half the size; bf16 is also computed so, where the processor can; int8 a quarter."),
    ] = "bf16",
    least_cosine: Annotated[
        float | None,
        Option(help="Refuse a bundle whose vectors are further from the model's own; at most 1.", show_default=False),
    ] = None,
    pictures: Annotated[str | None, Option(help="Pictures to compare with; drawn ones otherwise.")] = None,
    texts: Texts = None,
    revision: Annotated[str | None, Option(help="A commit, branch or tag of the hub.")] = None,
    json: Json = False,
) -> None:
    """Write a pretrained encoder as a bundle: a folder that loads without torch and runs faster.

    Its vectors are compared with the model's own, over pictures and texts, and the speed of both is measured.
    """
    from catalens.models.parity import check_cosine

    if least_cosine is not None:
        check_cosine(least_cosine)
    parts = _parts(model, revision)
    from catalens.models.export import export as write

    shown, said = _probes(parts, pictures, texts)
    output.say(f"writing {parts.name} as {precision} into {folder} ...")
    parity = write(
        parts,
        folder,
        precision=precision,
        least_cosine=least_cosine,
        pictures=shown,
        texts=said,
        runtime=settings().runtime,
    )
    _report(folder, parity, as_json=output.wants_json(json))


def _parts(model: str, revision: str | None) -> EncoderParts:
    from catalens.models.hub.loading import find_files, load_parts
    from catalens.models.registry import SHIPPED, find_place, known_reader, shipped

    folder = shipped(model) if model in SHIPPED else Path(model).expanduser()
    if (folder / "bundle.json").is_file():
        raise InputError(
            f"{model} is a bundle already, with the precision it was made with: copy the folder {folder} as it is; "
            f"another precision can be made of {_EXPORTED}"
        )
    if known_reader(model):
        raise InputError(f"{model} is a reader, which captions and answers; what is exported is {_EXPORTED}")
    return load_parts(find_files(find_place(model), cache=settings().cache, revision=revision))


def _probes(parts: EncoderParts, pictures: str | None, texts: str | None) -> tuple[list[Image], list[str]]:
    from catalens.demo.drawn import draw_catalogue

    drawn = list(draw_catalogue(_PROBES))
    shown = _read(pictures, parts.preprocess.size_wh) if pictures else [product.picture for product in drawn]
    return shown, inputs.words(texts)[:_PROBES] if texts else [product.title for product in drawn]


def _read(pictures: str, size_wh: tuple[int, int]) -> list[Image]:
    from catalens.core.types import Outcome
    from catalens.pipelines.prefetch import read_item

    entries = islice(inputs.entries([pictures]), _PROBES)
    found = [each if isinstance(each, Outcome) else read_item(each, size_wh) for each in entries]
    for each in found:
        if isinstance(each, Outcome):
            output.say(f"failed: {each.error}", style="red")
    images = [each for each in found if each is not None and not isinstance(each, Outcome)]
    if not images:
        raise InputError(f"{pictures} holds no pictures to compare with")
    return images


def _report(folder: Path, parity: Parity, *, as_json: bool) -> None:
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    if as_json:
        output.emit({"folder": str(folder), "size_mb": round(size_mb, 1), **_rounded(parity)})
        return
    rows = [
        (
            what,
            each.items,
            f"{each.least_cosine:.5f}",
            f"{each.mean_cosine:.5f}",
            _speed(each.per_s),
            _speed(each.reference_per_s),
        )
        for what, each in (("pictures", parity.pictures), ("texts", parity.texts))
    ]
    columns = ("", "compared#", "least cosine#", "mean cosine#", "per second#", "by torch#")
    output.show_rows(rows, *columns, title=f"{folder}: {size_mb:,.1f} MB")


def _rounded(parity: Parity) -> dict[str, dict[str, float]]:
    return {
        what: {name: round(value, 5 if "cosine" in name else 1) for name, value in asdict(each).items()}
        for what, each in (("pictures", parity.pictures), ("texts", parity.texts))
    }


def _speed(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"
