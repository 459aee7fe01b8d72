"""A script in the place of a reader, on the real page -> the actions (keys, clicks, drags) and seconds for 20 images.

It agrees with 12 results, corrects 5, adds a nodule to 2 and deletes 1 image; then it exports all. A script does not
look or think, so the seconds are those of the page and not those of a person. Run it with PYTHONPATH=src:tests/support.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from browser_page import BrowserPage, wait_for
from checkout import SHIPPED_BUNDLE
from parts import part_path
from web_server import serving

TASKS = ["agree"] * 12 + ["correct"] * 5 + ["add"] * 2 + ["delete"]


class Reader:
    """A person at the page, whose actions are counted."""

    def __init__(self, sight: BrowserPage) -> None:
        self.sight, self.page = sight, sight.page
        self.actions: Counter[str] = Counter()

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)
        self.actions["keys"] += 1

    def click(self, x: float, y: float) -> None:
        box = self.page.locator("#stage").bounding_box()
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        self.actions["clicks"] += 1

    def press(self, selector: str) -> None:
        self.page.click(selector)
        self.actions["clicks"] += 1

    def drag_first_point(self) -> None:
        x, y = self.sight.handles()[0]
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x - 12, y - 12, steps=4)
        self.page.mouse.up()
        self.actions["drags"] += 1


def do_task(reader: Reader, task: str) -> None:
    """Does the task on the image that is open, then waits until the next image is."""
    name = reader.page.inner_text("#identity h2")
    if task == "agree":
        reader.key("g")
    elif task == "correct":
        reader.key("e")
        reader.drag_first_point()
        reader.key("Control+Enter")
    elif task == "add":
        reader.key("q")
        before = reader.page.locator("#lines .outline").count()
        reader.click(0.2, 0.72)
        outlines, banner = reader.page.locator("#lines .outline"), reader.page.locator("#banner")
        wait_for(lambda: outlines.count() > before or banner.is_visible())
        reader.key("Control+Enter")
    else:
        reader.key("Shift+Delete")
        reader.page.wait_for_selector("#confirm-dialog[open]")
        reader.key("Tab")
        reader.key("Enter")
        return
    if task != TASKS[-1]:
        wait_for(lambda: reader.page.text_content("#identity h2") != name)


def write_images(folder: Path) -> list[Path]:
    """-> twenty phantoms with a nodule each."""
    from thyrosight.phantom.draw import draw_phantom
    from thyrosight.phantom.records import PhantomSettings

    paths = []
    for number in range(len(TASKS)):
        settings = PhantomSettings(size_hw=(480, 640), no_nodule=0, split_screen=0)
        phantom = draw_phantom(np.random.default_rng([16, number]), settings)
        paths.append(folder / f"scan {number + 1:02}.png")
        cv2.imwrite(str(paths[-1]), phantom.image_HW)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        images = write_images(Path(folder))
        launch: dict[str, Any] = {"executable_path": part_path("browser"), "args": ["--no-sandbox", "--disable-gpu"]}
        browser = playwright.chromium.launch(**launch)
        with serving(Path(folder) / "data", SHIPPED_BUNDLE) as server:
            sight = BrowserPage(browser, server.address)
            sight.drop(images)
            done = f"{len(TASKS)} images · {len(TASKS)} not read"
            wait_for(lambda: sight.page.text_content("#queue-summary") == done, 300)
            sight.page.focus("#stage")
            reader = Reader(sight)
            start = time.perf_counter()
            for task in TASKS:
                do_task(reader, task)
            with sight.page.expect_download() as waiting:
                reader.press("#export-all")
            waiting.value.path()
            seconds = time.perf_counter() - start
            unread = sight.page.inner_text("#queue-summary")
            sight.close()
        browser.close()
    counts = ", ".join(f"{number} {kind}" for kind, number in reader.actions.items())
    print(f"{len(TASKS)} images: {sum(reader.actions.values())} actions ({counts}), {seconds:.1f} s; list: {unread}")


if __name__ == "__main__":
    main()
