"""predict and demo: files, lines, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checkout import SOURCE
from command_line import runner
from thyrosight.cli import app


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """A dark disc on bright ground, 160 x 200, which the tiny network outlines."""
    rows, columns = np.mgrid[:160, :200]
    pixels = np.random.default_rng(0).integers(150, 200, (160, 200)).astype(np.uint8)
    pixels[(rows - 80) ** 2 + (columns - 100) ** 2 < 30**2] = 30
    path = tmp_path / "images" / "disc.png"
    path.parent.mkdir()
    Image.fromarray(pixels).save(path)
    return path


# The commands, each on a little of its own work


def test_predict_says_what_it_found_and_where(bundle: Path, disc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = runner.invoke(app, ["predict", str(disc), "-o", str(out), "--bundle", str(bundle)])
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["case", "nodules", "longest", "risk"]
    case, nodules, pixels, unit = lines[1].split()[:4]
    assert (case, nodules, unit) == ("disc", "1", "px")
    assert 52 <= float(pixels) <= 68
    assert lines[-1] == str(out / "report.html")
    assert Path(lines[-1]).is_file()
    assert "1 predicted" in done.stderr
    again = runner.invoke(app, ["predict", str(disc), "-o", str(out), "--bundle", str(bundle)])
    assert "1 there already" in again.stderr


def test_predict_goes_on_after_a_bad_file_and_exits_with_1(bundle: Path, disc: Path, tmp_path: Path) -> None:
    (disc.parent / "bad.png").write_bytes(b"not an image")
    out = tmp_path / "out"
    done = runner.invoke(app, ["predict", str(disc.parent), "-o", str(out), "--bundle", str(bundle), "--json"])
    assert done.exit_code == 1
    summary = json.loads(done.stdout)
    assert (summary["num_done"], summary["num_failed"]) == (1, 1)
    assert summary["failures"][0]["file"].endswith("bad.png")
    assert (out / "disc" / "mask.png").is_file()


def test_submission_is_masks_and_tables_alone(bundle: Path, disc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = runner.invoke(app, ["predict", str(disc), "-o", str(out), "--bundle", str(bundle), "--submission"])
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["mask", "probability.csv", "submission.csv"]
    assert (out / "submission.csv").read_text().splitlines()[0] == "ID,CATE"
    mask_HW = np.asarray(Image.open(out / "mask" / "disc.png"))
    assert mask_HW.shape == (160, 200)
    assert set(np.unique(mask_HW)) == {0, 255}


def test_demo_ends_with_the_report(bundle: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second finds everything there
        done = runner.invoke(app, ["demo", "-o", str(tmp_path / "demo"), "--bundle", str(bundle), "-n", "2"])
        assert done.exit_code == 0, done.stderr
        report = Path(done.stdout.splitlines()[-1])
        assert "0001" in report.read_text(encoding="utf-8")


# What a fresh process loads


@pytest.mark.parametrize("command", ["info", "predict"])
def test_prediction_loads_no_training_library(command: str, bundle: Path, disc: Path, tmp_path: Path) -> None:
    arguments = {
        "info": ["info", str(bundle)],
        "predict": ["predict", str(disc), "-o", str(tmp_path / "out"), "--bundle", str(bundle)],
    }[command]
    code = (
        f"import sys; sys.argv = ['thyrosight', *{arguments!r}]\n"
        "from thyrosight.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'lightning', 'pytorch_lightning', 'matplotlib', 'tensorboard', 'scipy', 'pandas', 'onnx'}\n"
        "found = sorted(heavy & {name.split('.')[0] for name in sys.modules})\n"
        "assert not found, found\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
