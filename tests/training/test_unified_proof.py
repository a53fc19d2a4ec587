"""What the evaluation counts: main tags, answers, the worst errors; and that it asks as the commands do."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from PIL import Image

from catalens.core.images import read_image
from catalens.core.types import GREEDY, Tag, Vectors
from catalens.demo.drawn import draw_catalogue
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.registry import load_reader
from catalens.models.registry import shipped, shipped_calibration
from catalens.models.routing import domain
from catalens.pipelines.bundled_answers import BundledAnswers
from catalens.pipelines.bundled_captions import CheckedCaptions
from catalens.pipelines.session import Session
from catalens.tasks.attributes import Attribute, Attributes, build_schema_bank, read_attributes
from catalens.tasks.calibration import load_calibration
from catalens.tasks.captions import clean_caption
from catalens.tasks.schema import load_schema
from catalens.training.caption_truth import CaptionTruth, holds
from catalens.training.closed_answers import Asked
from catalens.training.kinds import class_places, read_classes
from catalens.training.label_truth import LabelTruth, garment_truth, object_truth
from catalens.training.pixels import nonsense, png
from catalens.training.recipes.unified.asking import (
    Answered,
    closed_answers,
    closed_figures,
    encoded_parts,
    open_answers,
)
from catalens.training.recipes.unified.captioning import captions_of
from catalens.training.recipes.unified.figures import (
    KEPT,
    QUOTED,
    SLACK,
    Figure,
    proof,
    quote,
    read_figures,
    shortfalls,
)
from catalens.training.recipes.unified.main_tags import tag_figures
from catalens.training.recipes.unified.mistakes import WORST, Mistake, Mistakes
from catalens.training.recipes.unified.tables import listed, looked_for, on_shelves
from catalens.training.recipes.unified.wild import WildPicture
from tests.support.drawn_table import jpeg


def tag_of(value: str | None, confidence: float) -> Attribute:
    return Attribute("subject", () if value is None else (Tag(value, confidence),), confidence, ())


def by_name(figures: list[Figure]) -> dict[str, float]:
    return {each.name: each.value for each in figures}


def test_a_shelf_says_what_lies_on_it() -> None:
    rows = [WildPicture(f"{shelf}/1", b"", "x", "x") for shelf in ("Fruit/Apple", "Packages/Juice")]
    asked = [(each.at, each.question, each.answers[each.truth]) for each in on_shelves(rows)]
    assert (0, "is there a fruit?", "yes") in asked
    assert (1, "is there a fruit?", "no") in asked
    assert (1, "is there packaged food?", "yes") in asked
    assert len(asked) == 6


def test_a_compound_is_not_any_thing_of_its_last_word() -> None:
    classes = read_classes()
    places = class_places(classes)
    stethoscope, banjo, hotdog = (
        object_truth(WildPicture("1", b"", label, label), classes[places[label]])
        for label in ("stethoscope", "banjo", "hotdog")
    )
    assert not holds(["a musical instrument"], stethoscope)
    assert holds(["a musical instrument"], banjo)
    assert not holds(["a dog"], hotdog)
    assert holds(["a hot dog"], hotdog)


def test_a_main_tag_is_right_by_any_of_its_wordings_and_an_unknown_one_is_not_wrong() -> None:
    truths = [CaptionTruth(["a puppy runs"]), CaptionTruth(["a red car"]), CaptionTruth(["a boat"])]
    figures = tag_figures("t", [tag_of("dog", 0.9), tag_of("dog", 0.8), tag_of(None, 0.9)], truths)
    assert by_name(figures) == pytest.approx(
        {"main tag: right": 1 / 3, "main tag: wrong": 1 / 3, "main tag: confident and wrong": 1 / 3}
    )
    assert figures[0].majority == pytest.approx(1 / 3)


def test_a_tag_that_nothing_is_known_of_is_neither_right_nor_wrong() -> None:
    beside_a_guitar = LabelTruth(frozenset({("guitar",)}), people=None, done=None)
    assert set(by_name(tag_figures("t", [tag_of("person", 0.9)], [beside_a_guitar])).values()) == {0.0}


def test_pictures_of_a_label_are_asked_with_one_list_and_all_labels_are_on_a_list() -> None:
    labels = [f"thing {at % 25}" for at in range(100)]
    asked = listed(labels, random.Random(3))
    lists = {each.answers for each in asked}
    assert {len(each) for each in lists} <= {12, 13}
    assert sorted(label for each in lists for label in each) == sorted(set(labels))
    assert [each.answers[each.truth] for each in asked] == labels


def test_things_are_asked_for_where_it_is_known_whether_they_are_there() -> None:
    truths = [LabelTruth(frozenset({("dog",)}), people=None, done=None)]
    found = [(each.question, each.answers[each.truth]) for each in looked_for(truths, ("dog", "hat", "man"))]
    assert found == [("is there a dog?", "yes"), ("is there a hat?", "no")]


def test_answers_are_counted_by_kind_of_question_beside_the_best_constant_one() -> None:
    two = ("yes", "no")
    asked = [Asked(at, "is there a dog?", two, truth) for at, truth in enumerate((0, 1, 1, 1))]
    given = [("yes", 0.9), ("yes", 0.9), ("unknown", 0.6), ("yes", 0.4)]
    answered = [
        Answered(one, value, "yes" if at < 2 else "no", sure)
        for at, (one, (value, sure)) in enumerate(zip(asked, given, strict=True))
    ]
    figures = closed_figures("t", answered)
    assert by_name(figures) == {
        "yes or no: right": 0.25,
        "yes or no: likeliest": 0.75,
        "yes or no: confident and wrong": 0.25,
    }
    assert figures[0].majority == 0.75


def test_tags_of_the_same_list_stand_beside_the_answers() -> None:
    asked = Asked(0, "what is it?", ("cup", "hat"), 1)
    figures = by_name(closed_figures("t", [Answered(asked, "unknown", "cup", 0.4, "hat")]))
    assert figures["what it is, among ten: by tag --labels"] == 1.0
    assert figures["what it is, among ten: right"] == figures["what it is, among ten: likeliest"] == 0.0


def test_the_most_confident_mistakes_are_drawn_first_and_sheets_without_mistakes_are_not(tmp_path: Path) -> None:
    mistakes = Mistakes()
    mistakes.add("captions: none", [])
    plain = [Mistake(jpeg(Image.new("RGB", (40, 40), "blue")), "a", "b", 0.5) for _ in range(WORST)]
    mistakes.add("Main tags: all", [*plain, Mistake(jpeg(Image.new("RGB", (40, 40), "red")), "a", "b", 0.9)])
    [file] = mistakes.write(tmp_path / "sheets")
    assert file.name == "main-tags-all.png"
    pixels = np.asarray(Image.open(file)).astype(int)
    red = np.argwhere((pixels[..., 0] > 200) & (pixels[..., 1:].max(axis=-1) < 60))
    blue = np.argwhere((pixels[..., 2] > 200) & (pixels[..., :2].max(axis=-1) < 60))
    assert red[:, 1].max() < np.sort(np.unique(blue[:, 1]))[-1]
    assert red[:, 0].min() <= blue[:, 0].min() + 1


def test_how_often_the_answer_is_unknown_is_no_shortfall() -> None:
    then = [Figure("objects", "what is it?: unknown", 0.5, None, 9), Figure("objects", "main tag: wrong", 0.1, None, 9)]
    now = [Figure("objects", "what is it?: unknown", 0.9, None, 9), Figure("objects", "main tag: wrong", 0.2, None, 9)]
    assert shortfalls(now, then) == ["objects, main tag: wrong: 0.200 (0.100 at the release)"]


def test_pictures_are_described_as_the_commands_describe_them() -> None:
    reader = load_reader("starter", threads=1)
    assert isinstance(reader, AutoReader)
    pictures = [*(jpeg(each.picture) for each in draw_catalogue(3)), *map(png, nonsense(3, np.random.default_rng(0)))]
    parts = encoded_parts(reader, pictures)
    assert {part.reader.name.partition("@")[0] for part in parts} == {"starter", "everyday"}
    assert sorted(int(row) for part in parts for row in part.rows) == list(range(len(pictures)))
    encoded = reader.encode_images([read_image(each, at_least=reader.input_size_wh) for each in pictures])
    answers = ("a shirt", "a dog", "a cup")
    with Session() as session:
        command = BundledAnswers(session)
        closed = command.choose(reader, encoded, "what is it?", answers, unknown_below=None)
        written = [row[0] for row in command.answer(reader, encoded, ["what is it?"], decoding=GREEDY)]
        captions = [clean_caption(row[0]) for row in CheckedCaptions(session).caption(reader, encoded)]
    asked = [Asked(at, "what is it?", answers, 0) for at in range(len(pictures))]
    ours = sorted(closed_answers(parts, asked), key=lambda each: each.asked.at)
    assert [each.value for each in ours] == [each.value for each in closed]
    assert [each.confidence for each in ours] == pytest.approx([each.probability for each in closed], abs=1e-3)
    encoders = {domain(part.reader.name): part.reader.encoder for part in parts}

    def attributes(schema: str, vectors: Vectors) -> list[Attributes]:
        file = shipped_calibration(encoders[schema].name, schema)
        assert file is not None
        bank = build_schema_bank(encoders[schema], load_schema(schema))
        return list(read_attributes(vectors, bank, calibration=load_calibration(file)))

    assert open_answers(parts, "what is it?", attributes) == written
    assert captions_of(reader, pictures, attributes) == captions


def test_a_label_is_the_class_of_its_own_spelling_and_what_else_its_picture_shows_is_true() -> None:
    classes = read_classes()
    places = class_places(classes)

    def truth(label: str) -> LabelTruth:
        return object_truth(WildPicture("n0", b"", label, label), classes[places[label]])

    assert (truth("cardigan").noun("clothing"), truth("cardigan").noun("dog")) == (True, False)
    assert (truth("agaric").noun("mushroom"), truth("tennis ball").noun("dog")) == (True, True)
    assert garment_truth(WildPicture("1", b"", "T-Shirt", "T-Shirt")).noun("tshirts")


@pytest.mark.parametrize("bundle", QUOTED)
def test_the_cards_quote_the_kept_figures(bundle: str) -> None:
    assert proof(bundle, read_figures(KEPT)) in (shipped(bundle) / "README.md").read_text(encoding="utf-8")


def test_no_list_of_the_release_is_answered_worse_than_it_is_tagged() -> None:
    figures = {(each.table, each.name): each.value for each in read_figures(KEPT)}
    tagged = {table: value for (table, name), value in figures.items() if name.endswith("by tag --labels")}
    assert {*tagged} == {"objects", "groceries", "clothes at home"}
    for table, value in tagged.items():
        assert figures[table, "what it is, among ten: right"] >= value - SLACK, table


def test_figures_take_the_place_of_those_that_a_card_quotes(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# Card\n\n## Scores\n\n1\n\n## Limits\n\n- few\n", encoding="utf-8")
    for value in (0.25, 0.5):
        quote(card, "everyday", [Figure("objects", "main tag: right", value, 0.1, 9)])
        text = card.read_text(encoding="utf-8")
        assert text.count("main tag") == 1
        assert f"| {value:.3f} | 0.100 | 9 |\n\n## Limits\n\n- few\n" in text
