"""Pictures as a reader encodes them: once per batch, however many stages ask."""

from __future__ import annotations

from collections.abc import Sequence

from catalens.core.protocols import EncodedImages
from catalens.models.readers import Reader
from catalens.pipelines.stages import Picture


def encode_for_reader(pictures: Sequence[Picture], reader: Reader) -> EncodedImages:
    """Encode pictures with a reader's vision tower, or return what it made of these very pictures before.

    The caller holds the reader's lock.
    """
    key = f"reader:{reader.name}"
    kept = [picture.memo[key] for picture in pictures if key in picture.memo]
    if kept and len(kept) == len(pictures):
        encoded: EncodedImages = kept[0][0]
        if len(encoded) == len(pictures) and [at for same, at in kept if same is encoded] == list(range(len(kept))):
            return encoded
    encoded = reader.encode_images([picture.pixels(reader.input_size_wh) for picture in pictures])
    for at, picture in enumerate(pictures):
        picture.memo[key] = (encoded, at)
    return encoded
