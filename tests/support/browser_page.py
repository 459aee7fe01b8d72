"""The page as a person uses it: a browser window, files dropped, outlines drawn, and the errors of its console."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {"desk": (1280, 800), "phone": (390, 844)}
PICTURES = os.environ.get("THYROSIGHT_PICTURES")
"""A folder for screenshots, for people to look at; none are written where it is not named."""


class BrowserPage:
    """One page, and the errors of its console."""

    def __init__(self, browser: Any, address: str, size: str = "desk", reader: str | None = "", **options: Any) -> None:
        """reader: the name that this browser remembers; None where nobody has been asked yet."""
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        self.context = browser.new_context(viewport=viewport, has_touch=size == "phone", **options)
        self.context.set_default_timeout(180_000)
        if reader is not None:
            script = (
                "if (localStorage.getItem('thyrosight-reader') === null) localStorage.setItem('thyrosight-reader', {})"
            )
            self.context.add_init_script(script.format(json.dumps(reader)))
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.size = size

    def hear(self, kind: str, text: str) -> None:
        """Records errors and warnings.

        Lines about answers that are not 2xx are left out, because the page handles them.
        """
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(text)

    def drop(self, files: list[Path]) -> None:
        """Files dropped on the page, as from the desktop."""
        contents = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in files]
        self.page.evaluate(
            """contents => {
              const transfer = new DataTransfer();
              for (const [name, text] of contents) {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name));
              }
              for (const kind of ["dragenter", "dragover", "drop"]) {
                const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
                document.body.dispatchEvent(new DragEvent(kind, options));
              }
            }""",
            contents,
        )

    def wait_until_open(self, num_done: int = 1) -> None:
        self.page.wait_for_selector(f"button.item[data-state=done] >> nth={num_done - 1}", timeout=180_000)
        self.page.wait_for_selector("#lines .outline", state="attached")

    def digest(self) -> list[str]:
        """-> size, risk, level as shown above the findings."""
        return self.page.locator("#digest strong").all_text_contents()

    def stroke(self, points: list[tuple[float, float]]) -> None:
        """Draws a line through points on the stage, which are shares of its width and height."""
        box = self.page.locator("#stage").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place)
        self.page.mouse.up()

    def handles(self) -> np.ndarray:
        """-> the centres of the points that can be dragged, (N, 2) on the page, once it is drawn at its size."""
        self.wait_for_paint()
        return np.array(
            self.page.evaluate(
                """() => {
                  const { x, y } = document.getElementById("lines").getBoundingClientRect();
                  const of = (circle, name) => Number(circle.getAttribute(name));
                  return [...document.querySelectorAll(".handle")].map((one) => [x + of(one, "cx"), y + of(one, "cy")]);
                }"""
            )
        )

    def wait_for_paint(self) -> None:
        """Waits for a whole frame. Then panels next to the stage have their new size, and the image is fitted."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def picture(self, name: str) -> None:
        if PICTURES:
            self.page.screenshot(path=Path(PICTURES) / f"{name}-{self.size}.png")

    def close(self) -> None:
        complaints = list(self.complaints)  # without those of requests that closing cuts off
        self.context.close()
        assert complaints == [], complaints


def ellipse(x: float, y: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, 25)
    return [(x + half_width * float(np.cos(a)), y + half_height * float(np.sin(a))) for a in angles]


def wait_for(condition: Any, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def barriers(page: Any) -> list[str]:
    """-> the faults that axe calls serious or critical, with their places."""
    page.wait_for_timeout(400)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']][:4]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
