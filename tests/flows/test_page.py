"""The page in a headless browser, against a small server of the tests' own and, where it is there, the real one."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_page import SIZES, BrowserPage, barriers, ellipse, wait_for
from fake_server import STATIC, FakeServer
from parts import part_path

# The files themselves.

FILES = [path for path in STATIC.rglob("*") if path.is_file()]


def imports_of(path: Path) -> list[Path]:
    """A script of the page -> the scripts that it imports."""
    found = re.findall(r'from "(\.[\w./-]+\.js)"', path.read_text(encoding="utf-8"))
    return [(path.parent / name).resolve() for name in found]


def test_files_are_small_and_all_of_them_are_used() -> None:
    """What app.js imports, and what that imports: a script that does not parse then stops the browser tests."""
    assert not [path.name for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    todo, seen = [STATIC / "app.js"], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imports_of(path)
    assert seen == set(STATIC.rglob("*.js"))


def test_folders_of_the_page_import_downwards() -> None:
    floors = ["page", "server", "review", "image", "panel", "."]
    for path in STATIC.rglob("*.js"):
        floor = floors.index(path.parent.relative_to(STATIC).as_posix())
        climbs = [one for one in imports_of(path) if floors.index(one.parent.relative_to(STATIC).as_posix()) > floor]
        assert not climbs, f"{path} imports upwards: {climbs}"


def test_page_needs_nothing_from_elsewhere() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert '<script type="module" src="static/app.js"></script>' in text
    assert " style=" not in text
    assert " onclick=" not in text
    for path in FILES:
        content = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in content, path.name
        assert "https:" not in content, path.name


# What a person does.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.part("browser")
def test_two_images_from_drop_to_export(browser: Any, fake: FakeServer, images: list[Path], size: str) -> None:
    sight = BrowserPage(browser, fake.address, size)
    page = sight.page
    page.wait_for_selector("text=Drop thyroid ultrasound here")
    sight.picture("empty")
    sight.drop(images)
    sight.wait_until_open(2)
    nodules = fake.result("job0-0", 0)["nodules"]
    assert page.locator("#lines .outline.network").count() == len(nodules)
    size_mm = nodules[0]["size"]
    expected = f"{size_mm['longest_mm']:.1f} × {size_mm['perpendicular_mm']:.1f} mm"
    assert sight.digest()[:2] == [expected, f"{round(100 * nodules[0]['risk'])} %"]
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    sight.picture("result")
    with page.expect_download() as waiting:
        page.click("button[data-kind=json]")
    assert json.loads(Path(waiting.value.path()).read_text())["nodules"] == nodules
    assert waiting.value.suggested_filename == "phantom-0.json"
    page.click("button[data-kind=seg]")
    page.wait_for_selector("#exports .problem:has-text('no DICOM file')")
    assert page.inner_text("#command") == "thyrosight predict phantom-0.png --out results"
    page.click("button.item >> nth=1")
    page.wait_for_selector("#identity :text('phantom-1.png')")
    sight.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.part("browser")
def test_a_new_outline_and_what_follows_from_it(browser: Any, fake: FakeServer, images: list[Path], size: str) -> None:
    sight = BrowserPage(browser, fake.address, size)
    page = sight.page
    sight.drop(images[1:])
    sight.wait_until_open()
    for name, term in (("composition", "solid"), ("echogenicity", "hypo"), ("margin", "smooth")):
        options = page.locator(f"#tirads-{name} option").all_text_contents()
        page.select_option(f"#tirads-{name}", next(option for option in options if option.startswith(term)))
    page.check("text=none or large comet-tail artifacts")
    wait_for(lambda: sight.digest()[2] == "TR5")
    before = sight.digest()
    page.click("#correct")
    page.click("[data-tool=draw] >> visible=true")
    sight.stroke(ellipse(0.5, 0.5, 0.3, 0.08))
    wait_for(lambda: sight.digest()[2] == "TR4")
    after = sight.digest()
    assert after[0] != before[0]
    assert page.input_value("#tirads-shape") == "wider-than-tall"
    sight.picture("edit")
    page.click("#undo")
    wait_for(lambda: sight.digest()[2] == "TR5")
    assert sight.digest() == before
    page.click("#redo")
    wait_for(lambda: sight.digest()[2] == "TR4")
    page.click("#edit-save")
    wait_for(lambda: fake.corrections)
    saved = fake.corrections["job0-0", 0]
    assert saved["descriptors"][0]["composition"] == "solid or almost completely solid"
    assert "shape" not in saved["descriptors"][0], "a proposal is no word of the person's"
    ring = np.array(saved["outlines_xy"][0])
    assert np.ptp(ring[:, 0]) > 2 * np.ptp(ring[:, 1])
    page.wait_for_selector("#compare >> visible=true")
    assert page.locator("#lines .outline.network.is-behind").count() == 1
    assert page.locator("#lines .outline.yours").count() == 1
    page.click("[data-compare=network]")
    assert page.locator("#lines .outline.yours").count() == 0
    page.click("[data-compare=yours]")
    assert page.locator("#lines .outline.network").count() == len(fake.result("job0-0", 0)["nodules"]) - 1
    sight.picture("corrected")
    page.reload()
    sight.wait_until_open()
    wait_for(lambda: sight.digest()[::2] == after[::2])
    sight.close()


@pytest.mark.part("browser")
def test_points_by_hand(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    """A point is dragged, its neighbours follow and the far side stays; a press on the line adds one, Alt takes one."""
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images[1:])
    sight.wait_until_open()
    page.click("#correct")
    before = sight.handles()
    page.mouse.move(*before[0])
    page.mouse.down()
    page.mouse.move(before[0][0] + 30, before[0][1] - 30, steps=4)
    page.mouse.up()
    after = sight.handles()
    steps = np.linalg.norm(after - before, axis=1)
    assert steps[0] == pytest.approx(30 * np.sqrt(2), abs=0.5)
    assert 0 < steps[1] < steps[0]
    assert steps[len(steps) // 2] == 0
    sides = np.linalg.norm(np.roll(after, -1, axis=0) - after, axis=1)
    longest = int(np.argmax(sides))
    page.mouse.click(*((after[longest] + after[(longest + 1) % len(after)]) / 2))
    assert len(sight.handles()) == len(after) + 1
    page.keyboard.down("Alt")
    page.mouse.click(*after[longest])
    page.keyboard.up("Alt")
    assert len(sight.handles()) == len(after)
    page.wait_for_selector("#measures td.yours:not(.is-stale)")
    page.click("#edit-cancel")
    assert page.locator(".outline.yours").count() == 0
    assert fake.corrections == {}
    sight.close()


@pytest.mark.part("browser")
def test_proposals_are_the_servers_and_a_person_overrides_them(
    browser: Any, fake: FakeServer, images: list[Path]
) -> None:
    fake.has_signs = True
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images[1:])
    sight.wait_until_open()
    wait_for(lambda: page.input_value("#tirads-composition") == "solid or almost completely solid")
    assert page.locator("#tirads .tag.proposed").count() == 3
    assert page.locator("#tirads .tag.missing").count() == 2
    page.select_option("#tirads-composition", "spongiform")
    wait_for(lambda: page.locator("#tirads .tag.yours").count() == 1)
    page.click("[data-key=composition-reset]")
    wait_for(lambda: page.input_value("#tirads-composition") == "solid or almost completely solid")
    assert page.locator("#tirads .tag.yours").count() == 0
    assert "Echogenicity ratio" in page.inner_text("#measures")
    page.click("[data-key=confirm-all]")
    wait_for(lambda: page.locator("#tirads .tag.yours").count() == 3)
    assert page.locator("#tirads .tag.proposed, [data-key=confirm-all]").count() == 0
    sight.close()


@pytest.mark.part("browser")
def test_by_keys_alone(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    page, keys = sight.page, sight.page.keyboard
    choosers: list[Any] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.wait_for_selector("text=Drop thyroid ultrasound here")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    keys.press("o")
    wait_for(lambda: page.evaluate("true") and choosers)
    choosers[0].set_files([str(path) for path in images])
    sight.wait_until_open(2)
    keys.press("j")
    page.wait_for_selector("#identity :text('phantom-1.png')")
    keys.press("?")
    assert page.locator("#help-dialog[open]").count() == 1
    keys.press("Escape")
    zoom = page.text_content("#zoom-text")
    keys.press("+")
    assert page.text_content("#zoom-text") != zoom
    keys.press("0")
    wait_for(lambda: page.text_content("#zoom-text") == zoom)
    keys.press("e")
    assert page.evaluate("document.activeElement.id") == "stage"
    before = sight.digest()[0]
    for _ in range(3):
        keys.press("g")
    wait_for(lambda: sight.digest()[0] != before)
    keys.press(".")
    keys.press("Shift+ArrowUp")
    assert page.locator(".handle.is-active").count() == 1
    number = page.locator(".handle").count()
    keys.press("Delete")
    assert page.locator(".handle").count() == number - 1
    keys.press("a")
    for key, times in (("Shift+ArrowLeft", 8), ("Shift+ArrowDown", 6)):
        for _ in range(times):
            keys.press(key)
    keys.press("Enter")
    keys.press("Control+s")
    wait_for(lambda: ("job0-1", 0) in fake.corrections)
    num_network = len(fake.result("job0-1", 0)["nodules"])
    assert len(fake.corrections["job0-1", 0]["outlines_xy"]) == num_network + 1
    page.focus("#tirads-composition")
    keys.type("solid")
    keys.press("Control+s")
    wait_for(lambda: page.text_content("#saved-state") in ("saved", "not saved"))
    sight.close()


@pytest.mark.part("browser")
def test_single_keys_can_be_switched_off(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    sight.drop(images[:1])
    sight.wait_until_open()
    sight.page.keyboard.press("?")
    sight.page.uncheck("#single-keys")
    sight.page.keyboard.press("Escape")
    sight.page.keyboard.press("e")
    assert sight.page.locator("#edit-tools").is_hidden()
    sight.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.part("browser", "axe")
def test_no_barrier_that_axe_finds(browser: Any, fake: FakeServer, images: list[Path], size: str) -> None:
    script = part_path("axe")
    sight = BrowserPage(browser, fake.address, size, bypass_csp=True)
    page = sight.page
    page.wait_for_selector("text=Drop thyroid ultrasound here")
    page.add_script_tag(content=script.read_text(encoding="utf-8"))
    assert barriers(page) == []
    sight.drop([*images, broken_file(images)])
    sight.wait_until_open(2)
    page.wait_for_selector("button.item[data-state=failed]")
    for state in ("result", "light", "map", "edit", "help"):
        if state == "light":
            page.click("#theme")
        elif state == "map":
            page.click("#theme")
            page.click("#show-map")
            page.wait_for_selector("#map-legend >> visible=true")
        elif state == "edit":
            page.click("#correct")
        elif state == "help":
            page.keyboard.press("?")
        assert barriers(page) == [], state
    sight.close()


# When things go wrong.


@pytest.mark.part("browser")
def test_each_file_has_its_own_fault(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    fake.num_busy = 1
    sight.drop([*images, broken_file(images)])
    sight.page.wait_for_selector("#queue-summary:has-text('the server is full')")
    sight.wait_until_open(2)
    sight.page.click("button.item[data-state=failed]")
    sight.page.wait_for_selector("#state:has-text('the file ends in the middle')")
    assert "1 failed" in (sight.page.text_content("#queue-summary") or "")
    sight.picture("failed")
    sight.page.click("button[aria-label^='Remove the 3 images']")
    sight.page.click("#confirm-yes")
    sight.page.wait_for_selector("text=Drop thyroid ultrasound here")
    assert fake.jobs == {}
    sight.close()


@pytest.mark.part("browser")
def test_token_is_asked_once_and_sent(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.token = "a secret of some length"
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    page.fill("#token", "another one")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=That token was refused")
    page.fill("#token", fake.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Drop thyroid ultrasound here")
    sight.drop(images[:1])
    sight.wait_until_open()
    page.reload()
    sight.wait_until_open()
    assert page.locator("#token-dialog[open]").count() == 0
    assert page.evaluate("JSON.stringify(localStorage)").find("secret") < 0
    sight.close()


@pytest.mark.part("browser")
def test_server_goes_away_and_comes_back(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images)
    sight.wait_until_open(2)
    fake.is_away = True
    page.click("button.item >> nth=1")
    page.wait_for_selector("#banner:has-text('does not answer')")
    assert page.locator("#lines .outline").count() > 0, "what was open stays"
    sight.picture("offline")
    fake.is_away = False
    page.click("#banner-retry")
    page.wait_for_selector("#banner", state="hidden")
    page.click("button.item >> nth=1")
    page.wait_for_selector("#identity :text('phantom-1.png')")
    sight.close()


@pytest.mark.part("browser")
def test_clip_has_frames(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.num_frames = 12
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images[:1])
    sight.wait_until_open()
    page.wait_for_selector("#clip >> visible=true")
    page.wait_for_selector("#clip-words:has-text('nodule in 8 of 12 frames')")
    page.keyboard.press(".")
    page.wait_for_selector("#identity :text('frame 2 of 12')")
    page.keyboard.press("l")
    page.wait_for_selector("#identity :text('frame 6 of 12')")
    assert "--frame 5" in page.inner_text("#command")
    page.click("#play")
    wait_for(lambda: page.input_value("#frame") != "5")
    page.click("#play")
    sight.picture("clip")
    sight.close()


@pytest.mark.part("browser")
def test_a_slow_summary_of_a_clip_does_not_cover_its_frame(browser: Any, fake: FakeServer, images: list[Path]) -> None:
    fake.num_frames = 4
    sight = BrowserPage(browser, fake.address)
    page = sight.page
    sight.drop(images)
    sight.wait_until_open(2)
    page.click("button.item >> nth=1")
    page.wait_for_selector("#identity :text('phantom-1.png')")
    page.wait_for_selector("#clip-words:has-text('of 4 frames')")
    held: list[Any] = []
    page.route("**/clip", lambda route: held.append(route))
    page.click("button.item >> nth=0")  # its frame is there already, so that only the summary is waited for
    page.wait_for_selector("#identity :text('phantom-0.png')")
    page.wait_for_timeout(400)  # "Loading..." comes after 150 ms
    assert held
    assert page.locator("#state").is_hidden()
    for route in held:
        route.continue_()
    page.wait_for_selector("#clip-words:has-text('of 4 frames')")
    sight.close()


# The real server.


@pytest.mark.part("browser")
def test_with_the_real_server(browser: Any, predictor: Any, images: list[Path], tmp_path: Path) -> None:
    """Two images in, an outline corrected and kept, a picture and a report out."""
    pytest.importorskip("uvicorn", reason="the server's extra is not installed")
    app = pytest.importorskip("thyrosight.web.app", reason="this version has no server")
    from thyrosight.web.service import Service

    sight = None
    with served(app.create_app(Service(predictor, tmp_path / "data"))) as address:
        try:
            sight = BrowserPage(browser, address)
            page = sight.page
            page.wait_for_selector("text=Drop thyroid ultrasound here")
            sight.drop(images)
            sight.wait_until_open(2)
            wait_for(lambda: sight.digest()[2].startswith("TR"))
            before = sight.digest()
            page.click("#correct")
            page.click("[data-tool=draw] >> visible=true")
            sight.stroke(ellipse(0.5, 0.5, 0.12, 0.2))
            wait_for(lambda: sight.digest()[0] != before[0] and "is-waiting" not in page.inner_html("#digest"))
            page.click("#edit-save")
            wait_for(lambda: page.text_content("#saved-state") == "saved")
            for kind in ("json", "csv", "png", "report", "zip"):
                with page.expect_download() as waiting:
                    page.click(f"button[data-kind={kind}]")
                assert Path(waiting.value.path()).stat().st_size > 100, kind
            page.click("button[data-kind=seg]")
            page.wait_for_selector("#exports .problem >> visible=true")
            after = sight.digest()
            page.reload()
            sight.wait_until_open(2)
            wait_for(lambda: sight.digest()[:2] == after[:2])
        finally:
            if sight is not None:
                sight.context.close()
    assert sight.complaints == []


class served:
    """ASGI app -> its address, in a thread."""

    def __init__(self, app: Any) -> None:
        import uvicorn

        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        wait_for(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(20)


def broken_file(images: list[Path]) -> Path:
    path = images[0].parent.parent / "broken.png"
    path.write_bytes(images[0].read_bytes()[:200])
    return path
