"""Whole evaluations with a stub in the model's place: what goes in is known, so every score that comes out is too."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from parts import part_path
from thyrosight.bundle.records import TrainingSet
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.commands.evaluation import print_comparison, print_evaluation
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import RowChoice, read_cases, write_cases
from thyrosight.errors import InputError
from thyrosight.evaluation import charts
from thyrosight.evaluation.case_scores import (
    CasePrediction,
    CaseScore,
    MaskSettings,
    compact_case_scores,
    read_case_scores,
    score_case,
    write_case_scores,
)
from thyrosight.evaluation.compare import compare
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.evaluate import evaluate
from thyrosight.evaluation.evaluate_folds import pool
from thyrosight.evaluation.report import chosen_for_galleries, galleries, outlines_of, picture_of, report_html
from thyrosight.evaluation.scores import outline_scores, risk_scores, size_tertiles
from thyrosight.evaluation.summary import Evaluation
from thyrosight.types import BoolArray, Box, Case

SHAPE = (80, 120)
FIELD = Box(10, 5, 110, 75)
QUICK = EvaluationSettings(draws=200)
Change = Callable[[Case, BoolArray], BoolArray]


def rectangle(x0: int, y0: int, x1: int, y1: int) -> BoolArray:
    mask_HW = np.zeros(SHAPE, np.bool_)
    mask_HW[y0:y1, x0:x1] = True
    return mask_HW


class Stub:
    """Answers with the reference as `change` makes it, and with risks by case_id."""

    def __init__(self, cases: list[Case], change: Change, risks: dict[str, float] | None = None) -> None:
        self.cases = {case.image: case for case in cases}
        self.change = change
        self.risks = risks or {}
        self.model = SimpleNamespace(id="feedbeef00000000")
        self.with_tta = False
        self.seen = SeenImages.of([])
        self.info = SimpleNamespace(
            name="stub <b>",
            has_mask=True,
            has_malignancy=True,
            risk_meaning="risk of being drawn as high",
            training_sets=(TrainingSet(source="other", num_images=7, sha256="0" * 64, split="train"),),
            operating_points=(SimpleNamespace(name="rule-out", threshold=0.3, meaning="few missed"),),
        )

    def run(self, frame: Any, *, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> Any:
        case = self.cases[frame.path]
        mask_HW = self.change(case, load_mask(case, frame.size_hw))
        risk = self.risks.get(case.case_id, 0.5)
        logit = math.log(risk / (1 - risk))
        probability_HW = np.where(mask_HW, 0.75, 0.25).astype(np.float32)
        return SimpleNamespace(
            fov=fov or FIELD,
            panels=panels,
            malignancy_logit=logit,
            mask_HW=mask_HW,
            risk=risk,
            probability_HW=probability_HW,
        )

    def interpret(self, frame: Any, raw: Any) -> Any:
        return SimpleNamespace(risk=raw.risk)


def same(case: Case, reference_HW: BoolArray) -> BoolArray:
    return reference_HW


def make_cases(folder: Path, num: int = 12) -> list[Case]:
    """-> cases on disk: nodules of growing width, two images a group, labels 0 1 0 1 …, folds 0 0 1 1 0 0 …"""
    rng = np.random.default_rng(0)
    cases = []
    for index in range(num):
        image_path, mask_path = folder / f"c{index}.png", folder / f"c{index}_mask.png"
        cv2.imwrite(str(image_path), rng.integers(0, 255, SHAPE, dtype=np.uint8))
        cv2.imwrite(str(mask_path), rectangle(20, 20, 30 + 4 * index, 50).astype(np.uint8) * 255)
        cases.append(
            Case(
                case_id=f"c{index}",
                image=image_path,
                mask=mask_path,
                malignancy=index % 2,
                group=f"g{index // 2}",
                source="a" if index < num // 2 else "b",
                split="test",
                fold=(index // 2) % 2,
                fov=FIELD,
                panels=(FIELD,) if index % 3 else (Box(10, 5, 60, 75), Box(60, 5, 110, 75)),
            )
        )
    return cases


def run(cases: list[Case], out: Path, change: Change = same, **choice: Any) -> Evaluation:
    csv_path = out.parent / f"{out.name}_cases" / "cases.csv"
    csv_path.parent.mkdir(exist_ok=True)
    write_cases(cases, csv_path)
    risks = choice.pop("risks", {case.case_id: 0.9 if case.malignancy else 0.2 for case in cases})
    stub: Any = Stub(read_cases(csv_path), change, risks)
    settings = choice.pop("settings", QUICK)
    return evaluate(stub, csv_path, out, RowChoice(**choice), settings=settings)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return make_cases(tmp_path)


def test_a_perfect_prediction_scores_perfectly(cases: list[Case], tmp_path: Path) -> None:
    evaluation = run(cases, tmp_path / "out")
    values = {estimate.name: estimate.value for estimate in (*evaluation.scores, *evaluation.group_scores)}
    ones = ("dice", "dice_median", "iou", "nsd_px", "nodule_sensitivity", "auroc", "average_precision", "f1")
    assert {name: values[name] for name in ones} == dict.fromkeys(ones, 1.0)
    assert (values["hd95_px"], values["false_positives_per_image"], values["longest_px_bias"]) == (0.0, 0.0, 0.0)
    assert (values["dice_of_groups"], values["auroc_of_groups"]) == (1.0, None), "every group holds both labels"
    assert (evaluation.num_images, evaluation.num_groups, evaluation.num_high) == (12, 6, 6)
    assert values["brier"] == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert values["ece"] == pytest.approx(0.15)
    (point,) = evaluation.operating_points
    assert (point.sensitivity.value, point.specificity.value) == (1.0, 1.0)
    assert evaluation.score("dice").reason == "the same in every draw: no interval"


def test_scores_of_known_faults(cases: list[Case], tmp_path: Path) -> None:
    """c0 missed, c1 with a false nodule beside it, c2 moved by one pixel, the rest perfect."""

    def change(case: Case, reference_HW: BoolArray) -> BoolArray:
        if case.case_id == "c0":
            return np.zeros_like(reference_HW)
        if case.case_id == "c1":
            return reference_HW | rectangle(90, 60, 95, 65)
        return np.roll(reference_HW, 1, axis=1) if case.case_id == "c2" else reference_HW

    evaluation = run(cases, tmp_path / "out", change)
    rows = {row.case_id: row for row in evaluation.cases}
    assert (rows["c0"].dice, rows["c0"].hd95_px, rows["c0"].hd95_reason) == (0.0, None, "missed")
    assert rows["c1"].dice == pytest.approx(2 * 420 / (420 + 445))
    assert (rows["c1"].num_found, rows["c1"].num_false) == (1, 1)
    assert rows["c2"].dice == pytest.approx(2 * 510 / (540 + 540))
    assert rows["c2"].hd95_px == 1.0
    dices = [0.0, 840 / 865, 1020 / 1080, *[1.0] * 9]
    assert evaluation.score("dice").value == pytest.approx(np.mean(dices))
    assert evaluation.score("dice_median").value == 1.0
    sensitivity = evaluation.score("nodule_sensitivity")
    assert (sensitivity.value, sensitivity.n, sensitivity.n_of) == (pytest.approx(11 / 12), 12, "nodules")
    assert evaluation.score("false_positives_per_image").value == pytest.approx(1 / 12)
    assert evaluation.score("hd95_px").n == 11
    diagonal = math.hypot(FIELD.width, FIELD.height)
    hd95_c1 = rows["c1"].hd95_px
    assert hd95_c1 is not None
    assert evaluation.score("hd95_px_all").value == pytest.approx((diagonal + hd95_c1 + 1.0) / 12)
    assert evaluation.score("longest_px_bias").value == pytest.approx(0.0, abs=1e-9)
    group = evaluation.groups[0]
    assert (group.group, group.num_images, group.malignancy) == ("g0", 2, None)
    assert group.dice == pytest.approx((0.0 + 840 / 865) / 2)


def test_empty_and_unknown_references(cases: list[Case], tmp_path: Path) -> None:
    """c0 has no reference; c1 and c2 are known to be empty, and c2's prediction is not."""
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros(SHAPE, np.uint8))
    cases = [replace(cases[0], mask=None), replace(cases[1], mask=blank), replace(cases[2], mask=blank), *cases[3:]]

    def change(case: Case, reference_HW: BoolArray) -> BoolArray:
        return rectangle(30, 30, 40, 40) if case.case_id in ("c0", "c2") else reference_HW

    evaluation = run(cases, tmp_path / "out", change)
    unknown, kept, invented = evaluation.cases[:3]
    assert (unknown.dice, unknown.predicted_area_px, unknown.hd95_reason) == (None, 100, "no reference outline")
    assert (kept.dice, kept.nsd_px, kept.hd95_px) == (1.0, 1.0, 0.0)
    assert (invented.dice, invented.nsd_px, invented.hd95_px, invented.hd95_reason) == (0.0, 0.0, None, "invented")
    assert (evaluation.score("dice").value, evaluation.score("dice").n) == (1.0, 9)
    empty = evaluation.score("empty_left_empty")
    assert (empty.value, empty.n) == (0.5, 2)
    false = evaluation.score("false_positives_per_image")
    assert (false.value, false.n) == (pytest.approx(1 / 11), 11)
    assert (evaluation.num_outlined, evaluation.num_empty, evaluation.score("auroc").n) == (9, 2, 12)


