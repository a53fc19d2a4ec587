"""`catalens similarity`: how alike things are, as a table, as JSON lines, or as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.jobs import encode_all
from catalens.cli.options import Json, Model, PicturesOrNone, Texts, session_for
from catalens.cli.records import check_picture_file, save_picture
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Scores, Vectors
    from catalens.render.heatmap import Head


@command(
    "catalens similarity a.jpg b.jpg",
    'catalens similarity photos/ --texts "a red dress, a blue shirt"',
    "catalens similarity photos/ --plot heat.png",
    'catalens similarity --texts "sneakers, running shoes, a tie"',
)
def similarity(
    pictures: PicturesOrNone = None,
    texts: Texts = None,
    plot: Annotated[Path | None, Option(help="Also draw the matrix as a heat map, such as heat.png.")] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Compare pictures with texts; without texts, pictures with each other (or texts with each other).

    Values are cosine similarities; those between pictures and texts stay well below 1. Without --model, the bundled
    encoder that suits most of the pictures is used.
    """
    from catalens.catalogue.display import picture_of
    from catalens.pipelines.encoding import encode_texts
    from catalens.pipelines.routing import encoder_for_pictures
    from catalens.render.heatmap import heatmap

    words = inputs.words(texts) if texts else []
    if not pictures and not words:
        raise InputError("nothing to compare: give pictures, --texts, or both")
    check_picture_file(plot)
    found, session = inputs.entries(pictures or []), session_for(model)
    encoder = encoder_for_pictures(session, found)
    tally = Tally(as_json=output.wants_json(json))
    records, vectors = encode_all(found, encoder, session, tally)
    by_pictures = _Side([record.id for record in records], [picture_of(record) for record in records], vectors)
    by_words = _Side(words, [None] * len(words), encode_texts(words, encoder, session))
    rows = by_pictures if pictures else by_words
    columns = by_words if words else by_pictures
    if rows.names:
        cosines = rows.vectors @ columns.vectors.T
        _show(rows.names, columns.names, cosines, as_json=tally.as_json)
        if plot is not None:
            save_picture(heatmap(cosines, rows.heads(), columns.heads()), plot)
    tally.finish(empty_is_fine=bool(rows.names))


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of the matrix: n names, their n pictures (None for texts), and (n, dim) vectors."""

    names: Sequence[str]
    pictures: Sequence[Path | bytes | None]
    vectors: Vectors

    def heads(self) -> list[Head]:
        from catalens.render.heatmap import Head

        return [Head(name, picture) for name, picture in zip(self.names, self.pictures, strict=True)]


def _show(names: Sequence[str], others: Sequence[str], cosines: Scores, *, as_json: bool) -> None:
    """Print (n, m) cosines of n things with m others."""
    if as_json:
        for name, row in zip(names, cosines.tolist(), strict=True):
            scores = [{"id": other, "score": round(score, 4)} for other, score in zip(others, row, strict=True)]
            output.emit({"id": name, "similarity": scores})
        return
    rows = [(name, *row) for name, row in zip(names, cosines.tolist(), strict=True)]
    output.show_rows(rows, "", *(f"{other}#" for other in others))
