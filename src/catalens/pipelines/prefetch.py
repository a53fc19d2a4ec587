"""From entries to decoded pictures, ahead of their use, on several threads.

Knows content hashes, so that what is unchanged is not decoded; knows nothing of encoders or storage.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from PIL.Image import Image

from catalens.catalogue.sources import Entry, Item
from catalens.core.content import Limits, read_content
from catalens.core.errors import ImageError
from catalens.core.images import DEFAULT_LIMITS, read_image
from catalens.core.types import Outcome, Record

T = TypeVar("T")
R = TypeVar("R")

Chunk = Sequence[tuple[Entry, str | None]]
Change = Literal["added", "updated", "skipped"]

_WHOLE_WH = (1024, 1024)
"""What no reader needs more of: a picture waits for its turn with at most about 4 million pixels."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item that is ready for what comes next.

    Attributes:
        record: what the index will keep.
        hash: of the picture and of everything else, in two parts.
        change: what this is to the index.
        image: the decoded picture; None if the index has the vector of this very picture.
    """

    record: Record
    hash: str
    change: Change
    image: Image | None = None


def load(chunk: Chunk, size_wh: tuple[int, int] | None, limits: Limits = DEFAULT_LIMITS) -> list[Loaded | Outcome]:
    """Hash every item and decode those whose picture is new; a bad one becomes an outcome.

    Args:
        chunk: a few entries, of which outcomes are passed on, each with its hash in the index.
        size_wh: what the encoder needs; larger pictures come back smaller. None keeps at least `_WHOLE_WH`.
        limits: what a picture may cost.
    """
    return [entry if isinstance(entry, Outcome) else _load(entry, known, size_wh, limits) for entry, known in chunk]


def _load(item: Item, known: str | None, size_wh: tuple[int, int] | None, limits: Limits) -> Loaded | Outcome:
    try:
        content, _ = read_content(item.picture, max_bytes=limits.max_bytes)
        record, digest = Record(item.id, item.source, item.fields), content_hash(content, item)
        if known == digest:
            return Loaded(record, digest, "skipped")
        if known is not None and known.split(":")[0] == digest.split(":")[0]:
            return Loaded(record, digest, "updated")
        image = read_image(content, at_least=size_wh or _WHOLE_WH, limits=limits, name=item.source)
        return Loaded(record, digest, "added" if known is None else "updated", image)
    except ImageError as error:
        return Outcome(item.id, str(error))
    except Exception as error:  # noqa: BLE001 - a decoder's bug or a full memory costs one picture, and is reported
        return Outcome(item.id, f"{item.source}: {str(error) or type(error).__name__}")


def content_hash(picture: bytes, item: Item) -> str:
    """Return `picture:rest`, so that a changed price does not look like a changed picture."""
    rest = json.dumps([item.source, sorted(item.fields.items())], ensure_ascii=False).encode("utf-8", "replace")
    return ":".join(hashlib.blake2b(content, digest_size=16).hexdigest() for content in (picture, rest))


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Generator[R]:
    """Apply a function in threads, some items ahead of their turn; results come in order.

    Items are taken in the caller's thread, and no more than `ahead` results wait. However the
    iteration ends (close it, if early), the threads have ended after it.

    >>> list(map_ahead(str.upper, "abc", workers=2, ahead=2))
    ['A', 'B', 'C']
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="catalens-decode")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