@pytest.mark.parametrize(("has_mask", "has_malignancy"), [(True, False), (False, True)])
def test_a_model_of_one_task_is_scored_on_it_alone(
    cases: list[Case], tmp_path: Path, has_mask: bool, has_malignancy: bool
) -> None:
    csv_path = tmp_path / "cases.csv"
    write_cases(cases, csv_path)
    stub: Any = Stub(read_cases(csv_path), same, {})
    stub.info.has_mask, stub.info.has_malignancy = has_mask, has_malignancy
    stub.info.operating_points = ()
    stub.interpret = lambda frame, raw: SimpleNamespace(risk=raw.risk if has_malignancy else None)
    evaluation = evaluate(stub, csv_path, tmp_path / "out", settings=QUICK)
    assert evaluation.score("dice").value == (1.0 if has_mask else None)
    assert evaluation.score("nodule_sensitivity").value == (1.0 if has_mask else None)
    assert evaluation.score("auroc").value == (0.5 if has_malignancy else None)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert ("Dice of every outlined image" in page, "ROC of the risk" in page) == (has_mask, has_malignancy)
    assert tuple(read_case_scores(tmp_path / "out")) == evaluation.cases


def test_millimetres_only_where_the_table_says_so(cases: list[Case], tmp_path: Path) -> None:
    plain = run(cases, tmp_path / "plain")
    estimate = plain.score("nsd_mm")
    assert (estimate.value, estimate.n, estimate.reason) == (None, 0, "no images to score")
    assert plain.longest_mm is None
    scaled = [replace(case, row_mm=0.2, column_mm=0.1) for case in cases]
    evaluation = run(scaled, tmp_path / "scaled", lambda case, mask_HW: np.roll(mask_HW, 6, axis=1))
    assert evaluation.score("hd95_mm").value == pytest.approx(0.6)
    nsd_mm, nsd_px = evaluation.score("nsd_mm").value, evaluation.score("nsd_px").value
    assert nsd_mm is not None
    assert nsd_px is not None
    assert nsd_mm < 1
    narrow, _, wider = evaluation.cases[:3]
    assert narrow.longest_reference_mm == (), "moved by 6 of 10 columns: IoU 1/4, not found"
    assert wider.longest_reference_mm == (pytest.approx(math.hypot(18 * 0.1, 30 * 0.2)),)


