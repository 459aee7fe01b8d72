"""The work-list: a folder as one group, filters, verdicts by one key, where one stopped, names, two readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser_page import BrowserPage, ellipse, wait_for
from fake_server import FakeServer

pytestmark = pytest.mark.part("browser")


@pytest.fixture
def five(images: list[Path], tmp_path: Path) -> list[Path]:
    """Five files of two pictures."""
    paths = []
    for number in range(1, 6):
        path = tmp_path / f"scan {number}.png"
        path.write_bytes(images[number % 2].read_bytes())
        paths.append(path)
    return paths


def test_a_list_is_read_by_keys_and_goes_on_where_one_stopped(browser: Any, fake: FakeServer, five: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    sight.drop(five)
    sight.wait_until_open(5)
    page.wait_for_selector("#queue-summary:has-text('5 not read')")
    for key, name in (("g", "scan 2.png"), ("r", "scan 3.png"), ("s", "scan 4.png")):
        keys.press(key)
        page.wait_for_selector(f"#identity :text('{name}')")
    assert fake.readings.verdicts == {
        ("job0-0", ""): "agreed",
        ("job0-1", ""): "read",
        ("job0-2", ""): "skipped",
    }
    page.select_option("#list-state", "unread")
    assert page.locator("button.item").count() == 2
    page.fill("#list-search", "5")
    wait_for(lambda: page.locator("button.item").count() == 1)
    page.click("#list-all")
    assert page.locator("button.item").count() == 5
    page.reload()
    page.wait_for_selector("#identity :text('scan 4.png')")
    page.focus("#stage")
    keys.press("Shift+Delete")
    page.click("#confirm-yes")
    page.wait_for_selector("#identity :text('scan 5.png')")
    assert page.locator("button.item").count() == 4
    assert [item["name"] for item in fake.jobs["job0"]["items"]] == [
        "scan 1.png",
        "scan 2.png",
        "scan 3.png",
        "scan 5.png",
    ]
    sight.picture("list")
    sight.close()


def test_a_correction_is_saved_before_the_next_image(browser: Any, fake: FakeServer, five: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    sight.drop(five[:2])
    sight.wait_until_open(2)
    keys.press("d")
    sight.stroke(ellipse(0.5, 0.5, 0.2, 0.15))
    page.click("[data-verdict=read]")
    page.wait_for_selector("#identity :text('scan 2.png')")
    assert ("job0-0", 0) in fake.corrections
    wait_for(lambda: page.locator("button.item[data-reading=corrected]").count() == 1)
    sight.close()


def test_a_reading_that_the_server_refuses_stays_on_the_page_with_the_reason(
    browser: Any, fake: FakeServer, five: list[Path]
) -> None:
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(five[:1])
    sight.wait_until_open()
    fake.refused_reading = "nodule 1 and nodule 2 have the same outline (they overlap by 98%); leave one of them out"
    page.fill("#note", "mine")
    page.click("#save")
    page.wait_for_selector(f"#save-problem:visible:has-text('Not saved: {fake.refused_reading}')")
    assert fake.readings.history == []
    assert page.input_value("#note") == "mine"
    fake.refused_reading = ""
    page.click("#save")
    wait_for(lambda: page.text_content("#saved-state") == "saved")
    assert page.is_hidden("#save-problem")
    assert [reading["note"] for reading in fake.readings.history] == ["mine"]
    sight.close()


def test_the_name_is_asked_once(browser: Any, fake: FakeServer, five: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address, reader=None)
    page = sight.page
    sight.drop(five[:2])
    sight.wait_until_open(2)
    page.keyboard.press("g")
    page.wait_for_selector("#name-dialog[open]")
    page.fill("#reader-name", "Dr. Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector("#identity :text('scan 2.png')")
    assert fake.readings.verdicts == {("job0-0", "Dr. Ada"): "agreed"}
    page.fill("#note", "seen")
    page.click("#save")
    wait_for(lambda: page.text_content("#saved-state") == "saved")
    assert fake.readings.history[-1]["who"] == "Dr. Ada"
    assert page.locator("#name-dialog[open]").count() == 0
    sight.close()


def test_each_reader_has_a_reading(browser: Any, fake: FakeServer, five: list[Path]) -> None:
    ada = BrowserPage(browser, fake.address, reader="Ada")
    ada.drop(five[:1])
    ada.wait_until_open()
    ada.page.fill("#note", "Ada's")
    ada.page.click("#save")
    wait_for(lambda: ada.page.text_content("#saved-state") == "saved")
    ben = BrowserPage(browser, fake.address, reader="Ben")
    ben.wait_until_open()
    assert ben.page.input_value("#note") == ""
    wait_for(lambda: "by Ada" in ben.page.inner_text("button.item .item-words"))
    assert "by Ada" not in ada.page.inner_text("button.item .item-words"), "it is her own"
    ben.page.fill("#note", "Ben's")
    ben.page.click("#save")
    wait_for(lambda: ben.page.text_content("#saved-state") == "saved")
    wait_for(lambda: "by" not in ben.page.inner_text("button.item .item-words"))
    assert sorted(reading["note"] for reading in fake.readings.kept.values()) == ["Ada's", "Ben's"]
    ada.close()
    ben.close()


def test_a_second_reader_sees_the_network_only_after_a_reading(
    browser: Any, fake: FakeServer, five: list[Path]
) -> None:
    sight = BrowserPage(browser, fake.address, reader="Cleo")
    page = sight.page
    page.evaluate("localStorage.setItem('thyrosight-second-reader', '1')")
    page.reload()
    sight.drop(five[:1])
    page.wait_for_selector("#digest .cell")
    assert page.locator("#lines .outline").count() == 0
    assert "%" not in page.inner_text("button.item") + page.inner_text("#digest") + page.inner_text("#risk")
    page.click("#save", force=True)
    page.keyboard.press("a")
    sight.stroke(ellipse(0.5, 0.5, 0.15, 0.15))
    page.wait_for_selector("#measures td")
    assert "%" not in page.inner_text("#digest"), "the risk of one's own outline is the network's as well"
    page.keyboard.press("Control+s")
    wait_for(lambda: page.locator("#lines .outline.network").count() > 0)
    assert [entry["network_shown"] for entry in fake.study] == [False]
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    wait_for(lambda: len(fake.study) == 2)
    assert fake.study[1]["network_shown"] is True
    sight.close()
