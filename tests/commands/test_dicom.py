"""`thyrosight dicom`: objects of a case, of a clip, and refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from typer.testing import CliRunner

from result_objects import (
    clip,
    predicted,
    write_source,
)
from thyrosight.prediction import Prediction

# The command.


def results_folder(folder: Path, predictions: Sequence[Prediction]) -> Path:
    from thyrosight.results.png import picture_png

    for prediction in predictions:
        case = folder / "results" / f"case_{prediction.image.frame_index}"
        case.mkdir(parents=True)
        (case / "result.json").write_text(prediction.to_json(), encoding="utf-8")
        (case / "overlay.png").write_bytes(picture_png(np.full((6, 7, 3), (10, 20, 30), np.uint8)))
    return folder / "results"


def run(*arguments: Any) -> Any:
    from thyrosight.cli import app

    return CliRunner().invoke(app, ["dicom", *map(str, arguments)])


def test_command_writes_all_three_of_a_clip(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    folder, out = results_folder(tmp_path, predictions), tmp_path / "out"
    done = run(folder, "--source", path, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    names = ["seg.dcm", "sr.dcm", "capture_0001.dcm", "capture_0002.dcm", "capture_0003.dcm"]
    assert json.loads(done.stdout) == {
        "files": [str(out / name) for name in names],
        "frames": 3,
        "identity": "none",
    }
    assert sorted(file.name for file in out.iterdir()) == sorted(names)
    assert (pydicom.dcmread(out / "capture_0002.dcm").pixel_array == (10, 20, 30)).all()


def test_command_writes_what_was_asked_for_of_one_case(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    folder, out = results_folder(tmp_path, predictions), tmp_path / "out"
    done = run(folder / "case_1", "--source", path, "-o", out, "--seg", "--identity", "keep")
    assert done.exit_code == 0, done.output
    assert [file.name for file in out.iterdir()] == ["seg.dcm"]
    seg = pydicom.dcmread(out / "seg.dcm")
    assert (seg.NumberOfFrames, seg.PatientID) == (1, "4711")


def test_command_takes_all_frames_of_a_clip_from_one_case(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=4)
    folder, out = results_folder(tmp_path, predictions[2:3]), tmp_path / "out"
    clip_path = folder / "case_2" / "clip.json"
    clip_path.write_text(json.dumps({"frames": [json.loads(prediction.to_json()) for prediction in predictions]}))
    for chosen in (folder, folder / "case_2"):
        done = run(chosen, "--source", path, "-o", out, "--overwrite")
        assert done.exit_code == 0, done.output
        assert pydicom.dcmread(out / "seg.dcm").NumberOfFrames == 4
        assert sorted(file.name for file in out.iterdir()) == ["capture_0003.dcm", "seg.dcm", "sr.dcm"]
    clip_path.write_text("{}")
    assert "clip.json: damaged" in run(folder, "--source", path, "-o", out).output


def test_command_says_a_word_where_there_is_no_nodule(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    folder, out = results_folder(tmp_path, [predicted(path, [])]), tmp_path / "out"
    done = run(folder, "--source", path, "-o", out)
    assert done.exit_code == 0
    assert "no nodule was outlined" in done.output
    assert sorted(file.name for file in out.iterdir()) == ["capture.dcm", "sr.dcm"]


def test_command_refuses_another_source(tmp_path: Path) -> None:
    path = write_source(tmp_path, (20, 20))
    folder = results_folder(tmp_path, [predicted(path, [])])
    write_source(tmp_path, (20, 20), PatientID="another")
    for chosen, said in ((folder, "holds no result of"), (folder / "case_0", "of another file")):
        done = run(chosen, "--source", path, "-o", tmp_path / "out")
        assert done.exit_code == 1
        assert said in done.output
    assert not (tmp_path / "out").exists()


def test_files_that_are_there_stay_unless_asked(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=3)
    folder, out = results_folder(tmp_path, predictions), tmp_path / "out"
    assert run(folder / "case_1", "--source", path, "-o", out, "--seg").exit_code == 0
    before = (out / "seg.dcm").read_bytes()
    done = run(folder / "case_2", "--source", path, "-o", out, "--seg", "--sr")
    assert done.exit_code == 1
    assert "seg.dcm: is there already and is not replaced without --overwrite" in done.output
    assert [file.name for file in out.iterdir()] == ["seg.dcm"]
    assert (out / "seg.dcm").read_bytes() == before
    assert run(folder / "case_2", "--source", path, "-o", out, "--sr").exit_code == 0
    assert run(folder / "case_2", "--source", path, "-o", out, "--overwrite").exit_code == 0
    assert (out / "seg.dcm").read_bytes() != before