def test_files_hold_the_same_and_numbers_repeat(cases: list[Case], tmp_path: Path) -> None:
    def change(case: Case, reference_HW: BoolArray) -> BoolArray:
        return np.roll(reference_HW, int(case.case_id[1:]), axis=0)

    first, second = run(cases, tmp_path / "one", change), run(cases, tmp_path / "two", change)
    assert first.scores == second.scores
    read = json.loads((tmp_path / "one" / "evaluation.json").read_text(encoding="utf-8"))
    assert read["scores"][0]["value"] == first.score("dice").value
    assert [case["case_id"] for case in read["cases"]] == [f"c{index}" for index in range(12)]
    assert tuple(read_case_scores(tmp_path / "one")) == first.cases
    other_seed = run(cases, tmp_path / "three", change, settings=EvaluationSettings(draws=200, seed=1))
    assert other_seed.score("dice").value == first.score("dice").value
    assert other_seed.score("dice").low != first.score("dice").low
    assert not list(tmp_path.rglob("*.tmp*"))


def test_rows_are_chosen_by_split_and_fold(cases: list[Case], tmp_path: Path) -> None:
    chosen = run(cases, tmp_path / "out", split="test", fold=1)
    assert [row.case_id for row in chosen.cases] == ["c2", "c3", "c6", "c7", "c10", "c11"]
    assert chosen.evaluated.selection == "split test and fold 1"
    assert chosen.evaluated.notes == ()
    assert "held-out" in run(cases, tmp_path / "every").evaluated.notes[0]
    with pytest.raises(InputError, match=r"no row is in fold 7; there are splits test and folds 0, 1"):
        run(cases, tmp_path / "none", fold=7)


