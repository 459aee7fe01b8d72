"""Two browsers, one item, interleaved saves: nothing is lost, and every conflict is told, no more and no fewer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from browser_page import BrowserPage, wait_for
from fake_server import FakeServer

pytestmark = [pytest.mark.part("browser"), pytest.mark.slow]

NUM_SAVES = 200


def test_interleaved_saves_of_two_browsers(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    """Of two conflicts one is answered by keeping one's own, the other by opening the saved one and saving again."""
    first = BrowserPage(browser, fake.address)
    first.drop(images[:1])
    first.wait_until_open()
    second = BrowserPage(browser, fake.address)
    second.wait_until_open()
    rng = random.Random(16)
    known: dict[BrowserPage, int] = {first: 0, second: 0}
    told, expected = 0, 0
    notes = []
    for number in range(NUM_SAVES):
        sight = rng.choice([first, second])
        page, note = sight.page, f"note {number}"
        notes.append(note)
        page.fill("#note", note)
        page.click("#save")
        expected += known[sight] != number
        wait_for(lambda page=page: is_answered(page), 60)
        if page.locator("#conflict-dialog[open]").count():
            told += 1
            if number % 2:
                page.click("#conflict-dialog [value=mine]")
            else:
                page.click("#conflict-dialog [value=theirs]")
                wait_for(lambda page=page, note=note: page.input_value("#note") != note, 60)
                page.focus("#stage")
                page.keyboard.press("Control+z")
                assert page.input_value("#note") == note
                page.click("#save")
            wait_for(lambda page=page: page.text_content("#saved-state") == "saved", 60)
        known[sight] = number + 1
    assert [reading["note"] for reading in fake.readings.history] == notes
    assert told == expected
    assert expected > NUM_SAVES // 4
    first.close()
    second.close()


def is_answered(page: Any) -> bool:
    return bool(page.locator("#conflict-dialog[open]").count() or page.text_content("#saved-state") == "saved")
