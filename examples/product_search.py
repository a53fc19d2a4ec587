"""Search a shop's products by words and by picture, from metadata and pictures to an OpenSearch index, and clean up.

    python examples/product_search.py                                    # drawn products, a catalogue in one file
    python examples/product_search.py --index opensearch://localhost:9200/products
    python examples/product_search.py --data abo/ --index opensearch://localhost:9200/products --keep

The data has the layout of Amazon Berkeley Objects: `listings/metadata/listings_*.json.gz`,
`images/metadata/images.csv.gz` and `images/small/`. Without --data, products are drawn into that layout. A server needs
`pip install "catalens[opensearch]"`; nothing is fetched from the network.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import catalens as cl
from catalens.catalogue.display import picture_of, title_of
from catalens.catalogue.opening import scheme_of, shown
from catalens.catalogue.opensearch.address import connect, parse_address
from catalens.core.types import Hit
from catalens.demo.drawn import draw_catalogue
from catalens.pipelines.catalogue import Catalogue
from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.enriching import Enrichment
from catalens.render.contact_sheet import Cell, contact_sheet


def main() -> None:
    """Run every step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder in the layout of Amazon Berkeley Objects")
    parser.add_argument("--products", type=int, default=60, help="products to draw, without --data")
    parser.add_argument("--index", default="products.catalens", help="file, or opensearch://HOST:PORT/NAME")
    parser.add_argument("--text", default="a blue dress", help="what to look for")
    parser.add_argument("--sheet", type=Path, default=Path("hits.png"), help="where the contact sheet goes")
    parser.add_argument("--model", default="starter", help="encoder")
    parser.add_argument("--keep", action="store_true", help="keep the index")
    options = parser.parse_args()
    if not options.keep and exists(options.index):
        parser.error(f"{shown(options.index)} exists, and would be deleted at the end; name a new one, or add --keep")
    with tempfile.TemporaryDirectory() as place:
        data = options.data or draw_products(Path(place), options.products)
        with cl.load(encoder=options.model) as lens:
            try:
                encode(lens, data, options.index)
                with lens.index(options.index) as catalogue:
                    search(catalogue, options.text, options.sheet)
            finally:
                if not options.keep:
                    delete(options.index)


def draw_products(folder: Path, n: int) -> Path:
    """Draw n products: pictures, the table that says where they are, and listings in two languages."""
    small, metadata, listings = folder / "images/small/00", folder / "images/metadata", folder / "listings/metadata"
    for each in (small, metadata, listings):
        each.mkdir(parents=True)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["image_id", "height", "width", "path"])
    lines = []
    for product in draw_catalogue(n):
        product.picture.save(small / f"{product.id}.jpg", quality=90)
        rows.writerow([product.id, product.picture.height, product.picture.width, f"00/{product.id}.jpg"])
        listing = {
            "item_id": f"B{product.id}",
            "domain_name": "shop.example",
            "main_image_id": product.id,
            "item_name": [
                {"language_tag": "en_US", "value": product.title},
                {"language_tag": "de_DE", "value": f"Artikel {product.id}"},
            ],
            "product_type": [{"value": product.article_type.upper()}],
            "color": [{"language_tag": "en_US", "value": product.colour}],
        }
        lines.append(json.dumps(listing) + "\n")
    (metadata / "images.csv.gz").write_bytes(gzip.compress(table.getvalue().encode()))
    (listings / "listings_0.json.gz").write_bytes(gzip.compress("".join(lines).encode()))
    return folder


def encode(lens: cl.Lens, data: Path, index: str) -> None:
    """Encode every product in one pass, vectors and attributes, into the index; a stopped run continues."""
    plan = EnrichPlan(sources=(str(data),), do={"attributes": {}, "vectors": {}}, index=index)
    with Enrichment(plan, lens.session) as enrichment:
        report = enrichment.run()
    rate = report.done / max(report.elapsed_s, 1e-9)
    print(f"{report.done} products encoded, {len(report.failures)} failed, {rate:.0f}/s")
    for failure in report.failures:
        print(f"  {failure.error}")


def search(catalogue: Catalogue, text: str, sheet: Path) -> None:
    """Look for words, then for the picture of the best hit, and draw both as one sheet."""
    worded = catalogue.search(text, k=5)
    show(f'"{text}"', worded)
    alike = catalogue.search(image=picture_of(worded[0].record), k=5)
    show(f"like {title_of(worded[0].record)}", alike)
    cells = [Cell(picture_of(hit.record), title_of(hit.record), hit.score) for hit in (*worded, *alike)]
    contact_sheet(cells, title=f"{text}, and what is like the first", columns=5).save(sheet)
    print(f"sheet: {sheet}")


def show(query: str, hits: Sequence[Hit]) -> None:
    """Print hits."""
    print(f"{query}:")
    for hit in hits:
        print(f"  {hit.score:.3f} {hit.record.id} {hit.record.fields.get('item_name', '')}")


def exists(index: str) -> bool:
    """Return whether there is an index already, of whatever program."""
    if scheme_of(index) is None:
        return Path(index).exists()
    address = parse_address(index)
    client = connect(address)
    try:
        return bool(client.indices.exists(index=address.index))
    finally:
        client.close()


def delete(index: str) -> None:
    """Delete the index, if it was made."""
    if scheme_of(index) is None:
        Path(index).unlink(missing_ok=True)
        return
    address = parse_address(index)
    client = connect(address)
    client.indices.delete(index=address.index, ignore_unavailable=True)
    client.close()
    print(f"{address.shown} deleted")


if __name__ == "__main__":
    main()