def test_a_bad_case_is_named_and_the_rest_is_scored(cases: list[Case], tmp_path: Path) -> None:
    cases[3].image.write_bytes(b"no image")
    assert cases[5].mask is not None
    cv2.imwrite(str(cases[5].mask), np.zeros((7, 7), np.uint8))
    evaluation = run(cases, tmp_path / "out")
    assert [failure.case_id for failure in evaluation.failures] == ["c3", "c5"]
    assert "c3.png" in evaluation.failures[0].message
    assert (evaluation.num_images, evaluation.score("dice").n) == (10, 10)
    assert "Not scored" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for case in cases:
        case.image.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"none of the 12 chosen cases could be scored; the first: c0"):
        run(cases, tmp_path / "gone")


def test_subgroups_by_size_label_views_and_source(cases: list[Case], tmp_path: Path) -> None:
    evaluation = run(cases, tmp_path / "out")
    sizes = {(part.by, part.name): part.num_images for part in evaluation.subgroups}
    assert [count for (by, _), count in sizes.items() if by == "nodule size"] == [4, 4, 4]
    assert sizes["risk label", "high"] == sizes["risk label", "low"] == 6
    assert (sizes["views", "split screen"], sizes["views", "one view"]) == (4, 8)
    assert (sizes["source", "a"], sizes["source", "b"]) == (6, 6)
    assert not [part for part in evaluation.subgroups if part.by == "target"], "one kind only is no subgroup"
    smallest = next(iter(size_tertiles(evaluation.cases)))
    assert smallest.startswith("small, below ")
    high = next(part for part in evaluation.subgroups if part.name == "high")
    auroc = next(estimate for estimate in high.scores if estimate.name == "auroc")
    assert (auroc.value, auroc.reason) == (None, "undefined on these cases")


def test_the_report_needs_nothing_else_and_escapes_names(cases: list[Case], tmp_path: Path) -> None:
    cases[0] = replace(cases[0], case_id="<script>alert(1)<b>")
    evaluation = run(cases, tmp_path / "out", lambda case, mask_HW: np.roll(mask_HW, 3, axis=0))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "stub &lt;b&gt;" in page
    assert re.findall(r"""(?:src|href)=["'](?!data:image/png)[^"']*""", page) == []
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert page.count('class="shot"') == 12
    for text in ("ROC of the risk", "Reliability of the risk", "Bland-Altman", "Dice of every outlined image"):
        assert text in page
    assert f"{evaluation.score('dice').value:.3f}" in page
    without = report_html(evaluation, {})
    assert 'class="shot"' not in without
    assert "Subgroups" in without


