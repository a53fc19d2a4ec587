"""The page: complete, self-contained, and safe whatever the titles hold."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

from PIL import Image

from catalens.core.images import read_image
from catalens.render.report import Answer, Picture, Report, SearchRow, Table, render_report

_VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Checks that tags are balanced and keeps what a reader would see."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


def full_report(word: str = "dress") -> Report:
    red = Image.new("RGB", (900, 1200), (200, 0, 40))
    return Report(
        title=f"title {word}",
        about=f"about {word}",
        numbers=[(f"what {word}", f"much {word}")],
        tables=[Table(f"table {word}", [f"head {word}"], [[f"cell {word}"]])],
        searches=[SearchRow(f"query {word}", [Picture(red, f"hit {word}", score=0.3126)]), SearchRow("none", [])],
        pictures=[
            Picture(red, f"picture {word}", [Answer(f"name {word}", f"value {word}", 0.934, f"truth {word}")]),
            Picture(f"gone {word}.jpg", "broken"),
        ],
    )


def test_everything_given_is_on_the_page() -> None:
    text = outline(render_report(full_report())).text
    kinds = (
        "title",
        "about",
        "what",
        "much",
        "table",
        "head",
        "cell",
        "query",
        "hit",
        "picture",
        "name",
        "value",
        "truth",
    )
    for kind in kinds:
        assert f"{kind} dress" in text
    for words in ("0.313", "93 %", "nothing found", "gone dress.jpg: no such file"):
        assert words in text


def test_whatever_the_words_hold_they_stay_words() -> None:
    word = "</style><script>alert('x')</script>\"'&amp;<b>"
    parsed = outline(render_report(full_report(word)))
    assert parsed.text.count(word) >= 14
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "link", "iframe"})
    assert [attributes["alt"] for tag, attributes in parsed.tags if tag == "img"] == [f"hit {word}", f"picture {word}"]


def test_nothing_is_fetched_and_pictures_are_inlined_small() -> None:
    page = render_report(full_report())
    assert "http" not in page
    assert "url(" not in page
    sources = re.findall(r"src='data:image/jpeg;base64,([^']+)'", page)
    assert len(sources) == page.count("src=") == 2
    picture = read_image(base64.b64decode(sources[0]))
    assert picture.size == (240, 320)


def test_right_wrong_and_open_answers_differ() -> None:
    answers = [Answer("a", "Red", 0.9, "Red"), Answer("b", "Red", 1.7, "Blue"), Answer("c", "Red", -1.0)]
    parsed = outline(render_report(Report("t", pictures=[Picture(b"", "p", answers)])))
    assert [attributes["class"] for tag, attributes in parsed.tags if tag == "li"] == ["right", "wrong", "open"]
    assert "is Blue" in parsed.text
    assert "is Red" not in parsed.text
    assert [attributes["style"] for tag, attributes in parsed.tags if tag == "i"] == [
        "width:90%",
        "width:100%",
        "width:0%",
    ]


def test_an_empty_report_is_a_page() -> None:
    assert outline(render_report(Report("nothing"))).text.count("nothing") == 2
