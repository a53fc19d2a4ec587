"""The layout of Amazon Berkeley Objects: gzipped JSON listings, and a table that says where each picture is.

Source: the data set's README (Collins et al., "ABO: Dataset and Benchmarks for Real-World 3D
Object Understanding", CVPR 2022). A listing is identified by `item_id` and `domain_name`
together; its texts come in several languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from catalens.catalogue.sources.items import Item, Row, Source, flat_fields, joined, plain_file
from catalens.catalogue.sources.json_text import json_rows
from catalens.catalogue.sources.text import csv_rows
from catalens.core.errors import InputError

_LISTINGS = "listings/metadata/listings_*.json*"
_IMAGES = "images/metadata/images.csv*"
_PICTURES = ("images/small", "images/original")
_NOT_FIELDS = {"main_image_id", "other_image_id", "spin_id", "3dmodel_id"}


def is_berkeley(folder: Path) -> bool:
    """Return whether a folder has this layout."""
    return any(folder.glob(_LISTINGS)) and any(folder.glob(_IMAGES))


def berkeley_source(folder: Path, *, languages: Sequence[str]) -> Source:
    """Read the listings, each with its main picture, small where there is a small one.

    Args:
        folder: holds `listings` and `images`.
        languages: best first, like `("de", "en_GB")`; `en` stands for every English, and a listing
            in none of them keeps the language that it has.

    Raises:
        InputError: a part of the layout is missing.
    """
    listings, tables = sorted(folder.glob(_LISTINGS)), sorted(folder.glob(_IMAGES))
    pictures = next((folder / name for name in _PICTURES if (folder / name).is_dir()), None)
    if not listings or not tables or pictures is None:
        raise InputError(
            f"{folder} has not the Amazon Berkeley Objects layout: "
            f"{_LISTINGS}, {_IMAGES} and a folder {' or '.join(_PICTURES)} are needed"
        )
    paths = _picture_paths(tables[0])

    def rows() -> Iterator[Row]:
        return chain.from_iterable(map(json_rows, listings))

    def build(row: Row, id: str) -> Item:
        picture = _picture(row, paths, pictures)
        known = {name: value for name, value in row.values.items() if name not in _NOT_FIELDS}
        return Item(id, picture, str(picture), flat_fields(_spread(known, languages)))

    return Source(folder, "berkeley", rows, _identify, build)


def _identify(row: Row) -> str:
    item, domain = row.values.get("item_id"), row.values.get("domain_name")
    return f"{item}@{domain}" if item and domain else str(item or "")


def _picture_paths(table: Path) -> dict[str, str]:
    paths: dict[str, str] = {}
    for row in csv_rows(table):
        if row.error or not {"image_id", "path"} <= row.values.keys():
            raise InputError(f"{table}, {row.place}: {row.error or 'columns image_id and path are needed'}")
        paths[str(row.values["image_id"])] = str(row.values["path"])
    return paths


def _picture(row: Row, paths: Mapping[str, str], folder: Path) -> Path:
    image_id = str(row.values.get("main_image_id") or "")
    if image_id not in paths:
        raise InputError(f"its main_image_id {image_id!r} is not in the table of images")
    return plain_file(folder / paths[image_id])


def _spread(listing: Mapping[str, object], languages: Sequence[str]) -> dict[str, object]:
    """Bring the listing's nested values down to one cell per name.

    Measures get their unit into the name: `item_weight_pounds`, `height_inches`.
    """
    cells: dict[str, object] = {}
    for name, value in listing.items():
        if isinstance(value, Mapping):
            for part, measure in value.items():
                cells |= _measured(part, measure)
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            cells |= _measured(name, value[0]) if "unit" in value[0] else {name: _in_language(value, languages)}
        else:
            cells[name] = value
    return cells


def _measured(name: str, measure: object) -> dict[str, object]:
    if not isinstance(measure, Mapping):
        return {name: measure}
    normal = measure.get("normalized_value")
    chosen = normal if isinstance(normal, Mapping) else measure
    return {f"{name}_{chosen.get('unit', '')}".replace(" ", "_").rstrip("_"): chosen.get("value")}


def _in_language(entries: Sequence[Mapping[str, object]], languages: Sequence[str]) -> object:
    """Choose the values in the best language that there is; one value keeps its type, several are joined."""
    tags = [str(entry.get("language_tag", "")) for entry in entries]
    best = min(tags, key=partial(_rank, languages=languages))
    chosen = [
        entry.get("value", entry.get("node_name")) for entry, tag in zip(entries, tags, strict=True) if tag == best
    ]
    return chosen[0] if len(chosen) == 1 else joined(chosen)


def _rank(tag: str, languages: Sequence[str]) -> int:
    return next((rank for rank, wanted in enumerate(languages) if tag == wanted or tag.startswith(f"{wanted}_")), 99)
