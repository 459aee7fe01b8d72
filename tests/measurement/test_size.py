"""measure: hand-computed sizes, and what rotating, moving, scaling and stretching must do to them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.errors import InputError
from thyrosight.measurement.size import NO_SPACING, ellipsoid_volume_mm3, measure
from thyrosight.phantom.draw import PlannedNodule, nodule_truth
from thyrosight.phantom.nodule import draw_descriptors, draw_outline
from thyrosight.phantom.records import PhantomNodule, PhantomSettings, make_grid
from thyrosight.types import Box, Spacing

SPACINGS = st.builds(Spacing, st.floats(0.02, 3.0), st.floats(0.02, 3.0))


def rectangle_HW(width: int, height: int, x0: int = 3, y0: int = 2) -> np.ndarray:
    mask_HW = np.zeros((height + y0 + 4, width + x0 + 5), bool)
    mask_HW[y0 : y0 + height, x0 : x0 + width] = True
    return mask_HW


def ellipse_HW(semi_long: float, semi_short: float, degrees: float, size: int = 200) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = math.radians(degrees)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return (u / semi_long) ** 2 + (v / semi_short) ** 2 <= 1


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask_HW = rng.random((height, width)) < draw(st.floats(0.05, 1.0))
    mask_HW[height // 2, width // 2] = True
    return mask_HW


def test_rectangle_by_hand():
    m = measure(rectangle_HW(12, 5), Spacing(row_mm=0.2, column_mm=0.1))
    assert (m.area_px, m.transverse_px, m.anteroposterior_px) == (60, 12.0, 5.0)
    assert m.longest_px == pytest.approx(13.0)  # 5, 12, 13
    assert m.area_mm2 == pytest.approx(60 * 0.02)
    assert (m.transverse_mm, m.anteroposterior_mm) == (pytest.approx(1.2), pytest.approx(1.0))
    assert m.longest_mm == pytest.approx(math.hypot(1.2, 1.0))
    assert m.perpendicular_mm == pytest.approx(2 * 1.2 * 1.0 / math.hypot(1.2, 1.0))  # twice a corner's height
    assert m.mm_reason is None
    assert not m.taller_than_wide


def test_rectangle_without_spacing():
    m = measure(rectangle_HW(3, 4, x0=0, y0=0), None)
    assert (m.longest_px, m.perpendicular_px) == (pytest.approx(5.0), pytest.approx(4.8))
    assert sorted(m.longest_ends_xy) in ([(-0.5, -0.5), (2.5, 3.5)], [(-0.5, 3.5), (2.5, -0.5)])
    assert [m.area_mm2, m.longest_mm, m.perpendicular_mm, m.anteroposterior_mm, m.transverse_mm] == [None] * 5
    assert m.mm_reason == NO_SPACING
    assert m.taller_than_wide


def test_one_pixel():
    m = measure(np.ones((1, 1), bool), Spacing(2.0, 2.0))
    assert (m.area_px, m.transverse_px, m.anteroposterior_px, m.taller_than_wide) == (1, 1.0, 1.0, False)
    assert (m.longest_mm, m.perpendicular_mm) == (pytest.approx(2), pytest.approx(2))  # as long as its sides


def test_taller_than_wide_is_decided_in_millimetres():
    assert measure(rectangle_HW(10, 9), Spacing(row_mm=0.2, column_mm=0.1)).taller_than_wide
    assert not measure(rectangle_HW(9, 10), Spacing(row_mm=0.1, column_mm=0.2)).taller_than_wide
    assert not measure(rectangle_HW(10, 10), None).taller_than_wide


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 133])
def test_ellipse_at_any_angle(degrees):
    m = measure(ellipse_HW(70, 40, degrees), None)
    assert m.longest_px == pytest.approx(140, rel=0.004)
    assert m.perpendicular_px == pytest.approx(80, rel=0.004)
    (x0, y0), (x1, y1) = m.longest_ends_xy
    off = (math.degrees(math.atan2(y1 - y0, x1 - x0)) - degrees) % 180
    assert min(off, 180 - off) < 5  # the tip of a pixel ellipse is a straight edge some pixels long
    assert m.area_px == pytest.approx(math.pi * 70 * 40, rel=0.01)


def test_wide_pixels_make_a_disc_of_an_ellipse():
    m = measure(ellipse_HW(80, 40, 90), Spacing(row_mm=0.1, column_mm=0.2))
    assert m.longest_mm == pytest.approx(16, rel=0.004)
    assert m.perpendicular_mm == pytest.approx(16, rel=0.004)
    assert m.area_mm2 == pytest.approx(math.pi * 64, rel=0.01)


@settings(max_examples=60)
@given(blobs(), st.integers(0, 9), st.integers(0, 9))
def test_moving_changes_nothing_but_the_ends(mask_HW, dx, dy):
    plain, moved = measure(mask_HW, None), measure(np.pad(mask_HW, ((dy, 3), (dx, 2))), None)
    for name in ("area_px", "longest_px", "perpendicular_px", "anteroposterior_px", "transverse_px"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name))
    for (x0, y0), (x1, y1) in zip(plain.longest_ends_xy, moved.longest_ends_xy, strict=True):
        assert (x1, y1) == pytest.approx((x0 + dx, y0 + dy))


@settings(max_examples=60)
@given(blobs(), SPACINGS)
def test_a_quarter_turn_swaps_the_extents(mask_HW, spacing):
    plain = measure(mask_HW, spacing)
    turned = measure(np.rot90(mask_HW).copy(), Spacing(spacing.column_mm, spacing.row_mm))
    assert turned.longest_mm == pytest.approx(plain.longest_mm)
    assert turned.area_mm2 == pytest.approx(plain.area_mm2)
    swapped = (plain.anteroposterior_mm, plain.transverse_mm)
    assert (turned.transverse_mm, turned.anteroposterior_mm) == pytest.approx(swapped)


@settings(max_examples=40)
@given(blobs(), st.integers(3, 5))
def test_scaling_scales_lengths_and_squares_areas(mask_HW, scale):
    """Three times as large the steps are straight runs with corners, so the outline is the pixels' own."""
    plain, large = measure(mask_HW, None), measure(np.kron(mask_HW, np.ones((scale, scale), bool)), None)
    assert large.area_px == plain.area_px * scale**2
    larger = measure(np.kron(mask_HW, np.ones((3 * scale, 3 * scale), bool)), None)
    for name in ("longest_px", "anteroposterior_px", "transverse_px"):
        assert getattr(larger, name) == pytest.approx(getattr(large, name) * 3)
        assert getattr(large, name) == pytest.approx(getattr(plain, name) * scale, abs=1.5 * scale)


