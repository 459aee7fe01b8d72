"""Clips and DICOM through predict: the loop over frames, the case folder, given millimetres, video."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import dicom_files as files
from thyrosight.cli import app
from thyrosight.errors import ConfigError, InputError
from thyrosight.frames.decoder.client import end_children
from thyrosight.frames.load import load_frame, open_frames
from thyrosight.inference.predict_file import MAX_CLIP_FRAMES, ReadOptions, examine_file, step_of
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import Prediction
from thyrosight.results.predict_folder import FolderOptions, RunSummary, predict_folder
from thyrosight.types import Spacing
from tiny_bundle import make_tiny_bundle

SIZE_HW = (96, 128)
RADII = (8, 12, 18, 14, 10)
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module", autouse=True)
def _no_child_left() -> Any:
    yield
    end_children()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    preprocessing = {"crop": "none", "views": "frame"}
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", preprocessing=preprocessing)


@pytest.fixture(scope="module")
def tiny(bundle: Path) -> Predictor:
    return Predictor.load(bundle, threads=1)


def scan(radius: int, centre_xy: tuple[int, int] = (50, 48)) -> Array:
    image_HW = np.random.default_rng(radius).normal(150, 10, SIZE_HW).clip(110, 255).astype(np.uint8)
    if radius:
        cv2.circle(image_HW, centre_xy, radius, 28, -1)
    return image_HW


def clip_file(path: Path, radii: tuple[int, ...] = RADII, **elements: Any) -> Path:
    frames = np.stack([scan(radius) for radius in radii])
    path.write_bytes(files.native(frames, NumberOfFrames=len(radii), SOPClassUID=files.US_MULTI, **elements))
    return path


def run(source: Path, out: Path, predictor: Predictor, **options: Any) -> RunSummary:
    return predict_folder(source, out, bundle=predictor, options=FolderOptions(**options))


def result_of(folder: Path) -> Prediction:
    return Prediction.model_validate_json((folder / "result.json").read_bytes())


def clip_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "clip.json").read_text(encoding="utf-8")))


def test_a_clip_is_read_whole_and_its_largest_section_stands_for_it(tiny: Predictor, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "clip.dcm", FrameTime=40)
    summary = run(source, tmp_path / "out", tiny)
    assert (summary.num_done, summary.exit_code) == (1, 0)
    case, clip = tmp_path / "out" / "clip", clip_of(tmp_path / "out" / "clip")
    assert sorted(path.name for path in case.iterdir()) == ["clip.json", "mask.png", "overlay.png", "result.json"]
    assert (clip["num_frames"], clip["every"], clip["frame_ms"], clip["num_read"]) == (5, 1, 40, 5)
    assert clip["representative_frame"] == result_of(case).image.frame_index == RADII.index(max(RADII))
    frames = [Prediction.model_validate(frame) for frame in clip["frames"]]
    assert [frame.image.frame_index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[2].nodules == result_of(case).nodules
    (track,) = clip["tracks"]
    assert (track["frames"], track["largest_frame"]) == ([0, 1, 2, 3, 4], clip["representative_frame"])
    assert clip["risk_spread"]["minimum"] <= clip["risk"] <= clip["risk_spread"]["maximum"]
    assert "SECRET" not in (case / "clip.json").read_text(encoding="utf-8").upper()
    (row,) = csv.DictReader((tmp_path / "out" / "results.csv").read_text(encoding="utf-8").splitlines())
    assert (row["case_id"], row["frame"]) == ("clip", "2")
    again = run(source, tmp_path / "out", tiny)
    assert (again.num_done, again.num_skipped) == (0, 1)


def test_every_nth_frame_one_frame_and_no_mixing_of_them(tiny: Predictor, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "clip.dcm")
    run(source, tmp_path / "out", tiny, every=2)
    clip = clip_of(tmp_path / "out" / "clip")
    assert [frame["image"]["frame_index"] for frame in clip["frames"]] == [0, 2, 4]
    with pytest.raises(InputError, match="holds results of every 2, not None"):
        run(source, tmp_path / "out", tiny)
    run(source, tmp_path / "out", tiny, frame_index=0, overwrite=True)
    assert result_of(tmp_path / "out" / "clip").image.frame_index == 0
    assert not (tmp_path / "out" / "clip" / "clip.json").exists(), "one frame is no clip"


def test_a_long_clip_is_thinned_and_a_short_step_is_refused() -> None:
    assert [step_of(Path("x"), n, None) for n in (1, MAX_CLIP_FRAMES, MAX_CLIP_FRAMES + 1)] == [1, 1, 2]
    assert step_of(Path("x"), 1000, 7) == 7
    with pytest.raises(InputError, match="x: 1,000 frames, and at most 300 are read; pass --every 4"):
        step_of(Path("x"), 1000, 3)


def test_a_clip_without_a_nodule_shows_its_middle(tiny: Predictor, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "clip.dcm", (0, 0, 0))
    result = examine_file(tiny, source, ReadOptions())
    assert result.examination.prediction.image.frame_index == 1
    assert result.clip_json is not None
    assert json.loads(result.clip_json)["num_with_nodule"] == 0


def test_millimetres_of_a_nodule_are_its_pixels_times_the_spacing(tiny: Predictor, tmp_path: Path) -> None:
    inside = {"RegionLocationMaxX1": 120, "RegionLocationMaxY1": 90}
    path = tmp_path / "a.dcm"
    path.write_bytes(files.with_regions(files.region(**inside), image=scan(18)))
    size = tiny.predict(path).nodules[0].size
    assert size.transverse_mm == pytest.approx(size.transverse_px * 0.05, rel=1e-3)
    assert size.anteroposterior_mm == pytest.approx(size.anteroposterior_px * 0.06, rel=1e-3)
    assert size.area_mm2 == pytest.approx(size.area_px * 0.003, rel=1e-3)
    assert size.mm_reason is None
    two = [
        files.region(**inside | {"RegionLocationMaxX1": 90}),
        files.region(**inside | {"RegionLocationMinX0": 95, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.02}),
    ]
    path.write_bytes(files.with_regions(*two, image=scan(18)))
    prediction = tiny.predict(path)
    assert prediction.image.spacing is None
    assert prediction.nodules[0].size.transverse_mm == pytest.approx(size.transverse_mm)
    path.write_bytes(files.with_regions(*two, image=scan(18, (90, 48))))
    size = tiny.predict(path).nodules[0].size
    assert (size.transverse_mm, size.mm_reason) == (None, "it is outside the ultrasound regions that have a scale")


def test_given_millimetres_go_before_the_files(bundle: Path, tiny: Predictor, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "clip.dcm", PixelSpacing=[0.5, 0.5])
    options = ["--bundle", str(bundle), "--threads", "1", "--frame", "2", "--mm-per-pixel", "0.2,0.1"]
    done = CliRunner().invoke(app, ["predict", str(source), "-o", str(tmp_path / "out"), *options])
    assert done.exit_code == 0, done.output
    found = result_of(tmp_path / "out" / "clip_frame2")
    assert found.image.spacing is not None
    assert (found.image.spacing.row_mm, found.image.spacing.column_mm) == (0.2, 0.1)
    assert found.image.spacing_reason == "given by the user (--mm-per-pixel)"
    with pytest.raises(InputError, match="holds results of mm_per_pixel"):
        run(source, tmp_path / "out", tiny, frame_index=2, spacing=Spacing(0.3, 0.3))


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "0.1,", "0.1,0.1,0.1", "30", "0.05,0.9"])
def test_millimetres_that_can_not_be_are_refused(text: str) -> None:
    from thyrosight.commands.options import spacing_given

    with pytest.raises(ConfigError, match="--mm-per-pixel"):
        spacing_given(text)


def test_one_number_is_for_rows_and_columns() -> None:
    from thyrosight.commands.options import spacing_given

    assert spacing_given("0.06") == Spacing(0.06, 0.06)
    assert spacing_given("0.07,0.06") == Spacing(0.07, 0.06)


def test_a_frame_and_every_nth_exclude_each_other(bundle: Path, tmp_path: Path) -> None:
    source = clip_file(tmp_path / "clip.dcm")
    call = [
        "predict",
        str(source),
        "-o",
        str(tmp_path / "out"),
        "--bundle",
        str(bundle),
        "--frame",
        "1",
        "--every",
        "2",
    ]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2
    assert "not both" in done.output


def write_video(path: Path, radii: tuple[int, ...] = RADII, code: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25, SIZE_HW[::-1])
    if not writer.isOpened():
        pytest.skip(f"OpenCV can't write {code} here")
    for radius in radii:
        writer.write(cv2.cvtColor(scan(radius), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.mark.parametrize(("name", "code"), [("clip.avi", "MJPG"), ("clip.mp4", "mp4v")])
def test_a_video_is_a_clip(name: str, code: str, tiny: Predictor, tmp_path: Path) -> None:
    source = write_video(tmp_path / name, code=code)
    with open_frames(source) as file:
        assert (file.num_frames, file.is_clip, file.frame_ms) == (5, True, 40)
        for index in (3, 0, 4):  # forwards and backwards
            assert np.abs(file.frame(index).image_HW.astype(int) - scan(RADII[index])).mean() < 8
    assert "a video does not say" in str(load_frame(source, 1).spacing_reason)
    result = examine_file(tiny, source, ReadOptions())
    assert result.examination.prediction.image.frame_index == 2
    assert result.clip_json is not None


def test_videos_that_are_none_are_one_line(tiny: Predictor, tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(good[:300])
    (tmp_path / "noise.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).bytes(5000))
    (tmp_path / "list.mp4").write_bytes(b"\0\0\0\x18ftyp#EXTM3U\nfile:///etc/passwd\n")
    for name in ("cut.avi", "noise.mp4", "list.mp4"):
        with pytest.raises(InputError, match=f"{name}: .*video") as caught:
            load_frame(tmp_path / name, 0)
        assert ";" in str(caught.value)


def test_a_bad_frame_fails_its_clip_and_no_other(tiny: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [files.jpeg(scan(radius)) for radius in (8, 12)]
    broken = [frames[0], frames[1][: len(frames[1]) // 2]]
    header = files.dataset(SIZE_HW, SOPClassUID=files.US_MULTI)
    (tmp_path / "in" / "bad.dcm").write_bytes(files.compressed(broken, files.JPEGBaseline8Bit, header))
    clip_file(tmp_path / "in" / "good.dcm", (8, 12))
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert (summary.num_done, summary.num_failed) == (1, 1)
    assert summary.failures[0].message.startswith("bad.dcm: frame 2 of 2: damaged")


@pytest.mark.parametrize("has_regions", [False, True])
def test_a_video_inside_a_dicom(has_regions: bool, tmp_path: Path) -> None:
    stream = write_video(tmp_path / "clip.mp4", code="mp4v").read_bytes()
    header = files.dataset(SIZE_HW, "YBR_PARTIAL_420", SamplesPerPixel=3, SOPClassUID=files.US_MULTI, FrameTime=50)
    if has_regions:
        header.SequenceOfUltrasoundRegions = [files.region()]
    path = tmp_path / "clip.dcm"
    path.write_bytes(files.compressed([stream], "1.2.840.10008.1.2.4.102", header))
    with open_frames(path) as file:
        assert (file.num_frames, file.frame_ms) == (5, 50)
        frame = file.frame(2)
    assert np.abs(frame.image_HW.astype(int) - scan(RADII[2])).mean() < 8
    assert frame.spacing == (pytest.approx(Spacing(0.06, 0.05)) if has_regions else None)
    assert frame.modality == "US"


def test_progressive_jpeg_in_a_dicom() -> None:
    from thyrosight.frames.load import decode_frame

    frame = files.jpeg(scan(18), progressive=True)
    data = files.compressed([frame], "1.2.840.10008.1.2.4.55", files.dataset(SIZE_HW))
    assert np.abs(decode_frame(data).image_HW.astype(int) - scan(18)).mean() < 8
