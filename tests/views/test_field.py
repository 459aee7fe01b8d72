"""field and screen_text: drawn screens with known truth, hostile inputs, and every capture of a real set."""

from __future__ import annotations

import csv
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from parts import part_path
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.types import Box, Region
from thyrosight.views.field import field_of_view, find_panels
from thyrosight.views.screen_text import find_text, mask_text

# Captures of DDTI that show two views side by side, as read by eye from contact sheets of all 356.
SPLIT_SCREENS = """
    58_1 59_1 60_1 61_1 62_1 63_1 68_1 69_1 71_1 72_1 74_1 77_1 78_1 79_1 80_1 82_1 83_1 84_1 86_1 89_1 93_1
    93_2 95_1 96_1 101_1 102_1 103_1 104_1 107_1 115_1 116_1 117_1 118_1 120_1 122_1 122_2 123_1 126_1 127_1
    128_1 129_1 129_2 131_1 132_1 135_1 136_1 138_1 139_1 139_3 142_1 144_1 147_1 149_1 152_1 154_1 156_1 157_1
    159_1 161_1 163_1 164_1 165_1 167_1 168_1 170_1 171_1 179_1 180_1 181_1 184_1 186_1 187_1 188_1 189_1 192_1
    195_1 196_1 197_1 200_1 201_1 208_1 209_1 210_3 211_1 214_1 217_1 221_1 222_1 223_1 224_1 225_1 225_2 230_1
    230_2 231_1 232_1 233_1 234_1 235_1 236_1 237_1 238_1 239_1 240_1 241_1 243_1 244_1 245_1 246_1 247_1 248_1
    249_1 250_1 251_1 253_1 254_1 255_1 257_1 258_1 259_1 260_1 262_1 263_1 268_1 273_1 274_1 276_1 278_1 279_1
    280_1 281_1 284_1 286_1 314_1 330_1 337_3
"""
OUTLINE_IN_MARGIN = "338_2"  # of this case the set has an outline drawn on the screen text
TEXT_ON_TISSUE = {"80_2": "ADENOPATIA 3 IZQ", "211_1": "0 of the ruler, in the corner"}


def speckle_HW(height: int, width: int, seed: int, brightness: float = 70.0) -> np.ndarray:
    """Smoothed Rayleigh noise, wider than high as echoes are, over layers and a nodule."""
    rng = np.random.default_rng(seed)
    noise_HW = cv2.GaussianBlur(rng.rayleigh(1.0, (height, width)), (0, 0), sigmaX=2.0, sigmaY=0.8)
    layers_H1 = 1 + 0.5 * np.sin(np.linspace(0, 9, height) + seed)[:, None]
    values_HW = brightness * noise_HW * layers_H1 + 8
    y, x = np.mgrid[:height, :width]
    values_HW[((y - height / 2) / (height / 5)) ** 2 + ((x - width / 2) / (width / 5)) ** 2 < 1] *= 0.4
    return np.clip(values_HW, 6, 230).astype(np.uint8)


def write(image_HW: np.ndarray, text: str, x: int, y: int, level: int = 255) -> None:
    cv2.putText(image_HW, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, level, 1, cv2.LINE_8)


def screen_HW(field: Box, seed: int = 0, size_hw: tuple[int, int] = (360, 560)) -> np.ndarray:
    """A capture: field on black, settings at the right, a reading below, a gray bar and a ruler at the left."""
    image_HW = np.zeros(size_hw, np.uint8)
    image_HW[field.slices] = speckle_HW(field.height, field.width, seed)
    for row, text in enumerate(("P100", "12L6", "DR65", "31fps")):
        write(image_HW, text, size_hw[1] - 40, 20 + 15 * row)
    write(image_HW, "TIRADS 4C", field.x0 + 40, field.y1 + 26)
    image_HW[150:260, 4:15] = np.linspace(255, 10, 110, dtype=np.uint8)[:, None]
    image_HW[field.y0 : field.y1 : 30, field.x0 - 4 : field.x0 - 2] = 255
    return image_HW


