"""Names and outputs as people of the field have them, a second round: all are taken, nothing is lost or replaced."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.datasets.table import read_cases
from thyrosight.inference.predictor import Predictor
from thyrosight.results.predict_folder import predict_folder
from tiny_bundle import make_tiny_bundle

SIZE = (72, 96)

NAMES = {
    "newline": "a\nb.png",
    "tab": "a\tb.png",
    "emoji": "\U0001f9b7 \U0001f469\u200d\u2695\ufe0f.png",
    "trailing dot": "a..png",
    "leading dash": "-o.png",
    "leading blank": " a .png",
    "quotes": "a'b\"c`$(d).png",
    "percent": "100%_%s.png",
    "backslash": "a\\b.png",
    "colon": "a:b.png",
    "right to left": "\u05d0\u202etxt.png",
    "decomposed": "Kno\u0308tchen.png",
    "two endings": "a.dcm.png",
    "upper ending": "A.PNG",
    "255 bytes": "x" * 251 + ".png",
    "255 bytes of 3 each": "\u7532" * 83 + ".png",
    "bytes that are no text": os.fsdecode(b"\xbc\xd7\xff.png"),
    "device of Windows": "CON.png",
    "a formula": "=cmd|x.png",
    "markup": "<img src=x onerror=alert(1)>.png",
}


def picture(path: Path, seed: int = 0) -> Path:
    pixels_HW = np.random.default_rng(seed).integers(90, 200, SIZE).astype(np.uint8)
    pixels_HW[20:50, 30:60] = 30
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels_HW).save(path, "PNG")
    return path


def contents(folder: Path) -> dict[str, str]:
    """Every file below the folder -> the hash of its bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor.load(bundle, threads=1)


@pytest.mark.parametrize("kind", NAMES)
def test_an_image_of_this_name_is_predicted_and_listed(tmp_path: Path, predictor: Predictor, kind: str) -> None:
    picture(tmp_path / "in" / NAMES[kind])
    summary = predict_folder(tmp_path / "in", tmp_path / "out", bundle=predictor)
    assert (summary.num_done, summary.num_failed) == (1, 0), summary.failures
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream)
    folder = tmp_path / "out" / row["case_id"]
    assert folder.parent == tmp_path / "out"
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["nodules"]
    assert not row["file"].startswith("=")
    assert "<img src=x" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    again = predict_folder(tmp_path / "in", tmp_path / "out", bundle=predictor)
    assert again.num_skipped == 1


def test_names_that_fall_together_stay_apart(tmp_path: Path, predictor: Predictor) -> None:
    names = ["a.png", "A.png", "a.jpg", "a .png", "a_.png", "sub/a.png", "sub__a.png", "a\u0301.png", "\u00e1.png"]
    for seed, name in enumerate(names):
        picture(tmp_path / "in" / name, seed)
    summary = predict_folder(tmp_path / "in", tmp_path / "out", bundle=predictor)
    assert summary.num_done == len(names)
    results = list((tmp_path / "out").glob("*/result.json"))
    assert len({json.loads(path.read_text())["image"]["sha256"] for path in results}) == len(names)
    assert len({path.parent.name.casefold() for path in results}) == len(names)


