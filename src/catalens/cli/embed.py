"""`catalens embed`: pictures and texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.flags import RunFlags, TableFlags
from catalens.cli.jobs import RowTable, run_and_tell, run_stages
from catalens.cli.options import Json, Model, PicturesOrNone, Server, Texts, session_for
from catalens.cli.remote import encoder_of
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Vectors


@command(
    "catalens embed photos/ --out vectors.npz",
    "catalens embed photos/ --output vectors.parquet",
    "catalens embed photo.jpg > vector.jsonl",
    'catalens embed --texts "a red dress, a blue shirt"',
)
def embed(
    pictures: PicturesOrNone = None,
    *,
    texts: Texts = None,
    out: Annotated[
        Path | None, Option(help="Write a NumPy .npz file with `ids`, `vectors` (n, dim) and `encoder`.")
    ] = None,
    table: TableFlags,
    model: Model = None,
    server: Server = None,
    json: Json = False,
) -> None:
    """Encode pictures and texts as vectors of unit length.

    Pictures and texts share one vector space: the dot product of two vectors is their cosine similarity. The encoder is
    --model, or the bundled product encoder.
    """
    from catalens.pipelines.encoding import ENCODER, VECTOR, EmbedStage, EncoderStage, encode_texts
    from catalens.pipelines.routing import warn_of_everyday_pictures
    from catalens.pipelines.vector_file import VectorFile

    words = inputs.words(texts) if texts else []
    if not pictures and not words:
        raise InputError("nothing to embed: give pictures, --texts, or both")
    if table.output is not None and (words or out is not None):
        raise InputError("--output is a table of pictures; for texts or an .npz file, leave it out")
    file = None if out is None else VectorFile(out)
    found, session = inputs.entries(pictures or []), session_for(model)
    encoder = session.encoder() if server is None else encoder_of(server)
    stage = EmbedStage() if server is None else EncoderStage(encoder)
    if server is None and found.names:
        warn_of_everyday_pictures(session, found)
    if table.output is not None:
        destination = table.destination(VECTOR, (VECTOR, ENCODER), default_columns=(VECTOR, ENCODER))
        nothing = RowTable((), lambda _record, _values: ())
        run_stages(found, [stage], session, destination, RunFlags(json=json), shown=(), show=nothing)
        return
    tally = Tally(as_json=file is None and output.wants_json(json))
    rows: list[tuple[str, int, str]] = []
    take = file.add if file is not None else partial(_print, encoder.name, None if tally.as_json else rows)
    if found.names:
        run_and_tell(found, [stage], session, [], tally, lambda record, values: take([record.id], values[VECTOR][None]))
    take(words, encode_texts(words, encoder, session))
    if file is not None:
        file.finish(encoder)
        output.say(f"written: {file.path}: {len(file)} vectors of {encoder.name}")
    if rows:
        output.show_rows(rows, "item", "dim#", "vector")
    tally.finish(empty_is_fine=bool(words))


def _print(encoder: str, rows: list[tuple[str, int, str]] | None, ids: Sequence[str], vectors: Vectors) -> None:
    """Print vectors (n, dim) as JSON lines, or add as much of them as a person can take in to the rows of a table."""
    for id, vector in zip(ids, vectors.tolist(), strict=True):
        if rows is None:
            output.emit({"id": id, "encoder": encoder, "vector": [round(each, 6) for each in vector]})
        else:
            rows.append((id, len(vector), " ".join(f"{each:+.3f}" for each in vector[:6]) + " …"))
