"""Faults of the page that readers met: each test failed before its fault was mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser_page import BrowserPage, ellipse, wait_for
from fake_server import FakeServer

pytestmark = pytest.mark.part("browser")


def opened(browser: Any, fake: FakeServer, images: list[Path], **options: Any) -> BrowserPage:
    sight = BrowserPage(browser, fake.address, **options)
    sight.drop(images)
    sight.wait_until_open(len(images))
    return sight


# Work that is not saved.


def test_escape_asks_before_it_drops_changes_and_undo_brings_them_back(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    sight = opened(browser, fake, images[1:])
    page, keys = sight.page, sight.page.keyboard
    keys.press("e")
    keys.press("Escape")
    assert page.locator("#edit-tools").is_hidden(), "without changes there is nothing to ask"
    keys.press("e")
    for _ in range(3):
        keys.press("g")
    keys.press(".")
    keys.press("Escape")  # the point
    assert page.locator("#confirm-dialog[open]").count() == 0
    keys.press("Escape")
    page.wait_for_selector("#confirm-dialog[open]")
    keys.press("Escape")
    page.wait_for_selector("#confirm-dialog", state="hidden")
    sight.wait_for_paint()
    assert page.locator("#lines .outline.yours").count() == 1, "the answer is no"
    keys.press("Escape")
    page.wait_for_selector("#confirm-dialog[open]")
    page.click("#confirm-yes")
    wait_for(lambda: page.locator("#lines .outline.yours").count() == 0)
    keys.press("Control+z")
    assert page.locator("#lines .outline.yours").count() == 1
    assert page.text_content("#saved-state") == "not saved"
    sight.close()


def test_cancel_and_discard_can_be_undone(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = opened(browser, fake, images[1:])
    page = sight.page
    page.fill("#note", "margin?")
    page.click("#correct")
    page.click("[data-tool=draw] >> visible=true")
    sight.stroke(ellipse(0.5, 0.5, 0.2, 0.1))
    page.click("#edit-cancel")
    assert page.locator("#lines .outline.yours").count() == 0
    assert page.input_value("#note") == "margin?"
    page.click("#banner-undo")
    assert page.locator("#lines .outline.yours").count() == 1
    page.click("#discard")
    page.click("#confirm-yes")
    wait_for(lambda: (page.locator("#lines .outline.yours").count(), page.input_value("#note")) == (0, ""))
    page.focus("#stage")
    page.keyboard.press("Control+z")
    assert (page.locator("#lines .outline.yours").count(), page.input_value("#note")) == (1, "margin?")
    sight.close()


def test_undo_takes_back_a_descriptor(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = opened(browser, fake, images[1:])
    page = sight.page
    page.select_option("#tirads-composition", "spongiform")
    wait_for(lambda: page.locator("#tirads .tag.yours").count() == 1)
    page.focus("#stage")
    page.keyboard.press("Control+z")
    wait_for(lambda: page.locator("#tirads .tag.yours").count() == 0)
    assert page.text_content("#saved-state") == "nothing changed"
    sight.close()


# The page itself.


def test_wheel_at_the_end_of_the_findings_moves_nothing_else(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    sight = opened(browser, fake, images[:1])
    page = sight.page
    page.click("#exports button >> nth=0", trial=True)  # scrolled there
    box = page.locator("#panel").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 300)
    for _ in range(12):
        page.mouse.wheel(0, 600)
    page.wait_for_timeout(300)
    assert page.evaluate("document.scrollingElement.scrollTop + document.body.scrollTop") == 0
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    assert page.locator("header.top").bounding_box()["y"] == 0
    sight.close()


@pytest.mark.parametrize("num_frames", [1, 5])
def test_a_slow_answer_for_an_image_that_was_left_covers_nothing(
    browser: Any, fake: FakeServer, images: list[Path], num_frames: int
) -> None:
    fake.num_frames = num_frames
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    held: list[Any] = []
    page.route("**/job0-1/frames/0/result", lambda route: held.append(route))  # it is asked for once, ahead
    sight.drop(images)
    sight.wait_until_open()
    page.wait_for_selector("#identity :text('phantom-0.png')")
    page.evaluate(
        """() => {
          const [first, second] = document.querySelectorAll("button.item");
          second.click();
          setTimeout(() => first.click(), 40);
        }"""
    )
    wait_for(lambda: page.evaluate("true") and held)
    page.wait_for_timeout(500)
    assert page.locator("#state").is_hidden(), page.inner_text("#state")
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    assert page.locator("#state").is_hidden()
    assert page.inner_text("#identity h2") == "phantom-0.png"
    sight.close()


def test_a_slow_image_does_not_open_above_one_that_failed(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    broken = images[0].parent.parent / "broken.png"
    broken.write_bytes(images[0].read_bytes()[:200])
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop([*images, broken])
    sight.wait_until_open(2)
    page.wait_for_selector("button.item[data-state=failed]")
    page.reload()
    sight.wait_until_open(2)
    held: list[Any] = []
    opens = "button.item:has-text('phantom-1.png')"
    page.wait_for_timeout(500)
    page.route("**/job0-1/frames/0/result", lambda route: held.append(route))
    page.route("**/job0-2/frames/0/result", lambda route: held.append(route))
    page.click(opens)
    page.click("button.item[data-state=failed]")
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    page.wait_for_timeout(400)
    assert page.locator("#state:has-text('gave no result')").is_visible()
    sight.close()


def test_forced_colours_keep_sliders_and_what_is_pressed(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = opened(browser, fake, images[:1], forced_colors="active")
    page = sight.page
    colours = "id => getComputedStyle(document.getElementById(id)).backgroundColor"
    assert page.evaluate(colours, "show-outlines") != page.evaluate(colours, "show-map"), "pressed, and not pressed"
    assert page.evaluate("getComputedStyle(document.getElementById('opacity')).appearance") == "auto"
    around = page.evaluate("getComputedStyle(document.querySelector('.stage-box')).backgroundColor")
    assert around == "rgb(16, 17, 20)", "white around a dark image blinds"
    page.click("#correct")
    colours = "name => getComputedStyle(document.querySelector(`[data-tool=${name}]`)).backgroundColor"
    assert page.evaluate(colours, "points") != page.evaluate(colours, "add")
    sight.close()


# Words and numbers.


def test_an_image_without_a_nodule_has_no_amber_number(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images[:1])
    page.wait_for_selector("button.item[data-state=done]")
    page.wait_for_selector("#digest .cell")
    row = page.locator("button.item")
    wait_for(lambda: "no nodule" in row.inner_text())
    assert "%" not in row.inner_text()
    assert page.locator("button.item .high, #digest .high, #risk .high").count() == 0
    assert "92 %" not in page.inner_text("#digest")
    assert "no nodule" in page.inner_text("#risk").lower()
    sight.close()


def test_list_and_nodule_state_the_same_risk(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = opened(browser, fake, images[:1])
    page = sight.page
    result = fake.result("job0-0", 0)
    highest = max(nodule["risk"] for nodule in result["nodules"])
    wait_for(lambda: f"{round(100 * highest)} %" in page.inner_text("button.item"))
    shown = page.inner_text("#digest") + page.inner_text("#risk h3") + page.inner_text("button.item")
    image = round(100 * result["risk"])
    assert f"{image} %" not in shown.replace(f"{round(100 * highest)} %", ""), "the image's own is a third number"
    sight.close()


def test_flags_stand_in_the_list(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    sight.drop(images[:1])
    sight.page.wait_for_selector("button.item .flag-mark")
    sight.close()


def test_a_level_that_rests_on_proposals_says_so_next_to_itself(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    fake.has_signs = True
    sight = opened(browser, fake, images[1:])
    page = sight.page
    wait_for(lambda: "proposed" in page.inner_text("#digest .grade"))
    for name, term in (("composition", "solid or almost completely solid"), ("echogenicity", "hypoechoic")):
        page.select_option(f"#tirads-{name}", term)
    page.select_option("#tirads-shape", "wider-than-tall")
    page.select_option("#tirads-margin", "smooth")
    page.check("text=none or large comet-tail artifacts")
    wait_for(lambda: "points" in page.inner_text("#digest .grade"))
    assert "proposed" not in page.inner_text("#digest .grade")
    sight.close()


# Two readers.


def test_a_second_save_of_the_same_reading_is_told_of_the_first(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    first = opened(browser, fake, images[:1])
    second = BrowserPage(browser, fake.address)
    second.wait_until_open()
    first.page.fill("#note", "of the first")
    first.page.click("#save")
    wait_for(lambda: first.page.text_content("#saved-state") == "saved")
    second.page.fill("#note", "of the second")
    second.page.click("#save")
    second.page.wait_for_selector("#conflict-dialog[open]")
    assert "of the first" in second.page.inner_text("#conflict-theirs")
    second.page.click("#conflict-dialog [value=theirs]")
    wait_for(lambda: second.page.input_value("#note") == "of the first")
    second.page.focus("#stage")
    second.page.keyboard.press("Control+z")
    assert second.page.input_value("#note") == "of the second", "one's own is not lost"
    second.page.click("#save")
    wait_for(lambda: second.page.text_content("#saved-state") == "saved")
    first.page.fill("#note", "of the first, again")
    first.page.click("#save")
    first.page.click("#conflict-dialog[open] [value=mine]")
    wait_for(lambda: first.page.text_content("#saved-state") == "saved")
    notes = [reading["note"] for reading in fake.readings.history]
    assert notes == ["of the first", "of the second", "of the first, again"]
    first.close()
    second.close()


def test_an_image_that_is_done_before_the_list_tells_of_it_is_opened(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    """Once it stayed closed: the page had never seen it waiting, so it did not notice that it was done."""
    sight = BrowserPage(browser, fake.address)

    def answer_late(route: Any) -> None:
        answer = route.fetch()
        wait_for(lambda: all(item["state"] == "done" for item in fake.jobs["job0"]["items"]))
        route.fulfill(response=answer)

    sight.page.route("**/api/v1/jobs", answer_late)
    sight.page.wait_for_selector("text=Drop thyroid ultrasound here")
    sight.drop(images[:1])
    sight.wait_until_open()
    sight.close()
