"""What captions and labels say of the everyday schema's groups, and of closed questions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from catalens.tasks.assessment import Counts, Truth
from catalens.tasks.attributes import build_schema_bank
from catalens.tasks.schema import load_schema, parse_schema
from catalens.training.caption_truth import CaptionTruth
from catalens.training.caption_truth import Truth as Judge
from catalens.training.closed_answers import is_val, label_questions, photograph_questions, plain_label
from catalens.training.everyday_calibration import (
    Labelled,
    held_out,
    join,
    learn_from,
    measured,
    photograph_truth,
    subject_truth,
    wild_truth,
)
from catalens.training.kinds import class_places, read_classes
from catalens.training.label_truth import object_truth, shelf_truth
from catalens.training.recipes.unified.tables import LabelledTable
from catalens.training.recipes.unified.wild import WildPicture
from catalens.training.seen_places import SEEN_PLACES
from tests.support.word_encoder import WordEncoder

SCHEMA = load_schema("everyday")
SMALL = parse_schema(
    'name: everyday\ngroups: {doing: {kind: exclusive, templates: ["{}"], labels: [running, riding]}}', origin="small"
)
DOG = ["A dog runs through snow.", "A brown dog in the snow .", "the dog is running", "snow and a dog", "A dog ."]
MAN = ["A man sits on a bench .", "a man on a park bench", "A man sits .", "somebody on a bench", "A man ."]


def table(file: str, truths: Sequence[Judge]) -> LabelledTable:
    """A table of which only what is true is known."""
    return LabelledTable(file, file, [b""] * len(truths), truths, [""] * len(truths), [])


def of_class(label: str) -> Judge:
    """What the label of the objects table says."""
    classes = read_classes()
    return object_truth(WildPicture("1", b"", label, label), classes[class_places(classes)[label]])


def test_a_guess_is_right_where_captions_or_labels_say_so() -> None:
    truths = [CaptionTruth(DOG), CaptionTruth(MAN), of_class("golden retriever"), of_class("stethoscope")]
    said = subject_truth(truths, ["dog", "bench", "animal", "cup"], SCHEMA)
    assert said == ["dog", "bench", "animal", ()]
    assert subject_truth(truths[:3], ["cat", "dog", "cat"], SCHEMA) == ["dog", "person", "dog"]
    # Whether a guitar is held is not labelled.
    assert subject_truth([of_class("acoustic guitar")], ["person"], SCHEMA) == [None]
    assert photograph_truth([DOG], SCHEMA, [None])["scene"] == ["snow"]


def test_shelves_say_what_holds_and_that_nothing_is_done() -> None:
    shelf = shelf_truth(WildPicture("Packages/Milk/1", b"", "Arla-Milk", "Milk"))
    assert subject_truth([shelf, shelf], ["packaged food", "dog"], SCHEMA)[0] == "packaged food"
    assert wild_truth(table("grocery", [shelf, shelf]), [None, None])["doing"] == [(), ()]
    vectors = np.ones((2, 4), np.float32)
    said = Labelled("some", "a", vectors, {"doing": [(), None]})
    joined, columns, domains = join([said, Labelled("others", "b", vectors, {})], SCHEMA)
    assert (len(joined), columns["doing"], domains) == (4, [(), None, None, None], ["a", "a", "b", "b"])


def test_things_do_nothing_and_of_animals_and_people_a_label_does_not_tell() -> None:
    truths = [of_class(label) for label in ("motor scooter", "killer whale", "bicycle-built-for-two")]
    seen = ["indoors", None, "outdoors"]
    assert wild_truth(table("objects", truths), seen) == {"place": seen, "doing": [(), None, None]}


def test_a_place_is_as_captions_say_and_else_as_it_was_seen() -> None:
    found = photograph_truth([DOG, MAN, MAN], SCHEMA, ["indoors", "indoors", None])["place"]
    assert found == ["outdoors", "indoors", None]
    lines = SEEN_PLACES.read_text(encoding="utf-8").splitlines()
    ids = [each for line in lines for each in line.split("\t")[2].split()]
    assert len(ids) == len({*ids})


def test_shelves_do_not_hide_what_is_wrong_of_the_place_of_objects() -> None:
    schema = parse_schema(
        'name: everyday\ngroups: {place: {kind: exclusive, templates: ["{}"], labels: [indoors, outdoors]}}', origin="x"
    )
    encoder = WordEncoder("indoors outdoors", scale=12.0)
    bank = build_schema_bank(encoder, schema)
    strengths = np.linspace(0.5, 1.0, 60)
    shelf = Labelled(
        "groceries",
        "wild",
        encoder.pictures([{"indoors": 1.0, "outdoors": 1 - each} for each in strengths]),
        {"place": ["indoors"] * 60},
    )
    # Of objects that look like rooms only the surest are.
    shown = [{"indoors": 1.0, "outdoors": 1 - each} for each in strengths]
    truth = ["outdoors"] * 40 + ["indoors"] * 20
    objects = Labelled("objects", "wild", encoder.pictures(shown), {"place": truth})
    calibration = learn_from([shelf, objects], bank)
    counts = measured([objects], bank, calibration)["place"]["objects"]
    assert counts.right >= 0.8 * counts.given > 0


def test_figures_are_of_pictures_that_nothing_was_learned_from() -> None:
    encoder = WordEncoder(" ".join(label.name for label in SMALL.group("doing").labels), scale=12.0)
    bank = build_schema_bank(encoder, SMALL)
    rng = np.random.default_rng(0)
    truth: list[Truth] = [["running", "riding"][at] for at in rng.integers(0, 2, 100)]
    shown = [{str(each): 1.0} for each in truth]
    # Half of the things at rest look like riding, which so cannot be told from them.
    still = [{"riding": 1.0} if at % 2 else {"running": 0.1, "riding": 0.1} for at in range(100)]
    people = Labelled("photographs", "everyday", encoder.pictures(shown), {"doing": truth})
    things = Labelled("objects", "wild", encoder.pictures(still), {"doing": [()] * 100})
    alone, both = (held_out(some, bank)["doing"] for some in ([people], [people, things]))
    assert alone["photographs"] == Counts(100, 100, 100)
    runs = truth.count("running")
    assert both == {"photographs": Counts(runs, runs, 100), "objects": Counts(0, 0, 0)}


def test_closed_questions_have_their_right_answer() -> None:
    asked = photograph_questions([DOG], random.Random(0))
    assert any(each.question.startswith("where") and each.answers[each.truth] == "snow" for each in asked)
    things = [each for each in asked if each.answers == ("yes", "no")]
    assert sorted(each.truth for each in things) == [0, 1, 1]
    labels = [f"thing {at}" for at in range(12)]
    asked = label_questions(labels, random.Random(0), at_home=True)
    ten = [each for each in asked if each.question == "what is it?"]
    assert [each.answers[each.truth] for each in ten] == labels
    assert {len(set(each.answers)) for each in ten} == {10}
    assert plain_label({"label": "Outwear"}) == "jacket"
    assert 0.15 < np.mean([is_val(str(at)) for at in range(1000)]) < 0.35