def test_a_picture_shows_the_field_alone() -> None:
    image_HW = np.full(SHAPE, 200, np.uint8)
    image_HW[FIELD.slices] = 50
    picture = picture_of(image_HW, outlines_of(FIELD, rectangle(20, 20, 30, 30), None))
    decoded = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded.shape == (FIELD.height, FIELD.width)
    assert (decoded == 50).all()
    assert picture.reference_path == "M10.5 15.5 L10.5 24.5 L19.5 24.5 L19.5 15.5 Z"
    assert picture.predicted_path == ""


def test_pictures_show_the_masks_that_were_scored(cases: list[Case], tmp_path: Path) -> None:
    """A predictor that answers otherwise when asked again would give it away: it is asked once a case."""
    asked: list[str] = []

    def change(case: Case, reference_HW: BoolArray) -> BoolArray:
        asked.append(case.case_id)
        return np.roll(reference_HW, 4, axis=1)

    run(cases, tmp_path / "out", change)
    assert sorted(asked) == sorted(case.case_id for case in cases)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'class="reference" d="M10.5 15.5 L10.5 44.5 ' in page
    assert 'class="predicted" d="M14.5 15.5 L14.5 44.5 ' in page


def scored(case_id: str, dice: float = 0.5, **changes: Any) -> CaseScore:
    case = Case(case_id, Path("i.png"), None, changes.pop("malignancy", None), changes.pop("group", case_id), "s")
    row = score_case(case, rectangle(0, 0, 9, 9), rectangle(0, 0, 9, 9), CasePrediction(FIELD, 1), MaskSettings())
    return replace(row, dice=dice, **changes)


