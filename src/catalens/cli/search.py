"""`catalens search` and `catalens search learn`."""

from __future__ import annotations

import csv
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.filtering import filter_of, say_unknown_fields
from catalens.cli.options import Catalogue, Json, Model, Server, Where, session_for
from catalens.cli.records import check_picture_file, save_picture
from catalens.cli.remote import client_of
from catalens.core.errors import InputError
from catalens.core.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalens.catalogue.search import Query
    from catalens.core.images import Source
    from catalens.core.protocols import Encoder
    from catalens.core.types import Hit


class Mode(StrEnum):
    """How records are ranked."""

    VECTOR = "vector"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


@command(
    'catalens search shop.catalens "red striped t-shirt"',
    'catalens search shop.catalens "red dress" --minus floral --image like.jpg:2 -k 20',
    "catalens search shop.catalens --image like.jpg --sheet hits.png",
    'catalens search shop.catalens dress --where \'price < 500 and colour in ("Red", "Pink")\'',
    'catalens search shop.catalens "puma sneakers" --mode hybrid',
    'catalens search shop.catalens "a flying saucer" --cutoff auto',
)
def search(
    catalogue: Catalogue,
    texts: Annotated[
        list[str] | None, Argument(metavar="TEXT", help="What is looked for; 'red dress:2' counts twice.")
    ] = None,
    image: Annotated[
        list[str] | None, Option(help="A picture that hits should be like; like.jpg:2 counts twice.")
    ] = None,
    minus: Annotated[
        list[str] | None,
        Option(
            help="A text that hits should not be like; floral:0.5 counts half. By keyword, what has all its words "
            "is left out."
        ),
    ] = None,
    minus_image: Annotated[list[str] | None, Option(help="A picture that hits should not be like.")] = None,
    where: Where = None,
    k: Annotated[int, Option("-k", "--top", min=1, help="At most so many hits.")] = 10,
    min_score: Annotated[float | None, Option(min=-1.0, max=1.0, help="The lowest cosine wanted.")] = None,
    cutoff: Annotated[
        str | None,
        Option(
            metavar="FILE|auto",
            help="Only what stands out for this query: a file from `catalens search learn`, or auto.",
        ),
    ] = None,
    mode: Annotated[Mode, Option(help="Rank by likeness, by words in the fields, or by both.")] = Mode.VECTOR,
    sheet: Annotated[Path | None, Option(help="Also write the hits as one picture, such as hits.png.")] = None,
    model: Model = None,
    server: Server = None,
    json: Json = False,
) -> None:
    """Search a catalogue by text, by picture, or by both, with weights and minus terms.

    The score is a cosine: higher is more alike, and only comparable within one kind of query. By keyword, words alone
    decide: no pictures and no weights. In hybrid, pictures and weights count for the likeness.
    """
    from catalens.catalogue.cutoff import read_cutoff
    from catalens.catalogue.opening import open_index
    from catalens.catalogue.search import search as search_index
    from catalens.pipelines.catalogue import catalogue_encoder

    if server is not None:
        if (image and len(image) > 1) or minus_image or cutoff is not None or sheet is not None:
            raise InputError("with --server there is one --image at most, and no --minus-image, --cutoff or --sheet")
        with client_of(server) as client:
            found = client.search(
                texts or [],
                catalogue=str(catalogue),
                image=inputs.existing(Path(image[0])) if image else None,
                minus=minus or [],
                where=where,
                k=k,
                mode=mode.value,
                min_score=min_score,
            )
        _show(found, as_json=output.wants_json(json))
        return
    check_picture_file(sheet)
    path = inputs.catalogue(catalogue)
    query = _query(texts or [], image or [], minus or [], minus_image or [], where, mode)
    encoder = catalogue_encoder(path, session_for(model))
    limit = read_cutoff(_cutoff_file(cutoff, encoder)) if cutoff is not None else None
    with open_index(path, encoder_name=encoder.name, read_only=True) as index:
        hits = search_index(index, encoder, query, k=k, min_score=min_score, cutoff=limit)
        _show(hits, as_json=output.wants_json(json))
        for notice in index.notices:
            output.say(notice, style="yellow")
        if not hits:
            output.say("nothing found")
            say_unknown_fields(index, query.where)
    if sheet is not None:
        _write_sheet(hits, sheet, title=" ".join([*(texts or []), *(f"like {each}" for each in image or [])]))


