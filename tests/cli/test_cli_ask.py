"""ask: answers about pictures, and conversations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Turn
from catalens.models.readers import load_reader
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.registry import SHIPPED
from catalens.tasks.answers import choose
from tests.support.ran import Run


@pytest.fixture(autouse=True)
def _fake_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_READER", "fake")


def test_each_question_is_answered_for_each_picture(run: Run, colours: Path) -> None:
    ran = run("ask", colours / "a.png", colours / "c.png", "What colour is it?", "Which color?")
    assert ran.code == 0
    assert [[each["answer"] for each in row["answers"]] for row in ran.rows] == [["red", "red"], ["blue", "blue"]]
    assert ran.rows[0]["answers"][1]["question"] == "Which color?"
    assert ran.rows[0]["source"] == str(colours / "a.png")


def test_closed_answers_have_probabilities_and_may_be_unknown(run: Run, colours: Path) -> None:
    allowed = ["red", "green", "blue"]
    ran = run("ask", colours / "a.png", "What colour is it?", "--answers", ",".join(allowed))
    reader = load_reader("fake")
    (expected,) = choose(reader, reader.encode_images([Image.open(colours / "a.png")]), "What colour is it?", allowed)
    (answer,) = ran.rows[0]["answers"]
    assert answer["answer"] == expected.value == "red"
    assert answer["probability"] == round(expected.probability, 4)
    assert answer["probabilities"] == {name: round(share, 4) for name, share in expected.probabilities.items()}
    unsure = run("ask", colours / "a.png", "What colour is it?", "--answers", ",".join(allowed), "--unknown-below", 1)
    assert unsure.rows[0]["answers"][0]["answer"] == "unknown"


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_asked_about(run: Run, colours: Path) -> None:
    ran = run("ask", colours, "What colour?")
    assert ran.code == 1
    assert [row["id"] for row in ran.rows if "answers" in row] == ["a.png", "c.png"]
    assert "b.png" in ran.err


def test_a_conversation_remembers_what_was_said(run: Run, colours: Path) -> None:
    reader = load_reader("fake")
    seen = reader.encode_images([Image.open(colours / "a.png")])
    questions = ["Is it new?", "Is it old?", "Are you sure?"]
    ran = run("ask", colours / "a.png", questions[0], "--chat", stdin=b"Is it old?\nAre you sure?\n\nnever asked\n")
    assert ran.code == 0
    assert [row["question"] for row in ran.rows] == questions
    history: list[Turn] = []
    for row in ran.rows:
        assert row["answer"] == reader.answer(seen, [row["question"]], history=history)[0][0]
        history.append(Turn(row["question"], row["answer"]))


def test_a_reader_that_cannot_remember_says_so_once_and_goes_on(
    run: Run, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(FakeReader):
        keeps_history = False

        def answer(
            self,
            seen: EncodedImages,
            questions: Sequence[str],
            *,
            history: Sequence[Turn] = (),
            decoding: Decoding = GREEDY,
        ) -> list[list[str]]:
            if history:
                raise ModelError("keeps no conversation")
            return super().answer(seen, questions, decoding=decoding)

    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Forgetful())
    for more in ([], ["--answers", "red,blue"]):
        ran = run("ask", colours / "a.png", "What colour?", "--chat", *more, stdin=b"Which color?\nWhat colour?\n")
        assert ran.code == 0
        assert [row["answer"] for row in ran.rows] == ["red"] * 3
        assert ran.err.count("each question stands alone") == 1
    assert "stands alone" not in run("ask", colours / "a.png", "What colour?").err


def test_a_question_that_cannot_be_answered_does_not_end_the_conversation(
    run: Run, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Choosy(FakeReader):
        def answer(
            self,
            seen: EncodedImages,
            questions: Sequence[str],
            *,
            history: Sequence[Turn] = (),
            decoding: Decoding = GREEDY,
        ) -> list[list[str]]:
            assert all("Why" not in turn.question for turn in history), "what failed was never said"
            if "Why" in questions[0]:
                raise InputError("'Why?' has no answer; ask what")
            return super().answer(seen, questions, history=history, decoding=decoding)

    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Choosy())
    ran = run("ask", colours / "a.png", "What colour?", "--chat", stdin=b"Why?\nWhich color?\n")
    assert ran.code == 1
    assert [row.get("answer") for row in ran.rows] == ["red", None, "red"]
    assert ran.rows[1] == {"question": "Why?", "error": "'Why?' has no answer; ask what"}
    assert "failed: 'Why?' has no answer" in ran.err
    assert "stands alone" not in ran.err


def test_a_conversation_ends_with_its_input(run: Run, colours: Path) -> None:
    assert run("ask", colours / "a.png", "--chat", stdin=b"").rows == []
    assert len(run("ask", colours / "a.png", "--chat", stdin=b"What colour?\nquit\nMore?\n").rows) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png"], "there is no question"),
        (["What colour is it?"], "there is no picture 'What colour is it?'; name pictures first"),
        (["d.png", "What colour is it?"], "did you mean c.png"),
        (["a.png", "c.png", "--chat"], "about one picture"),
        (["b.png", "--chat"], "cannot be decoded|broken"),
        (["a.png", "What?", "--unknown-below", "0.5"], "goes with --answers"),
        (["a.png", "What?", "--answers", ","], "is an empty list"),
        (["a.png", "What?", "--answers", "a,b", "--beams", "3"], "--beams would do nothing"),
        (["a.png", "What?", "--answers", "a,b", "--temperature", "1"], "--temperature would do nothing"),
        (["a.png", "What?", "--top-p", "0.5"], "--top-p goes with --temperature"),
        (["a.png", "What?", "--chat", "--min-tokens", "50"], "min_tokens is 50"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused_in_a_sentence(
    run: Run, colours: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(colours)
    ran = run("ask", *arguments)
    assert ran.code in (1, 2)
    assert "answers" not in ran.out
    assert any(part in ran.err for part in message.split("|")), ran.err
