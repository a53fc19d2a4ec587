"""Caption scores: worked out by hand where that is short, and equal to the COCO evaluation's where it is not.

The golden numbers are those of pycocoevalcap 1.2 with its own tokenizer (Stanford CoreNLP 3.4.1, Java).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.tasks.caption_metrics import Cider, bleu, cider, rouge_l
from catalens.tasks.caption_words import caption_words

ROWS = [
    (
        "A brown dog runs across the wet grass.",
        ["The brown dog is running through wet grass.", "A dog runs on the lawn.", "A dog's running outside."],
    ),
    (
        "Two women aren't talking on a bench, are they?",
        ["Two women sit on a bench and don't talk.", "Women on a park bench"],
    ),
    (
        "a red t-shirt with a white print",
        ["A red T-shirt (with print).", "Red tee, white print on the front", "a red t-shirt"],
    ),
    ("the man", ["A man in a black coat is waiting for the bus at night"]),
    ("a boy and a boy and a boy and a boy", ["A boy and a girl play ball.", "Children play."]),
    ("snow", ["Someone's skis in the snow", "Deep snow"]),
]
CANDIDATES = [candidate for candidate, _ in ROWS]
REFERENCES = [references for _, references in ROWS]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("Don't! He can't, cannot... won't", "do n't he ca n't can not wo n't"),
        ("The dogs' owner's t-shirt isn't the boy’s.", "the dogs owner 's t-shirt is n't the boy 's"),
        ("“Slip ‘n’ slide” - and -- 3.5 of 1,000 '90s 2-year-olds", "slip 'n' slide and 3.5 of 1,000 '90s 2-year-olds"),
        ("Mr. Lee of the U.S. at 5 p.m. sees a dog.", "mr. lee of the u.s. at 5 p.m. sees a dog"),
        ("black/white, black & white; (wet) [dry]", "black/white black & white -lrb- wet -rrb- -lsb- dry -rsb-"),
        ("Wow!! A dog ,a cat .", "wow !! a dog a cat"),
        ("gonna wanna CAFÉ naïve", "gon na wan na café naïve"),
        (" \t ", ""),
    ],
)
def test_words_are_those_of_the_treebank_without_punctuation(caption: str, words: str) -> None:
    assert caption_words(caption) == words.split()


def test_the_numbers_are_those_of_the_coco_evaluation() -> None:
    expected = (0.5430285874004749, 0.40105319080421725, 0.26550535700376054, 0.15875618124600488)
    assert bleu(CANDIDATES, REFERENCES) == pytest.approx(expected, rel=1e-12)
    assert cider(CANDIDATES, REFERENCES) == pytest.approx(1.3372564343421927, rel=1e-12)
    assert rouge_l(CANDIDATES, REFERENCES) == pytest.approx(0.5495705589804459, rel=1e-12)


def test_they_are_on_captions_by_people_too() -> None:
    data = Path(os.environ.get("CATALENS_DATA", "../shared/data")) / "everyday" / "test.parquet"
    if not data.is_file():
        pytest.skip("the captions of Flickr8k are not here: set CATALENS_DATA")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading them needs pyarrow")
    people = parquet.read_table(data, columns=["captions"]).slice(0, 200).column(0).to_pylist()
    candidates, references = [texts[0] for texts in people], [texts[1:] for texts in people]
    expected = (0.6247841105351362, 0.4254390925099155, 0.2814473054674797, 0.18693923618913058)
    assert bleu(candidates, references) == pytest.approx(expected, rel=1e-12)
    assert cider(candidates, references) == pytest.approx(0.7444762382702536, rel=1e-12)
    assert rouge_l(candidates, references) == pytest.approx(0.47599794215524666, rel=1e-12)


def test_bleu_clips_repeated_words_and_punishes_shortness() -> None:
    # "the" seven times, of which the first reference knows two: the example of Papineni et al.
    repeated = ["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]]
    assert bleu(*repeated)[0] == pytest.approx(2 / 7)
    # Two of two words right, one of one pair, and the nearest reference is twice as long.
    short = bleu(["a dog"], [["a dog runs home", "one two three four five six"]])
    assert short[:2] == pytest.approx((math.exp(-1), math.exp(-1)))
    assert short[3] == pytest.approx(0, abs=1e-3)


def test_bleu_is_of_the_corpus_and_not_the_mean_of_its_captions() -> None:
    candidates, references = ["a b c d", "x y"], [["a b c d"], ["p q"]]
    assert bleu(candidates, references)[0] == pytest.approx(4 / 6)
    assert bleu(candidates, references)[1] == pytest.approx(math.sqrt(4 / 6 * 3 / 4))


def test_cider_by_hand() -> None:
    # Every word and pair is of one picture only, so all weigh log 2 and cosines are plain. First caption: of its
    # three words one is shared (1/3); nothing longer is; no length penalty. The second is the reference itself, of
    # three words: runs of 1, 2 and 3 are the same, of 4 there are none.
    found = cider(["red dog runs", "two white cats"], [["one dog sleeps"], ["two white cats"]])
    assert found == pytest.approx(10 * (1 / 3 / 4 + 3 / 4) / 2)
    # A longer caption has a larger norm, and loses by the Gaussian of the difference in pairs of words.
    longer = cider(["red dog", "two white cats now here"], [["one dog"], ["two white cats"]])
    overlap = (3 / math.sqrt(5 * 3) + 2 / math.sqrt(4 * 2) + 1 / math.sqrt(3 * 1)) / 4
    assert longer == pytest.approx(10 * (1 / 2 / 4 + overlap * math.exp(-4 / 72)) / 2)


def test_cider_gives_no_weight_to_what_is_said_of_every_picture() -> None:
    assert cider(["a a", "a"], [["a a"], ["a"]]) > 0  # the pair is of one picture
    assert cider(["a", "a"], [["a", "b"], ["a", "c"]]) == 0
    assert cider(["a dog"], [["a dog"]]) == 0


def test_rouge_by_hand() -> None:
    # Precision 2/4 with the first, recall 2/2 with the second.
    precision, recall = 2 / 4, 1.0
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert rouge_l(["a dog runs home"], [["a x y runs z", "dog home"]]) == pytest.approx(expected)
    assert rouge_l(["a b", "x"], [["a b"], ["y"]]) == pytest.approx(0.5)


def test_silence_scores_nothing_and_stops_nothing() -> None:
    assert bleu(["", "a"], [["a b"], ["a"]])[0] == pytest.approx(math.exp(1 - 3 / 1))
    assert bleu([""], [["a"]]) == pytest.approx((0, 0, 0, 0), abs=1e-9)
    assert rouge_l(["", "."], [["a"], ["!"]]) == 0
    assert cider(["", "b"], [["a"], ["b"]]) == pytest.approx(10 / 4 / 2)


@pytest.mark.parametrize("score", [bleu, cider, rouge_l])
def test_what_cannot_be_scored_is_said(score: object) -> None:
    assert callable(score)
    with pytest.raises(InputError, match="0 captions with 0 lists"):
        score([], [])
    with pytest.raises(InputError, match="1 captions with 2 lists"):
        score(["a"], [["a"], ["b"]])
    with pytest.raises(InputError, match="caption 2, 'b', has no reference"):
        score(["a", "b"], [["a"], []])


def test_single_captions_have_the_corpus_score_as_their_mean() -> None:
    scorer = Cider(REFERENCES)
    scores = [scorer.score(row, candidate) for row, candidate in enumerate(CANDIDATES)]
    assert sum(scores) / len(scores) == pytest.approx(cider(CANDIDATES, REFERENCES), rel=1e-12)
