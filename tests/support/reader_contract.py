"""What every captioner and answerer promises, as tests: a class per kind of reader gives the fixture `reader`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Decoding, Turn
from catalens.models.readers import Reader

SHORT = Decoding(max_tokens=6)
CHANCE = Decoding(max_tokens=6, temperature=1.0, seed=3)


def pictures(n: int = 3) -> list[Image.Image]:
    """Return pictures of different colours, sizes and grain."""
    found = []
    for at in range(n):
        rng = np.random.default_rng(at)
        base = np.array([[200, 30, 30], [30, 60, 200], [30, 150, 50], [230, 210, 40]][at % 4])
        grain = rng.integers(-60, 60, (40 + 8 * at, 48, 3))
        found.append(Image.fromarray(np.clip(base + grain, 0, 255).astype(np.uint8)))
    return found


class CaptionerContract:
    """What a captioner promises."""

    prompt: ClassVar[str] = "a photo of"
    has_beams: ClassVar[bool] = True

    def test_captions_are_one_list_a_picture_in_order(self, reader: Reader) -> None:
        images = pictures()
        together = reader.caption(reader.encode_images(images), decoding=SHORT)
        assert [len(group) for group in together] == [1, 1, 1]
        turned = reader.caption(reader.encode_images(images[::-1]), decoding=SHORT)
        assert turned == together[::-1]
        assert len({group[0] for group in together}) > 1, "pictures are told apart"

    def test_a_caption_does_not_depend_on_batch_mates(self, reader: Reader) -> None:
        images = pictures()
        for decoding, count in ((SHORT, 1), (CHANCE, 2)):
            together = reader.caption(reader.encode_images(images), count=count, decoding=decoding)
            alone = [
                reader.caption(reader.encode_images([image]), count=count, decoding=decoding)[0] for image in images
            ]
            assert together == alone

    def test_beams_do_not_depend_on_batch_mates(self, reader: Reader) -> None:
        if not self.has_beams:
            with pytest.raises(InputError, match="beams"):
                reader.caption(reader.encode_images(pictures(1)), decoding=Decoding(beams=3))
            return
        images, decoding = pictures(), Decoding(max_tokens=5, beams=3)
        together = reader.caption(reader.encode_images(images), count=2, decoding=decoding)
        assert [len(set(group)) for group in together] == [2, 2, 2]
        assert together == [
            reader.caption(reader.encode_images([image]), count=2, decoding=decoding)[0] for image in images
        ]

    def test_a_caption_holds_its_prompt(self, reader: Reader) -> None:
        for (caption,) in reader.caption(reader.encode_images(pictures()), prompt=self.prompt, decoding=SHORT):
            assert caption.startswith(self.prompt)

    def test_the_same_seed_gives_the_same_words_and_another_gives_others(self, reader: Reader) -> None:
        encoded = reader.encode_images(pictures())
        first = reader.caption(encoded, count=3, decoding=CHANCE)
        assert reader.caption(encoded, count=3, decoding=CHANCE) == first
        assert [len(group) for group in first] == [3, 3, 3]
        other = Decoding(max_tokens=6, temperature=1.0, seed=4)
        assert reader.caption(encoded, count=3, decoding=other) != first

    def test_captions_are_clean(self, reader: Reader) -> None:
        for group in reader.caption(reader.encode_images(pictures()), decoding=SHORT):
            assert all(text == text.strip() and "<" not in text and "[SEP]" not in text for text in group)

    def test_no_pictures_give_no_captions(self, reader: Reader) -> None:
        encoded = reader.encode_images([])
        assert len(encoded) == 0
        assert reader.caption(encoded) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            Decoding(max_tokens=0),
            Decoding(beams=0),
            Decoding(min_tokens=9, max_tokens=3),
            Decoding(temperature=0.0),
            Decoding(temperature=0.5, beams=2),
            Decoding(top_p=0.0),
            Decoding(repetition_penalty=0.0),
        ],
        ids=str,
    )
    def test_a_senseless_decoding_is_refused(self, reader: Reader, wrong: Decoding) -> None:
        with pytest.raises(InputError):
            reader.caption(reader.encode_images(pictures(1)), decoding=wrong)

    def test_another_readers_look_is_refused(self, reader: Reader) -> None:
        with pytest.raises(InputError, match="another reader"):
            reader.caption(_Others(), decoding=SHORT)

    def test_a_closed_reader_says_so(self, reader: Reader) -> None:
        with reader as opened:
            assert opened.name
        reader.close()  # twice is harmless
        with pytest.raises(ModelError):
            reader.caption(reader.encode_images(pictures(1)), decoding=SHORT)


class AnswererContract:
    """What an answerer promises."""

    questions: ClassVar[Sequence[str]] = ("What colour is it?", "Is it a shirt?", "What?")
    answers: ClassVar[Sequence[str]] = ("red", "blue", "a green shirt")
    keeps_conversation: ClassVar[bool] = True

    def test_each_picture_has_an_answer_to_each_question(self, reader: Reader) -> None:
        images = pictures()
        answers = reader.answer(reader.encode_images(images), self.questions, decoding=SHORT)
        assert [len(group) for group in answers] == [3, 3, 3]
        turned = reader.answer(reader.encode_images(images[::-1]), self.questions[::-1], decoding=SHORT)
        assert [group[::-1] for group in turned[::-1]] == answers

    def test_an_answer_does_not_depend_on_what_is_asked_beside_it(self, reader: Reader) -> None:
        images = pictures()
        for decoding in (SHORT, CHANCE):
            together = reader.answer(reader.encode_images(images), self.questions, decoding=decoding)
            for image, group in zip(images, together, strict=True):
                encoded = reader.encode_images([image])
                assert [reader.answer(encoded, [each], decoding=decoding)[0][0] for each in self.questions] == group

    def test_one_look_serves_many_questions(self, reader: Reader) -> None:
        encoded = reader.encode_images(pictures())
        first = reader.answer(encoded, self.questions, decoding=SHORT)
        reader.score(encoded, self.questions[0], self.answers)
        assert reader.answer(encoded, self.questions, decoding=SHORT) == first

    def test_nothing_asked_is_nothing_answered(self, reader: Reader) -> None:
        assert reader.answer(reader.encode_images(pictures(2)), []) == [[], []]
        assert reader.answer(reader.encode_images([]), self.questions) == []
        assert reader.score(reader.encode_images(pictures(2)), "What colour is it?", []).shape == (2, 0)
        assert reader.score(reader.encode_images([]), "What colour is it?", self.answers).shape == (0, 3)

    def test_a_conversation_is_kept_or_refused(self, reader: Reader) -> None:
        history = [Turn("What is it?", "a shirt")]
        encoded = reader.encode_images(pictures(2))
        assert reader.keeps_history is self.keeps_conversation
        if not self.keeps_conversation:
            with pytest.raises(ModelError, match="conversation"):
                reader.answer(encoded, self.questions, history=history)
            return
        assert [len(group) for group in reader.answer(encoded, self.questions, history=history, decoding=SHORT)] == [
            3,
            3,
        ]
        fresh = reader.score(encoded, self.questions[1], self.answers)
        assert not np.allclose(reader.score(encoded, self.questions[1], self.answers, history=history), fresh)

    def test_scores_are_log_likelihoods_of_each_answer_by_itself(self, reader: Reader) -> None:
        images, question = pictures(), self.questions[0]
        scores = reader.score(reader.encode_images(images), question, self.answers)
        assert scores.shape == (3, 3)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()
        assert (scores <= 1e-5).all()
        turned = reader.score(reader.encode_images(images[::-1]), question, self.answers[::-1])
        assert turned[::-1, ::-1] == pytest.approx(scores, abs=2e-4)

    @pytest.mark.parametrize("question", ["", "  "])
    def test_an_empty_question_is_refused(self, reader: Reader, question: str) -> None:
        with pytest.raises(InputError, match="question 2 of 2"):
            reader.answer(reader.encode_images(pictures(1)), ["What?", question])
        with pytest.raises(InputError, match="question"):
            reader.score(reader.encode_images(pictures(1)), question, ["red"])

    def test_an_empty_answer_is_refused(self, reader: Reader) -> None:
        with pytest.raises(InputError, match="answer 2 of 2"):
            reader.score(reader.encode_images(pictures(1)), "What?", ["red", " "])


class _Others:
    def __len__(self) -> int:
        return 1
