"""Tools of a reader, by pointer and by keys: the network asked at a place, brush, split, join, polygon, calipers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_page import BrowserPage, ellipse, wait_for
from fake_server import FakeServer

pytestmark = pytest.mark.part("browser")


def opened(browser: Any, fake: FakeServer, images: list[Path], **options: Any) -> BrowserPage:
    sight = BrowserPage(browser, fake.address, **options)
    sight.drop(images)
    sight.wait_until_open(len(images))
    return sight


def saved(sight: BrowserPage, fake: FakeServer) -> dict[str, Any]:
    """Ctrl+S -> what the server got."""
    before = len(fake.readings.history)
    sight.page.keyboard.press("Control+s")
    wait_for(lambda: len(fake.readings.history) > before)
    return fake.readings.history[-1]


def areas(reading: dict[str, Any]) -> list[float]:
    """-> shoelace areas of the outlines."""
    found = []
    for ring in reading["outlines_xy"]:
        x, y = np.array(ring).T
        found.append(abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2)
    return found


def places(sight: BrowserPage, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Shares of the stage -> places on the page."""
    box = sight.page.locator("#stage").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def test_the_network_is_asked_at_a_place_and_made_wider(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images[:1])
    page.wait_for_selector("#digest .cell")
    page.keyboard.press("q")
    page.mouse.click(*places(sight, [(0.5, 0.5)])[0])
    wait_for(lambda: page.locator("#lines .outline.yours").count() == 1)
    page.keyboard.press(">")
    wait_for(lambda: "40 %" in page.inner_text("#amount-text"))
    reading = saved(sight, fake)
    assert reading["findings"][0]["drawn_with"] == "click"
    page.keyboard.press("q")
    sight.stroke([(0.1, 0.1), (0.2, 0.15), (0.3, 0.3)])
    wait_for(lambda: page.locator("#lines .outline.yours").count() == 2)
    page.keyboard.press("q")
    page.mouse.click(*places(sight, [(0.5, 0.5)])[0])
    page.wait_for_selector("#banner:has-text('another nodule')")
    assert page.locator("#lines .outline.yours").count() == 2, "a nodule on a nodule is refused"
    reading = saved(sight, fake)
    assert [one["drawn_with"] for one in reading["findings"]] == ["click", "box"]
    assert [one["number"] for one in reading["findings"]] == [1, 2]
    sight.close()


def test_brush_eraser_split_join_and_smooth(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    sight.drop(images[:1])
    page.wait_for_selector("#digest .cell")
    keys.press("a")
    sight.stroke(ellipse(0.5, 0.5, 0.15, 0.15))
    (start,) = areas(saved(sight, fake))
    keys.press("f")
    sight.stroke([(0.6, 0.5), (0.7, 0.5), (0.75, 0.5)])
    (painted,) = areas(saved(sight, fake))
    assert painted > 1.02 * start
    keys.press("x")
    sight.stroke([(0.78, 0.5), (0.7, 0.5), (0.6, 0.5)])
    (erased,) = areas(saved(sight, fake))
    assert erased < 0.98 * painted
    keys.press("y")
    sight.stroke([(0.5, 0.2), (0.5, 0.5), (0.5, 0.85)])
    split = saved(sight, fake)
    assert [one["number"] for one in split["findings"]] == [1, 2]
    assert sum(areas(split)) == pytest.approx(erased, rel=0.06)
    keys.press("e")
    keys.press("j")
    (joined,) = areas(saved(sight, fake))
    assert joined == pytest.approx(erased, rel=0.06)
    keys.press("e")
    keys.press("u")
    (smooth,) = areas(saved(sight, fake))
    assert smooth == pytest.approx(joined, rel=0.02)
    for _ in range(6):
        keys.press("Control+z")
    assert page.locator("#lines .outline").count() == 0, "undo goes back through every tool"
    sight.close()


def test_polygon_and_calipers_by_clicks_and_by_keys(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    sight.drop(images[:1])
    page.wait_for_selector("#digest .cell")
    keys.press("v")
    corners = places(sight, [(0.3, 0.3), (0.5, 0.3), (0.5, 0.6), (0.3, 0.6), (0.3, 0.3)])
    for place in corners:
        page.mouse.click(*place)
    assert page.locator("#lines .outline.yours").count() == 1
    keys.press("C")
    for place in corners[:2]:
        page.mouse.click(*place)
    assert page.locator("#lines .caliper.own").count() == 1
    reading = saved(sight, fake)
    ((from_xy, to_xy),) = reading["calipers_xy"]
    (ring,) = reading["outlines_xy"]
    assert to_xy[0] - from_xy[0] == pytest.approx(max(x for x, _ in ring) - min(x for x, _ in ring), abs=1.5)
    page.reload()
    sight.wait_until_open()
    assert page.locator("#lines .caliper.own").count() == 1, "a caliper stays"
    page.focus("#stage")
    keys.press("v")
    for moves in (["ArrowRight"] * 20, ["ArrowDown"] * 12, ["ArrowLeft"] * 15):
        for key in moves:
            keys.press(f"Shift+{key}" if key == "ArrowRight" else key)
        keys.press("Enter")
    keys.press("Enter")  # the same place again closes it
    assert page.locator("#lines .outline.yours").count() == 2
    sight.close()


def test_an_outline_is_cut_where_another_nodule_lies(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.is_without_nodules = True
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    sight.drop(images[:1])
    page.wait_for_selector("#digest .cell")
    for middle in (0.4, 0.55):
        keys.press("a")
        sight.stroke(ellipse(middle, 0.5, 0.12, 0.15))
    page.wait_for_selector("#banner:has-text('Cut where another nodule lies')")
    reading = saved(sight, fake)
    first, second = areas(reading)
    assert second < 0.9 * first
    sight.close()


def test_two_clicks_on_the_ruler_set_the_scale(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.mm_per_pixel = None
    sight = opened(browser, fake, images[:1])
    page = sight.page
    assert "px" in sight.digest()[0]
    page.keyboard.press("R")
    for place in places(sight, [(0.3, 0.3), (0.3, 0.7)]):
        page.mouse.click(*place)
    page.wait_for_selector("#scale-dialog[open]")
    page.fill("#scale-mm", "20")
    page.keyboard.press("Enter")
    wait_for(lambda: len(sight.digest()) == 3 and "mm" in sight.digest()[0])
    assert page.locator("#scale-bar").is_visible()
    sight.close()
