"""One nodule in two views at two times: the truth of the views fits together, and the growth is the one asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thyrosight.measurement.size import measure
from thyrosight.phantom.follow_up import draw_section, draw_shape, draw_visit, grown_shape


def test_both_views_show_one_depth_and_the_growth_is_known() -> None:
    rng = np.random.default_rng(3)
    shape = draw_shape(rng)
    before, after = draw_visit(rng, shape), draw_visit(rng, grown_shape(rng, shape, 2.0))
    depths = [nodule.anteroposterior_mm for view in before.views.values() for nodule in view.nodules]
    assert depths[0] == pytest.approx(depths[1], rel=0.12)
    volumes = [visit.length_mm * visit.width_mm * visit.depth_mm for visit in (before, after)]
    assert volumes[1] / volumes[0] == pytest.approx(2.0, rel=0.02)


def test_no_axis_moves_against_the_growth() -> None:
    rng = np.random.default_rng(4)
    for ratio in (0.5, 1.0, 1.7):
        shape = draw_shape(rng)
        later = grown_shape(rng, shape, ratio)
        factors = [new / old for new, old in zip(later.half_mm, shape.half_mm, strict=True)]
        assert math.prod(factors) == pytest.approx(ratio)
        assert all((factor - 1) * (ratio - 1) >= 0 for factor in factors)


def test_the_mask_has_the_size_that_the_truth_states() -> None:
    rng = np.random.default_rng(5)
    phantom = draw_section(rng, draw_shape(rng), "transverse")
    size = measure(phantom.mask_HW, phantom.spacing)
    assert size.longest_mm == pytest.approx(phantom.nodules[0].longest_mm, rel=0.02)
