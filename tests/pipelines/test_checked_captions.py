"""Captions of the bundled readers name what `tag` names where the reader knows nothing, and drawings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from catalens.core.images import read_image
from catalens.core.types import GREEDY, Decoding, Record
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.support import UNKNOWN
from catalens.pipelines.bundled_captions import CheckedCaptions
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.prompting import FirstCaptionStage
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Picture

skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
DATA = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def session(kept: Path) -> Iterator[Session]:
    with Session(SessionConfig(cache=kept)) as made:
        yield made


@pytest.mark.parametrize(("name", "caption"), [("coffee.png", "a coffee"), ("rocket.jpg", "a rocket")])
def test_what_tag_names_is_said_where_nothing_of_a_caption_is_supported(
    session: Session, name: str, caption: str
) -> None:
    picture = Picture(Record(name, name), read_image(DATA / name))
    for stage in (CaptionStage(reader="starter"), FirstCaptionStage(reader="starter")):
        [values] = stage.load(session).run([picture])
        assert values["caption"] == caption  # type: ignore[index]


def test_a_page_is_called_one(session: Session) -> None:
    reader = session.reader("starter")
    encoded = reader.encode_images([read_image(DATA / "page.png")])
    assert CheckedCaptions(session).caption(reader, encoded) == [["a document or screenshot"]]
    [[begun]] = CheckedCaptions(session).caption(reader, encoded, prompt="a photo of a cat")
    assert begun.startswith("a photo of a cat")


def test_captions_of_other_readers_and_those_drawn_by_chance_stay(session: Session) -> None:
    reader, image = FakeReader(), Image.new("RGB", (8, 8), "red")
    checked = CheckedCaptions(session)
    for decoding in (GREEDY, Decoding(temperature=1.0)):
        said = checked.caption(reader, reader.encode_images([image]), decoding=decoding)
        assert said == reader.caption(reader.encode_images([image]), decoding=decoding)
    bundled = session.reader("starter")
    encoded = bundled.encode_images([read_image(DATA / "page.png")])
    [[drawn]] = checked.caption(bundled, encoded, decoding=Decoding(temperature=1.0, seed=1))
    assert drawn not in ("a document or screenshot", UNKNOWN)
