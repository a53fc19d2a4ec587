"""The public API: what the command does, as methods; one picture in, one value out; many in, results out."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import catalens as cl
from catalens.core.errors import ImageError, InputError
from catalens.core.types import GREEDY, Decoding
from catalens.models.readers.fake import FakeReader
from catalens.pipelines.answering import AnswerStage
from catalens.pipelines.captioning import CaptionStage, CaptionTemplate, caption_stages
from catalens.pipelines.lens import Lens
from catalens.pipelines.plan import NAMED
from catalens.pipelines.results import FailedError
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Stage
from tests.support.ran import Run


@pytest.fixture(scope="module")
def lens(kept: Path) -> Iterator[Lens]:
    with cl.load(cache=kept) as made:
        yield made


@pytest.fixture
def bundled(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with the bundled models instead of the fake ones."""
    monkeypatch.delenv("CATALENS_MODEL")
    return run


class TestTheSameAsTheCommand:
    """Each capability of the command line has a method that returns the same."""

    def test_tags(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        rows = bundled("tag", *photos).rows
        assert [[tag.to_dict() for tag in each.value] for each in lens.tag(photos)] == [row["tags"] for row in rows]
        rows = bundled("tag", *photos, "--labels", "a red dress, a blue shirt").rows
        labels = ["a red dress", "a blue shirt"]
        assert [[t.to_dict() for t in lens.tag(each, labels)] for each in photos] == [row["tags"] for row in rows]

    def test_attributes(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        rows = bundled("attributes", *photos).rows
        assert [each.value.to_dict() for each in lens.attributes(photos)] == [row["attributes"] for row in rows]

    def test_captions(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        rows = bundled("caption", *photos[:3], "--count", 2).rows
        found = [each.value for each in lens.caption(photos[:3], count=2)]
        assert [(each.text, list(each.texts)) for each in found] == [(row["caption"], row["captions"]) for row in rows]

    def test_answers(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        question = "what colour is it?"
        rows = bundled("ask", *photos[:3], question).rows
        assert [[each.value.to_dict()] for each in lens.answer(photos[:3], question)] == [r["answers"] for r in rows]
        rows = bundled("ask", *photos[:3], question, "--answers", "red,blue").rows
        chosen = lens.choose(photos[:3], question, ["red", "blue"])
        assert [[each.value.to_dict()] for each in chosen] == [row["answers"] for row in rows]

    def test_prompts(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        (row,) = bundled("prompt", photos[0], "--mode", "fast").rows
        assert lens.prompt(photos[0], mode="fast").to_dict() | {"id": row["id"], "source": row["source"]} == row

    def test_descriptions(self, lens: Lens, bundled: Run, photos: list[Path], tmp_path: Path) -> None:
        (row,) = bundled("describe", photos[0], "--seed", 7).rows
        made = lens.describe(photos[0], seed=7)
        assert isinstance(made, cl.ProductDescription)
        assert made.to_dict() | {"id": row["id"], "source": row["source"]} == row
        table = tmp_path / "facts.jsonl"
        table.write_text(json.dumps({"type": "shirt", "colour": "red"}) + "\n", encoding="utf-8")
        (row,) = bundled("describe", "--table", table).rows
        assert str(lens.describe({"type": "shirt", "colour": "red"})) == row["description"]

    def test_vectors(self, lens: Lens, bundled: Run, photos: list[Path]) -> None:
        rows = bundled("embed", *photos[:2], "--texts", "a red dress").rows
        vectors = lens.encode([*photos[:2], "a red dress"])
        assert np.allclose(vectors, [row["vector"] for row in rows], atol=1e-4)

    def test_search(self, lens: Lens, bundled: Run, shop: Path, tmp_path: Path) -> None:
        assert bundled("index", "add", tmp_path / "a.catalens", shop / "products.csv").code == 0
        with lens.index(tmp_path / "b.catalens") as catalogue:
            assert catalogue.add(shop / "products.csv").added == len(catalogue) == 6
            hits = catalogue.search("red dress", minus="floral", k=3)
            assert catalogue.add(shop / "products.csv").skipped == 6
        rows = bundled("search", tmp_path / "a.catalens", "red dress", "--minus", "floral", "-k", 3).rows
        assert [(hit.record.id, round(hit.score, 4)) for hit in hits] == [(row["id"], row["score"]) for row in rows]

    def test_restyling(self, lens: Lens, photos: list[Path]) -> None:
        made = lens.restyle(photos[0], painter="fake", artist="Monet", prompt="a boat", seed=3)
        assert made.prompt == "This scene is a painting with Monet style, a boat"
        assert isinstance(made.image, Image.Image)


class TestPictures:
    def test_every_kind_is_taken(self, lens: Lens, photos: list[Path]) -> None:
        image = Image.open(photos[0]).convert("RGB")
        kinds: list[Any] = [str(photos[0]), photos[0], photos[0].read_bytes(), image, np.asarray(image)]
        tags = [lens.tag(each, ["a red dress", "a blue shirt"]) for each in kinds]
        assert all(each == tags[0] for each in tags)

    def test_many_stream_in_order_with_failures_among_them(
        self, lens: Lens, photos: list[Path], tmp_path: Path
    ) -> None:
        (tmp_path / "bad.png").write_bytes(b"not a picture")
        taken = []

        def given() -> Iterator[Path]:
            for each in [photos[0], tmp_path / "bad.png", *photos * 40]:
                taken.append(each)
                yield each

        results = lens.tag(given(), ["a red dress", "a blue shirt"])
        first, second = next(results), next(results)
        assert len(taken) < 150, "a million pictures never sit in memory"
        assert (first.id, second.id) == (str(photos[0]), str(tmp_path / "bad.png"))
        assert first.value == lens.tag(photos[0], ["a red dress", "a blue shirt"])
        assert "not a picture" in str(second.error)
        with pytest.raises(FailedError, match="not a picture"):
            _ = second.value
        assert [each.id for each in results] == [str(each) for each in photos * 40]

    def test_one_picture_that_fails_raises(self, lens: Lens) -> None:
        with pytest.raises(ImageError, match="no such file"):
            lens.tag("missing.jpg")

    def test_what_python_would_take_for_something_else_is_refused(self, lens: Lens, photos: list[Path]) -> None:
        for arguments, said in (
            ({"labels": "cup"}, r"labels is one text; give a list of texts, such as \['cup'\]"),
            ({"labels": ["cup", 3]}, "labels holds 3, which is not a text"),
            ({"deny": "cup"}, "deny is one text"),
            ({"top": 0}, "top is 0; it must be at least 1"),
            ({"threshold": 7}, "threshold is 7; a probability"),
        ):
            with pytest.raises(InputError, match=said):
                lens.tag(photos[0], **arguments)
        with pytest.raises(InputError, match="choices is one text"):
            lens.choose(photos[0], "what?", "cup")
        with pytest.raises(InputError, match="keywords is one text"):
            lens.describe({"type": "cup"}, keywords="cup")
        with photos[0].open("rb") as file, pytest.raises(InputError, match="an open file is not a picture"):
            list(lens.tag(file))

    def test_a_folder_and_a_table_are_many(self, lens: Lens, shop: Path) -> None:
        assert len(list(lens.tag(shop / "photos"))) == len(list(lens.tag(shop / "products.csv"))) == 6
        assert len(list(lens.tag(f"{shop}/photos/*.png"))) == 6

    def test_encoded_once_asked_many_times(self, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []
        encode = FakeReader.encode_images

        def counted(self: FakeReader, images: Sequence[Image.Image]) -> object:
            calls.append(len(images))
            return encode(self, images)

        monkeypatch.setattr(FakeReader, "encode_images", counted)
        lens = cl.load(reader="fake", encoder="fake", cache=None)
        picture = lens.encode_image(photos[0])
        lens.caption(picture)
        lens.answer(picture, "what colour is it?")
        lens.choose(picture, "what colour is it?", ["red", "blue"])
        assert calls == [1]

    def test_threads_share_a_lens(self, lens: Lens, photos: list[Path]) -> None:
        expected = [lens.tag(each, ["red", "blue"]) for each in photos]
        found: dict[int, object] = {}
        threads = [
            threading.Thread(target=lambda at=at, each=each: found.update({at: lens.tag(each, ["red", "blue"])}))
            for at, each in enumerate(photos)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[at] for at in range(len(photos))] == expected


class TestRun:
    def test_stages_in_one_pass_resumed(self, shop: Path, tmp_path: Path) -> None:
        lens = cl.load(encoder="fake", reader="fake", cache=None)
        out = tmp_path / "out.jsonl"
        report = lens.run(shop / "photos", ["tags", "captions", "vectors"], output=out)
        assert (report.done, report.skipped, report.failures) == (6, 0, ())
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert all(list(row) == ["image", "tags", "captions", "vectors"] for row in rows)
        assert all(len(row["vectors"]) == 16 for row in rows)
        assert lens.run(shop / "photos", ["tags", "captions", "vectors"], output=out).skipped == 6

    def test_an_unknown_stage_is_named_with_the_nearest(self) -> None:
        with pytest.raises(InputError, match="there is no stage 'caption': did you mean captions"):
            cl.load(encoder="fake").run("photos", ["caption"])


def test_stages_and_sessions_can_be_sent_to_a_worker(photos: list[Path]) -> None:
    stages: list[Stage] = [stage for make in NAMED.values() for stage in make()]
    stages += caption_stages(CaptionStage(decoding=Decoding(beams=2)), CaptionTemplate(template="{caption}, {tags}"))
    stages.append(AnswerStage(questions=("what is it?",), choices=("a", "b"), decoding=GREEDY))
    config = SessionConfig(encoder="fake", reader="fake")
    for stage in stages:
        copy = pickle.loads(pickle.dumps(stage))
        assert copy == stage
        copy.load(Session(pickle.loads(pickle.dumps(config))))
