"""Detection by boxes, by hand: matches, recall, other regions, AP50, FROC; what per_case.csv keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from score_rows import row
from thyrosight.errors import InputError
from thyrosight.evaluation.box_scores import Regions, box_average_precision_of, box_scores, froc, froc_of, matches
from thyrosight.evaluation.case_scores import (
    CasePrediction,
    CaseScore,
    MaskSettings,
    read_case_scores,
    score_case,
    write_case_scores,
)
from thyrosight.evaluation.compare import compare
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.scores import box_tertiles
from thyrosight.types import Box, Case


def plain(name: str) -> CaseScore:
    return row(name, group=name, risk=0.5, malignancy=1, sure=0.9)


def boxed(number: int, reference: list[Box], predicted: list[tuple[Box, float]]) -> CaseScore:
    return replace(
        plain(f"c{number}"),
        reference_boxes_px=tuple(float(value) for box in reference for value in box),
        predicted_boxes_px=tuple(float(value) for box, _ in predicted for value in box),
        predicted_means=tuple(mean for _, mean in predicted),
    )


RIGHT, HALF, WRONG = Box(0, 0, 10, 10), Box(0, 0, 10, 4), Box(50, 50, 60, 60)
ROWS = [
    boxed(1, [RIGHT], [(RIGHT, 0.9)]),
    boxed(2, [RIGHT], [(HALF, 0.8), (WRONG, 0.6)]),
    boxed(3, [RIGHT, WRONG], [(WRONG, 0.7)]),
    boxed(4, [RIGHT], []),
]


def test_matches_are_one_to_one_largest_overlap_first() -> None:
    assert matches([RIGHT], [HALF, RIGHT], 0.3) == [(0, 1)]
    assert matches([RIGHT], [HALF], 0.5) == []
    assert matches([RIGHT], [HALF], 0.4) == [(0, 0)], "40 of 100 pixels"
    assert matches([RIGHT, RIGHT], [RIGHT], 0.5) == [(0, 0)]


def test_scores_by_hand() -> None:
    found = {estimate.name: estimate for estimate in box_scores(ROWS, EvaluationSettings(draws=200))}
    assert found["box_recall_50"].value == pytest.approx(2 / 5)
    assert found["box_recall_30"].value == pytest.approx(3 / 5)
    assert found["box_false_per_image"].value == pytest.approx(2 / 4)
    # by mean: 0.9 true, 0.8 false, 0.7 true, 0.6 false; precision 1, 1/2, 2/3, 1/2, made monotone 1, 2/3, 2/3, 1/2
    assert found["box_ap_50"].value == pytest.approx((1 + 2 / 3) / 5)
    assert found["box_froc"].value == pytest.approx(1 / 5), "the second would cost a quarter of a region per image"
    assert (found["box_recall_50"].n, found["box_recall_50"].n_of, found["box_recall_50"].num_groups) == (5, "boxes", 4)
    assert found["box_false_per_image"].n_of == "images"
    assert found["box_recall_50"].low is not None
    assert box_scores([plain("a")], EvaluationSettings()) == ()


def test_froc_curve_by_hand() -> None:
    curve = froc(ROWS)
    assert curve is not None
    assert curve.false_per_image == (0.0, 0.0, 0.25, 0.25, 0.5)
    assert curve.sensitivity == (0.0, 0.2, 0.2, 0.4, 0.4)
    assert froc([plain("a")]) is None


def test_a_draw_counts_an_image_as_often_as_it_was_drawn() -> None:
    part = Regions(np.array([0, 1]), np.array([0.9, 0.8]), np.array([False, True]))
    weights = np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 0.0]])
    boxes = np.array([1.0, 1.0])
    assert box_average_precision_of(part, boxes)(weights).tolist() == pytest.approx([0.25, 1.0, 0.0])
    assert froc_of(part, boxes, 0.4)(weights).tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_boxes_are_scored_where_no_outline_is_and_survive_the_table(tmp_path: Path) -> None:
    case = Case("a", Path("a.png"), None, 1, "g", "set", boxes=(RIGHT, WRONG))
    rating = CasePrediction(fov=Box(0, 0, 100, 100), num_panels=1, regions=((HALF, 0.75),))
    score = score_case(case, None, np.zeros((100, 100), bool), rating, MaskSettings())
    assert score.reference_boxes_px == (0, 0, 10, 10, 50, 50, 60, 60)
    assert (score.predicted_boxes_px, score.predicted_means) == ((0, 0, 10, 4), (0.75,))
    outlined = score_case(replace(case, mask=Path("m.png")), np.zeros((100, 100), bool), None, rating, MaskSettings())
    assert outlined.reference_boxes_px == ()
    write_case_scores([score], tmp_path / "per_case.csv")
    assert read_case_scores(tmp_path) == [score]
    old = [line.split(",")[:-3] for line in (tmp_path / "per_case.csv").read_text().splitlines()]
    (tmp_path / "per_case.csv").write_text("\n".join(",".join(line) for line in old))
    assert read_case_scores(tmp_path)[0].reference_boxes_px == (), "a file from before boxes"


def test_thirds_of_box_size_go_by_the_largest_box() -> None:
    rows = [boxed(number, [Box(0, 0, 10 * number, 10), HALF], []) for number in range(1, 7)]
    assert [len(part) for part in box_tertiles(rows).values()] == [2, 2, 2]
    assert box_tertiles(rows[:2]) == {}


def test_the_report_has_a_table_of_boxes_only_where_boxes_are() -> None:
    from thyrosight.evaluation.report import _headline, _tables
    from thyrosight.evaluation.summary import EvaluationContext, summarise

    context = EvaluationContext("m", "", (), "", (), "cases.csv", "", "every row", "", {})
    boxes = summarise(ROWS, context, EvaluationSettings(draws=50))
    assert "Boxes found" in dict(_tables(boxes))
    assert "boxes found" in dict(_headline(boxes))
    assert boxes.froc is not None
    outlines = summarise([plain("a"), plain("b")], context, EvaluationSettings(draws=50))
    assert "Boxes found" not in dict(_tables(outlines))
    assert outlines.froc is None


def test_compare_pairs_the_scores_of_boxes(tmp_path: Path) -> None:
    missed = [replace(row, predicted_boxes_px=(), predicted_means=()) for row in ROWS]
    for name, rows in (("first", ROWS), ("second", missed)):
        (tmp_path / name).mkdir()
        write_case_scores(rows, tmp_path / name / "per_case.csv")
    found = {score.name: score for score in compare(tmp_path / "first", tmp_path / "second").scores}
    alone = {score.name: score.value for score in box_scores(ROWS, EvaluationSettings(draws=10))}
    assert {name: found[name].first for name in alone} == alone
    assert found["box_recall_50"].second == 0.0
    assert found["box_recall_50"].n == 5
    assert not found["box_false_per_image"].higher_is_better


def test_compare_refuses_other_boxes(tmp_path: Path) -> None:
    for name, box in (("first", RIGHT), ("second", HALF)):
        (tmp_path / name).mkdir()
        write_case_scores([boxed(1, [box], [])], tmp_path / name / "per_case.csv")
    with pytest.raises(InputError, match="c1: its reference"):
        compare(tmp_path / "first", tmp_path / "second")
