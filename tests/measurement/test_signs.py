"""tissue, signs: hand-made images whose gray levels are known, and phantoms whose descriptors are."""

from __future__ import annotations

import numpy as np
import pytest

from thyrosight.errors import InputError
from thyrosight.measurement.shape import TOO_SMALL as COARSE
from thyrosight.measurement.signs import CUT_OFF, NO_IMAGE, nodule_signs
from thyrosight.measurement.tissue import DARK_TISSUE, NO_SOLID, NO_TISSUE, TOO_SMALL
from thyrosight.phantom.draw import draw_phantom
from thyrosight.phantom.records import PhantomSettings
from thyrosight.prediction import NoduleSigns
from thyrosight.types import Box, Spacing

ROWS, COLUMNS = np.mgrid[:240, :320]


def disc_HW(x: float, y: float, radius: float) -> np.ndarray:
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


NODULE_HW = disc_HW(160, 110, 40)


def picture(inside: float, outside: float, speckle: float = 0.0, seed: int = 0) -> np.ndarray:
    """Gray inside and outside the nodule, times Rayleigh speckle of that strength."""
    rng = np.random.default_rng(seed)
    image_HW = np.where(NODULE_HW, inside, outside).astype(np.float64)
    noise_HW = rng.rayleigh(1 / np.sqrt(np.pi / 2), image_HW.shape)
    return np.clip(image_HW * (1 + speckle * (noise_HW - 1)), 0, 255).astype(np.uint8)


def signs_of(image_HW: np.ndarray | None, mask_HW: np.ndarray = NODULE_HW, **more: object) -> NoduleSigns:
    return nodule_signs(mask_HW, image_HW, **({"spacing": None} | more))


def test_echogenicity_by_hand():
    signs = signs_of(picture(60, 100))
    assert (signs.echogenicity_ratio, signs.echogenicity_difference, signs.surrounding_gray) == (0.6, -40.0, 100.0)
    assert (signs.cystic_share, signs.num_foci, signs.foci) == (0.0, 0, ())
    assert (signs.shape_reason, signs.echogenicity_reason, signs.inside_reason) == (None, None, None)


def test_speckle_moves_it_little():
    found = [signs_of(picture(60, 100, 0.6, seed)) for seed in range(5)]
    assert [signs.echogenicity_ratio for signs in found] == pytest.approx([0.6] * 5, abs=0.03)
    assert max(signs.cystic_share for signs in found) < 0.03


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.5])
def test_gain_cancels_in_the_ratio(gain):
    assert signs_of(picture(60 * gain, 100 * gain)).echogenicity_ratio == pytest.approx(0.6, abs=0.01)


def test_cystic_share_by_hand():
    image_HW = picture(80, 100, 0.3)
    image_HW[NODULE_HW & (COLUMNS < 160)] = 8
    signs = signs_of(image_HW)
    assert signs.cystic_share == pytest.approx(0.5, abs=0.04)
    assert signs.echogenicity_ratio == pytest.approx(0.8, abs=0.04)  # of the solid half


def test_a_cyst_has_no_echogenicity_of_its_own():
    signs = signs_of(picture(5, 100))
    assert signs.cystic_share == 1.0
    assert (signs.echogenicity_ratio, signs.echogenicity_difference) == (None, None)
    assert signs.echogenicity_reason == NO_SOLID
    assert signs.inside_reason is None


def test_shadow_and_enhancement_behind_the_nodule_do_not_count():
    image_HW = picture(60, 100)
    behind_HW = (ROWS > 110) & (np.abs(COLUMNS - 160) <= 40) & ~NODULE_HW
    for gray in (0, 250):
        image_HW[behind_HW] = gray
        assert signs_of(image_HW).echogenicity_ratio == 0.6


def test_other_nodules_text_and_other_views_do_not_count():
    image_HW = picture(60, 100)
    other_HW = disc_HW(225, 110, 20)
    image_HW[other_HW] = 20
    image_HW[:, :100] = 240
    image_HW[50:60] = 255
    excluded_HW = other_HW.copy()
    excluded_HW[50:60] = True
    signs = signs_of(image_HW, excluded_HW=excluded_HW, view=Box(100, 0, 320, 240))
    assert (signs.surrounding_gray, signs.echogenicity_ratio) == (100.0, 0.6)


SPOTS = ((140, 100), (170, 90), (165, 125), (150, 130))


