"""Review, Batch and Compare as people use them, in headless Chromium."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalens.catalogue.review import Review
from tests.support.serving import picture
from tests.ui.accessible import serious_findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.slow


def begin(context: BrowserContext, address: str, name: str) -> Tab:
    tab = context.new_page()
    tab.set_default_timeout(15_000)
    tab.goto(f"{address}/#review")
    tab.get_by_label("Your name").fill(name)
    tab.keyboard.press("Enter")
    tab.locator(".choices button").first.wait_for()
    return tab


def title(tab: Tab) -> str:
    return tab.locator("#review figcaption").inner_text()


def decided(tab: Tab, text: str) -> None:
    tab.locator("#review .review-progress", has_text=text).wait_for()


def verdicts(path: Path) -> list[tuple[str, str, str | None]]:
    with Review(path) as review:
        return [(each.reviewer, each.verdict, each.after) for each in review.decisions()]


def test_one_key_decides_undoes_and_skips(context: BrowserContext, reviewed: tuple[str, Path]) -> None:
    address, path = reviewed
    tab = begin(context, address, "ana")
    first = title(tab)
    tab.keyboard.press("2")
    decided(tab, "1 of 4 decided, 1 by you")
    assert verdicts(path) == [("ana", "corrected", "blue")]
    tab.keyboard.press("b")
    decided(tab, "0 of 4 decided")
    assert title(tab) == first
    tab.keyboard.press("y")
    decided(tab, "1 of 4")
    tab.keyboard.press("u")
    decided(tab, "2 of 4")
    third = title(tab)
    tab.keyboard.press("s")
    tab.locator("#review figcaption").filter(has_not_text=third).wait_for()
    tab.get_by_label("Another value").fill("Green")
    tab.keyboard.press("Enter")
    tab.get_by_text("Nothing is left for you to decide.").wait_for()
    assert verdicts(path) == [("ana", "accepted", "red"), ("ana", "unknown", None), ("ana", "corrected", "green")]
    assert "catalens review export" in tab.locator("#review pre").inner_text()


def test_two_reviewers_never_see_the_same_question(browser: Browser, reviewed: tuple[str, Path]) -> None:
    address, path = reviewed
    contexts = [browser.new_context() for _ in range(2)]
    ana, ben = (begin(each, address, name) for each, name in zip(contexts, ("ana", "ben"), strict=True))
    assert title(ana) != title(ben)
    ana.keyboard.press("1")
    decided(ana, "1 of 4 decided, 1 by you, 1 on other screens")
    ben.keyboard.press("1")
    decided(ben, "2 of 4 decided, 1 by you")
    assert title(ana) != title(ben)
    assert sorted(reviewer for reviewer, _, _ in verdicts(path)) == ["ana", "ben"]
    for each in contexts:
        each.close()


LOSE_THE_FIRST_ANSWER = """() => {
  const sending = window.fetch;
  window.sent = 0;
  window.fetch = async (address, options) => {
    const response = await sending(address, options);
    if (address.endsWith("/review/decisions") && ++window.sent === 1) throw new TypeError("Failed to fetch");
    return response;
  };
}"""


def test_a_decision_that_got_no_answer_is_sent_again_and_counts_once(
    context: BrowserContext, reviewed: tuple[str, Path]
) -> None:
    address, path = reviewed
    tab = begin(context, address, "ana")
    tab.evaluate(LOSE_THE_FIRST_ANSWER)
    tab.keyboard.press("2")
    tab.get_by_role("button", name="Send it again").click()
    decided(tab, "1 of 4 decided, 1 by you")
    assert tab.evaluate("window.sent") == 2
    assert verdicts(path) == [("ana", "corrected", "blue")]


def test_a_value_that_there_is_not_is_told_in_a_sentence(context: BrowserContext, reviewed: tuple[str, Path]) -> None:
    tab = begin(context, reviewed[0], "ana")
    tab.get_by_label("Another value").fill("tartan")
    tab.keyboard.press("Enter")
    assert "“tartan” is no value of colour" in tab.locator("#review").get_by_role("alert").inner_text()


TABLE = "image,title,colour\nred.png,A red thing,red\nblue.png,=1+1,blue\ngone.png,Gone,blue\n"


def files() -> Any:
    table = {"name": "t.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    pictures = [{"name": f"{each}.png", "mimeType": "image/png", "buffer": picture(each)} for each in ("red", "blue")]
    return [table, *pictures]


def test_a_table_is_worked_through_and_downloaded(tab: Tab) -> None:
    tab.get_by_role("tab", name="Batch").click()
    tab.locator("#batch input[type=file]").set_input_files(files())
    assert "gone.png" in tab.locator("#batch .notice").inner_text()
    tab.get_by_role("button", name="Start").click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["image"] for row in rows] == ["red.png", "blue.png"]
    assert [row["title"] for row in rows] == ["A red thing", "'=1+1"]
    assert "red" in rows[0]["caption"]
    assert "2 of 2 in" in tab.locator("#batch [role=status]").inner_text()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download JSON lines").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["title"] for line in lines] == ["A red thing", "=1+1"]


def test_a_bad_picture_fails_alone_and_a_batch_is_cancelled(tab: Tab) -> None:
    tab.get_by_role("tab", name="Batch").click()
    bad: Any = {"name": "bad.png", "mimeType": "image/png", "buffer": b"nothing"}
    many: Any = [{"name": f"{at}.png", "mimeType": "image/png", "buffer": picture("green")} for at in range(30)]
    tab.locator("#batch input[type=file]").set_input_files([bad, *many])
    tab.route("**/v1/captions*", lambda route: None)  # never answered: the batch stands until it is cancelled
    tab.get_by_label("Captions").uncheck()
    tab.get_by_role("button", name="Start").click()
    tab.locator("#batch td.bad", has_text="not a picture").wait_for()
    tab.get_by_role("button", name="Download CSV").wait_for()
    assert "31 of 31" in tab.locator("#batch [role=status]").inner_text()
    assert "1 failed" in tab.locator("#batch [role=status]").inner_text()
    tab.get_by_role("button", name="Other pictures").click()
    tab.locator("#batch input[type=file]").set_input_files(many)
    tab.get_by_role("button", name="Start").click()
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("Cancelled; 0 of 30 are done.").wait_for()


def test_files_without_a_picture_are_told_in_a_sentence(tab: Tab) -> None:
    tab.get_by_role("tab", name="Batch").click()
    note: Any = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello"}
    tab.locator("#batch input[type=file]").set_input_files([note])
    assert "There is no picture among these files" in tab.locator("#batch").get_by_role("alert").inner_text()


def test_two_models_stand_side_by_side_on_a_picture(tab: Tab) -> None:
    tab.get_by_role("tab", name="Compare").click()
    tab.locator("#compare input[type=file]").set_input_files(files()[1:2])
    tab.get_by_label("Labels, comma-separated").fill("red, blue")
    tab.get_by_role("button", name="Use these labels").click()
    tab.locator("#compare .bars li").nth(3).wait_for()
    assert tab.locator("#compare .sides h2").count() == 2


def test_two_models_are_judged_on_a_labelled_table(tab: Tab) -> None:
    tab.get_by_role("tab", name="Compare").click()
    tab.locator("#compare input[type=file]").set_input_files(files())
    tab.get_by_label("Column that says what is right").select_option("colour")
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.get_by_text("exact McNemar test, p = 1.000").wait_for()
    assert tab.get_by_text("No difference that chance would not explain.").is_visible()
    assert tab.locator("#compare tbody tr").count() == 2


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
def test_axe_finds_nothing_in_the_other_tabs(
    browser: Browser, address: str, reviewed: tuple[str, Path], width: int, theme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme, reduced_motion="reduce")
    tab = begin(context, reviewed[0], "ana")
    tab.locator("#review figure img").wait_for()
    assert serious_findings(tab) == []
    tab.goto(f"{address}/#batch")
    assert serious_findings(tab) == []
    tab.locator("#batch input[type=file]").set_input_files(files())
    assert serious_findings(tab) == []
    tab.get_by_role("button", name="Start").click()
    tab.get_by_role("button", name="Download CSV").wait_for()
    assert serious_findings(tab) == []
    tab.get_by_role("tab", name="Compare").click()
    assert serious_findings(tab) == []
    tab.locator("#compare input[type=file]").set_input_files(files())
    tab.get_by_label("Column that says what is right").select_option("colour")
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.get_by_text("exact McNemar test").wait_for()
    assert serious_findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
