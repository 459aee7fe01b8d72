"""The whole flow on phantoms, by the command line: draw, prepare, train a little, bundle, predict, evaluate, report."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from thyrosight import Predictor
from thyrosight.cli import app
from thyrosight.datasets.table import read_cases, write_cases
from tiny_bundle import make_tiny_bundle

NUM_CASES = 24
CONFIG = """
about = "a few steps, for the test of the flow"

[network]
name = "unet"
encoder = "lite0"
pretrained = false

[data]
size_hw = [64, 64]

[optim]
epochs = 1
batch_size = 8

[run]
threads = 1
precision = "32"
preview_every = 1
"""


def run(*arguments: str | Path) -> str:
    """A command line that has to go well -> its stdout."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, f"{arguments}: {done.stderr}\n{done.exception!r}"
    return done.stdout


@pytest.fixture(scope="module")
def cases_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    run("phantom", "-n", str(NUM_CASES), "-o", folder / "phantoms", "--seed", "11")
    summary = json.loads(run("prepare", folder / "phantoms", "-o", folder / "cases", "--folds", "3", "--json"))
    assert summary["num_images"] == NUM_CASES
    assert sum(summary["folds"].values()) == NUM_CASES
    return folder / "cases" / "cases.csv"


@pytest.fixture(scope="module")
def trained(cases_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one epoch on two folds."""
    pytest.importorskip("torch", reason="the training extra is not installed")
    pytest.importorskip("lightning", reason="the training extra is not installed")
    folder = tmp_path_factory.mktemp("training")
    (folder / "config.toml").write_text(CONFIG)
    out = run("train", folder / "config.toml", "--cases", cases_csv, "-o", folder / "run", "--fold", "0")
    assert Path(out.splitlines()[-1]) == folder / "run" / "bundle"
    return folder / "run"


def test_prepared_cases_hold_what_the_phantom_drew(cases_csv: Path) -> None:
    cases = read_cases(cases_csv)
    truth = json.loads((cases_csv.parent.parent / "phantoms" / "truth.json").read_text())["phantoms"]
    assert len(cases) == len(truth) == NUM_CASES
    assert [list(case.fov or ()) for case in cases] == [one["fov"] for one in truth]
    assert [case.malignancy for case in cases] == [one["malignancy"] for one in truth]
    assert [case.row_mm for case in cases] == pytest.approx([one["row_mm"] for one in truth], rel=1e-4)
    assert {case.fold for case in cases} == {0, 1, 2}


@pytest.mark.slow
def test_training_leaves_a_bundle_that_predicts_without_torch(trained: Path, cases_csv: Path, tmp_path: Path) -> None:
    assert {"metrics.csv", "curves.png", "last.ckpt", "bundle"} <= {path.name for path in trained.iterdir()}
    told = json.loads(run("info", trained / "bundle", "--json"))["bundle"]
    assert told["network"] == "unet"
    assert told["preprocessing"]["size_hw"] == [64, 64]
    (training_set,) = told["training_sets"]
    in_other_folds = sum(case.fold != 0 for case in read_cases(cases_csv))
    assert 0 < training_set["num_images"] < in_other_folds, "validation rows must not be fitted"
    image = read_cases(cases_csv)[0].image
    code = (
        "import sys; from thyrosight import Predictor\n"
        f"prediction = Predictor.load({str(trained / 'bundle')!r}).predict({str(image)!r})\n"
        "assert 'torch' not in sys.modules\n"
        "print(prediction.to_json())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    prediction = json.loads(done.stdout)
    assert 0 < prediction["risk"] < 1
    assert prediction["image"]["name"] == image.name


@pytest.mark.slow
def test_a_run_that_starts_from_a_bundle_says_so(trained: Path, cases_csv: Path, tmp_path: Path) -> None:
    others = [replace(case, source="other") for case in read_cases(cases_csv)]
    write_cases(others, tmp_path / "other.csv")
    bundle = trained / "bundle"
    starts = ["--set", f"network.start_from={bundle}", "--set", 'data.reference_sources=["other"]']
    tables = ["--cases", cases_csv, "--cases", tmp_path / "other.csv"]
    run("train", trained.parent / "config.toml", *tables, "-o", tmp_path / "run", "--fold", "0", *starts)
    rows = json.loads((tmp_path / "run" / "rows.json").read_text())
    assert {name.partition("/")[0] for name in rows["fit"] + rows["validation"]} == {"phantom"}
    assert {name.partition("/")[0] for name in rows["shown"]} == {"other"}
    told = json.loads(run("info", tmp_path / "run" / "bundle", "--json"))["bundle"]
    first = json.loads(run("info", bundle, "--json"))["bundle"]
    assert [part["source"] for part in told["training_sets"]] == ["phantom", "phantom"]
    assert told["training_sets"][1]["split"].startswith(f"before, by {first['name']}: ")
    assert told["training_sets"][1]["sha256"] == first["training_sets"][0]["sha256"]


@pytest.mark.slow
def test_export_writes_the_same_network_again(trained: Path, tmp_path: Path) -> None:
    run("export", trained, "-o", tmp_path / "again.zip")
    frame_HW = np.random.default_rng(2).integers(0, 255, (200, 260)).astype(np.uint8)
    first, again = (Predictor.load(path).predict(frame_HW) for path in (trained / "bundle", tmp_path / "again.zip"))
    assert first.risk == pytest.approx(again.risk, abs=1e-6)


@pytest.mark.slow
def test_evaluation_of_the_fold_left_out(trained: Path, cases_csv: Path, tmp_path: Path) -> None:
    out = run("evaluate", trained / "bundle", "--cases", cases_csv, "--fold", "0", "-o", tmp_path / "e", "--json")
    evaluation = json.loads(out)
    left_out = [case.case_id for case in read_cases(cases_csv) if case.fold == 0]
    assert evaluation["num_images"] == len(left_out)
    with (tmp_path / "e" / "per_case.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert sorted(row["case_id"] for row in csv.DictReader(stream)) == sorted(left_out)
    page = (tmp_path / "e" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page or "<img" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.slow
def test_resume_of_a_finished_run_changes_nothing_and_a_second_run_is_refused(trained: Path, cases_csv: Path) -> None:
    config = trained.parent / "config.toml"
    arguments = ["train", str(config), "--cases", str(cases_csv), "-o", str(trained), "--fold", "0"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "--resume" in refused.stderr
    other = CliRunner().invoke(app, [*arguments, "--resume", "--set", "optim.lr=0.5"])
    assert other.exit_code == 2
    assert "optim.lr" in other.stderr


def test_a_folder_of_phantoms_becomes_masks_tables_and_a_report(cases_csv: Path, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    images = read_cases(cases_csv)[0].image.parent
    report = Path(run("predict", images, "-o", tmp_path / "out", "--bundle", bundle, "--threads", "1").splitlines()[-1])
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == NUM_CASES
    page = report.read_text(encoding="utf-8")
    assert all(row["case_id"] in page for row in rows)
    for case in read_cases(cases_csv):
        with Image.open(tmp_path / "out" / case.image.stem / "mask.png") as mask, Image.open(case.image) as image:
            assert mask.size == image.size
            assert set(np.unique(np.asarray(mask))) <= {0, 255}