def test_foci_are_counted_where_they_are():
    image_HW = picture(70, 100, 0.25)
    for x, y in SPOTS:
        image_HW[disc_HW(x, y, 2.3)] = 235
    image_HW[disc_HW(230, 110, 3)] = 255  # outside
    signs = signs_of(image_HW, spacing=Spacing(0.15, 0.15))
    assert signs.num_foci == 4
    found = sorted(focus.centre_xy for focus in signs.foci)
    assert np.abs(np.array(found) - np.array(sorted(SPOTS))).max() < 1
    assert all(0.4 < focus.diameter_mm < 1.2 for focus in signs.foci)
    assert signs_of(image_HW).num_foci == 4
    assert signs_of(image_HW).foci[0].diameter_mm is None


def test_what_is_large_or_at_the_margin_is_no_focus():
    image_HW = picture(70, 100, 0.25)
    image_HW[disc_HW(160, 110, 12)] = 235
    image_HW[NODULE_HW & ~disc_HW(160, 110, 38.5)] = 235
    assert signs_of(image_HW, spacing=Spacing(0.15, 0.15)).num_foci == 0


def test_what_cannot_be_had_is_none_with_the_reason():
    image_HW = picture(60, 100)
    assert signs_of(None).inside_reason == NO_IMAGE
    assert signs_of(None).compactness == pytest.approx(1, abs=0.005)
    cut = signs_of(image_HW, view=Box(120, 0, 320, 240))
    assert (cut.compactness, cut.irregularity, cut.shape_reason) == (None, None, CUT_OFF)
    alone = signs_of(image_HW, view=Box(119, 69, 202, 152))
    assert (alone.echogenicity_ratio, alone.cystic_share, alone.num_foci) == (None, None, None)
    assert (alone.echogenicity_reason, alone.inside_reason, alone.shape_reason) == (NO_TISSUE, NO_TISSUE, None)
    assert signs_of(picture(60, 4)).inside_reason == DARK_TISSUE
    small = signs_of(image_HW, disc_HW(160, 110, 3))
    assert (small.inside_reason, small.shape_reason) == (TOO_SMALL, COARSE)
    with pytest.raises(InputError, match="empty"):
        signs_of(image_HW, np.zeros_like(NODULE_HW))


def test_millimetres_only_with_a_spacing():
    assert signs_of(None).perimeter_mm is None
    signs = signs_of(None, spacing=Spacing(0.1, 0.1))
    assert signs.perimeter_mm == pytest.approx(2 * np.pi * 4, rel=0.003)
    assert signs.perimeter_px == pytest.approx(2 * np.pi * 40, rel=0.003)


def area_under(low: list[float], high: list[float]) -> float:
    """-> the share of pairs in which the second is larger (AUROC)."""
    above = [(b > a) + 0.5 * (b == a) for a in low for b in high]
    return float(np.mean(above))


def test_phantoms_show_what_they_were_drawn_with():
    """60 phantom screens from their true masks; the words are the phantom's own truth."""
    settings = PhantomSettings(no_nodule=0, two_nodules=0, split_screen=0, text_in_field=0, calipers=0)
    found = []
    for seed in range(60):
        phantom = draw_phantom(np.random.default_rng(5000 + seed), settings)
        (nodule,) = phantom.nodules
        view = phantom.panels[nodule.panel]
        signs = nodule_signs(phantom.mask_HW, phantom.image_HW, spacing=phantom.spacing, view=view)
        found.append((nodule.descriptors, signs))
    solid = [(words, signs) for words, signs in found if words.composition == "solid"]
    fluid = [signs.cystic_share for words, signs in found if "cystic" in words.composition]
    firm = [signs.cystic_share for words, signs in solid if words.echogenicity != "very hypoechoic"]
    dark = [signs.echogenicity_ratio for words, signs in solid if "hypoechoic" in words.echogenicity]
    alike = [signs.echogenicity_ratio for words, signs in solid if words.echogenicity in ("isoechoic", "hyperechoic")]
    even = [signs.irregularity for words, signs in found if words.margin in ("smooth", "ill-defined")]
    lobed = [signs.irregularity for words, signs in found if words.margin not in ("smooth", "ill-defined")]
    none = [signs.num_foci for words, signs in found if words.foci == ("none",)]
    points = [signs.num_foci for words, signs in found if "punctate echogenic foci" in words.foci]
    pairs = {"fluid": (firm, fluid), "echo": (dark, alike), "margin": (even, lobed), "foci": (none, points)}
    scores = {name: round(area_under(*pair), 3) for name, pair in pairs.items()}
    print({name: (len(low), len(high), scores[name]) for name, (low, high) in pairs.items()})
    assert scores["fluid"] > 0.85
    assert scores["foci"] > 0.85
    assert scores["echo"] > 0.95
    assert scores["margin"] > 0.95
