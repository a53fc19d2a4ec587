"""tag, attributes, embed, similarity: pictures in, rows out, one for each picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalens.core.images import read_image
from catalens.core.types import Tag
from catalens.models.fakes import FakeEncoder
from catalens.tasks.labels import build_bank
from catalens.tasks.tagging import tag
from tests.support.ran import Run


def test_tags_are_what_the_task_gives_best_first(run: Run, photos: list[Path]) -> None:
    ran = run("tag", photos[0], "--labels", "a cat, a dog, a hat", "--top", 2)
    encoder = FakeEncoder()
    vectors = encoder.encode_images([read_image(photos[0])])
    bank = build_bank(encoder, ["a cat", "a dog", "a hat"], templates=("{}",))
    (expected,) = tag(vectors, bank, top_k=2)
    assert ran.code == 0
    assert [Tag(each["label"], each["score"]) for each in ran.rows[0]["tags"]] == [
        Tag(each.label, round(each.score, 4)) for each in expected
    ]


def test_without_labels_the_fashion_schema_is_read(run: Run, photos: list[Path]) -> None:
    ran = run("tag", photos[0], "--threshold", 0)
    groups = [each["group"] for each in ran.rows[0]["tags"]]
    assert groups[:3] == ["type", "colour", "gender"]


@pytest.mark.parametrize("source", ["folder", "pattern", "table", "files"])
def test_pictures_may_be_named_in_every_way(run: Run, shop: Path, photos: list[Path], source: str) -> None:
    arguments: dict[str, list[object]] = {
        "folder": [shop / "photos"],
        "pattern": [shop / "photos" / "*.png"],
        "table": [shop / "products.csv"],
        "files": list(photos),
    }
    ran = run("tag", *arguments[source], "--labels", "a,b")
    assert ran.code == 0
    assert [Path(row["source"]).name for row in ran.rows] == [photo.name for photo in photos]


def test_bytes_come_from_standard_input(run: Run, photos: list[Path]) -> None:
    by_name = run("tag", photos[0], "--labels", "a,b").rows[0]["tags"]
    ran = run("tag", "-", "--labels", "a,b", stdin=photos[0].read_bytes())
    [row] = ran.rows
    assert (row["id"], row["source"], row["tags"]) == ("-", "standard input", by_name)


def test_that_there_is_nothing_is_a_value_and_no_tag(run: Run, photos: list[Path], tmp_path: Path) -> None:
    schema = tmp_path / "counted.yaml"
    schema.write_text("groups: {people: {labels: [none]}, kind: {labels: [thing]}}")
    [row] = run("attributes", photos[0], "--schema", schema).rows
    assert row["attributes"]["people"]["value"] == "none"
    [row] = run("tag", photos[0], "--schema", schema).rows
    assert [tag["label"] for tag in row["tags"]] == ["thing"]


def test_labels_come_from_a_file_and_denied_ones_are_left_out(run: Run, photos: list[Path], tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# animals\na cat\n\na dog\n")
    ran = run("tag", photos[0], "--labels", words, "--deny", "A Dog")
    assert [each["label"] for each in ran.rows[0]["tags"] if each["label"] != "unknown"] == ["a cat"]
    labels = [
        [each["label"] for each in run("tag", photos[0], "--labels", words, *deny).rows[0]["tags"]]
        for deny in ([], ["--deny", "a zebra"])
    ]
    assert labels[0] == labels[1]


@pytest.mark.parametrize(
    "command",
    [["tag", "--labels"], ["tag", "--labels", "a,b", "--deny"], ["embed", "--texts"], ["similarity", "--texts"]],
)
def test_words_that_are_no_utf8_are_refused_by_name(
    run: Run, photos: list[Path], tmp_path: Path, command: list[str]
) -> None:
    words = tmp_path / "latin.txt"
    words.write_text("a hat\na café\n", encoding="latin-1")
    ran = run(command[0], photos[0], *command[1:], words)
    assert (ran.code, ran.out) == (2, "")
    assert "latin.txt is not UTF-8 text (byte 0xe9 in line 2); save it as UTF-8" in ran.err


def test_many_labels_are_no_path(run: Run, photos: list[Path]) -> None:
    labels = ", ".join(f"a label of number {number}" for number in range(50))
    assert run("tag", photos[0], "--labels", labels, "--top", 3).code == 0


def test_a_vocabulary_is_kept_in_the_cache(
    run: Run, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALENS_CACHE", str(tmp_path / "cache"))
    first = run("tag", photos[0], "--vocabulary", "fashion-colours", "--template", "a {} thing")
    kept = list((tmp_path / "cache" / "labels").iterdir())
    assert len(kept) == 1
    assert run("tag", photos[0], "--vocabulary", "fashion-colours", "--template", "a {} thing").out == first.out
    assert list((tmp_path / "cache" / "labels").iterdir()) == kept


def test_a_broken_picture_is_named_and_the_others_go_on(run: Run, broken: Path) -> None:
    ran = run("tag", broken, "--labels", "a,b")
    assert ran.code == 1
    assert [row["id"] for row in ran.rows if "tags" in row] == ["0.png", "2.png"]
    (failure,) = [row for row in ran.rows if "error" in row]
    assert failure["id"] == "1.png"
    assert "1.png" in ran.err
    assert "1 of 3 items failed" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "a", "--schema", "fashion"], "exclude each other"),
        (["--labels", " , "], "is an empty list"),
        (["--template", "a {}"], "--template goes with"),
        (["--labels", "a", "--calibration", "x.json"], "--calibration goes with a schema"),
        (["--schema", "fashoin"], "unknown schema 'fashoin'"),
        (["--labels", "missing.txt"], "there is no label file missing.txt"),
    ],
)
def test_flags_that_make_no_sense_are_refused_in_a_sentence(
    run: Run, photos: list[Path], arguments: list[str], message: str
) -> None:
    ran = run("tag", photos[0], *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert message in ran.err


def test_a_missing_file_is_answered_with_the_nearest_names(run: Run, photos: list[Path]) -> None:
    wrong = photos[0].with_name(photos[0].name.replace("tshirts", "tshrits"))
    ran = run("tag", photos[1], wrong, "--labels", "a,b")
    assert ran.code == 2
    assert ran.out == "", "nothing is done before all names are known to be good"
    assert photos[0].name in ran.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is a variable of the shell empty?"),
        ("https://a.com/b.jpg", "https://a.com/b.jpg is an address; files are not downloaded"),
        ("file:///photos/a%20b.jpg", "is an address; give the path: /photos/a b.jpg"),
    ],
)
def test_an_empty_name_is_not_the_folder_at_hand_nor_an_address_a_folder(run: Run, name: str, said: str) -> None:
    for command in (["tag"], ["index", "add", "new.catalens"], ["caption", "--sidecar", ".txt"]):
        ran = run(*command, name)
        assert ran.code == 2
        assert said in ran.err


def test_what_was_written_is_counted_in_words(run: Run, photos: list[Path], tmp_path: Path) -> None:
    for command in ("tag", "attributes"):
        ran = run(command, *photos[:2], "--output", tmp_path / f"{command}.csv")
        assert "2 results written" in ran.err
    again = run("tag", photos[0], "--output", tmp_path / "tag.csv")
    assert "0 results written; 1 picture had one already" in again.err


def test_an_empty_folder_is_wrong_input_not_silence(run: Run, tmp_path: Path) -> None:
    ran = run("tag", tmp_path, "--labels", "a,b")
    assert ran.code == 2
    assert "no pictures were found" in ran.err


def test_attributes_give_a_value_or_unknown_for_each_question(run: Run, photos: list[Path]) -> None:
    ran = run("attributes", photos[0])
    answers = ran.rows[0]["attributes"]
    assert list(answers)[:2] == ["type", "colour"]
    assert all(0 <= each["confidence"] <= 1 for each in answers.values())
    sure = run("attributes", photos[0], "--threshold", 1).rows[0]["attributes"]
    assert {each["value"] for each in sure.values()} == {"unknown"}


def test_embed_writes_unit_vectors_with_their_ids_and_encoder(run: Run, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "vectors.npz"
    ran = run("embed", shop / "photos", "--texts", "a hat, a tie", "--out", out)
    assert (ran.code, ran.out) == (0, "")
    with np.load(out) as stored:
        assert stored["vectors"].shape == (8, 16)
        assert stored["ids"].tolist()[-2:] == ["a hat", "a tie"]
        assert str(stored["encoder"]) == "fake-16"
        np.testing.assert_allclose(np.linalg.norm(stored["vectors"], axis=1), 1, atol=1e-5)
        vectors = stored["vectors"]
    rows = run("embed", shop / "photos", "--texts", "a hat, a tie").rows
    np.testing.assert_allclose([row["vector"] for row in rows], vectors, atol=1e-6)


def test_embed_needs_something_and_a_name_that_says_what_it_is(run: Run, photos: list[Path]) -> None:
    assert "nothing to embed" in run("embed").err
    ran = run("embed", photos[0], "--out", "vectors.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ".npz" in ran.err


def test_similarity_is_the_cosine_of_each_pair(run: Run, photos: list[Path]) -> None:
    rows = run("similarity", *photos[:2]).rows
    assert [each["score"] for each in rows[0]["similarity"]] == [1.0, rows[1]["similarity"][0]["score"]]
    by_text = run("similarity", photos[0], "--texts", "a hat, a tie").rows
    assert [each["id"] for each in by_text[0]["similarity"]] == ["a hat", "a tie"]
    assert len(run("similarity", "--texts", "a, b, c").rows) == 3


def test_similarity_is_drawn(run: Run, shop: Path, tmp_path: Path) -> None:
    ran = run("similarity", shop / "photos", "--plot", tmp_path / "heat.png")
    assert ran.code == 0
    assert read_image(tmp_path / "heat.png").width > 300
    refused = run("similarity", shop / "photos", "--plot", tmp_path / "heat.doc")
    assert (refused.code, refused.out) == (2, "")
