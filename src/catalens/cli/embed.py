"""`catalens embed`: pictures and texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalens.cli import inputs, output
from catalens.cli.encoding import Tally, encode_all, encode_words, encoded
from catalens.cli.options import Json, Model, PicturesOrNone, Texts, encoder_for, examples
from catalens.cli.records import check_writable
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Vectors


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens embed photos/ --out vectors.npz",
            "catalens embed photo.jpg > vector.jsonl",
            'catalens embed --texts "a red dress, a blue shirt"',
        )
    )(embed)


def embed(
    pictures: PicturesOrNone = None,
    texts: Texts = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a NumPy .npz file with `ids`, `vectors` (n, dim) and `encoder`.")
    ] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Turn pictures and texts into vectors of unit length: near means alike.

    Pictures and texts of one encoder share a space, so a product of two vectors is a cosine.
    """
    if out is not None:
        if out.suffix != ".npz":
            raise InputError(f"--out {out}: give a name that ends in .npz")
        check_writable(out)
    words = inputs.words(texts) if texts else []
    if not pictures and not words:
        raise InputError("nothing to embed: give pictures, --texts, or both")
    found = inputs.entries(pictures or [])
    encoder = encoder_for(model)
    tally = Tally(as_json=output.wants_json(json) and out is None)
    if tally.as_json:
        with output.progress("embedding", quiet=True) as update:
            for batch in encoded(found, encoder):
                _emit([record.id for record in batch.records], batch.vectors, encoder.name)
                update(tally.count(batch))
        _emit(words, encode_words(words, encoder), encoder.name)
    else:
        import numpy as np

        records, vectors = encode_all(found, encoder, tally)
        ids = [record.id for record in records] + words
        _keep(ids, np.concatenate([vectors, encode_words(words, encoder)]), encoder.name, out)
    tally.finish(empty_is_fine=bool(words))


def _emit(ids: Sequence[str], vectors: Vectors, encoder_name: str) -> None:
    for id, vector in zip(ids, vectors.tolist(), strict=True):
        output.emit({"id": id, "encoder": encoder_name, "vector": [round(each, 6) for each in vector]})


def _keep(ids: Sequence[str], vectors: Vectors, encoder_name: str, out: Path | None) -> None:
    """Write n ids with (n, dim) vectors to a file, or print as much of them as a person can take in."""
    import numpy as np

    if out is None:
        starts = [" ".join(f"{each:+.3f}" for each in row[:6]) + " …" for row in vectors.tolist()]
        rows = [(id, vectors.shape[1], start) for id, start in zip(ids, starts, strict=True)]
        output.show_rows(rows, "item", "dim#", "vector")
        return
    with out.open("wb") as file:
        np.savez(file, ids=np.array(ids, dtype=np.str_), vectors=vectors, encoder=encoder_name)
    output.say(f"written: {out}: {len(ids)} vectors of {encoder_name}")
