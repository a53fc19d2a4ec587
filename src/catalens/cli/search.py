"""`catalens search` and `catalens search learn`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.filtering import filter_of, say_nothing_found, say_what_excludes_nothing
from catalens.cli.options import Catalogue, Json, Model, Server, Where, session_for
from catalens.cli.remote import client_of
from catalens.core.errors import InputError
from catalens.core.files import check_image_writable, check_writable
from catalens.core.folders import IMAGE_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalens.core.types import Hit


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
    texts: Annotated[list[str] | None, Argument(metavar="TEXT", help="Text query; 'red dress:2' has weight 2.")] = None,
    image: Annotated[list[str] | None, Option(help="Image query; like.jpg:2 has weight 2.")] = None,
    minus: Annotated[
        list[str] | None,
        Option(
            help="Negative text query; floral:0.5 has weight 0.5. With --mode keyword, records with all of its "
            "words are excluded."
        ),
    ] = None,
    minus_image: Annotated[list[str] | None, Option(help="Negative image query.")] = None,
    where: Where = None,
    k: Annotated[int, Option("-k", "--top", min=1, help="Maximum number of hits.")] = 10,
    min_score: Annotated[float | None, Option(min=-1.0, max=1.0, help="Minimum cosine similarity.")] = None,
    cutoff: Annotated[
        str | None,
        Option(
            metavar="FILE|auto",
            help="Relevance cut-off: a file from `catalens search learn`, or auto for the bundled one.",
        ),
    ] = None,
    mode: Annotated[
        Literal["vector", "keyword", "hybrid"],
        Option(help="Rank by vector similarity, by keywords in the fields (BM25), or by both."),
    ] = "vector",
    sheet: Annotated[Path | None, Option(help="Also write the hits as a contact sheet, such as hits.png.")] = None,
    model: Model = None,
    server: Server = None,
    json: Json = False,
) -> None:
    """Search a catalogue by text, by image, or by both, with weights and negative queries.

    Scores are cosine similarities, comparable only between queries of one kind. Keyword search takes no images and no
    weights; hybrid search uses them for its vector part.
    """
    from catalens.catalogue.cutoff import read_cutoff
    from catalens.catalogue.opening import open_index
    from catalens.catalogue.search import search as search_index
    from catalens.models.registry import bundled_cutoff
    from catalens.pipelines.catalogue import catalogue_encoder
    from catalens.pipelines.query_terms import QueryTerms

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
                mode=mode,
                min_score=min_score,
            )
        _show(found, as_json=output.wants_json(json))
        return
    if sheet is not None:
        check_image_writable(sheet)
    path = inputs.catalogue(catalogue)
    _notice_pictures(texts or (), mode)
    terms = QueryTerms(texts=texts or (), images=image or (), minus=minus or (), minus_images=minus_image or ())
    query = terms.query(filter_of(where), mode)
    encoder = catalogue_encoder(path, session_for(model))
    limit = None
    if cutoff is not None:
        limit = read_cutoff(bundled_cutoff(encoder.name) if cutoff == "auto" else inputs.existing(cutoff))
    with open_index(path, encoder_name=encoder.name, read_only=True) as index:
        hits = search_index(index, encoder, query, k=k, min_score=min_score, cutoff=limit)
        _show(hits, as_json=output.wants_json(json))
        for notice in index.notices:
            output.say(notice, style="yellow")
        if not hits:
            say_nothing_found(index, query.where)
        else:
            say_what_excludes_nothing(index, query.where, [hit.record for hit in hits])
    if sheet is not None:
        from catalens.pipelines.hit_sheet import hit_sheet

        output.save_image(hit_sheet(hits, terms.title(where)), sheet)


def _notice_pictures(texts: Sequence[str], mode: str) -> None:
    """Say of texts that look like pictures how to search by those."""
    for text in texts:
        if mode != "keyword" and Path(text).suffix.lower() in IMAGE_EXTENSIONS:
            output.say(f"{text!r} is searched as a text; for the picture give --image {text}", style="yellow")


def _show(hits: Sequence[Hit], *, as_json: bool) -> None:
    if as_json:
        for rank, hit in enumerate(hits, start=1):
            record = hit.record
            found = {"rank": rank, "id": record.id, "score": round(hit.score, 4), "source": record.source}
            output.emit({**found, "fields": dict(record.fields)})
    elif hits:
        from catalens.catalogue.display import fields_line

        rows = [(rank, hit.score, hit.record.id, fields_line(hit.record)) for rank, hit in enumerate(hits, start=1)]
        output.show_rows(rows, "#", "score#", "id", "fields")


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
            help="CSV file with the columns query and id: one row per relevant record, "
            "and a row with an empty id for a query without any.",
        ),
    ],
    out: Annotated[Path, Option(help="File to write.")] = Path("cutoff.json"),
    model: Model = None,
    json: Json = False,
) -> None:
    """Learn a relevance cut-off from queries with relevance judgements, for search --cutoff."""
    from catalens.catalogue.cutoff import read_judged, write_cutoff
    from catalens.pipelines.catalogue import learn_relevance

    answers = read_judged(inputs.existing(judged))
    check_writable(out)
    cutoff = learn_relevance(inputs.catalogue(catalogue), answers, session_for(model))
    write_cutoff(out, cutoff)
    learned = {"queries": len(answers), "lift": cutoff.lift, "deviations": cutoff.deviations}
    as_json = output.wants_json(json)
    output.report([learned | {"out": str(out)} if as_json else learned], as_json=as_json)
    output.say(f"written: {out}")
