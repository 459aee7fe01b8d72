"""Folder runs and what they leave: resume, bad files, stops, tables, the page, the pictures, the challenge's files."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bad_inputs import HANDLED, REFUSED, write_bad_inputs
from thyrosight.errors import InputError
from thyrosight.files.leftovers import temporary_path
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import Prediction
from thyrosight.results import case_folder, report
from thyrosight.results.case_ids import assign_case_ids
from thyrosight.results.layout import read_result
from thyrosight.results.overlay import BLANK, HIGH_RISK, LOW_RISK, draw_overlay, legend_lines, risk_colour, strip_height
from thyrosight.results.predict_folder import FileProgress, FolderOptions, RunSummary, predict_folder
from thyrosight.results.submission import write_submission
from thyrosight.results.table import CSV_COLUMNS, SIGN_COLUMNS
from thyrosight.types import Frame, Spacing
from tiny_bundle import make_tiny_bundle

Bytes = dict[str, bytes]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Sees the whole frame in one view."""
    preprocessing = {"crop": "none", "views": "frame"}
    return Predictor.load(
        make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", preprocessing=preprocessing), threads=1
    )


def run(sources: Any, out: Path, bundle: Any, progress: FileProgress | None = None, **options: Any) -> RunSummary:
    return predict_folder(sources, out, bundle=bundle, options=FolderOptions(**options), progress=progress)


def scan(seed: int = 0, gray: int = 28, size_hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """-> bright speckle with one dark disc; every seed is another image."""
    image_HW = np.random.default_rng(seed).normal(150, 10, size_hw).clip(110, 255).astype(np.uint8)
    cv2.circle(image_HW, (40 + 3 * (seed % 10), 48), 18, gray, -1)
    return image_HW


def write_scans(folder: Path, *names: str, first_seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, first_seed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scan(seed)).save(folder / name)


def contents(folder: Path) -> Bytes:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8"))))


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
    write_atomic = case_folder.write_atomic

    def power_cut(path: Path, content: bytes | str) -> None:
        if path.name == "overlay.png":
            raise KeyboardInterrupt
        write_atomic(path, content)

    monkeypatch.setattr(case_folder, "write_atomic", power_cut)
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

    def full(path: Path, content: bytes | str) -> None:
        raise InputError(f"{path}: can't be written (No space left on device)")

    monkeypatch.setattr(case_folder, "write_atomic", full)
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


def test_several_folders_are_told_apart_by_their_names(tmp_path: Path) -> None:
    write_scans(tmp_path, "one/x.png", "two/x.png")
    folders = [tmp_path / "one", tmp_path / "two"]
    tasks = assign_case_ids(folders, [folder / "x.png" for folder in folders])
    assert [task.case_id for task in tasks] == ["one__x", "two__x"]
    assert [task.name for task in tasks] == ["one/x.png", "two/x.png"]
    loose = assign_case_ids([], [folder / "x.png" for folder in folders])
    assert loose[0].case_id == "x"
    assert re.fullmatch("x-[0-9a-f]{8}", loose[1].case_id)


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=90), max_size=12, unique=True))
@settings(max_examples=200, deadline=None)
def test_ids_are_safe_names_and_unique_on_any_file_system(names: list[str]) -> None:
    images = [Path("/in") / f"{name}.png" for name in names]
    ids = [task.case_id for task in assign_case_ids([], images, reserved=["run.json"])]
    assert len({case_id.casefold() for case_id in ids}) == len(names)
    for case_id in ids:
        assert re.fullmatch(r"[\w.-]+", case_id)
        assert case_id[0] not in ".-"
        assert case_id[-1] != "."
        assert len(case_id.encode()) <= 255
        assert case_id.casefold().split(".")[0] not in {"con", "nul", "com1"}
    assert ids == [task.case_id for task in assign_case_ids([], images, reserved=["run.json"])]


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


# The table.