def test_galleries_share_no_image() -> None:
    rows = [scored(f"c{index}", index / 20) for index in range(20)]
    shown = galleries(rows)
    assert [row.case_id for row in shown["Worst"]] == [f"c{index}" for index in range(6)]
    assert [row.case_id for row in shown["Median"]] == [f"c{index}" for index in range(7, 13)]
    assert [row.case_id for row in shown["Best"]] == [f"c{index}" for index in range(19, 13, -1)]
    assert len(set(chosen_for_galleries(rows))) == 18
    assert [len(part) for part in galleries(rows[:7]).values()] == [2, 2, 2]
    assert list(galleries(rows[:2])) == ["All"]
    assert galleries([]) == {}


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=8),
    st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_per_case_csv_keeps_everything(name: str, lengths: tuple[float, ...], risk: float | None) -> None:
    import tempfile

    rows = [
        scored("c0", group=name, longest_reference_px=lengths, risk=risk, fold=3, nsd_mm=None),
        scored("c1", 1 / 3, malignancy=1, hd95_reason="missed"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_case_scores(rows, Path(folder) / "per_case.csv")
        assert read_case_scores(Path(folder)) == rows


def test_a_per_case_csv_that_went_through_a_spreadsheet_is_the_same(tmp_path: Path) -> None:
    rows = [scored("c0", 1 / 3, risk=0.25), scored("c1", 0.5)]
    write_case_scores(rows, tmp_path / "per_case.csv")
    text = (tmp_path / "per_case.csv").read_text()
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    with (tmp_path / "german.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        cells = [[cell.replace(".", ",") for cell in line] for line in csv.reader(StringIO(text))]
        csv.writer(stream, delimiter=";").writerows(cells)
    assert read_case_scores(tmp_path / "bom.csv") == read_case_scores(tmp_path / "german.csv") == rows


def test_a_wrong_per_case_csv_is_told(tmp_path: Path) -> None:
    path = tmp_path / "per_case.csv"
    with pytest.raises(InputError, match="no such file"):
        read_case_scores(path)
    path.write_text("case_id,dice\nc0,1\n")
    with pytest.raises(InputError, match=r"no column group, source"):
        read_case_scores(path)
    write_case_scores([scored("c0"), scored("c0")], path)
    with pytest.raises(InputError, match="c0 is there twice"):
        read_case_scores(path)
    write_case_scores([scored("c0", 0.125)], path)
    path.write_text(path.read_text().replace("0.125", "good"))
    with pytest.raises(InputError, match=r"row 2: dice is 'good', not float \| None"):
        read_case_scores(path)


def test_compare_pairs_the_cases(cases: list[Case], tmp_path: Path) -> None:
    def moved(pixels: int) -> Change:
        return lambda case, mask_HW: np.roll(mask_HW, pixels + int(case.case_id[1:]) % 3, axis=1)

    first, second = run(cases, tmp_path / "a", moved(1)), run(cases, tmp_path / "b", moved(4))
    comparison = compare(tmp_path / "a", tmp_path / "b" / "per_case.csv", out=tmp_path / "c.json", settings=QUICK)
    scores = {score.name: score for score in comparison.scores}
    dice = scores["dice"]
    values = first.score("dice").value, second.score("dice").value
    assert (dice.first, dice.second) == (pytest.approx(values[0]), pytest.approx(values[1]))
    assert dice.difference.low is not None
    assert dice.difference.low > 0
    assert dice.difference.two_sided_share == pytest.approx(2 / 201)
    assert (scores["auroc"].difference.value, scores["auroc"].n) == (0.0, 12)
    assert (scores["hd95_px_all"].difference.value or 0) < 0
    assert json.loads((tmp_path / "c.json").read_text())["num_cases"] == 12
    fewer = run(cases[:4], tmp_path / "few", moved(4))
    assert compare(tmp_path / "a", tmp_path / "few", settings=QUICK).num_left_out == 8
    console = Console(file=StringIO(), width=200)
    print_comparison(comparison, console)
    assert "Dice, mean" in console.file.getvalue()  # type: ignore[attr-defined]
    assert fewer.num_images == 4


def test_compare_refuses_other_cases_and_other_references(tmp_path: Path) -> None:
    for name, rows in {
        "a": [scored("c0"), scored("c1")],
        "other": [scored("d0")],
        "label": [scored("c0", malignancy=1)],
        "mask": [scored("c0", reference_area_px=5)],
    }.items():
        (tmp_path / name).mkdir()
        write_case_scores(rows, tmp_path / name / "per_case.csv")
    with pytest.raises(InputError, match="no case is in both"):
        compare(tmp_path / "a", tmp_path / "other")
    for name in ("label", "mask"):
        with pytest.raises(InputError, match="case c0: its reference, label or group differs"):
            compare(tmp_path / "a", tmp_path / name)


def test_pooled_folds_are_all_cases_once(cases: list[Case], tmp_path: Path) -> None:
    whole = run(cases, tmp_path / "all")
    for fold in (0, 1):
        run(cases, tmp_path / f"fold{fold}", fold=fold)
    pooled = pool([tmp_path / "fold0", tmp_path / "fold1"], tmp_path / "pooled", QUICK)
    assert pooled.num_images == 12
    assert pooled.score("brier").value == pytest.approx(whole.score("brier").value or 0)
    assert (tmp_path / "pooled" / "report.html").exists()
    with pytest.raises(InputError, match="is in two of"):
        pool([tmp_path / "fold0", tmp_path / "all"], tmp_path / "twice", QUICK)


def test_a_kept_table_gives_every_figure_again(cases: list[Case], tmp_path: Path) -> None:
    """Outlines cut in part, millimetres, an image without a nodule, one without a label; kept, pooled, compared."""
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros(SHAPE, np.uint8))
    cases = [replace(cases[0], mask=blank), replace(cases[1], malignancy=None), *cases[2:]]
    cases = [replace(case, row_mm=0.213, column_mm=0.117) for case in cases]
    risks = {case.case_id: 0.31 + 0.05 * index for index, case in enumerate(cases)}

    def narrower(case: Case, mask_HW: BoolArray) -> BoolArray:
        return mask_HW & np.roll(mask_HW, int(case.case_id[1:]) % 5, axis=1)

    for fold in (0, 1):
        run(cases, tmp_path / f"fold{fold}", narrower, fold=fold, risks=risks)
    parts = [tmp_path / "fold0" / "per_case.csv", tmp_path / "fold1" / "per_case.csv"]
    kept = tmp_path / "results" / "stub.csv"
    first = pool(parts, tmp_path / "pooled", QUICK, keep=kept)
    again = pool([kept], tmp_path / "again", QUICK)
    assert again.evaluated.model_name == first.evaluated.model_name == "2 models, each on the fold that it has not seen"
    assert (again.evaluated.cases, again.evaluated.selection) == ("a, b", "folds 0, 1, pooled")
    texts = []
    for evaluation in (first, again):
        console = Console(file=StringIO(), width=200)
        print_evaluation(evaluation, console)
        texts.append(console.file.getvalue())  # type: ignore[attr-defined]
    assert texts[0] == texts[1]
    pairs = zip((*first.scores, *first.group_scores), (*again.scores, *again.group_scores), strict=True)
    for one, other in pairs:
        assert (one.name, one.n, one.reason) == (other.name, other.n, other.reason)
        for figure, same_again in ((one.value, other.value), (one.low, other.low), (one.high, other.high)):
            assert same_again == (None if figure is None else pytest.approx(figure, abs=1e-3 if one.unit else 1e-5)), (
                one.name
            )
    assert again.selective[0].aurc.value == pytest.approx(first.selective[0].aurc.value)
    assert again.subgroups[0].name == first.subgroups[0].name


def test_a_kept_table_holds_names_and_numbers_alone_and_is_small(cases: list[Case], tmp_path: Path) -> None:
    evaluation = run(cases, tmp_path / "out", lambda case, mask_HW: np.roll(mask_HW, 3, axis=1))
    text = compact_case_scores(evaluation.cases)
    header, *lines = text.splitlines()
    assert str(tmp_path) not in text
    assert "/" not in text
    for name in ("case_id", "fold", "group", "dice", "iou", "nsd_px", "malignancy_logit", "risk", "malignancy"):
        assert name in header.split(",")
    assert not {"nsd_mm", "row_mm", "hd95_reason"} & set(header.split(",")), "empty throughout"
    assert max(map(len, lines)) < 200


def test_an_older_table_lacks_what_was_added_later(tmp_path: Path) -> None:
    path = tmp_path / "per_case.csv"
    write_case_scores([scored("c0", mean_probability=0.75)], path)
    rows = list(csv.reader(path.read_text().splitlines()))
    older = rows[0].index("seconds") + 1
    path.write_text("\n".join(",".join(row[:older]) for row in rows) + "\n")
    assert read_case_scores(path) == [scored("c0")]


def test_pooled_folds_keep_what_their_evaluations_agree_on(cases: list[Case], tmp_path: Path) -> None:
    for fold in (0, 1):
        run(cases, tmp_path / f"fold{fold}", fold=fold)
    parts = [tmp_path / "fold0" / "per_case.csv", tmp_path / "fold1"]
    assert pool(parts, tmp_path / "pooled", QUICK).evaluated.risk_meaning == "risk of being drawn as high"
    path = tmp_path / "fold1" / "evaluation.json"
    path.write_text(
        path.read_text()
        .replace("risk of being drawn as high", "cancer")
        .replace('"with_tta": false', '"with_tta": true')
    )
    mixed = pool(parts, tmp_path / "mixed", QUICK).evaluated
    assert (mixed.risk_meaning, mixed.with_tta) == ("", True)


def test_the_sureness_of_an_outline_is_its_mean_probability(cases: list[Case], tmp_path: Path) -> None:
    def change(case: Case, reference_HW: BoolArray) -> BoolArray:
        return np.zeros_like(reference_HW) if case.case_id == "c0" else reference_HW

    evaluation = run(cases, tmp_path / "out", change)
    assert [row.mean_probability for row in evaluation.cases] == [None, *[0.75] * 11]
    outline = evaluation.selective[1]
    assert outline.curve("dice").values[0] == pytest.approx(11 / 12, abs=1e-6)
    assert outline.curve("dice").values[1] == 1.0, "at 90 % the one without an outline is the first to go"


def test_tables_for_people(cases: list[Case], tmp_path: Path) -> None:
    cases[3].image.write_bytes(b"no image")
    evaluation = run(cases, tmp_path / "out", lambda case, mask_HW: np.roll(mask_HW, 3, axis=0))
    console = Console(file=StringIO(), width=200)
    print_evaluation(evaluation, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "stub <b> on out_cases/cases.csv, every row: 11 images of 6 groups" in text
    assert re.search(rf"Dice, mean\s+│\s+{evaluation.score('dice').value:.3f}", text)
    assert "not scored: c3" in text


def test_an_interval_does_not_depend_on_the_other_scores() -> None:
    rows = [scored(f"c{index}", index / 9, malignancy=index % 2, risk=index / 9) for index in range(10)]
    alone = risk_scores(rows, QUICK)[0]
    outline_scores(rows, QUICK)
    assert risk_scores(rows, QUICK)[0] == alone


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    marks = charts.ticks(low, low + span)
    assert 1 <= len(marks) <= 6
    slack = 1e-6 * max(1.0, abs(low), span)
    assert all(low - slack <= mark <= low + span + slack for mark in marks)


def test_axes_map_the_corners() -> None:
    axes = charts.Axes(0.0, 2.0, -1.0, 1.0)
    assert (axes.x(0.0), axes.x(2.0)) == (charts.LEFT, charts.WIDTH - charts.RIGHT)
    assert (axes.y(-1.0), axes.y(1.0)) == (charts.HEIGHT - charts.BOTTOM, charts.TOP)


@pytest.mark.part("busi")
def test_on_real_images(tmp_path: Path) -> None:
    """Six BUSI images whose outlines are moved by 3 pixels: NSD at 4 pixels is 1, HD95 at most 3."""
    folder = part_path("busi") / "Dataset_BUSI_with_GT" / "benign"
    images = sorted(folder.glob("benign (*).png"))[:6]
    real = [
        Case(path.stem, path, path.with_name(f"{path.stem}_mask.png"), 0, path.stem, "busi", target="lesion")
        for path in images
    ]
    evaluation = run(real, tmp_path / "out", lambda case, mask_HW: np.roll(mask_HW, 3, axis=1))
    assert evaluation.num_outlined == 6
    assert evaluation.failures == ()
    assert all(row.hd95_px is not None and row.hd95_px <= 3 for row in evaluation.cases)
    assert evaluation.score("nsd_px").value == 1.0
    assert 0.85 < (evaluation.score("dice").value or 0) < 1.0


def test_a_pool_takes_the_place_of_no_part_and_of_no_other_table(cases: list[Case], tmp_path: Path) -> None:
    """`pool ev -o ev` replaced the report of ev, and --export any table of scores."""
    for fold in (0, 1):
        run(cases, tmp_path / f"fold{fold}", fold=fold)
    parts = [tmp_path / "fold0", tmp_path / "fold1"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for out, keep in ((parts[0], None), (tmp_path / "pooled", parts[1] / "per_case.csv")):
        with pytest.raises(InputError, match="is one of the parts, and would be replaced"):
            pool(parts, out, QUICK, keep=keep)
    with pytest.raises(InputError, match="is there already and is not a table of these scores by case"):
        pool(parts[:1], tmp_path / "pooled", QUICK, keep=parts[1] / "per_case.csv")
    assert {path: path.read_bytes() for path in before} == before
    kept = tmp_path / "kept.csv"
    pool(parts[:1], tmp_path / "one", QUICK, keep=kept)
    pool(parts, tmp_path / "both", QUICK, keep=kept)
    assert len(read_case_scores(kept)) == 12
