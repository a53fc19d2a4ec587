"""`catalens embed`: pictures and texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
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
    from catalens.core.protocols import Encoder
    from catalens.core.types import Record, Vectors
    from catalens.pipelines.stages import Values
    from catalens.pipelines.vector_file import VectorFile


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
    sink = _Sink(encoder, file, json=json)
    tally = Tally(as_json=sink.as_json)
    if found.names:
        run_and_tell(found, [stage], session, [], tally, sink.take)
    sink.add(words, encode_texts(words, encoder, session))
    sink.finish()
    tally.finish(empty_is_fine=bool(words))


class _Sink:
    """Where vectors go without a table: a file, JSON lines, or the terminal."""

    def __init__(self, encoder: Encoder, file: VectorFile | None, *, json: bool) -> None:
        self._encoder, self._file = encoder, file
        self.as_json = file is None and output.wants_json(json)
        self._rows: list[tuple[str, int, str]] = []

    def take(self, record: Record, values: Values) -> None:
        """Take the vector of a picture."""
        self.add([record.id], values["vector"][None])

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Take vectors (n, dim) under n ids."""
        if self._file is not None:
            self._file.add(ids, vectors)
            return
        for id, vector in zip(ids, vectors.tolist(), strict=True):
            if self.as_json:
                row = {"id": id, "encoder": self._encoder.name, "vector": [round(each, 6) for each in vector]}
                output.emit(row)
            else:
                self._rows.append((id, len(vector), " ".join(f"{each:+.3f}" for each in vector[:6]) + " …"))

    def finish(self) -> None:
        """Write the file, or print as much of the vectors as a person can take in."""
        if self._file is not None:
            self._file.finish(self._encoder)
            output.say(f"written: {self._file.path}: {len(self._file)} vectors of {self._encoder.name}")
        if self._rows:
            output.show_rows(self._rows, "item", "dim#", "vector")