@settings(max_examples=60)
@given(blobs(), SPACINGS)
def test_millimetres_bound_each_other_and_belong_to_the_ends(mask_HW, spacing):
    m = measure(mask_HW, spacing)
    step_xy = np.array([spacing.column_mm, spacing.row_mm])
    longest_xy, perpendicular_xy = (np.array(e) * step_xy for e in (m.longest_ends_xy, m.perpendicular_ends_xy))
    assert math.dist(*longest_xy) == pytest.approx(m.longest_mm)
    assert math.dist(*perpendicular_xy) == pytest.approx(m.perpendicular_mm)
    across = float((longest_xy[1] - longest_xy[0]) @ (perpendicular_xy[1] - perpendicular_xy[0]))
    assert across == pytest.approx(0, abs=1e-6 * m.longest_mm**2)
    diagonal_mm = math.hypot(m.transverse_mm, m.anteroposterior_mm)
    assert max(m.transverse_mm, m.anteroposterior_mm) <= m.longest_mm * (1 + 1e-9) <= diagonal_mm * (1 + 2e-9)
    assert m.perpendicular_mm <= m.longest_mm * (1 + 1e-9)
    slack_mm = max(spacing)  # the outline may round a pixel's corner off
    assert m.area_mm2 <= (m.longest_mm + slack_mm) * (m.perpendicular_mm + slack_mm)


@given(blobs())
def test_longest_lies_between_the_pixels_centres_and_their_corners(mask_HW):
    rows, columns = np.nonzero(mask_HW)
    for reach, is_bound_below in ((0, True), (0.5, False)):
        corners = {
            (x + dx, y + dy)
            for x, y in zip(columns, rows, strict=True)
            for dx in (-reach, reach)
            for dy in (-reach, reach)
        }
        points = np.array(sorted(corners), float)
        bound = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1).max())
        longest = measure(mask_HW, None).longest_px
        assert longest >= bound - 1e-9 if is_bound_below else longest <= bound + 1e-9


