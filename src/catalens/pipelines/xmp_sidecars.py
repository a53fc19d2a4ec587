"""XMP files beside pictures: `shirt.xmp` for `shirt.jpg`, where Adobe's programs, digiKam and others look for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalens.core.errors import InputError
from catalens.core.files import check_writable, read_bytes, write_bytes_atomically
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.sidecars import Sidecars
from catalens.render.xmp import XmpWords, is_ours, merged_xmp


class XmpSidecars:
    """One XMP file per picture; what a person wrote there is kept."""

    def __init__(self, *, overwrite: bool = False) -> None:
        """Choose whether words of an earlier run are replaced."""
        self._places, self._overwrite = Sidecars("", ending=".xmp"), overwrite

    def holds(self, record: Record) -> bool:
        """Return whether the file has words of an earlier run.

        Raises:
            InputError: nothing can lie beside the picture.
        """
        path = self._places.path(record)
        return not self._overwrite and path.is_file() and is_ours(read_bytes(path))

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write the file of each picture.

        Raises:
            InputError: it cannot be written, or what is there is not XMP.
        """
        for result in results:
            path = self._places.path(result.record)
            check_writable(path)
            old = read_bytes(path) if path.exists() else b""
            try:
                content = merged_xmp(old if old.strip() else None, words_of(result.values))
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            write_bytes_atomically(path, content)

    def finish(self) -> None:
        """Nothing waits."""


def words_of(values: Mapping[str, Any]) -> XmpWords:
    """Return what is written of the values that stages found.

    The description is the template's text, the product description or the caption; the caption alone is the
    alternative text, for it says what is to be seen.
    """
    description = next((str(values[name]) for name in ("text", "description", "caption") if values.get(name)), "")
    alt_text = str(values.get("caption") or values.get("description") or "")
    return XmpWords(
        description=description, keywords=[str(each) for each in values.get("labels", ())], alt_text=alt_text
    )
