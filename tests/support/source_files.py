"""Pictures drawn into folders and tables, and what a source makes of them."""

from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image

from catalens.catalogue.sources import Entry, Item
from catalens.core.types import Outcome


def drawn(colour: str = "red") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (12, 16), colour).save(stream, "PNG")
    return stream.getvalue()


def data_address(colour: str) -> str:
    return f"data:image/png;base64,{b64encode(drawn(colour)).decode()}"


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn())


def items(entries: Iterable[Entry]) -> list[Item]:
    found = list(entries)
    assert not errors(found)
    return [entry for entry in found if isinstance(entry, Item)]


def errors(entries: Iterable[Entry]) -> list[Outcome]:
    return [entry for entry in entries if isinstance(entry, Outcome)]
