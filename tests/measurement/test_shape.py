"""fine_outline, shape: discs, ellipses and squares whose measures are known, and what lobes and turning do to them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.measurement.fine_outline import fine_outlines, staircases
from thyrosight.measurement.shape import (
    SCALE_SHARE,
    SEVERAL_PARTS,
    TOO_SMALL,
    Shape,
    bending_energy,
    ellipse_alike,
    outline_shape,
    shape_of,
    signed_area,
)
from thyrosight.types import Spacing


def disc_HW(radius: float, x: float = 0.0, y: float = 0.0, wide: float = 1.0) -> np.ndarray:
    half = int(radius * max(wide, 1)) + 5
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    return ((columns - x) / wide) ** 2 + (rows - y) ** 2 <= radius**2


def wavy_HW(order: int, wave: float, radius: float = 60.0, turn: float = 0.0) -> np.ndarray:
    rows, columns = np.mgrid[-90:91, -90:91]
    angle = np.arctan2(rows, columns) - turn
    return np.hypot(rows, columns) <= radius * (1 + wave * np.cos(order * angle))


def ellipse_xy(a: float, b: float, num: int = 4000) -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, num, endpoint=False)
    return np.stack([a * np.cos(t), b * np.sin(t)], axis=1)


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask_HW = rng.random((draw(st.integers(1, 12)), draw(st.integers(1, 12)))) < draw(st.floats(0.1, 1.0))
    mask_HW[0, 0] = True
    return mask_HW


@given(blobs())
def test_the_staircase_is_closed_and_holds_the_filled_mask(mask_HW):
    heading_xy = np.array([(0, -1), (-1, 0), (0, 1), (1, 0)])
    area = 0.0
    for steps in staircases(mask_HW):
        starts_xy = steps.middle_xy - heading_xy[steps.side] / 2
        ends_xy = steps.middle_xy + heading_xy[steps.side] / 2
        assert np.array_equal(np.roll(starts_xy, -1, axis=0), ends_xy)
        area += abs(signed_area(ends_xy))
    filled_HW = np.zeros(mask_HW.shape, np.uint8)
    contours, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled_HW, contours, -1, 1, -1)
    assert area == np.count_nonzero(filled_HW)


@settings(max_examples=60)
@given(blobs())
def test_the_outline_stays_within_a_pixel_of_its_steps(mask_HW):
    for steps, fine_xy in zip(staircases(mask_HW), fine_outlines(mask_HW), strict=True):
        away = np.hypot(*(fine_xy[:, None] - steps.middle_xy[None]).transpose(2, 0, 1)).min(axis=1)
        assert away.max() <= 0.75


def test_a_rectangle_keeps_its_corners():
    mask_HW = np.zeros((40, 60), bool)
    mask_HW[5:35, 10:50] = True
    (outline_xy,) = fine_outlines(mask_HW)
    assert (outline_xy.min(axis=0).tolist(), outline_xy.max(axis=0).tolist()) == ([9.5, 4.5], [49.5, 34.5])
    found = outline_shape(outline_xy)
    assert found.perimeter == pytest.approx(140)
    assert found.compactness == pytest.approx(4 * math.pi * 1200 / 140**2)
    assert found.solidity == pytest.approx(1)


@pytest.mark.parametrize(("radius", "within"), [(8, 0.012), (20, 0.006), (40, 0.002), (120, 0.001)])
def test_discs_have_their_perimeter_and_compactness_one(radius, within):
    rng = np.random.default_rng(radius)
    for x, y in rng.uniform(-0.5, 0.5, (6, 2)):
        (outline_xy,) = fine_outlines(disc_HW(radius, x, y))
        off = np.hypot(*(outline_xy - [radius + 5 + x, radius + 5 + y]).T) - radius
        assert abs(off.mean()) < 0.06
        assert np.abs(off).max() < 0.35
        found = outline_shape(outline_xy)
        assert found.perimeter == pytest.approx(2 * math.pi * radius, rel=within)
        assert found.compactness == pytest.approx(1, abs=2.5 * within)
        assert found.bending_energy == pytest.approx(1, abs=0.05)
        assert found.irregularity < 0.05


def test_bending_energy_of_an_ellipse_by_its_integral():
    """P / (4 pi^2) times the integral of a^2 b^2 / (a^2 sin^2 + b^2 cos^2)^(5/2) dt, by the midpoint rule."""
    a, b = 3.0, 2.0
    t = (np.arange(100000) + 0.5) * 2 * math.pi / 100000
    speed = np.sqrt((a * np.sin(t)) ** 2 + (b * np.cos(t)) ** 2)
    perimeter = speed.mean() * 2 * math.pi
    expected = perimeter / (4 * math.pi**2) * ((a * b) ** 2 / speed**5).mean() * 2 * math.pi
    assert bending_energy(ellipse_xy(a, b)) == pytest.approx(expected, rel=0.02)  # the smoothing rounds its tips
    assert bending_energy(ellipse_xy(5, 5)) == pytest.approx(1, abs=1e-3)


def test_the_ellipse_alike_of_an_ellipse_is_itself():
    alike_xy = ellipse_alike(ellipse_xy(7, 3))
    assert np.ptp(alike_xy, axis=0) == pytest.approx([14, 6], rel=1e-3)


@pytest.mark.parametrize("wide", [1.0, 1.5, 2.2])
def test_an_ellipse_is_not_irregular(wide):
    found = shape_of(disc_HW(35, wide=wide), None)
    assert isinstance(found, Shape)
    assert found.irregularity < 0.05
    assert found.solidity == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.0])
def test_lobes_and_spikes_count_and_turning_does_not(turn):
    values = [shape_of(wavy_HW(order, wave, turn=turn), None) for order, wave in ((3, 0.02), (7, 0.05), (11, 0.05))]
    irregular = [value.irregularity for value in values]
    assert irregular[0] < 0.15 < 1.0 < irregular[1] < irregular[2]
    assert values[1].solidity < 0.99
    assert values[0].compactness > values[1].compactness > values[2].compactness
    # to first order the curvature of r = R (1 + w cos k t) varies by w (k^2 - 1), squared and halved on average
    seen = math.exp(-0.5 * (2 * math.pi * SCALE_SHARE * 7) ** 2)  # what the smoothing leaves of seven waves
    assert irregular[1] == pytest.approx((0.05 * 48 * seen) ** 2 / 2, rel=0.15)


def test_it_does_not_depend_on_the_resolution():
    coarse, fine = (shape_of(wavy_HW(6, 0.06, radius), None) for radius in (30.0, 80.0))
    assert coarse.irregularity == pytest.approx(fine.irregularity, rel=0.15)


def test_pixels_that_are_not_square_are_measured_in_millimetres():
    found = shape_of(disc_HW(30, wide=2.0), Spacing(row_mm=0.2, column_mm=0.1))
    assert found.perimeter == pytest.approx(2 * math.pi * 6, rel=0.005)
    assert found.compactness == pytest.approx(1, abs=0.01)


def test_what_has_no_one_margin_says_so():
    assert shape_of(np.ones((3, 3), bool), None) == TOO_SMALL
    two_HW = np.zeros((60, 120), bool)
    two_HW[10:40, 10:40] = two_HW[10:40, 70:100] = True
    assert shape_of(two_HW, None) == SEVERAL_PARTS
    specked_HW = disc_HW(20)
    specked_HW[0, 0] = True
    assert shape_of(specked_HW, None).compactness == pytest.approx(1, abs=0.01)
