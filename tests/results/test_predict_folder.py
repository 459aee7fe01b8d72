"""Folder runs and what they leave: resume, bad files, stops, tables, the page, the pictures, the challenge's files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bad_inputs import HANDLED, REFUSED, write_bad_inputs
from scans import rows_of, run, scan, write_scans
from thyrosight.errors import InputError
from thyrosight.files.leftovers import temporary_path
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import Prediction
from thyrosight.results import case_folder
from thyrosight.results.layout import read_result
from thyrosight.types import Frame
from tiny_bundle import make_tiny_bundle

Bytes = dict[str, bytes]


def contents(folder: Path) -> Bytes:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_json(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text(encoding="utf-8")))


# The ten bad inputs.


def test_ten_bad_inputs_each_end_in_a_result_or_one_line(tiny: Predictor, tmp_path: Path) -> None:
    paths = write_bad_inputs(tmp_path / "in")
    before = contents(tmp_path / "in")
    lines: list[str] = []

    def note(num_finished: int, num_images: int, name: str, fault: str | None) -> None:
        lines.extend([fault] if fault is not None else [])

    summary = run(tmp_path / "in", tmp_path / "out", tiny, progress=note)
    assert summary.exit_code == 1
    assert (summary.num_done, summary.num_skipped, summary.num_failed) == (len(HANDLED) + 1, 0, len(REFUSED))
    assert sorted(lines) == sorted(failure.message for failure in summary.failures)
    for name in REFUSED:
        (line,) = [line for line in lines if line.startswith(f"{paths[name].name}: ")]
        assert ";" in line, "a fault and its mend"
        assert str(tmp_path) not in line
    for name in (*HANDLED, "good"):
        with Image.open(paths[name]) as source, Image.open(tmp_path / "out" / paths[name].stem / "mask.png") as mask:
            turned = source.size[::-1] if name == "exif_rotated" else source.size
            assert mask.size == turned
            assert mask.mode == "L"
            assert set(np.unique(np.array(mask))) <= {0, 255}
    assert [row["case_id"] for row in rows_of(tmp_path / "out")] == sorted(paths[n].stem for n in (*HANDLED, "good"))
    assert run_json(tmp_path / "out")["num_failed"] == 5
    assert contents(tmp_path / "in") == before


def test_good_files_alone_give_exit_code_0(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert (summary.exit_code, summary.num_done) == (0, 2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a", "b", "report.html", "results.csv", "run.json")
    ]
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == [
        "mask.png",
        "overlay.png",
        "result.json",
    ]


def test_a_fault_of_ours_costs_one_file(tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png")
    examine = tiny.examine

    def breaks_on_a(frame: Frame) -> Any:
        if frame.path is not None and frame.path.name == "a.png":
            raise ZeroDivisionError("by zero")
        return examine(frame)

    monkeypatch.setattr(tiny, "examine", breaks_on_a)
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert [failure.message for failure in summary.failures] == [
        "a.png: internal error (ZeroDivisionError: by zero); please report it"
    ]
    assert summary.num_done == 1


# Going on where a run stopped.


def test_what_is_done_is_skipped_and_what_is_half_done_is_done_again(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png", "c.png")
    out = tmp_path / "out"
    run(tmp_path / "in", out, tiny)
    first = contents(out)
    (out / "a" / "result.json").unlink()
    own = temporary_path(out / "a" / "x").name.split("-")
    (out / "a" / "-".join([*own[:2], "99999999", *own[3:]])).write_bytes(b"half")  # of a process that is no more
    (out / "b" / "result.json").write_bytes(first["b/result.json"][:100])
    kept = (out / "c" / "mask.png").stat().st_mtime_ns
    summary = run(tmp_path / "in", out, tiny)
    assert (summary.num_done, summary.num_skipped, summary.num_failed) == (2, 1, 0)
    assert (out / "c" / "mask.png").stat().st_mtime_ns == kept
    again = contents(out)
    assert first.keys() == again.keys()
    assert all(first[name] == again[name] for name in first if name.endswith(".png"))
    assert len(rows_of(out)) == 3
    assert run(tmp_path / "in", out, tiny, overwrite=True).num_done == 3


def test_results_json_is_written_last_and_gone_while_a_case_is_redone(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "in", "a.png")
    out = tmp_path / "out"
    run(tmp_path / "in", out, tiny)
    replace = os.replace

    def power_cut(temporary: Path, path: Path) -> None:
        if path.name == "overlay.png":
            raise KeyboardInterrupt
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in", out, tiny, overwrite=True)
    assert not (out / "a" / "result.json").exists()
    assert run_json(out)["status"] == "interrupted"
    monkeypatch.undo()
    assert run(tmp_path / "in", out, tiny).num_done == 1


def test_ctrl_c_leaves_a_folder_that_the_next_run_completes(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *(f"{number}.png" for number in range(5)))
    out = tmp_path / "out"

    def stop_after_two(num_finished: int, num_images: int, name: str, fault: str | None) -> None:
        assert num_images == 5
        if num_finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in", out, tiny, progress=stop_after_two)
    assert [row["case_id"] for row in rows_of(out)] == ["0", "1"]
    assert (run_json(out)["status"], run_json(out)["num_done"]) == ("interrupted", 2)
    assert "2 images" in (out / "report.html").read_text(encoding="utf-8")
    summary = run(tmp_path / "in", out, tiny)
    assert (summary.num_done, summary.num_skipped) == (3, 2)
    assert run_json(out)["status"] == "done"


def test_a_full_disk_stops_the_run(tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scans(tmp_path / "in", *(f"{number}.png" for number in range(6)))

    def full(folder: Path, contents: Bytes) -> None:
        raise InputError(f"{folder}: can't be written (No space left on device)")

    monkeypatch.setattr(case_folder, "write_files_atomic", full)
    with pytest.raises(InputError, match="No space left"):
        run(tmp_path / "in", tmp_path / "out", tiny)
    assert run_json(tmp_path / "out")["status"] == "stopped"
    assert run_json(tmp_path / "out")["num_failed"] == 2


# What a results folder refuses.


def test_results_of_another_image_are_not_mistaken_for_its_own(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    write_scans(tmp_path / "in", "a.png", first_seed=7)
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert "holds the result of another image" in summary.failures[0].message
    assert run(tmp_path / "in", tmp_path / "out", tiny, overwrite=True).num_done == 1


def test_results_of_another_model_are_not_mixed_in(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    out = tmp_path / "out"
    run(tmp_path / "in", out, tiny)
    other = make_tiny_bundle(tmp_path / "other", name="other")
    with pytest.raises(InputError, match=r"holds results of model .*tiny.*, not .*other.*--overwrite"):
        run(tmp_path / "in", out, other)
    assert run(tmp_path / "in", out, other, overwrite=True).num_done == 1
    with pytest.raises(InputError, match="holds results of tta False, not True"):
        run(tmp_path / "in", out, other, tta=True)


def test_files_that_are_not_ours_are_never_replaced(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png")
    write_scans(tmp_path / "out" / "a", "mask.png", "notes.png")
    before = contents(tmp_path / "out")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert [failure.file for failure in summary.failures] == ["a.png"]
    assert "notes.png, which is no result" in summary.failures[0].message
    assert contents(tmp_path / "out").items() >= before.items()
    for name in ("results.csv", "report.html", "run.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("[]")
        with pytest.raises(InputError, match="did not write; choose another folder"):
            run(tmp_path / "in", tmp_path / name, tiny)
        assert contents(tmp_path / name) == {name: b"[]"}


def test_links_are_not_followed_out_of_the_folder(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    assert "is not a folder" in run(tmp_path / "in", tmp_path / "out", tiny).failures[0].message
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_sources_inside_the_results_and_empty_sources_are_refused(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    for out in (tmp_path, tmp_path / "in", tmp_path / "in" / ".."):
        with pytest.raises(InputError, match="which is a source; choose another folder"):
            run([tmp_path / "in"], out, tiny)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no image found"):
        run(tmp_path / "empty", tmp_path / "out", tiny)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in"]


def test_results_inside_the_source_are_not_read_as_images(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    for _ in range(2):
        summary = run(tmp_path / "in", tmp_path / "in" / "results", tiny)
        assert summary.num_done + summary.num_skipped == 1


# Case ids.


def test_same_names_in_two_folders_do_not_meet(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "left/1.png", "right/1.png", "1.png", "1.jpg", "A.png", "a.bmp", "run.json.png")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert summary.num_done == 7
    ids = [row["case_id"] for row in rows_of(tmp_path / "out")]
    assert {"left__1", "right__1", "1"} <= set(ids)
    assert len({case_id.casefold() for case_id in ids}) == 7
    again = run(tmp_path / "in", tmp_path / "out", tiny)
    assert again.num_skipped == 7


def test_a_frame_of_several_has_its_own_id(tiny: Predictor, tmp_path: Path) -> None:
    frames = [Image.fromarray(scan(seed)) for seed in range(3)]
    (tmp_path / "in").mkdir()
    frames[0].save(tmp_path / "in" / "cine.tif", save_all=True, append_images=frames[1:])
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert "3 frames; pass --frame 0..2" in summary.failures[0].message
    summary = run(tmp_path / "in", tmp_path / "other", tiny, frame_index=2)
    assert summary.num_done == 1
    result = read_result(tmp_path / "other" / "cine_frame2")
    assert result is not None
    assert result.image.frame_index == 2


# The records on the way.


def test_results_written_by_the_run_are_the_predictions(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    written = Prediction.model_validate_json((tmp_path / "out" / "a" / "result.json").read_bytes())
    direct = tiny.predict(tmp_path / "in" / "a.png")
    assert written.model_copy(update={"seconds": 0.0}) == direct.model_copy(update={"seconds": 0.0})
    with Image.open(tmp_path / "out" / "a" / "mask.png") as mask:
        assert int((np.array(mask) == 255).sum()) == sum(nodule.size.area_px for nodule in written.nodules)
    shutil.rmtree(tmp_path / "out")
