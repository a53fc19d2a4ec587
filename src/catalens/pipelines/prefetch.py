"""Reads and decodes pictures ahead of their use, on several threads; knows nothing of models or outputs."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from PIL.Image import Image

from catalens.catalogue.sources import Item
from catalens.core.content import Limits, read_content
from catalens.core.errors import ImageError
from catalens.core.images import DEFAULT_LIMITS, read_image
from catalens.core.types import Outcome

T = TypeVar("T")
R = TypeVar("R")

_WHOLE_WH = (1024, 1024)
"""What no reader needs more of: a picture waits for its turn with at most about 4 million pixels."""


def read_item(
    item: Item,
    size_wh: tuple[int, int] | None,
    wanted: Callable[[bytes | None], bool] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Image | Outcome | None:
    """Read an item's picture and decode it, if it is wanted; a bad one becomes an outcome.

    Args:
        item: with a path, bytes, a Pillow image or an array.
        size_wh: the least (width, height) that is enough; None keeps at least `_WHOLE_WH`.
        wanted: told of the encoded content (None where the picture was given decoded), and says whether to decode it.
        limits: what a picture may cost.
    """
    try:
        source = item.picture() if callable(item.picture) else item.picture
        content = None
        if not isinstance(source, Image) and not hasattr(source, "__array_interface__"):
            source = content = read_content(source, max_bytes=limits.max_bytes)[0]
        if wanted is not None and not wanted(content):
            return None
        return read_image(source, at_least=size_wh or _WHOLE_WH, limits=limits, name=item.source)
    except ImageError as error:
        return Outcome(item.id, str(error))
    except Exception as error:  # noqa: BLE001 - a decoder's bug or a full memory costs one picture, and is reported
        return Outcome(item.id, f"{item.source}: {str(error) or type(error).__name__}")


def content_hash(picture: bytes, item: Item) -> str:
    """Return `picture:rest`, so that a changed price does not look like a changed picture."""
    rest = json.dumps([item.source, sorted(item.fields.items())], ensure_ascii=False).encode("utf-8", "replace")
    return ":".join(hashlib.blake2b(content, digest_size=16).hexdigest() for content in (picture, rest))


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: Callable[[], int]
) -> Generator[R]:
    """Apply a function in threads, some items ahead of their turn; results come in order.

    Items are taken in the caller's thread, and at most `ahead()` results wait. However the iteration ends (close it,
    if early), the threads have ended after it. Without workers, each item is worked on when its turn comes.

    >>> list(map_ahead(str.upper, "abc", workers=2, ahead=lambda: 2))
    ['A', 'B', 'C']
    """
    if not workers:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="catalens-decode")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead():
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