def test_the_table_says_what_the_results_say(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "2.png", "10.png", "=cmd.png")
    Image.fromarray(np.random.default_rng(5).normal(150, 10, (80, 90)).astype(np.uint8)).save(
        tmp_path / "in" / "no.png"
    )
    run(tmp_path / "in", tmp_path / "out", tiny)
    rows = rows_of(tmp_path / "out")
    assert [row["case_id"] for row in rows] == ["2", "10", "cmd", "no"]
    assert rows[2]["file"] == "'=cmd.png"
    assert tuple(rows[0]) == CSV_COLUMNS
    for row in rows:
        result = read_result(tmp_path / "out" / row["case_id"])
        assert result is not None
        assert float(row["risk"]) == result.risk
        assert row["flags"] == ";".join(flag.code for flag in result.flags)
        assert int(row["num_nodules"]) == len(result.nodules)
        if result.nodules:
            size = result.nodules[0].size
            assert float(row["longest_px"]) == size.longest_px
            assert row["longest_mm"] == ""
            assert int(row["taller_than_wide"]) == size.taller_than_wide
            signs = result.nodules[0].signs
            assert signs is not None
            assert [row[name] for name in SIGN_COLUMNS] == [
                "" if getattr(signs, name) is None else str(getattr(signs, name)) for name in SIGN_COLUMNS
            ]
            assert row["compactness"] != ""
    assert rows[3]["area_px"] == rows[3]["nodule_risk"] == rows[3]["mean_probability"] == ""
    assert rows[3]["flags"] == "small_image;no_nodule"