def truths(num: int, depth_rows: int, seed: int) -> list[tuple[np.ndarray, Spacing, PhantomNodule]]:
    """-> phantom nodules of 5 to 32 mm on a screen of so many rows: mask, spacing, truth by the curve itself."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < num:
        descriptors = draw_descriptors(rng, PhantomSettings())
        size_mm = float(np.clip(rng.lognormal(np.log(13.5), 0.42), 5.0, 32.0))
        spacing = Spacing(*(rng.uniform(33, 50) / depth_rows * np.array([1.0, rng.uniform(0.8, 1.25)])))
        outline = draw_outline(rng, descriptors, size_mm, "transverse")
        width_px, height_px = np.ptp(outline.vertices_mm(), axis=0) / spacing[::-1]
        grid = make_grid((int(height_px) + 30, int(width_px) + 30), spacing)
        middle_mm = outline.vertices_mm().min(axis=0) / 2 + outline.vertices_mm().max(axis=0) / 2
        centre_mm = np.array([0, grid.depth_mm / 2]) - middle_mm + rng.uniform(-1, 1, 2) * spacing[::-1]
        outline = replace(outline, centre_mm=(float(centre_mm[0]), float(centre_mm[1])))
        truth = nodule_truth(PlannedNodule(descriptors, 0, size_mm), outline, 0, Box(0, 0, *grid.shape[::-1]), grid)
        found.append((outline.relative(grid)[0] <= 1, spacing, truth))
    return found


def test_phantom_nodules_within_half_a_per_cent():
    """From the true mask at 560 rows over 33-50 mm; the perpendicular where no other diameter is nearly the longest."""
    names = ("area_mm2", "longest_mm", "perpendicular_mm", "anteroposterior_mm", "transverse_mm")
    errors: dict[str, list[float]] = {name: [] for name in names}
    num_right = 0
    for mask_HW, spacing, truth in truths(100, 560, seed=7):
        found = measure(mask_HW, spacing)
        num_right += found.taller_than_wide == (truth.anteroposterior_mm > truth.transverse_mm)
        for name in names:
            if name != "perpendicular_mm" or truth.longest_mm > 1.25 * truth.perpendicular_mm:
                errors[name].append(abs(getattr(found, name) / getattr(truth, name) - 1))
    print({name: f"n {len(e)}, median {np.median(e):.2%}, largest {max(e):.2%}" for name, e in errors.items()})
    assert num_right == 100
    for name in ("area_mm2", "longest_mm", "anteroposterior_mm", "transverse_mm"):
        assert max(errors[name]) <= 0.005, name
    assert np.quantile(errors["perpendicular_mm"], 0.95) <= 0.005


def test_what_is_as_tall_as_wide_is_not_taller():
    for radius in (5.0, 9.3, 20.0, 33.1):
        disc_HW = ellipse_HW(radius, radius, 0, size=90)
        assert not measure(disc_HW, None).taller_than_wide
        assert not measure(disc_HW, Spacing(0.07, 0.07)).taller_than_wide


@pytest.mark.parametrize("radius", [10, 20, 40, 80])
def test_diameters_of_discs_favour_no_direction(radius):
    rng = np.random.default_rng(radius)
    rows, columns = np.mgrid[: 2 * radius + 8, : 2 * radius + 8]
    found = []
    for x, y in rng.uniform(radius + 3, radius + 4, (8, 2)):
        found.append(measure((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, None))
    for name in ("longest_px", "perpendicular_px", "anteroposterior_px", "transverse_px"):
        assert np.mean([getattr(m, name) for m in found]) == pytest.approx(2 * radius, abs=0.3)


def test_volume_of_an_ellipsoid():
    assert ellipsoid_volume_mm3(10, 10, 10) == pytest.approx(4 / 3 * math.pi * 125)
    assert ellipsoid_volume_mm3(20, 10, 30) == pytest.approx(math.pi / 6 * 6000)
    for bad in ((0, 1, 1), (1, -1, 1), (1, 1, math.nan)):
        with pytest.raises(InputError, match="above zero"):
            ellipsoid_volume_mm3(*bad)


def test_wrong_inputs_are_named():
    with pytest.raises(InputError, match="empty"):
        measure(np.zeros((4, 4), bool), None)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="above zero"):
            measure(np.ones((2, 2), bool), Spacing(1.0, bad))