@pytest.mark.parametrize("field", [Box(90, 10, 470, 310), Box(60, 40, 380, 300), Box(40, 8, 500, 322)])
def test_field_of_a_drawn_screen(field):
    found = field_of_view(screen_HW(field))
    assert np.abs(np.array(found) - np.array(field)).max() <= 2


def test_field_is_found_on_a_gray_and_on_a_white_desktop():
    for level in (40, 255):
        image_HW = np.full((360, 560), level, np.uint8)
        image_HW[40:300, 100:460] = speckle_HW(260, 360, 3)
        write(image_HW, "TIRADS 5", 120, 330, 0)
        assert np.abs(np.array(field_of_view(image_HW)) - np.array([100, 40, 460, 300])).max() <= 2


def test_field_of_a_clean_crop_is_the_whole_image():
    image_HW = speckle_HW(256, 300, 5)
    assert field_of_view(image_HW) == Box(0, 0, 300, 256)


def test_dark_depths_and_a_cyst_stay_inside():
    image_HW = screen_HW(Box(90, 10, 470, 310))
    image_HW[60:200, 150:330] = 0  # echo-free
    faint = np.random.default_rng(0).integers(0, 5, (90, 380)).astype(np.uint8)
    image_HW[220:310, 90:470] = faint
    found = field_of_view(image_HW)
    assert found.y1 >= 308
    assert (found.x0, found.x1) == (pytest.approx(90, abs=2), pytest.approx(470, abs=2))


def test_a_sector_is_enclosed():
    image_HW = np.zeros((400, 600), np.uint8)
    y, x = np.mgrid[:400, :600]
    radius, angle = np.hypot(y + 60, x - 300), np.arctan2(x - 300, y + 60)
    fan_HW = (radius > 90) & (radius < 420) & (np.abs(angle) < 0.55)
    image_HW[fan_HW] = speckle_HW(400, 600, 2)[fan_HW]
    write(image_HW, "MI 0.9", 10, 20)
    found = field_of_view(image_HW)
    inside_HW = np.zeros_like(fan_HW)
    inside_HW[found.slices] = True
    assert (fan_HW & inside_HW).sum() >= 0.98 * fan_HW.sum()
    assert found.x0 > 60  # the text at the left is outside


def test_blue_flow_counts_as_signal():
    image_HW = screen_HW(Box(90, 10, 470, 310))
    image_HW[10:310, 360:470] = 3
    rgb_HW3 = np.repeat(image_HW[..., None], 3, axis=2)
    rgb_HW3[10:310, 360:470, 2] = 180
    assert field_of_view(image_HW).x1 < 380
    assert field_of_view(image_HW, rgb_HW3).x1 == pytest.approx(470, abs=2)


@pytest.mark.parametrize(("gap", "cut"), [(0, 0.5), (3, 0.5), (12, 0.5), (0, 0.47), (6, 0.35)])
def test_two_views_side_by_side(gap, cut):
    width, height = 480, 300
    first = int(width * cut)
    image_HW = np.zeros((360, 560), np.uint8)
    image_HW[10:310, 30 : 30 + first] = speckle_HW(height, first, 1)
    image_HW[10:310, 30 + first + gap : 30 + width] = speckle_HW(height, width - first - gap, 2)
    left, right = find_panels(image_HW, field_of_view(image_HW))
    assert np.abs(np.array(left) - [30, 10, 30 + first, 310]).max() <= 2
    assert np.abs(np.array(right) - [30 + first + gap, 10, 30 + width, 310]).max() <= 2


def test_views_of_different_depth_are_fitted_one_by_one():
    image_HW = np.zeros((360, 560), np.uint8)
    image_HW[60:310, 30:270] = speckle_HW(250, 240, 1)
    image_HW[10:310, 270:510] = speckle_HW(300, 240, 2)
    left, right = find_panels(image_HW, field_of_view(image_HW))
    assert left.y0 == pytest.approx(60, abs=2)
    assert right.y0 == pytest.approx(10, abs=2)


def test_two_views_one_above_the_other():
    image_HW = np.zeros((480, 400), np.uint8)
    image_HW[10:230, 20:380] = speckle_HW(220, 360, 1)
    image_HW[245:465, 20:380] = speckle_HW(220, 360, 2)
    upper, lower = find_panels(image_HW, field_of_view(image_HW))
    assert np.abs(np.array(upper) - [20, 10, 380, 230]).max() <= 2
    assert np.abs(np.array(lower) - [20, 245, 380, 465]).max() <= 2


