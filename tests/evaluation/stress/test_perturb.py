"""Every disturbance by hand on flat fields, and as a contract on any: only the field changes, more with strength."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout import ROOT
from thyrosight.evaluation.stress.perturb import LEVELS_PER_DB, PERTURBATIONS, STRENGTHS, Scene, perturb, rng_of
from thyrosight.measurement.size import measure
from thyrosight.phantom.cohort import phantom_case
from thyrosight.phantom.records import PhantomSettings
from thyrosight.types import Box
from thyrosight.views.calipers import INK_LEVEL
from thyrosight.views.screen_text import find_text

FIELD = Box(20, 10, 340, 310)
KINDS = list(PERTURBATIONS)


def flat(level: int = 100, field: Box = FIELD, panels: tuple[Box, ...] = ()) -> Scene:
    """A field of one gray level on a screen of 7, with a nodule of 80 x 50 pixels in it."""
    image_HW = np.full((330, 360), 7, np.uint8)
    image_HW[field.slices] = level
    reference_HW = np.zeros(image_HW.shape, np.bool_)
    reference_HW[100:150, 120:200] = True
    return Scene(image_HW, reference_HW, field, panels)


def textured(seed: int = 0) -> Scene:
    phantom = phantom_case(seed, 1, PhantomSettings(split_screen=0.0))
    height, width = phantom.image_HW.shape
    return Scene(phantom.image_HW, phantom.mask_HW, Box(0, 0, width, height))


def changed(scene: Scene, kind: str, strength: int, case_id: str = "a") -> Scene:
    disturbed = perturb(scene, kind, strength, rng_of(0, case_id, kind))
    assert disturbed is not None
    return disturbed


def field_of(scene: Scene, kind: str, strength: int, case_id: str = "a") -> np.ndarray:
    return changed(scene, kind, strength, case_id).image_HW[scene.fov.slices]


# Contracts


def test_nine_kinds_of_five_strengths_each_with_its_meaning() -> None:
    assert KINDS == ["gain", "gamma", "speckle", "blur", "jpeg", "depth", "shadow", "calipers", "text"]
    for strengths in PERTURBATIONS.values():
        assert len({strength.meaning for strength in strengths}) == len(strengths) == len(STRENGTHS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_strength_changes_more(kind: str) -> None:
    for case_id in ("a", "b", "c"):
        scene = textured()
        changes = [
            np.abs(changed(scene, kind, strength, case_id).image_HW.astype(int) - scene.image_HW).mean()
            for strength in STRENGTHS
        ]
        assert 0 < changes[0] < changes[1] < changes[2] < changes[3] < changes[4], changes


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_case_is_disturbed_alike_and_nothing_given_is_written_to(kind: str) -> None:
    scene = textured()
    image_HW, reference_HW = (
        scene.image_HW.copy(),
        scene.reference_HW.copy() if scene.reference_HW is not None else None,
    )
    first, second = changed(scene, kind, 3), changed(scene, kind, 3)
    assert np.array_equal(first.image_HW, second.image_HW)
    assert np.array_equal(scene.image_HW, image_HW)
    assert reference_HW is not None
    assert np.array_equal(scene.reference_HW, reference_HW)


@pytest.mark.parametrize("kind", ["gain", "gamma", "speckle", "shadow", "calipers", "text"])
def test_cases_and_seeds_draw_differently(kind: str) -> None:
    scene = textured()
    pictures = {changed(scene, kind, 3, case_id).image_HW.tobytes() for case_id in "abcdefgh"}
    assert len(pictures) > 1
    drawn = {rng_of(seed, "a", kind).random() for seed in range(4)}
    assert len(drawn) == 4


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(24, 150), st.integers(24, 150)),
    corner=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
    is_split=st.booleans(),
    kind=st.sampled_from(KINDS),
    strength=st.sampled_from(STRENGTHS),
    seed=st.integers(0, 9),
)
def test_only_the_field_changes_whatever_its_size(
    size: tuple[int, int], corner: tuple[float, float], is_split: bool, kind: str, strength: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    height, width = size
    x0, y0 = int(corner[0] * width), int(corner[1] * height)
    fov = Box(x0, y0, width - x0 // 2, height - y0 // 2)
    half = (fov.x0 + fov.x1) // 2
    panels = (fov._replace(x1=half), fov._replace(x0=half)) if is_split else ()
    reference_HW = np.zeros(size, np.bool_)
    reference_HW[y0 : y0 + 9, x0 : x0 + 9] = True  # at the field's corner, so that what is drawn there is cut off
    scene = Scene(rng.integers(0, 256, size, dtype=np.uint8), reference_HW, fov, panels)
    disturbed = changed(scene, kind, strength)
    outside_HW = np.ones(size, np.bool_)
    outside_HW[fov.slices] = False
    assert disturbed.image_HW.shape == size
    assert disturbed.image_HW.dtype == np.uint8
    assert np.array_equal(disturbed.image_HW[outside_HW], scene.image_HW[outside_HW])
    assert len(disturbed.panels) == len(panels)
    assert all(view.height >= 1 and view.y1 <= disturbed.fov.y1 for view in disturbed.views)
    if kind != "depth":
        assert disturbed.fov == fov
        assert disturbed.panels == panels
        assert disturbed.reference_HW is scene.reference_HW


def test_the_reference_says_what_every_strength_means() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for kind, strengths in PERTURBATIONS.items():
        for number, strength in enumerate(strengths, start=1):
            assert f"| `{kind}` | {number} | {strength.meaning} |" in text, "run `make reference`"


# By hand


def test_gain_adds_decibels_up_or_down_and_leaves_black_black() -> None:
    levels = {int(field_of(flat(100), "gain", 2, case_id)[0, 0]) for case_id in "abcdefgh"}
    assert levels == {100 - 16, 100 + 16}, "4 dB are 16 levels"
    assert set(np.unique(field_of(flat(0), "gain", 5))) == {0}
    assert {int(field_of(flat(12), "gain", 2, case_id)[0, 0]) for case_id in "abcdefgh"} == {12 - 8, 12 + 8}


def test_gamma_is_a_power_of_the_share_of_white() -> None:
    levels = {int(field_of(flat(128), "gamma", 4, case_id)[0, 0]) for case_id in "abcdefgh"}
    assert levels == {round(255 * (128 / 255) ** 2), round(255 * (128 / 255) ** 0.5)}
    for level in (0, 255):
        assert set(np.unique(field_of(flat(level), "gamma", 5))) == {level}


def test_speckle_has_its_standard_deviation_in_decibels_and_a_wide_grain() -> None:
    field_HW = field_of(flat(140), "speckle", 3).astype(float)
    assert field_HW.std() == pytest.approx(3.0 * LEVELS_PER_DB, rel=0.05)
    assert field_HW.mean() == pytest.approx(140, abs=1)
    deviation_HW = field_HW - field_HW.mean()
    across, down = ((deviation_HW * np.roll(deviation_HW, 1, axis)).mean() for axis in (1, 0))
    assert across > down > 0, "neighbours in a row are more alike than neighbours in a column"


def test_blur_keeps_a_flat_field_and_softens_an_edge_by_its_sigma() -> None:
    assert np.array_equal(field_of(flat(), "blur", 5), np.full((300, 320), 100))
    scene = flat(0)
    scene.image_HW[10:310, 180:340] = 200
    profile = np.diff(field_of(scene, "blur", 4)[150].astype(float))
    x = np.arange(len(profile))
    centre = (profile * x).sum() / profile.sum()
    assert np.sqrt((profile * (x - centre) ** 2).sum() / profile.sum()) == pytest.approx(0.01 * 300, rel=0.1)


def test_depth_cuts_views_field_pixels_and_reference() -> None:
    disturbed = changed(flat(), "depth", 5)
    assert disturbed.fov == Box(20, 10, 340, 10 + 300 - 120), "lowest 40 %"
    assert set(np.unique(disturbed.image_HW[190:310, 20:340])) == {0}
    assert set(np.unique(disturbed.image_HW[10:190, 20:340])) == {100}
    low = flat()
    assert low.reference_HW is not None
    assert disturbed.reference_HW is not None
    assert disturbed.reference_HW.sum() == 50 * 80, "the nodule ends at row 150, above the cut"
    low.reference_HW[:] = False
    low.reference_HW[180:200, 50:60] = True
    cut_HW = changed(low, "depth", 5).reference_HW
    assert cut_HW is not None
    assert cut_HW.sum() == 10 * 10, "rows 180 to 189 are left"


def test_depth_cuts_each_of_two_views_one_above_the_other() -> None:
    upper, lower = Box(20, 10, 340, 110), Box(20, 110, 340, 310)
    disturbed = changed(flat(panels=(upper, lower)), "depth", 2)
    assert disturbed.panels == (Box(20, 10, 340, 100), Box(20, 110, 340, 290))
    assert disturbed.fov == Box(20, 10, 340, 290)
    assert set(np.unique(disturbed.image_HW[100:110, 20:340])) == {0}


def test_a_shadow_is_cast_downwards_in_every_view_as_wide_and_dark_as_it_says() -> None:
    left, right = FIELD._replace(x1=180), FIELD._replace(x0=180)
    disturbed = changed(flat(200, panels=(left, right)), "shadow", 3)
    for view in (left, right):
        view_HW = disturbed.image_HW[view.slices].astype(int)
        assert set(np.unique(view_HW[: int(0.05 * view.height)])) == {200}, "nothing above its start"
        assert view_HW.min() == pytest.approx(200 - 12 * LEVELS_PER_DB, abs=2), "12 dB"
        assert (view_HW[-1] < 200 - 6 * LEVELS_PER_DB).sum() == pytest.approx(0.1 * view.width, abs=2)
        assert (np.diff(view_HW, axis=0) <= 0).all(), "the deeper, the darker"


def test_calipers_stand_at_the_ends_of_both_diameters_of_the_reference() -> None:
    scene = flat()
    assert scene.reference_HW is not None
    size = measure(scene.reference_HW, None)
    for strength, has_second in ((1, False), (2, True)):
        ink_HW = changed(scene, "calipers", strength).image_HW == INK_LEVEL
        ends_xy = [*size.longest_ends_xy] + [*size.perpendicular_ends_xy] * has_second
        for x, y in ends_xy:
            x, y = round(x), round(y)
            for dx, dy in ((3, 0), (-3, 0), (0, 3), (0, -3)):
                assert ink_HW[y + dy, x + dx], "an arm"
            assert not ink_HW[y + 3, x + 3]
        untouched = [] if has_second else [*size.perpendicular_ends_xy]
        for x, y in untouched:
            assert not ink_HW[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].any()
    middle_HW = changed(scene, "calipers", 2).image_HW[110:140, 140:180] == INK_LEVEL
    assert 4 <= middle_HW.sum() <= 40, "dots, not a line"
    assert not (changed(scene, "calipers", 1).image_HW[110:140, 140:180] == INK_LEVEL).any()


def test_each_nodule_is_measured_also_where_two_meet_at_the_seam() -> None:
    left, right = FIELD._replace(x1=160), FIELD._replace(x0=160)
    whole, split = flat(), flat(panels=(left, right))
    num_whole, num_split = ((changed(scene, "calipers", 1).image_HW == INK_LEVEL).sum() for scene in (whole, split))
    assert num_split > 1.5 * num_whole


def test_calipers_need_an_outline() -> None:
    scene = flat()
    assert perturb(replace(scene, reference_HW=None), "calipers", 2, rng_of(0, "a", "calipers")) is None
    empty_HW = np.zeros_like(scene.image_HW, np.bool_)
    assert perturb(replace(scene, reference_HW=empty_HW), "calipers", 2, rng_of(0, "a", "calipers")) is None


@pytest.mark.parametrize("strength", STRENGTHS)
def test_what_is_written_reads_as_text(strength: int) -> None:
    """Screen text in a field is filled in before a network sees it; what is drawn here has to meet that."""
    rows = find_text(changed(flat(60), "text", strength).image_HW, FIELD)
    assert len(rows) >= min(strength, 3)
    ink_HW = changed(flat(60), "text", strength).image_HW == INK_LEVEL
    found_HW = np.zeros_like(ink_HW)
    for row in rows:
        found_HW[row.slices] = True
    assert (ink_HW & found_HW).sum() > 0.6 * ink_HW.sum()