def test_results_from_before_there_were_signs_are_read(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    path = tmp_path / "out" / "a" / "result.json"
    found = json.loads(path.read_text())
    for nodule in found["nodules"]:
        del nodule["signs"]
    path.write_text(json.dumps(found))
    report.write_results(tmp_path / "out")
    (row,) = rows_of(tmp_path / "out")
    assert float(row["longest_px"]) > 0
    assert [row[name] for name in SIGN_COLUMNS] == [""] * 6
    assert "irregularity" not in (tmp_path / "out" / "report.html").read_text().split("<footer")[0]


# The page.


class Page(HTMLParser):
    """Collects what the page would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.cases: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.cases += [value or "" for name, value in attrs if name == "data-case"]
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(out: Path) -> Page:
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_one_file_that_loads_nothing_and_escapes_names(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", '"><script>alert(1)<x>.png', "broken.png")
    (tmp_path / "in" / "<img src=x>.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n<img src=x>")
    run(tmp_path / "in", tmp_path / "out", tiny)
    page = page_of(tmp_path / "out")
    assert page.tags.count("img") == 2
    assert page.tags.count("article") == 2
    assert page.tags.count("script") == 1
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert "http" not in re.sub(r"base64,[^\"]+|http-equiv", "", (tmp_path / "out" / "report.html").read_text())
    assert "not a medical device" in page.text
    assert "broken.png: " in page.text
    assert str(tmp_path) not in page.text
    shown = read_result(tmp_path / "out" / "a")
    assert shown is not None
    assert shown.risk is not None
    assert f"image risk {shown.risk:.0%}" in page.text
    size = shown.nodules[0].size
    assert f"{size.longest_px:.0f} × {size.perpendicular_px:.0f} px" in page.text


def test_a_large_run_shows_those_of_highest_risk_and_says_so(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "in", *(f"{number}.png" for number in range(5)))
    Image.fromarray(scan(8, gray=0, size_hw=(96, 128)) // 2).save(tmp_path / "in" / "dark.png")
    monkeypatch.setattr(report, "GALLERY_LIMIT", 2)
    run(tmp_path / "in", tmp_path / "out", tiny)
    page = page_of(tmp_path / "out")
    assert page.tags.count("article") == 2
    assert "The 2 cases of highest risk, of 6" in " ".join(page.text.split())
    assert page.cases[0] == "dark dark.png"
    assert len(rows_of(tmp_path / "out")) == 6


def test_a_run_in_which_all_fails_still_has_its_page(tiny: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert summary.exit_code == 1
    page = page_of(tmp_path / "out")
    assert "0 images" in page.text
    assert "empty.png: the file is empty" in page.text


def test_a_result_of_another_version_is_named_and_left_out(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    path = tmp_path / "out" / "a" / "result.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    report.write_results(tmp_path / "out")
    assert [row["case_id"] for row in rows_of(tmp_path / "out")] == ["b"]
    assert "a: result.json is damaged or of another version" in page_of(tmp_path / "out").text


# The picture.


def colours_of(picture_HW3: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(v) for v in colour) for colour in np.unique(picture_HW3.reshape(-1, 3), axis=0)}


@pytest.fixture
def screen() -> Frame:
    """A screen capture: speckle in the middle, a dark disc in it, a name in the margin."""
    image_HW = np.zeros((300, 400), np.uint8)
    image_HW[60:260, 80:330] = np.random.default_rng(0).normal(150, 25, (200, 250)).clip(95, 255).astype(np.uint8)
    cv2.circle(image_HW, (200, 160), 30, 20, -1)
    cv2.putText(image_HW, "NAME", (4, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return Frame(None, image_HW, None, Spacing(0.1, 0.1), None, "0" * 64)


def test_the_picture_shows_the_field_alone(tmp_path: Path, screen: Frame) -> None:
    fields = Predictor.load(make_tiny_bundle(tmp_path / "fields"), threads=1)
    found = fields.examine(screen)
    field = found.prediction.field_of_view
    picture_HW3 = draw_overlay(screen, found.prediction)
    height = picture_HW3.shape[0] - strip_height(found.prediction)
    assert height % field.box.height <= 3
    assert picture_HW3.shape[1] // field.box.width == height // field.box.height >= 2


def test_the_name_in_the_margin_is_blanked_even_where_the_model_sees_whole_frames(
    tiny: Predictor, screen: Frame
) -> None:
    prediction = tiny.predict(screen)
    margin_HW = screen.image_HW[:60]
    assert (margin_HW == 255).any()
    everywhere = prediction.nodules[0].model_copy(update={"outline_xy": ((0, 0), (399, 0), (399, 299), (0, 299))})
    picture_HW3 = draw_overlay(screen, prediction.model_copy(update={"nodules": (everywhere,)}))
    scale = picture_HW3.shape[1] // 400
    margin_HW3 = picture_HW3[6 * scale : 50 * scale, 6 * scale : 100 * scale]
    assert colours_of(margin_HW3) == {BLANK}


@pytest.mark.parametrize("is_colour", [False, True])
def test_a_name_inside_the_field_is_filled_in(tiny: Predictor, is_colour: bool) -> None:
    image_HW = np.random.default_rng(2).normal(70, 9, (300, 400)).clip(40, 110).astype(np.uint8)
    cv2.putText(image_HW, "MARIA 4C", (120, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    rgb_HW3 = np.stack([image_HW, image_HW, image_HW // 2], axis=2) if is_colour else None
    frame = Frame(None, image_HW, rgb_HW3, None, "not said", "0" * 64)
    prediction = tiny.predict(frame).model_copy(update={"nodules": ()})
    picture_HW3 = draw_overlay(frame, prediction)[: -strip_height(prediction)]
    assert image_HW.max() == 255
    assert picture_HW3.max() < 130
    assert (picture_HW3[..., 2].mean() < 0.6 * picture_HW3[..., 0].mean()) == is_colour


def test_colours_and_words_follow_the_risk_and_the_spacing(tiny: Predictor, screen: Frame) -> None:
    assert risk_colour(0.5, 0.5) == HIGH_RISK
    assert risk_colour(0.49, 0.5) == LOW_RISK
    prediction = tiny.predict(screen)
    nodule = max(prediction.nodules, key=lambda n: n.mean_probability)
    assert nodule.size.longest_mm is not None
    texts = [text for _, text in legend_lines(prediction)]
    assert any(f"{nodule.size.longest_mm:.1f} x " in text and "mm" in text for text in texts)
    assert texts[-1].endswith("research use only")
    high = nodule.model_copy(update={"risk": 0.99})
    picture_HW3 = draw_overlay(screen, prediction.model_copy(update={"nodules": (high,)}))
    assert HIGH_RISK in colours_of(picture_HW3)
    assert LOW_RISK not in colours_of(picture_HW3)


@pytest.mark.parametrize("size_hw", [(32, 32), (40, 700), (2000, 1500)])
def test_pictures_of_any_size_are_readable(tiny: Predictor, size_hw: tuple[int, int]) -> None:
    image_HW = np.random.default_rng(1).normal(150, 20, size_hw).clip(100, 255).astype(np.uint8)
    cv2.circle(image_HW, (size_hw[1] // 2, size_hw[0] // 2), min(size_hw) // 4, 20, -1)
    found = tiny.examine(image_HW)
    picture_HW3 = draw_overlay(found.frame, found.prediction)
    assert picture_HW3.dtype == np.uint8
    assert 440 <= picture_HW3.shape[1] <= 1600
    assert picture_HW3.shape[0] <= 1600 + strip_height(found.prediction)


# The challenge's files.


def test_a_submission_has_a_binary_mask_an_image_and_the_two_tables(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "test", "test_10.PNG", "test_2.PNG")
    bright_HW = np.full((100, 100), 220, np.uint8)
    bright_HW[40:60, 40:60] = 20
    Image.fromarray(bright_HW).save(tmp_path / "test" / "photo.jpg")
    Image.fromarray(scan(3, size_hw=(70, 110)) // 3).save(tmp_path / "test" / "test_1.PNG")
    (tmp_path / "test" / "test_3.PNG").write_bytes(b"")
    summary = write_submission(tiny, [tmp_path / "test"], tmp_path / "out")
    assert (summary.num_done, summary.num_failed) == (4, 1)
    assert summary.failures[0].message.startswith("test_3.PNG: the file is empty")
    names = ["photo.jpg.png", "test_1.PNG", "test_10.PNG", "test_2.PNG"]
    assert sorted(path.name for path in (tmp_path / "out" / "mask").iterdir()) == names
    with Image.open(tmp_path / "out" / "mask" / "test_1.PNG") as mask:
        assert (mask.size, mask.mode) == ((110, 70), "L")
    for path in (tmp_path / "out" / "mask").iterdir():
        with Image.open(path) as mask:
            assert set(np.unique(np.array(mask))) == {0, 255} or path.name == "test_1.PNG"
    table = (tmp_path / "out" / "submission.csv").read_text().splitlines()
    assert table[0] == "ID,CATE"
    assert [line.split(",")[0] for line in table[1:]] == ["photo.jpg", "test_1.PNG", "test_2.PNG", "test_10.PNG"]
    with open(tmp_path / "out" / "probability.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["ID", "CATE", "probability"]
    assert [f"{row['ID']},{row['CATE']}" for row in rows] == table[1:]
    assert {row["CATE"] for row in rows} == {"0", "1"}
    for row in rows:
        assert int(row["CATE"]) == (float(row["probability"]) >= 0.5)
        assert float(row["probability"]) == tiny.predict(tmp_path / "test" / row["ID"]).risk


def test_a_submission_of_two_images_of_one_name_is_refused(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path, "a/1.PNG", "b/1.png")
    with pytest.raises(InputError, match="2 images are named"):
        write_submission(tiny, [tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


def test_a_pdf_is_refused_before_the_work_where_its_part_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from thyrosight.cli import app

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    write_scans(tmp_path / "in", "a.png")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--pdf"])
    assert done.exit_code == 2
    assert "thyrosight[pdf]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_report_prints_to_a_pdf(tiny: Predictor, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="the extra pdf is not installed")
    from thyrosight.results.pages import write_pdf

    write_scans(tmp_path / "in", "a.png", "b.png")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    path = write_pdf(Path(summary.report))
    assert path == tmp_path / "out" / "report.pdf"
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_size > 5_000
