"""The promises of readers, over the one without weights; those with weights are in `tests/hub`."""

from __future__ import annotations

import pytest
from PIL import Image

from catalens.core.errors import ModelError
from catalens.models.readers import KNOWN_READERS, Reader, load_reader
from catalens.models.readers.fake import FakeReader
from reader_contract import AnswererContract, CaptionerContract


class TestFake(CaptionerContract, AnswererContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return load_reader("fake")


def test_the_fake_knows_a_colour_and_counts_its_looks() -> None:
    reader = FakeReader()
    seen = reader.look([Image.new("RGB", (9, 9), (190, 20, 20)), Image.new("RGB", (9, 9), (250, 250, 250))])
    assert reader.answer(seen, ["Which colour?"]) == [["red"], ["white"]]
    assert reader.score(seen, "Which color?", ["white", "red"]).argmax(axis=1).tolist() == [1, 0]
    assert reader.looks == [2]


@pytest.mark.parametrize(
    ("name", "near"), [("blip-bse", "'blip-base'"), ("blip2-2.7B-", "'blip2-2.7b'"), ("nothing like it", "blip-base")]
)
def test_an_unknown_name_gets_the_nearest_known_ones(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=f"no reader '{name}'.*{near}"):
        load_reader(name)


def test_short_names_are_unique_and_mean_repositories() -> None:
    names = [spec.name for spec in KNOWN_READERS]
    assert len(set(names)) == len(names)
    assert all(spec.name == spec.name.lower() and spec.repository.count("/") == 1 for spec in KNOWN_READERS)
