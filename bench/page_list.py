"""A work-list of thousands of items in a real browser: first paint, the next image, a filter, and the page's memory.

A data folder is seeded: one image is examined, and its rows and files are repeated (files as hard links). Then the real
page is opened in headless Chromium on the real server (`thyrosight serve`). Medians over several rounds. `--items 5000`
is the default; `--data FOLDER` keeps the folder and measures it again next time; `--rounds 0` only makes it.
Run it with PYTHONPATH=src:tests/support, and node_modules and chromium as for the tests of the page.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from browser_page import BrowserPage
from browser_page import wait_for as until
from checkout import SHIPPED_BUNDLE
from parts import part_path
from web_server import Server, frame_png, post, serving, wait_for


def repeated(db: sqlite3.Connection, table: str, key: str, new_key: str, changes: dict[str, Any], of: str) -> None:
    """One row of a table -> the same row with another key and some other values, in the columns that the table has."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "number"]
    if not columns:
        return  # an earlier version has no such table
    (values,) = db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ?", (of,)).fetchall() or [None]
    if values is None:
        return
    row = dict(zip(columns, values, strict=True)) | {name: v for name, v in changes.items() if name in columns}
    row[key] = new_key
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def seed(data: Path, num_items: int) -> None:
    """Data folder with one finished item -> the same folder, with copies of the item until its job has num_items."""
    rng = random.Random(0)
    db = sqlite3.connect(data / "queue.sqlite")
    ((item, job),) = db.execute("SELECT id, job_id FROM items").fetchall()
    source = data / "jobs" / job / item
    for number in range(2, num_items + 1):
        new = uuid.UUID(int=rng.getrandbits(128)).hex
        name = f"scan {number:05}.png"
        changes = {"name": name, "path": name, "sort_key": name}
        repeated(db, "items", "id", new, changes, item)
        level = rng.choice(["TR2", "TR3", "TR4", "TR5"])
        facts = {"risk": rng.random(), "level": level, "teaches": rng.random(), "num_nodules": rng.randint(0, 3)}
        repeated(db, "facts", "item_id", new, facts, item)
        shutil.copytree(source, source.parent / new, copy_function=os.link)
    db.commit()
    db.close()


def make_data(data: Path, num_items: int) -> None:
    """Makes the data folder of a server that has finished num_items items.

    It gets its name at the end, so that a stopped run leaves no half folder under that name.
    """
    unfinished = data.with_name(f"{data.name}, unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with serving(unfinished, SHIPPED_BUNDLE) as server, server.client() as client:
        job = post(client, ("scan 00001.png", frame_png())).json()
        wait_for(client, job["id"])
    seed(unfinished, num_items)
    unfinished.rename(data)


def seconds_until(page: Any, action: str, condition: str) -> float:
    """JavaScript of an action, JavaScript of a condition -> seconds from the action to the paint after it is true.

    The clock is the page's own.
    """
    script = f"""() => new Promise((resolve) => {{
      const start = performance.now();
      const holds = () => {condition};
      const done = () => requestAnimationFrame(() => resolve(performance.now() - start));
      const look = () => (holds() ? done() : setTimeout(look, 1));
      {action}
      look();
    }})"""
    return float(page.evaluate(script)) / 1000


PRESS = "document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', bubbles: true}}));"


def measured(browser: Any, server: Server, num_items: int, rounds: int) -> dict[str, list[float]]:
    """-> {what was measured: its values}: seconds; for memory MiB, and for "rows drawn" a count."""
    found: dict[str, list[float]] = {"first rows": [], "all rows": [], "next image": [], "filter": [], "search": []}
    for _ in range(rounds):
        start = time.perf_counter()
        sight = BrowserPage(browser, server.address)
        page = sight.page
        page.wait_for_selector("button.item")
        found["first rows"].append(time.perf_counter() - start)
        summary = page.locator("#queue-summary")
        until(lambda text=summary: (text.text_content() or "").startswith(f"{num_items} "))
        found["all rows"].append(time.perf_counter() - start)
        page.wait_for_selector("#identity h2")
        for _ in range(5):
            name = page.inner_text("#identity h2")
            opened = f"document.querySelector('#identity h2')?.textContent !== '{name}'"
            found["next image"].append(seconds_until(page, "document.body.focus();" + PRESS.format("j"), opened))
            page.wait_for_timeout(150)
        choose = "const s = document.getElementById('list-risk'); s.value = '{}'; s.dispatchEvent(new Event('change'));"
        shown = "document.getElementById('queue-summary').textContent.includes('shown')"
        found["filter"].append(seconds_until(page, choose.format("high"), shown))
        found["filter"].append(seconds_until(page, choose.format("all"), f"!{shown}"))
        search = (
            "const s = document.getElementById('list-search'); s.value = '0042'; s.dispatchEvent(new Event('input'));"
        )
        found["search"].append(seconds_until(page, search, shown))
        found.setdefault("page memory, MiB", []).append(heap_mib(sight))
        found.setdefault("rows drawn", []).append(float(page.locator("#rows > li").count()))
        sight.close()
    return found


def heap_mib(sight: BrowserPage) -> float:
    """-> the page's JavaScript heap after a collection of garbage."""
    session = sight.context.new_cdp_session(sight.page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = (arguments.data or Path(folder)) / f"{arguments.items} items"
        if not (data / "queue.sqlite").exists():
            make_data(data, arguments.items)
        if not arguments.rounds:
            return
        launch = {"executable_path": part_path("browser"), "args": ["--no-sandbox", "--disable-gpu"]}
        browser = playwright.chromium.launch(**launch)
        with serving(data, SHIPPED_BUNDLE) as server:
            found = measured(browser, server, arguments.items, arguments.rounds)
        browser.close()
    print(f"{arguments.items} items, {arguments.rounds} rounds; median (lowest to highest)")
    for name, values in found.items():
        print(
            f"{name:20} {statistics.median(values):8.3f}  ({min(values):.3f} to {max(values):.3f}; n = {len(values)})"
        )


if __name__ == "__main__":
    main()
