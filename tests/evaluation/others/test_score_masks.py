"""Masks and risks of another program, named and stored as programs do, score what they should."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import read_case_scores
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.others.score_masks import OtherResults, score_masks
from thyrosight.evaluation.summary import Evaluation
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.types import BoolArray, Case

QUICK = EvaluationSettings(draws=100)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phantoms, the first without a nodule."""
    path = write_phantoms(6, tmp_path_factory.mktemp("phantoms"), 5)
    mask = read_cases(path)[0].mask
    assert mask is not None
    Image.fromarray(np.zeros_like(np.asarray(Image.open(mask)))).save(mask)
    return path


@pytest.fixture(scope="module")
def cases(table: Path) -> list[Case]:
    return read_cases(table)


def reference(case: Case) -> BoolArray:
    size_hw = np.asarray(Image.open(case.image)).shape[:2]
    return load_mask(case, (size_hw[0], size_hw[1]))


def scored(masks: Path, table: Path, out: Path, **options: object) -> Evaluation:
    return score_masks(OtherResults(masks, **options), table, out, settings=QUICK)  # type: ignore[arg-type]


def write_masks(folder: Path, cases: list[Case], name: str = "{id}.png", value: int = 255) -> Path:
    for case in cases:
        path = folder / name.format(id=case.case_id, stem=case.image.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((reference(case) * value).astype(np.uint8)).save(path)
    return folder


@pytest.mark.parametrize("name", ["{id}.png", "{stem}.png", "{id}_mask.png", "{stem}_pred.tif", "{id}/mask.png"])
@pytest.mark.parametrize("value", [1, 255])
def test_the_reference_itself_scores_1(table: Path, cases: list[Case], tmp_path: Path, name: str, value: int) -> None:
    evaluation = scored(write_masks(tmp_path / "masks", cases, name, value), table, tmp_path / "out")
    assert evaluation.failures == ()
    assert [row.dice for row in evaluation.cases] == [1.0] * 6
    assert read_case_scores(tmp_path / "out" / "per_case.csv") == list(evaluation.cases)
    assert (tmp_path / "out" / "report.html").is_file()


def test_nifti_as_nnunet_writes_it_scores_1(table: Path, cases: list[Case], tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="NIfTI needs the extra `formats`")
    (tmp_path / "masks").mkdir()
    for case in cases:
        plane = reference(case).astype(np.uint8).T[..., None]
        nibabel.save(nibabel.Nifti1Image(plane, np.eye(4)), tmp_path / "masks" / f"{case.case_id}.nii.gz")
    (tmp_path / "masks" / "dataset.json").write_text("{}")
    (tmp_path / "masks" / "plans.json").write_text("{}")
    evaluation = scored(tmp_path / "masks", table, tmp_path / "out")
    assert [row.dice for row in evaluation.cases] == [1.0] * 6


def test_half_of_the_reference_scores_two_thirds(table: Path, cases: list[Case], tmp_path: Path) -> None:
    """Dice of half the area is 2 * 0.5 / (0.5 + 1)."""
    whole = reference(cases[1])
    half = whole.copy()
    half[np.cumsum(whole).reshape(whole.shape) > whole.sum() // 2] = False
    write_masks(tmp_path / "masks", [cases[0], *cases[2:]])
    Image.fromarray((half * 255).astype(np.uint8)).save(tmp_path / "masks" / f"{cases[1].case_id}.png")
    evaluation = scored(tmp_path / "masks", table, tmp_path / "out")
    assert evaluation.cases[1].dice == pytest.approx(2 / 3, abs=0.001)


def test_a_missing_mask_is_named_and_counts_as_empty_only_if_asked(
    table: Path, cases: list[Case], tmp_path: Path
) -> None:
    masks = write_masks(tmp_path / "masks", cases[1:])
    evaluation = scored(masks, table, tmp_path / "out")
    assert [failure.case_id for failure in evaluation.failures] == [cases[0].case_id]
    assert "--missing-is-empty" in evaluation.failures[0].message
    assert f"1 cases have no mask file and have no score: {cases[0].case_id}." in evaluation.evaluated.notes
    evaluation = scored(masks, table, tmp_path / "empty", missing_is_empty=True)
    assert evaluation.failures == ()
    assert evaluation.cases[0].dice == (0.0 if reference(cases[0]).any() else 1.0)
    assert f"1 cases have no mask file and count as empty: {cases[0].case_id}." in evaluation.evaluated.notes


def test_what_no_annotator_would_draw_is_scored_as_it_is(table: Path, cases: list[Case], tmp_path: Path) -> None:
    """A thin ring and a mask that covers everything are bad predictions, no bad files."""
    masks = write_masks(tmp_path / "masks", cases[2:])
    shape = reference(cases[0]).shape
    ring = cv2.circle(np.zeros(shape, np.uint8), (shape[1] // 2, shape[0] // 2), 60, 1, 1)
    for case, pixels in zip(cases, (ring, np.ones(shape, np.uint8)), strict=False):
        Image.fromarray(pixels).save(masks / f"{case.case_id}.png")
    evaluation = scored(masks, table, tmp_path / "out")
    assert evaluation.failures == ()
    assert evaluation.cases[0].predicted_area_px == int(ring.sum())
    assert evaluation.cases[1].predicted_area_px == shape[0] * shape[1]


def test_a_mask_of_another_size_has_no_score_and_a_stray_is_named(
    table: Path, cases: list[Case], tmp_path: Path
) -> None:
    masks = write_masks(tmp_path / "masks", cases)
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(masks / f"{cases[1].case_id}.png")
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(masks / "of_nobody.png")
    evaluation = scored(masks, table, tmp_path / "out")
    assert [failure.case_id for failure in evaluation.failures] == [cases[1].case_id]
    assert "12 x 10" in evaluation.failures[0].message
    assert any("of_nobody.png" in note for note in evaluation.evaluated.notes)


def test_one_label_of_several(table: Path, cases: list[Case], tmp_path: Path) -> None:
    """A gland 1 around nodules 2: without a choice each is an error that says what to type."""
    for case in cases:
        mask = reference(case)
        labels = cv2.dilate(mask.astype(np.uint8), np.ones((41, 41), np.uint8)) + mask
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "masks" / f"{case.case_id}.png")
    evaluation = scored(tmp_path / "masks", table, tmp_path / "out", labels=frozenset("2"))
    assert [row.dice for row in evaluation.cases] == [1.0] * 6
    failures = scored(tmp_path / "masks", table, tmp_path / "second").failures
    with_nodule = [case.case_id for case in cases if reference(case).any()]
    assert [one.case_id for one in failures] == with_nodule
    assert all("--mask-label nodule=2" in one.message for one in failures)


def test_risks_are_matched_by_name_and_scored(table: Path, cases: list[Case], tmp_path: Path) -> None:
    rows = [(case.image.name, 0.9 if case.malignancy else 0.1) for case in cases]
    (tmp_path / "risks.csv").write_text("Image,Probability\n" + "".join(f"{a},{b}\n" for a, b in [*rows, ("x.png", 1)]))
    evaluation = score_masks(OtherResults(None, tmp_path / "risks.csv"), table, tmp_path / "out", settings=QUICK)
    assert [row.risk for row in evaluation.cases] == [risk for _, risk in rows]
    assert evaluation.score("auroc").value == 1.0
    assert any("x.png" in note for note in evaluation.evaluated.notes)
    assert [row.dice for row in evaluation.cases] == [None] * 6


def test_risks_as_a_spreadsheet_of_europe_saves_them(table: Path, cases: list[Case], tmp_path: Path) -> None:
    rows = "".join(f"{case.case_id};0,{place + 1}\n" for place, case in enumerate(cases))
    (tmp_path / "risks.csv").write_text("\ufeffCase ID;P (malignant)\n" + rows)
    evaluation = score_masks(OtherResults(None, tmp_path / "risks.csv"), table, tmp_path / "out", settings=QUICK)
    assert [row.risk for row in evaluation.cases] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case_id,risk\n{id},1.2\n", "row 2: risk '1.2' is no probability"),
        ("case_id,risk\n{id},high\n", "row 2: risk 'high' is no probability"),
        ("case_id,risk\n{id},nan\n", "no row has the name of a case and a risk"),
        ("case_id,risk\n{id},0.1\n{id},0.2\n", "row 3: {id} is there twice"),
        ("a,b\n1,2\n", "needs a column case_id"),
        ("case_id,risk\nother,0.5\n", "no row has the name of a case"),
    ],
)
def test_faulty_risks_are_one_line(table: Path, cases: list[Case], tmp_path: Path, text: str, message: str) -> None:
    case_id = cases[0].case_id
    (tmp_path / "risks.csv").write_text(text.format(id=case_id))
    with pytest.raises(InputError) as caught:
        score_masks(OtherResults(None, tmp_path / "risks.csv"), table, tmp_path / "out")
    assert message.format(id=case_id) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_two_masks_of_one_case_and_none_at_all_are_refused(table: Path, cases: list[Case], tmp_path: Path) -> None:
    masks = write_masks(tmp_path / "masks", cases)
    write_masks(masks, cases[:1], "{stem}.png")
    with pytest.raises(InputError, match="are both of"):
        scored(masks, table, tmp_path / "out")
    write_masks(tmp_path / "others", cases, "{stem}x.png")
    with pytest.raises(InputError, match="no mask has the name of a case"):
        scored(tmp_path / "others", table, tmp_path / "out")
    with pytest.raises(InputError, match="nothing to score"):
        score_masks(OtherResults(None, None), table, tmp_path / "out")


def test_the_command_compares_with_another(table: Path, cases: list[Case], tmp_path: Path) -> None:
    masks = write_masks(tmp_path / "masks", cases)
    for name in ("one", "two"):
        words = ["score", str(masks), "--cases", str(table), "-o", str(tmp_path / name), "--name", f"program {name}"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert "program " in result.output
    tables = [str(tmp_path / name / "per_case.csv") for name in ("one", "two")]
    result = CliRunner().invoke(app, ["compare", *tables, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["num_cases"] == 6
    header = next(csv.reader((tmp_path / "one" / "per_case.csv").open()))
    assert header[:2] == ["case_id", "group"]
