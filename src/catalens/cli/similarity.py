"""`catalens similarity`: how alike things are, as a table, as JSON lines, or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.jobs import encode_all
from catalens.cli.options import Json, Model, PicturesOrNone, Texts, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError
from catalens.core.files import check_image_writable


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
    from catalens.pipelines.routing import encoder_for_pictures
    from catalens.pipelines.similarities import compare

    words = inputs.words(texts) if texts else []
    if not pictures and not words:
        raise InputError("nothing to compare: give pictures, --texts, or both")
    if plot is not None:
        check_image_writable(plot)
    found, session = inputs.entries(pictures or []), session_for(model)
    encoder = encoder_for_pictures(session, found)
    tally = Tally(as_json=output.wants_json(json))
    records, vectors = encode_all(found, encoder, session, tally)
    if pictures and not records:
        tally.finish()
    matrix = compare(records, vectors, words, encoder, session)
    if tally.as_json:
        for row in matrix.to_rows():
            output.emit(row)
    else:
        rows = [(head.text, *row) for head, row in zip(matrix.rows, matrix.cosines.tolist(), strict=True)]
        output.show_rows(rows, "", *(f"{head.text}#" for head in matrix.columns))
    if plot is not None:
        output.save_image(matrix.heatmap(), plot)
    tally.finish(empty_is_fine=True)
