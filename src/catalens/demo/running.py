"""The demo's work: products drawn into a folder as a shop would have them, a source indexed, read and searched."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from catalens.catalogue.opening import open_index
from catalens.catalogue.search import Query, Weighted, search
from catalens.catalogue.sources import Source, open_source
from catalens.demo.drawn import draw_catalogue
from catalens.demo.report import DemoRun, queries_for
from catalens.pipelines.attributes import schema_reader
from catalens.pipelines.events import Progress
from catalens.pipelines.ingest import Report, ingest
from catalens.pipelines.session import Session

Truth = Mapping[str, str]
"""Group name → what is true of one picture."""

_GROUPS = ("type", "colour", "pattern", "sleeve_length")
_HITS = 5


def write_products(count: int, out: Path) -> tuple[Source, dict[str, Truth]]:
    """Draw products into pictures and a table; return both as a source, and the truth by id."""
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    truths: dict[str, Truth] = {}
    with (out / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", *_GROUPS])
        for product in draw_catalogue(count):
            known = (product.article_type, product.colour, product.pattern, product.sleeve_length)
            name = f"pictures/{product.id}.png"
            product.picture.save(out / name)
            table.writerow([product.id, name, product.title, *(value or "" for value in known)])
            truths[product.id] = {group: value for group, value in zip(_GROUPS, known, strict=True) if value}
    return open_source(out / "products.csv"), truths


def run_demo(
    source: Source,
    truths: Mapping[str, Truth],
    session: Session,
    catalogue: Path,
    *,
    on_progress: Callable[[Progress], None],
    on_indexed: Callable[[Report], None],
) -> DemoRun:
    """Index a source into a new catalogue, read every picture's attributes, and search for what is there."""
    encoder = session.encoder()
    read = schema_reader(encoder, "fashion", session)
    with open_index(catalogue, encoder_name=encoder.name, dim=encoder.dim) as index:
        on_indexed(ingest(source, encoder, index, on_progress=on_progress))
        records = list(index.records())
        answers = read(index.vectors([record.id for record in records])) if records else []
        known = [truths.get(record.id, {}) for record in records]
        read_values = [{name: each.value for name, each in row.items() if each.values} for row in answers]
        searches = [
            replace(asked, hits=search(index, encoder, Query((Weighted(asked.query),)), k=_HITS))
            for asked in queries_for(known if truths else read_values)
        ]
    return DemoRun(encoder.name, records, answers, known, searches)
