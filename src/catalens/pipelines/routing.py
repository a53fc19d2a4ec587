"""One encoder for many pictures: which bundled one suits them, and a notice where it may not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from catalens.catalogue.sources import Entry, Item
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.pipelines.prefetch import read_item
from catalens.pipelines.session import Session

SAMPLE = 24
"""Pictures that are looked at to choose an encoder."""
_MANY = 0.2
"""Share of other pictures among products that is worth a notice; the gate itself is wrong of fewer."""


def encoder_for_pictures(session: Session, entries: Iterable[Entry]) -> Encoder:
    """Return the configured encoder, or the bundled one that most of the first pictures belong to.

    For results that must share one space: an index, a matrix of similarities. Nothing is chosen where there are no
    pictures: the product encoder is returned.
    """
    if session.config.encoder is not None:
        return session.encoder()
    share = everyday_share(session, entries)
    if share is None or share <= 0.5:
        _notify_of(share, session)
        return session.encoder(PRODUCT)
    session.notify(f"most of the pictures are not products, so the {EVERYDAY} encoder is used; --model names another")
    return session.encoder(EVERYDAY)


def warn_of_everyday_pictures(
    session: Session, entries: Iterable[Entry], *, better: str = f"--model {EVERYDAY}"
) -> None:
    """Notify where many of the first pictures are not products, and the product encoder is used on them.

    Args:
        session: gets the notice, unless it has an encoder of the user's choice.
        entries: the pictures.
        better: the flag that suits them.
    """
    if session.config.encoder is None:
        _notify_of(everyday_share(session, entries), session, better)


def _notify_of(share: float | None, session: Session, better: str = f"--model {EVERYDAY}") -> None:
    if share is None or share < _MANY:
        return
    many = "most" if share > 0.5 else "half" if share == 0.5 else f"{share:.0%}"
    session.notify(
        f"{many} of these pictures are not products, which the {PRODUCT} encoder was trained on; {better} knows them "
        "better"
    )


def everyday_share(session: Session, entries: Iterable[Entry]) -> float | None:
    """Return the share of the first pictures that are routed to the everyday encoder; None where none can be read."""
    router = session.router()
    images = [
        image
        for entry in islice(_items(entries), SAMPLE)
        if (image := read_item(entry, router.input_size_wh)) is not None and not isinstance(image, Outcome)
    ]
    if not images:
        return None
    with session.lock(router.name):
        encoders: Sequence[str] = [encoder.name for encoder, _ in router.encode_images(images).split()]
    return sum(name.startswith(f"{EVERYDAY}@") for name in encoders) / len(encoders)


def _items(entries: Iterable[Entry]) -> Iterable[Item]:
    return (entry for entry in entries if isinstance(entry, Item))
