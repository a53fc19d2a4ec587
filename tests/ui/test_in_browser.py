"""The page as people use it, in headless Chromium: Picture, Search, keyboard, themes and accessibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import catalens
from catalens.core.types import Turn
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.registry import SHIPPED
from catalens.ui.page import Page
from tests.support.serving import listening, picture
from tests.ui.accessible import serious_findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.slow


def file(colour: str = "red", name: str = "thing.png") -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": picture(colour, (60, 80))}


def choose(tab: Tab, **given: Any) -> None:
    tab.locator("#picture input[type=file]").first.set_input_files(file(**given))
    tab.wait_for_selector("#picture [aria-busy=false]")


def card(tab: Tab, title: str) -> Any:
    return tab.locator("#picture section.card").filter(has=tab.get_by_role("heading", name=title, exact=True))


def test_a_chosen_picture_gets_everything(tab: Tab) -> None:
    choose(tab)
    assert tab.get_by_alt_text("The picture thing.png").is_visible()
    assert "red" in card(tab, "Caption").locator(".caption").inner_text()
    assert card(tab, "Tags").locator(".bars li, p.small").count() > 0
    assert card(tab, "Attributes").locator(".traits dt, p.small").count() > 0
    assert card(tab, "Prompt").locator("pre").first.inner_text()
    assert card(tab, "Description").locator(".said").inner_text()
    assert tab.locator("#picture .notice.bad").count() == 0


def test_the_same_is_given_as_a_command_and_as_json(tab: Tab) -> None:
    choose(tab, name="my thing.png")
    same = card(tab, "Caption").locator("details.same")
    same.locator("summary").click()
    assert same.locator("pre").nth(0).inner_text().startswith("catalens caption 'my thing.png'")
    assert '"caption":' in same.locator("pre").nth(1).inner_text()


def test_own_labels_are_ranked(tab: Tab) -> None:
    choose(tab)
    tags = card(tab, "Tags")
    tags.get_by_label("Your own labels").fill("a cat, a dog, a house")
    tags.get_by_role("button", name="Use these labels").click()
    tags.locator(".bars li").nth(2).wait_for()
    assert sorted(tags.locator(".bars .label").all_inner_texts()) == ["a cat", "a dog", "a house"]
    tags.locator("details.same summary").click()
    assert "--labels 'a cat, a dog, a house'" in tags.locator("pre").first.inner_text()


def talk(tab: Tab, *questions: str) -> list[str]:
    """Ask one after the other, without waiting; return every answer of the conversation."""
    there = tab.locator(".answered .same").count()
    for question in questions:
        tab.get_by_label("Your question").fill(question)
        tab.keyboard.press("Enter")
    tab.locator(".answered .same").nth(there + len(questions) - 1).wait_for()
    return tab.locator(".answered > p").all_inner_texts()


def test_each_answer_of_a_conversation_knows_what_was_said_before(tab: Tab) -> None:
    choose(tab)
    questions = ("is it new?", "is it old?", "are you sure?", "really?")
    with catalens.load(encoder="fake", reader="fake", cache=None) as lens:
        said: list[Turn] = []
        for question in questions:
            said.append(Turn(question, lens.answer(picture("red", (60, 80)), question, history=said).text))
        alone = [lens.answer(picture("red", (60, 80)), question).text for question in questions]
    assert talk(tab, *questions) == [turn.answer for turn in said] != alone
    assert tab.locator(".talk .asked").all_inner_texts() == list(questions)
    assert not tab.get_by_text("answers each question on its own").is_visible()
    last = tab.locator(".answered .same").last
    last.locator("summary").click()
    command = "catalens ask thing.png 'is it new?' 'is it old?' 'are you sure?' 'really?' --chat --model fake"
    assert last.locator("pre").first.inner_text() == command


def test_a_choice_is_weighed_and_has_a_command_where_one_gives_the_same(tab: Tab) -> None:
    choose(tab)
    tab.get_by_text("Answers to choose from").click()
    tab.get_by_label("Answers to choose from, comma-separated").fill("red, blue")
    assert talk(tab, "what colour is it?") == ["red"]
    assert tab.locator(".talk .bars li").count() == 2
    tab.locator(".answered .same summary").click()
    command = "catalens ask thing.png 'what colour is it?' --answers red,blue --model fake"
    assert tab.locator(".answered pre").first.inner_text() == command
    tab.get_by_label("Answers to choose from, comma-separated").fill("")
    talk(tab, "are you sure?")
    assert tab.locator(".answered .same summary").last.inner_text() == "The same as JSON"


def test_a_conversation_is_started_over_and_ends_with_its_picture(tab: Tab) -> None:
    choose(tab)
    first = talk(tab, "is it new?", "are you sure?")
    tab.get_by_role("button", name="Start over").click()
    assert tab.locator(".talk .asked").count() == 0
    assert talk(tab, "is it new?", "are you sure?") == first
    choose(tab, name="another.png")
    assert tab.locator(".talk .asked").count() == 0
    assert not tab.get_by_role("button", name="Start over").is_visible()


def test_an_answer_that_takes_long_is_stopped_and_the_next_one_comes(tab: Tab) -> None:
    choose(tab)
    held: list[Any] = []
    tab.route("**/v1/answers", lambda route: held.append(route) if not held else route.continue_())
    tab.get_by_label("Your question").fill("is it new?")
    tab.keyboard.press("Enter")
    tab.locator(".answered").get_by_role("button", name="Stop").click()
    assert tab.locator(".answered").inner_text() == "Stopped."
    assert "red" in talk(tab, "what colour is it?")
    tab.unroute_all()


def test_a_question_is_asked_after_the_other_results_were_stopped(tab: Tab) -> None:
    tab.route("**/v1/attributes*", lambda _: None)
    tab.locator("#picture input[type=file]").first.set_input_files(file())
    tab.get_by_role("button", name="Stop").click()
    tab.wait_for_selector("#picture [aria-busy=false]")
    assert "Stopped." in card(tab, "Attributes").inner_text()
    assert talk(tab, "what colour is it?") == ["red"]
    tab.unroute_all()


def test_a_reader_that_keeps_no_conversation_says_so(context: BrowserContext, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(FakeReader):
        keeps_history = False

    monkeypatch.setitem(SHIPPED, "fake", lambda *_: Forgetful())
    with listening(around=lambda app: Page(app, "127.0.0.1")) as address:
        tab = context.new_page()
        tab.goto(address)
        choose(tab)
        assert talk(tab, "what colour is it?", "which color?") == ["red", "red"]
        assert tab.get_by_text("answers each question on its own").is_visible()
        assert serious_findings(tab) == []
        tab.close()


def test_a_picture_is_pasted_and_dropped(tab: Tab) -> None:
    send = """([kind, selector, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" }));
      const at = document.querySelector(selector);
      const options = { bubbles: true, cancelable: true };
      at.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, { ...options, clipboardData: data })
                                        : new DragEvent(kind, { ...options, dataTransfer: data }));
    }"""
    tab.evaluate(send, ["paste", "body", list(picture("blue"))])
    tab.get_by_alt_text("The picture paste.png").wait_for()
    tab.evaluate(send, ["drop", "#picture .drop", list(picture("green"))])
    tab.get_by_alt_text("The picture drop.png").wait_for()


def test_a_photograph_is_taken(tab: Tab) -> None:
    tab.get_by_role("button", name="Take a photo").click()
    tab.get_by_role("button", name="Take the picture").click()
    tab.get_by_alt_text("The picture photo.jpg").wait_for()
    tab.locator("dialog").wait_for(state="detached")


def test_what_is_no_picture_is_told_in_a_sentence(tab: Tab) -> None:
    broken: Any = {"name": "letter.png", "mimeType": "image/png", "buffer": b"dear sir"}
    tab.locator("#picture input[type=file]").first.set_input_files(broken)
    tab.wait_for_selector("#picture [aria-busy=false]")
    assert "not a picture" in card(tab, "Caption").get_by_role("alert").inner_text()
    assert "this browser cannot show it" in tab.locator(".nothing-shown").inner_text()


def test_a_catalogue_is_searched_by_words_picture_and_filter(tab: Tab) -> None:
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_label("What you look for").fill("something red")
    tab.keyboard.press("Enter")
    tab.locator(".hit img").nth(9).wait_for()
    tab.locator("#search input[type=file]").set_input_files(file("blue"))
    tab.get_by_label("What you look for").fill("")
    tab.get_by_label("Field", exact=True).select_option("price")
    tab.get_by_label("price from").fill("30")
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.get_by_role("button", name="Search", exact=True).click()
    tab.get_by_text("7 best for the picture").wait_for()
    assert tab.locator(".hit .title").first.inner_text() == "Blue number 6"
    assert "--where 'price >= 30'" in tab.locator(".summary code").inner_text()


def test_more_like_a_record_and_a_record_at_large(tab: Tab) -> None:
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_label("What you look for").fill("anything")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="More like Green number 2", exact=True).click()
    tab.get_by_text("Most like “Green number 2”").wait_for()
    assert tab.locator(".hit .title").first.inner_text() == "Green number 7"
    tab.get_by_role("button", name="Open Green number 7").click()
    assert tab.locator("dialog dd").nth(1).inner_text() == "Green number 7"
    tab.get_by_role("button", name="Look at it in Picture").click()
    tab.wait_for_selector("#picture [aria-busy=false]")
    assert tab.get_by_role("tab", name="Picture").get_attribute("aria-selected") == "true"


def test_duplicates_come_in_groups(tab: Tab) -> None:
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_role("button", name="Find duplicates").click()
    tab.get_by_text("5 groups of near-duplicates").wait_for()
    assert tab.locator(".groups section").first.locator(".hit").count() == 2


def test_a_bad_filter_is_told_in_a_sentence(tab: Tab) -> None:
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_role("button", name="Search", exact=True).click()
    assert "Say what you look for" in tab.locator("#search").get_by_role("alert").inner_text()
    tab.get_by_label("What you look for").fill("x")
    tab.get_by_label("A filter, written out").fill("price <")
    tab.keyboard.press("Enter")
    tab.locator("#search .notice.bad", has_text="price <").wait_for()


def test_everything_is_reached_by_keyboard(tab: Tab) -> None:
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "tab-picture"
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.id") == "tab-search"
    tab.get_by_label("What you look for").wait_for()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "theme"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.type") == "search"
    tab.keyboard.type("red")
    tab.keyboard.press("Enter")
    tab.locator(".hit").first.wait_for()
    tab.locator(".hit button.open").first.focus()
    tab.keyboard.press("Enter")
    tab.locator("dialog[open]").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("dialog").wait_for(state="detached")
    assert tab.evaluate("document.activeElement.className") == "open"


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Browser, address: str) -> None:
    context = browser.new_context(color_scheme="dark")
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("html[data-theme=dark]")
    tab.get_by_role("button", name="Theme: auto").click()
    tab.wait_for_selector("html[data-theme=light]")
    context.close()


def test_nothing_of_one_user_shows_up_for_another(tab: Tab, browser: Browser, address: str) -> None:
    choose(tab, name="private.png")
    other = browser.new_context()
    theirs = other.new_page()
    theirs.goto(address)
    theirs.get_by_role("tab", name="Search").click()
    theirs.get_by_label("What you look for").wait_for()
    assert "private" not in theirs.content()
    other.close()
    tab.reload()
    tab.locator("#picture .start").wait_for()
    assert "private" not in tab.content()
    kept = "[document.cookie, ...Object.keys(localStorage), ...Object.keys(sessionStorage)].join()"
    assert tab.evaluate(kept) == ""


def test_a_key_is_asked_for_once(context: BrowserContext) -> None:
    with listening(around=lambda app: Page(app, "127.0.0.1"), api_key="sesame") as address:
        tab = context.new_page()
        tab.goto(address)
        tab.get_by_label("This service asks for a key").fill("sesame")
        tab.keyboard.press("Enter")
        choose(tab)
        tab.locator("dialog").wait_for(state="detached")
        assert "red" in card(tab, "Caption").locator(".caption").inner_text()
        tab.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(browser: Browser, address: str, width: int, theme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    tab = context.new_page()
    tab.goto(address)
    assert serious_findings(tab) == []
    choose(tab)
    talk(tab, "what colour is it?")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for same in tab.locator("details.same summary").all():
        same.click()
    assert serious_findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_label("What you look for").fill("red")
    tab.keyboard.press("Enter")
    tab.locator(".hit img").nth(9).wait_for()
    assert serious_findings(tab) == []
    tab.locator(".hit .open").first.click()
    assert serious_findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_page_of_the_routes_works_without_a_network(tab: Tab, address: str) -> None:
    tab.goto(f"{address}/docs")  # `tab` fails on a request to another host
    tab.locator("#operations-pictures-answers").wait_for()
    assert tab.locator(".opblock").count() > 10


def test_the_first_paint_comes_within_two_seconds(context: BrowserContext, address: str) -> None:
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_timeout(2500)
    painted_ms = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted_ms < 2000
    tab.close()