@pytest.mark.parametrize("seed", range(6))
def test_one_view_stays_one(seed):
    field = Box(90, 10, 470, 310)
    image_HW = screen_HW(field, seed)
    depth_H1, across_W = np.arange(360)[:, None], np.arange(560)
    shadow_HW = (depth_H1 > 60) * 0.85 * np.exp(-(((across_W - 285) / 14.0) ** 2))
    image_HW[field.slices] = (image_HW * (1 - shadow_HW))[field.slices].astype(np.uint8)
    cv2.line(image_HW, (280, 80), (280, 250), 255, 1)  # a line of measurement
    write(image_HW, "RT AXILLA", 250, 280)
    assert find_panels(image_HW, field) == (field,)


def test_text_is_found_where_it_is_written():
    image_HW = screen_HW(Box(90, 10, 470, 310))
    rows = find_text(image_HW)
    y, x = np.nonzero(image_HW[312:] > 60)
    (reading,) = [row for row in rows if row.y0 > 310]
    assert np.abs(np.array(reading) - [x.min(), y.min() + 312, x.max() + 1, y.max() + 313]).max() <= 1
    assert sum(row.x0 > 500 for row in rows) == 4
    assert find_text(image_HW, field_of_view(image_HW)) == ()


def test_text_on_tissue_is_found_in_the_frames_own_pixels_and_filled_in():
    field = Box(90, 10, 470, 310)
    clean_HW = screen_HW(field)
    image_HW = clean_HW.copy()
    write(image_HW, "ADENOPATIA", 200, 200)
    (row,) = find_text(image_HW, field)
    assert row.x0 == pytest.approx(200, abs=3)
    assert row.y1 == pytest.approx(201, abs=3)
    masked_HW = mask_text(image_HW, (row,))
    assert find_text(masked_HW, field) == ()
    written_HW = image_HW != clean_HW
    assert np.abs(image_HW[written_HW].astype(int) - clean_HW[written_HW]).mean() > 120
    assert np.abs(masked_HW[written_HW].astype(int) - clean_HW[written_HW]).mean() < 40
    far_HW = np.ones_like(written_HW)
    far_HW[row.y0 - 4 : row.y1 + 4, row.x0 - 4 : row.x1 + 4] = False
    assert np.array_equal(masked_HW[far_HW], image_HW[far_HW])


def test_calipers_are_no_text():
    field = Box(90, 10, 470, 310)
    image_HW = screen_HW(field)
    for x, y in ((200, 150), (300, 150), (250, 110), (250, 190)):
        cv2.drawMarker(image_HW, (x, y), 255, cv2.MARKER_CROSS, 9, 1)
    image_HW[150, 200:300:4] = 255
    assert find_text(image_HW, field) == ()


def test_masking_nothing_returns_a_copy():
    image_HW = speckle_HW(40, 50, 0)
    masked_HW = mask_text(image_HW, ())
    assert np.array_equal(masked_HW, image_HW)
    assert masked_HW is not image_HW
    image_HW[:] = 0
    assert masked_HW.any()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_any_image_gives_boxes_inside_it(image_HW):
    _assert_boxes_inside(image_HW)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 300), (300, 1), (30, 30), (200, 300)])
def test_constant_images(level, size_hw):
    image_HW = np.full(size_hw, level, np.uint8)
    whole = Box(0, 0, size_hw[1], size_hw[0])
    assert field_of_view(image_HW) == whole
    assert find_panels(image_HW, whole) == (whole,)
    assert find_text(image_HW) == ()


def test_noise_gives_boxes_inside_it_in_time():
    image_HW = np.random.default_rng(0).integers(0, 256, (900, 1200)).astype(np.uint8)
    start = time.process_time()  # of this process alone: a busy machine does not count
    _assert_boxes_inside(image_HW)
    assert time.process_time() - start < 60


def _assert_boxes_inside(image_HW: np.ndarray) -> None:
    height, width = image_HW.shape
    field = field_of_view(image_HW)
    boxes = (field, *find_panels(image_HW, field), *find_text(image_HW), *find_text(image_HW, field))
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height


