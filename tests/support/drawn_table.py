"""The training tables in small: drawn products in the column layout of the real ones."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL.Image import Image
from pyarrow import parquet

from catalens.demo.drawn import DrawnProduct

_TEXTS = ("productDisplayName", "brandName", "gender", "ageGroup", "masterCategory", "subCategory", "articleType")
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [("id", pa.int64()), ("image", _PICTURE)]
    + [(name, pa.string()) for name in (*_TEXTS, "baseColour", "season", "usage")]
    + [("year", pa.int64()), ("price", pa.float64()), ("attributes", pa.map_(pa.string(), pa.string()))]
    + [(name, pa.string()) for name in ("description", "style_note")]
)


def row(place: int, product: DrawnProduct, **changes: Any) -> dict[str, Any]:
    """Return a drawn product as a row of the table."""
    attributes = {"Pattern": product.pattern, "Sleeve Length": product.sleeve_length, "Care": "Wash cold"}
    return {
        "id": place,
        "image": {"bytes": jpeg(product.picture), "path": f"{place}.jpg"},
        "productDisplayName": f"Acme {product.title}",
        "brandName": "Acme",
        "gender": "Women",
        "articleType": product.article_type,
        "baseColour": product.colour,
        "usage": "Casual",
        "attributes": [(key, value) for key, value in attributes.items() if value],
        "description": f"<p>{product.title} with a fine seam. Wash cold.</p>",
        **changes,
    }


def jpeg(picture: Image, size_wh: tuple[int, int] = (60, 80)) -> bytes:
    """Return a picture as JPEG bytes of the data's usual size."""
    buffer = io.BytesIO()
    picture.resize(size_wh).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_table(file: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema = SCHEMA) -> None:
    """Write rows as one parquet file; a column that a row lacks is null."""
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist([dict(each) for each in rows], schema=schema), file)