def test_what_is_no_file_ends_in_a_line_and_hides_no_image(tmp_path: Path, predictor: Predictor) -> None:
    folder = tmp_path / "in"
    picture(folder / "good.png")
    (folder / "empty.png").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "round.png").symlink_to(folder / "round.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "folder.png").mkdir()
    (folder / ".hidden.png").touch()
    summary = predict_folder(folder, tmp_path / "out", bundle=predictor)
    assert summary.num_done == 1
    told = {failure.file: failure.message for failure in summary.failures}
    assert set(told) == {"empty.png", "pipe.png", "gone.png", "round.png", "device.png"}
    assert all("\n" not in message and name in message for name, message in told.items())


def ours(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def own_set(folder: Path) -> Path:
    for number in range(4):
        picture(folder / "images" / f"{number}.png", number)
        mask_HW = np.zeros(SIZE, np.uint8)
        mask_HW[20:50, 30:60] = 255
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask_HW).save(folder / "masks" / f"{number}.png")
    return folder


MINE = "mine, not yours\n"

OUTPUTS: dict[str, tuple[Callable[[Path, Path], list[object]], str]] = {
    "predict onto a file": (lambda home, bundle: ["predict", home / "set/images", "-o", home / "notes.txt"], ""),
    "predict into its source": (lambda home, bundle: ["predict", home / "set/images", "-o", home / "set/images"], ""),
    "predict where results.csv is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out"],
        "out/results.csv",
    ),
    "predict where report.html is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out"],
        "out/report.html",
    ),
    "predict where run.json is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out"],
        "out/run.json",
    ),
    "predict where a case's mask is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out"],
        "out/0/mask.png",
    ),
    "prepare where cases.csv is mine": (
        lambda home, bundle: ["prepare", home / "set", "-o", home / "out", "--folds", 0],
        "out/cases.csv",
    ),
    "prepare where dataset.json is mine": (
        lambda home, bundle: ["prepare", home / "set", "-o", home / "out", "--folds", 0],
        "out/dataset.json",
    ),
    "prepare where contact_sheet.png is mine": (
        lambda home, bundle: ["prepare", home / "set", "-o", home / "out", "--folds", 0],
        "out/contact_sheet.png",
    ),
    "prepare into its own folder with masks": (
        lambda home, bundle: ["prepare", home / "set", "-o", home / "set", "--folds", 0, "--mask-label", "nodule=255"],
        "",
    ),
    "phantom where cases.csv is mine": (
        lambda home, bundle: ["phantom", "-n", 2, "-o", home / "out"],
        "out/cases.csv",
    ),
    "phantom where an image is mine": (
        lambda home, bundle: ["phantom", "-n", 2, "-o", home / "out"],
        "out/image/0000.png",
    ),
    "demo where a case is mine": (
        lambda home, bundle: ["demo", "-n", 1, "-o", home / "out", "--bundle", bundle],
        "out/cases/image/0000.png",
    ),
    "evaluate where per_case.csv is mine": (
        lambda home, bundle: ["evaluate", bundle, "--cases", home / "cases", "-o", home / "out"],
        "out/per_case.csv",
    ),
    "evaluate where evaluation.json is mine": (
        lambda home, bundle: ["evaluate", bundle, "--cases", home / "cases", "-o", home / "out"],
        "out/evaluation.json",
    ),
    "evaluate where report.html is mine": (
        lambda home, bundle: ["evaluate", bundle, "--cases", home / "cases", "-o", home / "out"],
        "out/report.html",
    ),
    "submission where it is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out", "--submission"],
        "out/submission.csv",
    ),
    "submission where a mask is mine": (
        lambda home, bundle: ["predict", home / "set/images", "-o", home / "out", "--submission"],
        "out/mask/0.png",
    ),
    "stress where it is mine": (
        lambda home, bundle: ["stress", bundle, "--cases", home / "cases", "-o", home / "out", "--strengths", "1"],
        "out/stress.json",
    ),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_nothing_of_mine_is_replaced(tmp_path: Path, bundle: Path, kind: str) -> None:
    arguments, mine = OUTPUTS[kind]
    own_set(tmp_path / "set")
    assert ours("prepare", tmp_path / "set", "-o", tmp_path / "cases", "--folds", "0")[0] == 0
    (tmp_path / "notes.txt").write_text(MINE)
    if mine:
        (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mine).write_text(MINE)
    before = contents(tmp_path)
    words = arguments(tmp_path, bundle)
    more = ["--bundle", bundle] if words[0] == "predict" else []
    code, told = ours(*words, *more)
    after = contents(tmp_path)
    assert {name: after.get(name) for name in before} == before, told
    assert "Traceback" not in told
    if mine or "notes.txt" in str(words):
        assert code != 0
        assert Path(mine or "notes.txt").name in told or Path(mine or "notes.txt").parent.name in told, told


@pytest.mark.parametrize("name", ["out/", "./out/.", "out\n2", "-out", "o\u00fct \U0001f600", "a/b/c", "o" * 255])
def test_an_output_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Path, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    code, told = ours("predict", "a.png", f"--out={name}", "--bundle", bundle)
    assert code == 0, told
    assert (Path(name) / "a" / "result.json").is_file()


def test_cases_of_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    folder = own_set(tmp_path / os.fsdecode(b"s\xe9t"))
    os.rename(folder / "images" / "0.png", folder / "images" / os.fsdecode(b"k\xfc.png"))
    os.rename(folder / "masks" / "0.png", folder / "masks" / os.fsdecode(b"k\xfc.png"))
    code, told = ours("prepare", folder, "-o", tmp_path / "out", "--folds", "0")
    assert code == 0, told
    cases = read_cases(tmp_path / "out")
    assert len(cases) == 4
    assert all(case.image.is_file() and case.mask is not None and case.mask.is_file() for case in cases)
