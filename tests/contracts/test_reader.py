"""The promises of readers, over the one without weights; those with weights are in `tests/hub`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.models.readers import KNOWN_READERS, Reader, load_reader
from catalens.models.readers.fake import FakeReader
from catalens.models.registry import shipped
from tests.support.reader_contract import AnswererContract, CaptionerContract
from tests.support.tiny import tiny_bundle


class TestFake(CaptionerContract, AnswererContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return load_reader("fake")


def test_the_fake_names_a_colour_and_counts_encode_calls() -> None:
    reader = FakeReader()
    encoded = reader.encode_images([Image.new("RGB", (9, 9), (190, 20, 20)), Image.new("RGB", (9, 9), (250, 250, 250))])
    assert reader.answer(encoded, ["Which colour?"]) == [["red"], ["white"]]
    assert reader.score(encoded, "Which color?", ["white", "red"]).argmax(axis=1).tolist() == [1, 0]
    assert reader.encode_calls == [2]


@pytest.mark.parametrize(
    ("name", "near"), [("blip-bse", "'blip-base'"), ("blip2-2.7B-", "'blip2-2.7b'"), ("nothing like it", "blip-base")]
)
def test_an_unknown_name_gets_the_nearest_known_ones(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=f"no reader '{name}'.*{near}"):
        load_reader(name)


def test_a_bundle_s_folder_is_its_reader(kept: Path, tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 9), (190, 20, 20))
    with (
        load_reader(str(shipped("everyday") / "bundle.json"), cache=kept) as given,
        load_reader("everyday", cache=kept) as named,
    ):
        assert given.name == named.name
        assert given.caption(given.encode_images([picture])) == named.caption(named.encode_images([picture]))
    with pytest.raises(ModelError, match="is a bundle that encodes only; one that captions and answers has a folder"):
        load_reader(str(tiny_bundle(tmp_path / "mine")))


def test_what_torch_does_not_run_is_not_quantised(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "mine")
    for name in ("starter", "everyday", "fake", "http://localhost:1/v1#some", str(bundle)):
        with pytest.raises(InputError, match=f"{name} cannot be quantised to 4bit: that is for the readers"):
            load_reader(name, quantise="4bit")


def test_short_names_are_unique_and_mean_repositories() -> None:
    names = [spec.name for spec in KNOWN_READERS]
    assert len(set(names)) == len(names)
    assert all(spec.name == spec.name.lower() and spec.repository.count("/") == 1 for spec in KNOWN_READERS)
