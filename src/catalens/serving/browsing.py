"""Looking around in catalogues without a model: pictures, what is like a record, fields, and duplicates.

It reads catalogues in this process, in threads; only what needs vectors of other things goes to a worker.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Query
from fastapi.responses import Response

from catalens.catalogue.duplicates import find_duplicates
from catalens.catalogue.opening import open_index, scheme_of
from catalens.catalogue.sources import read_picture
from catalens.core.errors import InputError
from catalens.core.images import Limits, read_image
from catalens.core.protocols import Index
from catalens.core.types import FieldValue, Record
from catalens.serving.service import Service, UnknownNameError
from catalens.serving.stages import CatalogueJob

T = TypeVar("T")
Name = Annotated[str, Path(max_length=200)]
Id = Annotated[str, Path(max_length=500)]

_FIELDS_FROM = 20_000
"""Records that fields and their values are gathered from."""
_MOST_VALUES = 50
_MOST_COMPARED = 100_000
"""Records that duplicates are looked for among: about a minute."""
_QUALITY = 85


def add_browsing_routes(app: FastAPI, service: Service, problems: dict[int | str, dict[str, Any]]) -> None:
    """Add the routes; pictures exist only where the configuration shows them."""

    @app.get("/v1/catalogues/{catalogue}/similar/{id:path}", tags=["catalogues"], responses=problems)
    async def similar(
        catalogue: Name,
        id: Id,
        k: Annotated[int, Query(ge=1, le=1000)] = 10,
        where: Annotated[str | None, Query(max_length=4000)] = None,
    ) -> dict[str, Any]:
        """Return the records whose pictures are most like a record's."""
        return {"hits": await service.catalogue(catalogue, CatalogueJob("like", ids=(id,), k=k, where=where))}

    @app.get("/v1/catalogues/{catalogue}/fields", tags=["catalogues"], responses=problems)
    async def fields(catalogue: Name) -> dict[str, Any]:
        """Return each field of the records with its kind, and its commonest values or its range."""
        return {"fields": await _with_index(service, catalogue, lambda index: fields_of(index.records()))}

    @app.get("/v1/catalogues/{catalogue}/duplicates", tags=["catalogues"], responses=problems)
    async def duplicates(catalogue: Name, min_score: Annotated[float, Query(gt=0, le=1)] = 0.98) -> dict[str, Any]:
        """Return groups of records with practically the same picture; a caller that leaves ends the work."""
        gone = threading.Event()

        def groups(index: Index) -> list[list[Record]]:
            if len(index) > _MOST_COMPARED:
                raise InputError(
                    f"{len(index):,} records take too long for a request; run `catalens index duplicates` instead"
                )
            return find_duplicates(index, min_score, is_cancelled=gone.is_set)

        try:
            found = await _with_index(service, catalogue, groups)
        finally:
            gone.set()
        return {"groups": [[{"id": each.id, "fields": dict(each.fields)} for each in group] for group in found]}

    if service.config.pictures:
        _add_pictures(app, service, problems)


def _add_pictures(app: FastAPI, service: Service, problems: dict[int | str, dict[str, Any]]) -> None:
    @app.get("/v1/catalogues/{catalogue}/pictures/{id:path}", tags=["catalogues"], responses=problems)
    async def picture(catalogue: Name, id: Id, size: Annotated[int, Query(ge=16, le=2048)] = 512) -> Response:
        """Return the picture of a record as a JPEG whose longer side is at most `size` pixels."""
        record = await _with_index(service, catalogue, lambda index: index.get([id])[0])
        if record is None:
            raise UnknownNameError("there is no record of that id")
        content = await service.in_thread(partial(thumbnail, record, size, service.config.limits))
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})


async def _with_index(service: Service, name: str, work: Callable[[Index], T]) -> T:
    path = service.catalogue_path(name)

    def opened() -> T:
        with open_index(path, read_only=True) as index:
            return work(index)

    return await service.in_thread(opened)


def count_records(path: str) -> int:
    """Return the number of records of a catalogue, 0 where its file is not there yet."""
    if scheme_of(path) is None and not FilePath(path).exists():
        return 0
    with open_index(path, read_only=True) as index:
        return len(index)


def thumbnail(record: Record, size: int, limits: Limits) -> bytes:
    """Return the picture of a record as a JPEG whose longer side is at most `size` pixels.

    Raises:
        UnknownNameError: the picture is gone, or cannot be read; the message does not say where it was.
    """
    try:
        image = read_image(read_picture(record.source), at_least=(size, size), limits=limits, name="the picture")
    except InputError as error:
        raise UnknownNameError("the picture of this record is no longer where it was, or cannot be read") from error
    image.thumbnail((size, size))
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def fields_of(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return each field with its kind; commonest values of texts and truths, the range of numbers.

    >>> fields_of([Record("1", "1", {"colour": "Red", "price": 5}), Record("2", "2", {"colour": "Red"})])[0]
    {'name': 'colour', 'records': 2, 'kind': 'text', 'values': [['Red', 2]], 'more': False}
    """
    values: dict[str, Counter[FieldValue]] = {}
    for record in islice(records, _FIELDS_FROM):
        for name, value in record.fields.items():
            values.setdefault(name, Counter())[value] += 1
    return [{"name": name, "records": counts.total(), **_about(counts)} for name, counts in values.items()]


def _about(counts: Counter[FieldValue]) -> dict[str, Any]:
    numbers = [value for value in counts if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(counts):
        return {"kind": "number", "least": min(numbers), "most": max(numbers)}
    kind = "truth" if all(isinstance(value, bool) for value in counts) else "text"
    common = [[value, count] for value, count in counts.most_common(_MOST_VALUES)]
    return {"kind": kind, "values": common, "more": len(counts) > _MOST_VALUES}
