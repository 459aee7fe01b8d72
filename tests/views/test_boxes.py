"""Boxes -> masks of a view, by hand."""

from __future__ import annotations

import numpy as np

from thyrosight.types import Box
from thyrosight.views.boxes import box_iou, box_masks, clipped


def test_the_ellipse_touches_all_four_sides_and_holds_the_core() -> None:
    box = Box(20, 10, 60, 40)
    inside, ellipse, core = box_masks([box], Box(0, 0, 80, 50))
    assert inside.sum() == 40 * 30
    assert np.flatnonzero(ellipse.any(axis=1)).tolist() == list(range(10, 40))
    assert np.flatnonzero(ellipse.any(axis=0)).tolist() == list(range(20, 60))
    assert abs(ellipse.sum() / inside.sum() - np.pi / 4) < 0.02
    assert abs(core.sum() / ellipse.sum() - 0.75**2) < 0.02
    assert not (core & ~ellipse).any()
    assert not (ellipse & ~inside).any()


def test_boxes_are_placed_in_the_view_and_cut_at_its_edge() -> None:
    inside, _, core = box_masks([Box(100, 50, 120, 70), Box(10, 10, 40, 40), Box(0, 0, 5, 5)], Box(30, 20, 130, 90))
    assert inside[30:50, 70:90].all()
    assert inside[:20, :10].all(), "the part of the second box inside the view"
    assert inside.sum() == 20 * 20 + 20 * 10
    assert core[40, 80]


def test_a_box_of_one_pixel_has_a_core() -> None:
    inside, ellipse, core = box_masks([Box(3, 4, 4, 5)], Box(0, 0, 8, 8))
    assert inside.sum() == ellipse.sum() == core.sum() == 1


def test_iou_by_hand() -> None:
    assert box_iou(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1.0
    assert box_iou(Box(0, 0, 10, 10), Box(5, 0, 15, 10)) == 50 / 150
    assert box_iou(Box(0, 0, 10, 10), Box(10, 0, 20, 10)) == 0.0
    assert clipped(Box(0, 0, 4, 4), Box(4, 4, 8, 8)) is None
