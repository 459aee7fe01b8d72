"""The diagram of the gland: every nodule once, in its lobe and third, none covered; text in it is escaped."""

from __future__ import annotations

import math
from itertools import combinations
from xml.etree import ElementTree

from examinations import examined
from thyrosight.results.examinations.diagram import HEIGHT, WIDTH, gland_diagram, place_spots


def test_every_nodule_stands_in_its_place() -> None:
    places = [("right", "upper"), ("left", "lower"), ("isthmus", None), (None, None), ("left", None)]
    one = examined([(12, 10, 8)] * 5, places=places)  # type: ignore[arg-type]
    right, left, isthmus, unknown, vague = place_spots(one)
    assert right.x < WIDTH / 2 < left.x
    assert right.y < left.y < unknown.y
    assert abs(isthmus.x - WIDTH / 2) < 20
    assert [spot.is_sure for spot in (right, left, isthmus, unknown, vague)] == [True, True, True, False, False]


def test_nodules_of_one_third_do_not_cover_each_other() -> None:
    one = examined([(6, 5, 5)] * 4, places=[("right", "middle")] * 4)
    spots = place_spots(one)
    for first, second in combinations(spots, 2):
        assert math.hypot(first.x - second.x, first.y - second.y) >= first.radius + second.radius
    assert all(0 < spot.x < WIDTH and 0 < spot.y < HEIGHT for spot in spots)


def test_the_svg_is_whole_and_says_what_it_shows() -> None:
    svg = ElementTree.fromstring(str(gland_diagram(examined([(12, 10, 8), (9, 8, 7)]))))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"R", "L", "1", "2"} <= set(texts)
    assert "nodule 1, right lobe, middle third, 12 mm" in svg.attrib["aria-label"]
