"""report: results folder -> proposal, examination -> report; nothing of a reader's is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import error_line, runner
from examinations import SIZE_HW, examined, full_examination, nodule_of, prediction_of
from result_objects import disc, predicted, read, write_source
from thyrosight.cli import app
from thyrosight.examination.records import ThyroidExam


def write_results_folder(folder: Path) -> Path:
    """-> a results folder of two views of one nodule, whose names state them."""
    for name, size in (("rt_trv_upper", (12, 8)), ("rt_sag_upper", (18, 8.2)), ("isthmus_trans", (5, 3))):
        case = folder / name
        case.mkdir(parents=True)
        (case / "result.json").write_text(prediction_of(name, [nodule_of(*size)]).to_json(), encoding="utf-8")
    return folder


def test_a_results_folder_becomes_a_proposal_and_then_a_report(tmp_path: Path) -> None:
    results, out = write_results_folder(tmp_path / "results"), tmp_path / "out"
    done = runner.invoke(app, ["report", str(results), "-o", str(out), "--date", "2026-02-03", "--system", "eu"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [str(out / name) for name in ("report.html", "report.txt", "examination.json")]
    one = ThyroidExam.model_validate_json((out / "examination.json").read_bytes())
    assert (one.date, one.system) == ("2026-02-03", "eu")
    assert [len(nodule.sections) for nodule in one.nodules] == [2, 1]
    assert [(nodule.side, nodule.pole) for nodule in one.nodules] == [("right", "upper"), ("isthmus", None)]
    text = (out / "report.txt").read_text(encoding="utf-8")
    assert "DRAFT" in text
    assert "18.0 × 12.0 × 8.0 mm" in text
    again = runner.invoke(app, ["report", str(out / "examination.json"), "-o", str(tmp_path / "b"), "--json"])
    assert json.loads(again.stdout)["nodules"] == 2


def test_a_completed_examination_is_never_replaced(tmp_path: Path) -> None:
    results, out = write_results_folder(tmp_path / "results"), tmp_path / "out"
    assert runner.invoke(app, ["report", str(results), "-o", str(out)]).exit_code == 0
    assert runner.invoke(app, ["report", str(results), "-o", str(out)]).exit_code == 0, "it is what it would write"
    (out / "examination.json").write_text("by the reader", encoding="utf-8")
    for more in ([], ["--overwrite"]):
        done = runner.invoke(app, ["report", str(results), "-o", str(out), *more])
        assert done.exit_code == 1
        assert "never replaced" in error_line(done.stderr)
    assert (out / "examination.json").read_text(encoding="utf-8") == "by the reader"


def test_a_report_is_replaced_only_where_asked(tmp_path: Path) -> None:
    source, earlier = tmp_path / "now.json", tmp_path / "before.json"
    source.write_text(full_examination().to_json(), encoding="utf-8")
    earlier.write_text(examined([(14, 9, 9)], places=[("right", "upper")]).to_json(), encoding="utf-8")
    command = ["report", str(source), "-o", str(tmp_path / "out"), "--earlier", str(earlier)]
    assert runner.invoke(app, command).exit_code == 0
    assert "grown" in (tmp_path / "out" / "report.txt").read_text(encoding="utf-8")
    assert runner.invoke(app, command).exit_code == 0, "a command that was killed at its end goes on"
    (tmp_path / "out" / "report.txt").write_text("by a person", encoding="utf-8")
    assert "is there already" in error_line(runner.invoke(app, command).stderr)
    assert (tmp_path / "out" / "report.txt").read_text(encoding="utf-8") == "by a person"
    assert runner.invoke(app, [*command, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no examination: the file"),
        (b"{}", "no examination: uid: Field required"),
        (b'{"uid": "2.25.1", "colour": 1}', "no examination: colour: Extra inputs"),
        (b"\xff\xfe\x00", "no examination: the file"),
        (b"[" * 100_000, "no examination: the file"),
    ],
)
def test_what_is_no_examination_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    done = runner.invoke(app, ["report", str(tmp_path / "x.json"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert told in error_line(done.stderr)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_results_and_a_wrong_date_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = runner.invoke(app, ["report", str(tmp_path / "empty"), "-o", str(tmp_path / "out")])
    assert "holds no result" in error_line(done.stderr)
    results = write_results_folder(tmp_path / "results")
    done = runner.invoke(app, ["report", str(results), "-o", str(tmp_path / "out"), "--date", "3.2.2026"])
    assert done.exit_code == 2
    assert "YYYY-MM-DD" in error_line(done.stderr)


def write_dicom_case(folder: Path) -> tuple[Path, Path, Path]:
    """-> a results folder of one DICOM image with a nodule, its case folder, the image."""
    (folder / "images").mkdir()
    image = write_source(folder / "images", SIZE_HW)
    case = folder / "results" / "rt_trv"
    case.mkdir(parents=True)
    (case / "result.json").write_text(predicted(image, [disc(SIZE_HW, 200, 150, 40)]).to_json(), encoding="utf-8")
    return folder / "results", case, image


def test_masks_of_another_tool_become_a_reading_that_the_report_names(tmp_path: Path) -> None:
    _, case, image = write_dicom_case(tmp_path)
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), disc(SIZE_HW, 120, 100, 30).astype(np.uint8) * 255)
    command = ["import-masks", str(mask), "--case", str(case), "--image", str(image), "-o", str(tmp_path / "read")]
    done = runner.invoke(app, [*command, "--who", "Dr. A"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "read" / "rt_trv")
    assert "is there already" in error_line(runner.invoke(app, command).stderr), "by somebody else now"
    assert runner.invoke(app, [*command, "--who", "Dr. A"]).exit_code == 0, "the same command goes on"
    dicom = ["dicom", str(tmp_path / "read" / "rt_trv"), "--source", str(image), "-o", str(tmp_path / "seg"), "--seg"]
    assert runner.invoke(app, dicom).exit_code == 0
    assert read((tmp_path / "seg" / "seg.dcm").read_bytes()).SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    done = runner.invoke(app, ["report", str(tmp_path / "read"), "-o", str(tmp_path / "report")])
    assert done.exit_code == 0, done.stderr
    one = ThyroidExam.model_validate_json((tmp_path / "report" / "examination.json").read_bytes())
    assert one.nodules[0].sections[0].outlined_by == "MANUAL"
    assert one.nodules[0].uid.startswith("2.25.")
    assert one.nodules[0].sections[0].nodule.risk is None
    assert "outlined by the reader alone" in (tmp_path / "report" / "report.txt").read_text(encoding="utf-8")


def test_masks_of_another_image_are_refused(tmp_path: Path) -> None:
    _, case, image = write_dicom_case(tmp_path)
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), np.full((20, 20), 255, np.uint8))
    command = ["import-masks", str(mask), "--case", str(case), "-o", str(tmp_path / "read"), "--image"]
    assert "is not the image of" in error_line(runner.invoke(app, [*command, str(mask)]).stderr)
    assert error_line(runner.invoke(app, [*command, str(image)]).stderr)
    assert not (tmp_path / "read").exists()


def test_report_writes_dicom_of_the_sources(tmp_path: Path) -> None:
    results, _, image = write_dicom_case(tmp_path)
    done = runner.invoke(app, ["report", str(results), "-o", str(tmp_path / "out"), "--dicom", str(image.parent)])
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.html", "report.txt", "examination.json", "seg_1.dcm", "sr.dcm")
    }
    (tmp_path / "none").mkdir()
    done = runner.invoke(app, ["report", str(results), "-o", str(tmp_path / "b"), "--dicom", str(tmp_path / "none")])
    assert "holds none of the examination's images" in error_line(done.stderr)


@pytest.mark.parametrize("kind", ["coco", "cvat", "label-studio"])
def test_annotations_leave_once(kind: str, tmp_path: Path) -> None:
    results, _, _ = write_dicom_case(tmp_path)
    command = ["annotations", str(results), "-o", str(tmp_path / "out"), "--format", kind]
    done = runner.invoke(app, command)
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert "source.dcm" in text
    assert runner.invoke(app, command).exit_code == 0, "a command that was killed at its end goes on"
    assert (tmp_path / "out").read_text(encoding="utf-8") == text
    (tmp_path / "out").write_text(f"{text} by a person", encoding="utf-8")
    assert "is there already" in error_line(runner.invoke(app, command).stderr)
    assert (tmp_path / "out").read_text(encoding="utf-8").endswith("by a person")
