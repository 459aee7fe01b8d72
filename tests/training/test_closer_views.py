"""The part of a view that a closer look shows: around one nodule, or anywhere."""

from __future__ import annotations

import numpy as np

from thyrosight.training.closer_views import LEAST_SIDE_PX, SCALES, closer_part
from thyrosight.types import Box


def test_the_part_holds_its_nodule_and_is_inside_the_view() -> None:
    nodules = [Box(100, 80, 160, 120), Box(300, 200, 310, 206)]
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        part = closer_part(nodules, (400, 500), rng)
        assert 0 <= part.x0 < part.x1 <= 500
        assert 0 <= part.y0 < part.y1 <= 400
        held = [n for n in nodules if part.x0 <= n.x0 and part.y0 <= n.y0 and n.x1 <= part.x1 and n.y1 <= part.y1]
        assert held
        longest = max(max(nodule.width, nodule.height) for nodule in held)
        assert part.width <= round(SCALES[1] * longest) + 1 or part.width == LEAST_SIDE_PX
        seen |= {nodules.index(nodule) for nodule in held}
    assert seen == {0, 1}


def test_a_nodule_that_fills_the_view_gives_the_whole_view() -> None:
    rng = np.random.default_rng(1)
    assert closer_part([Box(0, 0, 200, 100)], (100, 200), rng) == Box(0, 0, 200, 100)


def test_without_a_nodule_the_part_is_anywhere() -> None:
    rng = np.random.default_rng(2)
    parts = [closer_part([], (300, 400), rng) for _ in range(50)]
    assert all(part.x0 >= 0 and part.x1 <= 400 and part.width == part.height >= 89 for part in parts)
    assert len({part.x0 for part in parts}) > 10
