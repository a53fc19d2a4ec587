"""Captions: what is taken out, what stays, and how a template is filled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.tasks.captions import clean_caption, fill_template, template_names, with_fixed_words, without_loops

GOLDEN = {
    # loops
    "ray ban ray ban ray ban ray ban ray ban": "ray ban",
    "a man wearing ray ban ray ban sunglasses": "a man wearing ray ban sunglasses",
    "a man with a hat on top of a hat on top of a hat on top of a hat on.": "a man with a hat",
    "a dog and a cat and a dog and a cat and a dog": "a dog and a cat",
    "a dog, a dog, a dog, a cat": "a dog, a cat",
    "A red car. A red car. A red car.": "A red car.",
    "a woman in a blue blue blue blue dress": "a woman in a blue dress",
    "a cat on the the sofa": "a cat on the sofa",
    "the shirt the shirt the shirt has a": "the shirt has a",
    # no loops
    "a pom pom hat beside a tuk tuk": "a pom pom hat beside a tuk tuk",
    "a dog and a cat and a bird": "a dog and a cat and a bird",
    "a red and white and blue flag": "a red and white and blue flag",
    "a door to look in": "a door to look in",
    # stock phrases
    "a picture of a dog": "a dog",
    "this is a picture of a dog": "a dog",
    "The image shows two children.": "Two children.",
    "there is a man that is sitting on a bench": "a man that is sitting on a bench",
    "there are two dogs": "two dogs",
    "In this picture we can see a white shoe.": "A white shoe.",
    "this image shows there is a picture of a dog": "a dog",
    "a a picture of a dog": "a dog",
    "a photo of": "",
    "a black and white photo of a dog": "a black and white photo of a dog",
    "a woman taking a picture of a dog": "a woman taking a picture of a dog",
    "there's a picture on the wall": "there's a picture on the wall",
    "a pictureless frame": "a pictureless frame",
    # marks, spaces and the word of no language
    "[DEC] a small dog [SEP] [PAD]": "a small dog",
    "</s>two cats": "two cats",
    "<s> two\n cats </s><pad><pad>": "two cats",
    "two cats<|im_end|>\n": "two cats",
    "<|start_header_id|>two cats<end_of_utterance>": "two cats",
    "a shirt with [M] and 3 < 4 on it": "a shirt with [M] and 3 < 4 on it",
    "arafed man in a hat": "man in a hat",
    "there is an arafed old man": "an old man",
    "an arafed man": "a man",
    "a portrait of Arafat": "a portrait of Arafat",
    "": "",
}


@pytest.mark.parametrize(("said", "kept"), GOLDEN.items())
def test_what_is_kept_of_a_caption(said: str, kept: str) -> None:
    assert clean_caption(said) == kept


def test_a_beginning_that_was_asked_for_stays() -> None:
    assert clean_caption("a photo of a dog a dog a dog", keep="a photo of") == "a photo of a dog"
    assert clean_caption("A photo of a dog", keep="a photo of ") == "A photo of a dog"
    assert clean_caption("a picture of a dog", keep="a photo of") == "a dog"


WORDS = st.lists(
    st.sampled_from(
        ["a", "the", "dog", "Dog,", "red", "ray", "ban", "on", "top", "of", "and", "there", "is", "[SEP]", "."]
    ),
    max_size=14,
).map(" ".join)


@given(WORDS | st.text(max_size=60))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_caption(text)
    assert clean_caption(once) == once


@given(WORDS)
def test_no_word_is_invented_and_no_order_changed(text: str) -> None:
    def plain(words: str) -> list[str]:
        return [word.strip(".,").casefold() for word in words.split()]

    said = iter(plain(text))
    assert all(word in said for word in plain(clean_caption(text)))


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=4, unique=True), st.integers(2, 9), st.integers(0, 3))
def test_a_loop_of_any_length_is_said_once(block: list[str], rounds: int, cut: int) -> None:
    # Words that are no small words: nothing but the loop is at stake.
    words = [f"{letter}x" for letter in block]
    looped = words * rounds + words[: min(cut, len(words) - 1)]
    assert without_loops(" ".join(looped)) == " ".join(words)


def test_a_template_closes_what_empty_values_leave_open() -> None:
    template = "{caption}, {tags} ({colour}), {style}"
    values = {"caption": "a shirt", "tags": [], "colour": "", "style": ""}
    assert fill_template(template, values) == "a shirt"
    assert fill_template(template, {**values, "style": "studio"}) == "a shirt, studio"
    assert fill_template("a {colour} shirt", {"colour": ""}) == "a shirt"
    assert fill_template("{{{tags}}}", {"tags": ["red"]}) == "{red}"


def test_tags_that_the_caption_says_already_are_left_out() -> None:
    values = {"caption": "a Red T-shirt on a man", "tags": ["red", "shirt", "man", "cotton", "Cotton"]}
    assert fill_template("{caption}, {tags}", values) == "a Red T-shirt on a man, shirt, cotton"
    assert fill_template("{tags}: {caption}", values) == "red, shirt, man, cotton: a Red T-shirt on a man"


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"asks for \{captoin\}; there are caption, tags"):
        fill_template("{captoin}", {"caption": "a", "tags": []})


@pytest.mark.parametrize("template", ["{caption", "caption}", "{}", "{a.b}", "{a[0]}", "{caption!r}", "{caption:>9}"])
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="template"):
        template_names(template)


@given(st.text(alphabet=st.characters(blacklist_characters="{}"), max_size=40))
def test_a_value_is_never_read_as_a_template(text: str) -> None:
    assert fill_template("{caption}", {"caption": "x{tags}x" + text}).startswith("x{tags}x")


def test_fixed_words_stand_apart_from_the_text() -> None:
    assert with_fixed_words("a dog", prefix="sks style, ", suffix="in the rain") == "sks style, a dog in the rain"
    assert with_fixed_words("a dog", suffix=".") == "a dog."
    assert with_fixed_words("a dog") == "a dog"