@dataclass(frozen=True)
class Capture:
    """What is found on one real capture; share_inside of the outlined pixels lies in a view, None without outlines."""

    image_id: str
    is_labelled: bool
    field: Box
    panels: tuple[Box, ...]
    text: tuple[Box, ...]
    text_inside: tuple[Box, ...]
    text_left: tuple[Box, ...]
    share_inside: float | None


@pytest.fixture(scope="module")
def captures() -> list[Capture]:
    folder = part_path("ddti")
    with (folder / "groups.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    return [_capture(folder / "original", row["image_id"], row["label_text_burned"] == "1") for row in rows]


def _capture(folder: Path, image_id: str, is_labelled: bool) -> Capture:
    image_HW = cv2.imread(str(folder / f"{image_id}.jpg"), cv2.IMREAD_GRAYSCALE)
    field = field_of_view(image_HW)
    panels = find_panels(image_HW, field)
    text_inside = find_text(image_HW, field)
    text_left = find_text(mask_text(image_HW, text_inside), field) if text_inside else ()
    mask_HW = fill_outlines(_outlines(folder, image_id), image_HW.shape)
    share = sum(mask_HW[panel.slices].sum() for panel in panels) / mask_HW.sum() if mask_HW.any() else None
    return Capture(image_id, is_labelled, field, panels, find_text(image_HW), text_inside, text_left, share)


def _outlines(folder: Path, image_id: str) -> list[np.ndarray]:
    """Polygons of one image as far as they are whole; only what these tests need of the set's annotation."""
    case, number = image_id.split("_")
    text = (folder / f"{case}.xml").read_text(errors="replace")
    found = []
    for image, svg in re.findall(r"<image>(\d+)</image>\s*<svg>(.*?)</svg>", text, re.S):
        for points in re.findall(r'"points"\s*:\s*(\[[^\]]*\])', svg.replace("&quot;", '"')) if image == number else ():
            polygon = [(point["x"], point["y"]) for point in json.loads(points)]
            found += [np.array(polygon)] if len(polygon) >= 8 else []
    return found


@pytest.mark.part("ddti")
def test_real_outlines_are_kept(captures):
    shares = {c.image_id: c.share_inside for c in captures if c.share_inside is not None}
    assert len(shares) >= 340
    cut = {image_id: share for image_id, share in shares.items() if share < 0.995 and image_id != OUTLINE_IN_MARGIN}
    assert len(cut) <= 3, cut
    assert min(cut.values(), default=1.0) > 0.98, cut  # outlines drawn some pixels beyond the side of the field


@pytest.mark.part("ddti")
def test_real_fields_leave_the_screen_out(captures):
    for capture in captures:
        assert capture.field.y1 <= 335, capture
        assert capture.field.width * capture.field.height >= 0.2 * 360 * 560, capture


@pytest.mark.part("ddti")
def test_real_split_screens(captures):
    found = {c.image_id for c in captures if len(c.panels) == 2}
    assert all(len(c.panels) in (1, 2) for c in captures)
    assert found == set(SPLIT_SCREENS.split())


@pytest.mark.part("ddti")
def test_real_text_is_named_before_the_crop_and_none_after(captures):
    for capture in captures:
        below = [row for row in capture.text if row.y0 >= capture.field.y1 and row.width > 20]
        assert below or not capture.is_labelled, capture
    assert sum(capture.is_labelled for capture in captures) == 59
    assert {c.image_id for c in captures if c.text_inside} == set(TEXT_ON_TISSUE)
    assert not any(c.text_left for c in captures)


@pytest.mark.part("tg3k")
def test_real_clean_frames_keep_the_gland():
    folder = part_path("tg3k")
    paths = sorted((folder / "image").glob("*.jpg"))[::40]
    assert paths
    for path in paths:
        image_HW = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask_HW = cv2.imread(str(folder / "mask" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE) > 0
        field = field_of_view(image_HW)
        assert find_panels(image_HW, field) == (field,), path.name
        assert mask_HW[field.slices].sum() >= 0.95 * mask_HW.sum(), path.name


# What scanners draw around the field.


def test_lines_of_text_close_above_a_small_field_are_no_view() -> None:
    field = Box(4, 56, 316, 170)
    image_HW = np.zeros((240, 320), np.uint8)
    image_HW[field.slices] = speckle_HW(field.height, field.width, seed=3)
    for row in range(4):
        for x, text in ((10, "HOSPITAL MED 44CG43"), (170, "3cm M12L MSCSKEL 78DR")):
            cv2.putText(image_HW, text, (x, 20 + 9 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.34, 255, 1, cv2.LINE_8)
    found = field_of_view(image_HW)
    assert np.abs(np.array(found) - field).max() <= 3
    assert find_panels(image_HW, found) == (found,)


def test_a_menu_bar_at_the_foot_is_no_part_of_the_field() -> None:
    field = Box(90, 20, 226, 200)
    rng = np.random.default_rng(0)
    image_HW = rng.integers(0, 4, (240, 320)).astype(np.uint8)
    image_HW[:20], image_HW[:, :60] = 1, 1  # what the codec left of the ground is not everywhere
    image_HW[field.slices] = speckle_HW(field.height, field.width, seed=1)
    image_HW[226:] = rng.integers(40, 60, (14, 320))
    write(image_HW, "0  Sector  MB Off", 100, 238, 120)
    found = field_of_view(image_HW)
    assert found.y1 <= 226
    assert np.abs(np.array(found) - field)[[0, 1, 2]].max() <= 4


def test_a_flat_bar_with_text_on_it_is_no_ultrasound() -> None:
    field = Box(300, 75, 560, 300)
    image_HW = np.random.default_rng(1).integers(0, 2, (350, 800)).astype(np.uint8)
    image_HW[:60] = 58
    for x in range(10, 780, 90):
        write(image_HW, "5/25/2011", x, 25, 230)
        write(image_HW, "MI 1.1", x, 50, 230)
    image_HW[field.slices] = speckle_HW(field.height, field.width, seed=2)
    found = field_of_view(image_HW)
    assert np.abs(np.array(found) - field).max() <= 4


def region(box: Box, kind: str = "tissue", is_two_d: bool = True) -> Region:
    return Region(box, kind, is_two_d, True, None, None)


def test_regions_of_a_header_bound_the_field() -> None:
    whole_HW = speckle_HW(300, 400, seed=5)
    height, width = whole_HW.shape
    seen = field_of_view(whole_HW)
    assert seen == Box(0, 0, width, height)
    tissue, trace = region(Box(50, 20, 350, 200)), region(Box(50, 210, 350, 290), "spectral Doppler", is_two_d=False)
    assert field_of_view(whole_HW, None, (tissue, trace)) == tissue.box
    assert field_of_view(whole_HW, None, (trace,)) == seen
    left, right = region(Box(10, 20, 190, 200)), region(Box(200, 20, 390, 200), "colour flow")
    assert field_of_view(whole_HW, None, (left, right)) == Box(10, 20, 390, 200)
    field = Box(100, 40, 460, 300)
    screen = screen_HW(field)
    inside = field_of_view(screen, None, (region(Box(60, 10, 500, 200)),))
    assert inside == field_of_view(screen)._replace(y1=200), "what the picture shows of it"
    assert field_of_view(screen, None, (region(Box(470, 310, 550, 350)),)) == Box(470, 310, 550, 350)


@pytest.mark.parametrize(
    ("name", "field", "num_views"),
    [
        ("examples_rgb_color.dcm", (4, 54, 317, 169), 1),
        ("examples_ybr_color.dcm", (90, 27, 226, 202), 1),
        ("examples_jpeg2k.dcm", (9, 108, 632, 337), 2),
    ],
)
def test_fields_of_real_scanners_as_read_by_eye(name: str, field: tuple[int, ...], num_views: int) -> None:
    from pydicom.data import get_testdata_file

    from thyrosight.frames.load import open_frames

    with open_frames(Path(str(get_testdata_file(name, download=False)))) as file:
        frame = file.frame(0)
    found = field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    assert np.abs(np.array(found) - field).max() <= 4
    assert len(find_panels(frame.image_HW, found)) == num_views