def _query(
    texts: Sequence[str],
    images: Sequence[str],
    minus: Sequence[str],
    minus_images: Sequence[str],
    where: str | None,
    mode: Mode,
) -> Query:
    from catalens.catalogue.search import Query, Weighted, parse_weighted

    def picture(text: str, *, minus: bool = False) -> Weighted[Source]:
        # A file may be called like.jpg:2 itself.
        term = Weighted(text, -1.0 if minus else 1.0) if Path(text).exists() else parse_weighted(text, minus=minus)
        found: Source = inputs.existing(term.value)
        return Weighted(found, term.weight)

    return Query(
        texts=(*map(parse_weighted, texts), *(parse_weighted(text, minus=True) for text in minus)),
        images=(*map(picture, images), *(picture(text, minus=True) for text in minus_images)),
        where=filter_of(where),
        mode=mode.value,
    )


def _cutoff_file(given: str, encoder: Encoder) -> Path:
    from catalens.models.registry import shipped_cutoff

    if given != "auto":
        return inputs.existing(given)
    if (came_with := shipped_cutoff(encoder.name)) is None:
        raise InputError(f"no cut-off came with {encoder.name}; learn one with `catalens search learn`")
    return came_with


def _show(hits: Sequence[Hit], *, as_json: bool) -> None:
    if as_json:
        for rank, hit in enumerate(hits, start=1):
            record = hit.record
            output.emit(
                {
                    "rank": rank,
                    "id": record.id,
                    "score": round(hit.score, 4),
                    "source": record.source,
                    "fields": dict(record.fields),
                }
            )
    elif hits:
        from catalens.catalogue.display import fields_line

        rows = [(rank, hit.score, hit.record.id, fields_line(hit.record)) for rank, hit in enumerate(hits, start=1)]
        output.show_rows(rows, "#", "score#", "id", "fields")


def _write_sheet(hits: Sequence[Hit], path: Path, *, title: str) -> None:
    from catalens.catalogue.display import picture_of, title_of
    from catalens.render.contact_sheet import Cell, contact_sheet

    cells = [Cell(picture_of(hit.record), title_of(hit.record), hit.score) for hit in hits]
    save_picture(contact_sheet(cells, title=title), path)


@command(
    "catalens search learn shop.catalens judged.csv --out cutoff.json",
    'catalens search shop.catalens "a flying saucer" --cutoff cutoff.json',
    name="search learn",
)
def learn(
    catalogue: Catalogue,
    judged: Annotated[
        Path,
        Argument(
            metavar="JUDGED",
            help="A CSV file with the columns query and id: a row for each record that should be found, "
            "and one with an empty id for a query that should find nothing.",
        ),
    ],
    out: Annotated[Path, Option(help="Where to write what was learned.")] = Path("cutoff.json"),
    model: Model = None,
    json: Json = False,
) -> None:
    """Learn from judged queries where hits end and background begins, for search --cutoff."""
    from catalens.catalogue.cutoff import Judged, learn_cutoff, scoring, write_cutoff
    from catalens.catalogue.opening import open_index
    from catalens.pipelines.catalogue import catalogue_encoder
    from catalens.pipelines.encoding import encode_texts

    answers = _read_judged(inputs.existing(judged))
    check_writable(out)
    path = inputs.catalogue(catalogue)
    session = session_for(model)
    encoder = catalogue_encoder(path, session)
    vectors = encode_texts(list(answers), encoder, session)
    with open_index(path, encoder_name=encoder.name, read_only=True) as index:
        asked = zip(vectors, answers.values(), strict=True)
        cutoff = learn_cutoff(scoring(index), [Judged(vector, frozenset(relevant)) for vector, relevant in asked])
    write_cutoff(out, cutoff)
    if output.wants_json(json):
        output.emit({"queries": len(answers), "lift": cutoff.lift, "deviations": cutoff.deviations, "out": str(out)})
    else:
        output.show_rows([(len(answers), cutoff.lift, cutoff.deviations)], "queries#", "lift#", "deviations#")
    output.say(f"written: {out}")


def _read_judged(path: Path) -> dict[str, set[str]]:
    lines = [f"{line}\n" for line in inputs.text_of(path).split("\n")]
    answers: dict[str, set[str]] = {}
    try:
        table = csv.DictReader(lines, strict=True)
        if not {"query", "id"} <= set(table.fieldnames or ()):
            raise InputError(
                f"{path} needs the columns query and id; it has {', '.join(table.fieldnames or ()) or 'none'}"
            )
        for row in table:
            relevant = answers.setdefault(row["query"], set())
            relevant |= {row["id"]} if row["id"] else set()
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV ({error}); is a quote left open?") from error
    return answers
