"""Captions of the bundled readers, with what their encoders know of the main thing in a picture."""

from __future__ import annotations

from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding
from catalens.models.readers import Reader
from catalens.models.readers.bundled import ReaderPart
from catalens.models.readers.support import UNKNOWN
from catalens.models.routing import EVERYDAY
from catalens.pipelines.bundled_readers import BundledReader, KnownAttributes, in_order
from catalens.pipelines.session import Session
from catalens.tasks.known_answers import checked_caption


class CheckedCaptions:
    """Captions by any reader; those of everyday pictures by the bundled one name what `tag` names before nothing."""

    def __init__(self, session: Session) -> None:
        self._known = KnownAttributes(session)

    def caption(
        self, reader: Reader, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return the captions of each image, best first.

        What continues a prompt, or was drawn by chance, is not checked, and neither is what a fine-tuned reader says.
        """

        def rows(part: ReaderPart) -> list[list[str]]:
            written = part.reader.caption(part.encoded, prompt=prompt, count=count, decoding=decoding)
            if part.reader.name.partition("@")[0] != EVERYDAY:
                return written
            pairs = zip(written, self._known.read(part), strict=True)
            return [[checked_caption(text, known, UNKNOWN) for text in texts] for texts, known in pairs]

        if prompt or decoding.temperature is not None or not isinstance(reader, BundledReader):
            return reader.caption(encoded, prompt=prompt, count=count, decoding=decoding)
        return in_order(reader.parts(encoded), rows)
