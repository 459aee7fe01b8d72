"""The second look: where it goes, and what becomes of the first."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import phantom_case
from thyrosight.types import Box
from thyrosight.views.second_look import ROOM, SHARE, closer_views

VIEWS = (Box(10, 20, 210, 120), Box(220, 20, 300, 120))


def probability_with(*found: Box) -> np.ndarray:
    probability_HW = np.zeros((140, 320), np.float32)
    for box in found:
        probability_HW[box.slices] = 0.9
    return probability_HW


def test_it_is_centred_on_what_was_found() -> None:
    (box,) = closer_views(probability_with(Box(100, 60, 120, 70)), VIEWS)
    assert (box.width, box.height) == (round(SHARE * 200), round(SHARE * 100))
    assert ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) == (110, 65)


def test_it_stays_in_its_view_and_has_room() -> None:
    first, second = closer_views(probability_with(Box(10, 20, 20, 30), Box(222, 25, 290, 95)), VIEWS)
    assert (first.x0, first.y0) == (10, 20)
    assert (second.width, second.height) == (80, 100), "as large as the view where what was found is large"
    assert round(ROOM * 70) > 100
    assert closer_views(probability_with(), VIEWS) == ()
    assert closer_views(probability_with(Box(0, 0, 320, 15)), VIEWS) == (), "what lies outside the views"


@given(x0=st.integers(10, 208), y0=st.integers(20, 118), width=st.integers(1, 200), height=st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_it_holds_what_was_found(x0: int, y0: int, width: int, height: int) -> None:
    found = Box(x0, y0, min(x0 + width, 210), min(y0 + height, 120))
    (box,) = closer_views(probability_with(found), VIEWS)
    assert VIEWS[0].x0 <= box.x0 <= found.x0 < found.x1 <= box.x1 <= VIEWS[0].x1
    assert VIEWS[0].y0 <= box.y0 <= found.y0 < found.y1 <= box.y1 <= VIEWS[0].y1


def test_tta_looks_twice_and_agrees_with_the_first_look() -> None:
    plain, twice = Predictor.load(), Predictor.load(tta=True)
    for index in range(2):
        image_HW = phantom_case(4, index).image_HW
        first, second = plain.examine(image_HW), twice.examine(image_HW)
        assert (np.abs(second.raw.probability_HW - first.raw.probability_HW) > 0.5).mean() < 0.05
        assert (second.prediction.with_tta, first.prediction.with_tta) == (True, False)
