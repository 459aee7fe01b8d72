"""A point or a box -> the network's outline there: also where the whole view has none, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from thyrosight.inference.point_outline import PointedAt, outline_where
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Box
from tiny_bundle import make_tiny_bundle

SIZE_HW, GROUND, DARK, FAINT = (120, 160), 150, 28, 95
PLAIN, MISSED = (40, 45, 16, 14), (112, 70, 18, 22)
"""Centre x, y and half axes of a nodule that the tiny network outlines, and of one that it misses."""


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1


def picture() -> np.ndarray:
    image = np.full(SIZE_HW, GROUND, np.float64)
    image[ellipse(*PLAIN)], image[ellipse(*MISSED)] = DARK, FAINT
    return np.clip(image + np.random.default_rng(0).normal(0, 3, SIZE_HW), 0, 255).astype(np.uint8)


def dice(a_HW: np.ndarray, b_HW: np.ndarray) -> float:
    return float(2 * (a_HW & b_HW).sum() / (a_HW.sum() + b_HW.sum()))


def test_a_click_finds_what_the_whole_view_has_missed(predictor: Predictor) -> None:
    examination = predictor.examine(picture())
    assert len(examination.prediction.nodules) == 1, "the faint one is missed"
    for place in (PLAIN, MISSED):
        pointed = PointedAt(((place[0] + 3, place[1] - 2),))
        found = outline_where(predictor, examination.frame, examination.raw, pointed)
        assert found is not None
        assert dice(found.mask_HW, ellipse(*place)) > 0.85
        assert not (found.mask_HW & ellipse(*(MISSED if place is PLAIN else PLAIN))).any()
        assert len(found.views) == (1 if place is PLAIN else 3), "one around what is known, or several around the point"


def test_a_box_finds_it_too(predictor: Predictor) -> None:
    examination = predictor.examine(picture())
    x, y, rx, ry = MISSED
    pointed = PointedAt(box=Box(x - rx - 3, y - ry - 2, x + rx + 4, y + ry + 3))
    found = outline_where(predictor, examination.frame, examination.raw, pointed)
    assert found is not None
    assert dice(found.mask_HW, ellipse(*MISSED)) > 0.85


def test_nothing_is_found_where_nothing_is(predictor: Predictor) -> None:
    examination = predictor.examine(picture())
    for pointed in (PointedAt(((75, 110),)), PointedAt(box=Box(60, 95, 90, 118)), PointedAt(((-5, 500),))):
        assert outline_where(predictor, examination.frame, examination.raw, pointed) is None


def test_the_threshold_is_the_readers(predictor: Predictor) -> None:
    examination = predictor.examine(picture())
    pointed = PointedAt((MISSED[:2],))
    areas = []
    for threshold in (0.05, 0.15, 0.3):
        found = outline_where(predictor, examination.frame, examination.raw, pointed, threshold)
        assert found is not None
        assert found.threshold == threshold
        areas.append(int(found.mask_HW.sum()))
    assert areas[0] > areas[1] > areas[2]
    assert outline_where(predictor, examination.frame, examination.raw, pointed, 0.9) is None


def test_a_point_outside_is_left_out(predictor: Predictor) -> None:
    examination = predictor.examine(picture())
    x, y, rx, _ = MISSED
    inside, outside = (x - 6.0, float(y)), (x + rx - 4.0, float(y))
    pointed = PointedAt((inside,), (outside,))
    found = outline_where(predictor, examination.frame, examination.raw, pointed)
    assert found is not None
    assert found.mask_HW[y, round(inside[0])]
    assert not found.mask_HW[y, round(outside[0])]
