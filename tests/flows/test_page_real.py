"""The page on `thyrosight serve` itself: two images and a DICOM clip dropped, an outline corrected, all files taken."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from checkout import SHIPPED_BUNDLE
from parts import PARTS

pytest.importorskip("fastapi")
pytest.importorskip("highdicom")
pytest.importorskip("pydicom")

import pydicom
from pydicom.data import get_testdata_file

from browser_page import SIZES, BrowserPage, wait_for
from web_server import Server, serving

pytestmark = [pytest.mark.slow, pytest.mark.part("browser")]

CLIP = "examples_ybr_color.dcm"
NUM_FRAMES = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data"), SHIPPED_BUNDLE) as server:
        yield server


@pytest.fixture(scope="module")
def clip() -> Path:
    """pydicom's clip of thirty frames."""
    return Path(str(get_testdata_file(CLIP, download=False)))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two images in which the shipped network finds a nodule: real ones where they are here, else phantoms."""
    folder = PARTS["ddti"].find()
    if folder is not None:
        return [folder / "original" / name for name in ("1_1.jpg", "101_1.jpg")]
    return _phantoms(tmp_path_factory.mktemp("images"))


def _phantoms(folder: Path) -> list[Path]:
    from thyrosight.phantom.draw import draw_phantom
    from thyrosight.phantom.records import PhantomSettings

    settings = PhantomSettings(size_hw=(480, 640), no_nodule=0, split_screen=0)
    for index in range(2):
        phantom = draw_phantom(np.random.default_rng([8, index]), settings)
        cv2.imwrite(str(folder / f"phantom-{index}.png"), phantom.image_HW)
    return sorted(folder.iterdir())


def opened(sight: BrowserPage, name: str) -> None:
    """A file of the list is chosen, and its picture stands on the stage."""
    sight.page.click(f"button.item:has-text('{name}')")
    sight.page.wait_for_selector(f"#identity :text('{name}')")


def taken(page: Any, kind: str) -> tuple[str, bytes]:
    """One of the export buttons -> (the file's name, its bytes)."""
    with page.expect_download() as waiting:
        page.click(f"button[data-kind={kind}]")
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def drag_a_point(sight: BrowserPage, by_xy: tuple[float, float]) -> None:
    """The first point of the outline that is being corrected, taken along."""
    x, y = sight.handles()[0]
    sight.page.mouse.move(x, y)
    sight.page.mouse.down()
    sight.page.mouse.move(x + by_xy[0], y + by_xy[1], steps=5)
    sight.page.mouse.up()


def is_settled(sight: BrowserPage) -> bool:
    return "is-waiting" not in str(sight.page.inner_html("#digest"))


def is_fault(answer: Any) -> bool:
    """Every error, but for a reading that is asked for where none has been saved yet."""
    return bool(answer.status >= 400) and not (answer.status == 404 and "/correction?" in answer.url)


@pytest.mark.parametrize("size", SIZES)
def test_images_and_a_clip_from_drop_to_export(
    browser: Any, server: Server, images: list[Path], clip: Path, size: str
) -> None:
    sight = BrowserPage(browser, server.address, size)
    page = sight.page
    unanswered: list[str] = []
    page.on("response", lambda answer: is_fault(answer) and unanswered.append(f"{answer.status} {answer.url}"))
    page.wait_for_selector("text=Drop thyroid ultrasound here >> visible=true")
    sight.drop([*images, clip])
    page.wait_for_selector("button.item[data-state=done] >> nth=2", timeout=180_000)
    for image in images:
        opened(sight, image.name)
        page.wait_for_selector("#lines .outline.network", state="attached")
        wait_for(lambda: len(sight.digest()) == 3 and sight.digest()[2].startswith("TR"))
        sight.picture(f"real-{image.stem}")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    _moves_through_the_clip(sight, clip)
    _corrects(sight)
    _takes_everything(sight, clip)
    assert unanswered == []
    page.click(f"button[aria-label^='Remove the {len(images) + 1} images']")
    page.click("#confirm-yes")
    page.wait_for_selector("text=Drop thyroid ultrasound here >> visible=true")
    sight.close()


def _moves_through_the_clip(sight: BrowserPage, clip: Path) -> None:
    page = sight.page
    opened(sight, clip.name)
    page.wait_for_selector("#clip >> visible=true")
    page.wait_for_selector(f"#clip-words:has-text('of {NUM_FRAMES} frames')")
    page.fill("#frame", "20")
    page.wait_for_selector(f"#identity :text('frame 21 of {NUM_FRAMES}')")
    first = page.evaluate("document.getElementById('canvas').toDataURL()")
    page.fill("#frame", "4")
    page.wait_for_selector(f"#identity :text('frame 5 of {NUM_FRAMES}')")
    wait_for(lambda: page.evaluate("document.getElementById('canvas').toDataURL()") != first)
    risk = re.search(r"risk over frames (\d+ %)", page.inner_text("#clip-words"))
    assert risk is not None
    assert risk[1] in page.inner_text(f"button.item:has-text('{clip.name}')"), "list and clip say the same"
    page.click("#largest")
    place = page.inner_text("#frame-text").split("/")[0].strip()
    page.wait_for_selector(f"#identity :text('frame {place} of {NUM_FRAMES}')")
    page.wait_for_selector("#lines .outline.network", state="attached")
    sight.picture("real-clip")


def _corrects(sight: BrowserPage) -> None:
    """A point dragged: size, shape and level follow; a descriptor set by hand; both kept."""
    page = sight.page
    wait_for(lambda: len(sight.digest()) == 3 and is_settled(sight))
    before = sight.digest()
    page.click("#correct")
    drag_a_point(sight, (-25.0, 25.0))
    wait_for(lambda: is_settled(sight) and sight.digest()[0] != before[0])
    page.wait_for_selector("#measures td.yours:not(.is-stale)")
    option = page.locator("#tirads-composition option", has_text="solid or almost").first.get_attribute("value")
    page.select_option("#tirads-composition", option)
    wait_for(lambda: sight.digest()[2] != before[2])
    page.fill("#note", "margin moved in")
    sight.picture("real-edit")
    page.click("#edit-save")
    wait_for(lambda: page.text_content("#saved-state") == "saved")
    page.wait_for_selector("#compare >> visible=true")
    assert page.locator("#lines .outline.yours").count() == 1
    assert page.locator("#lines .outline.network").count() >= 1, "the network's outline stays"
    sight.picture("real-corrected")


def _takes_everything(sight: BrowserPage, clip: Path) -> None:
    """Every download is what its name says, and tells the network's result from the person's."""
    page, stem = sight.page, clip.stem
    found = {kind: taken(page, kind) for kind in ("json", "csv", "png", "report", "seg", "sr", "zip")}
    content = json.loads(found["json"][1])
    assert (len(content["network"]), len(content["person"])) == (NUM_FRAMES, 1)
    (corrected,) = content["person"]
    assert corrected["note"] == "margin moved in"
    rows = list(csv.DictReader(io.StringIO(found["csv"][1].decode())))
    made_by = [row["made_by"] for row in rows]  # a row per nodule, one for a frame without any
    assert made_by.count("person") == len(corrected["findings"]) >= 1
    assert made_by.count("network") == sum(max(1, len(frame["nodules"])) for frame in content["network"])
    assert {int(row["frame"]) for row in rows} == set(range(NUM_FRAMES))
    picture_HW3 = cv2.imdecode(np.frombuffer(found["png"][1], np.uint8), cv2.IMREAD_COLOR)
    assert picture_HW3 is not None
    assert found["png"][0] == f"{stem}-frame{corrected['frame_index'] + 1}-person.png"
    report = found["report"][1].decode()
    assert "corrected by a person" in report
    assert report.count("data:image/") >= 2
    source = pydicom.dcmread(clip, stop_before_pixels=True)
    seg, sr = (pydicom.dcmread(io.BytesIO(found[kind][1])) for kind in ("seg", "sr"))
    assert (seg.Modality, sr.Modality) == ("SEG", "SR")
    assert seg.pixel_array.shape[-2:] == (source.Rows, source.Columns)
    assert seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    archive = zipfile.ZipFile(io.BytesIO(found["zip"][1]))
    assert archive.testzip() is None
    assert f"frame-{corrected['frame_index'] + 1:02d}/person/correction.json" in archive.namelist()
