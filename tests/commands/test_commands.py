"""The command line: help, exit codes, one-line errors, JSON that is nothing but JSON, and each command's own work."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel
from typer.testing import CliRunner

from checkout import SOURCE
from thyrosight.cli import COMMANDS, app, exit_code
from thyrosight.commands.terminal import cell_text, in_line, plain, progress_bar, stdout_kept_for_json, words
from thyrosight.errors import BundleError, ConfigError, InputError, MissingExtraError, ThyrosightError
from thyrosight.types import Box
from tiny_bundle import make_tiny_bundle

runner = CliRunner()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    done = runner.invoke(app, ["phantom", "-n", "4", "-o", str(folder), "--seed", "3"])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(folder / "cases.csv")
    return folder


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


def error_line(stderr: str) -> str:
    """stderr -> its one line, which begins with `error: `."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    return lines[0]


# Help, version, usage


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_a_whole_first_line(name: str) -> None:
    done = runner.invoke(app, [name, "--help"], terminal_width=110)
    assert done.exit_code == 0
    overview = runner.invoke(app, ["--help"]).stdout
    line = next(line for line in overview.splitlines() if line.split()[:1] == [name])
    assert not line.endswith("..."), f"the first line of `{name}` is too long for the overview: {line}"
    first_line = (COMMANDS[name].__doc__ or "").partition("\n")[0]
    assert first_line in line
    assert first_line in done.stdout


def test_every_option_and_argument_says_what_it_is() -> None:
    for name, function in COMMANDS.items():
        hints = get_type_hints(function, include_extras=True)
        hints.pop("return")
        silent = [option for option, hint in hints.items() if not hint.__metadata__[0].help]
        assert not silent, f"{name}: {silent}"


def test_version_and_unknown_command() -> None:
    assert re.fullmatch(r"thyrosight \d+\.\d+\.\d+\S*\n", runner.invoke(app, ["--version"]).stdout)
    wrong = runner.invoke(app, ["predikt"])
    assert wrong.exit_code == 2
    assert "predict" in wrong.stderr
    assert runner.invoke(app, ["predict"]).exit_code == 2
    assert runner.invoke(app, ["predict", "no-such-file.png", "-o", "x"]).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError, 2), (MissingExtraError, 2), (InputError, 1), (BundleError, 1), (ThyrosightError, 1)],
)
def test_exit_codes(error: type[ThyrosightError], code: int) -> None:
    assert exit_code(error("x")) == code


# Errors


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = runner.invoke(app, ["prepare", str(tmp_path), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert str(tmp_path) in error_line(done.stderr)
    assert done.stdout == ""


def test_interrupted_is_130_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thyrosight.commands.predict.run_demo", interrupted)
    done = runner.invoke(app, ["demo", "-o", str(tmp_path)])
    assert done.exit_code == 130
    assert done.stderr.startswith("interrupted")
    assert done.stderr.count("\n") == 1


def test_a_fault_of_ours_is_not_dressed_as_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("thyrosight.commands.predict.run_demo", broken)
    done = runner.invoke(app, ["demo", "-o", str(tmp_path)])
    assert isinstance(done.exception, ZeroDivisionError)


@pytest.mark.parametrize("fold", ["x", "-1", "1.5", ""])
def test_a_fold_that_is_none_is_refused(fold: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("")
    arguments = ["train", str(config), "--cases", str(config), "-o", str(tmp_path / "run"), f"--fold={fold}"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "--fold" in error_line(done.stderr)


def test_a_mistyped_setting_is_told_its_neighbours(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("")
    arguments = ["train", str(config), "--cases", str(config), "-o", str(tmp_path / "run"), "--set", "optim.epoch=3"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "epochs" in error_line(done.stderr)
    assert not (tmp_path / "run").exists()


def test_training_without_its_extra_gives_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lightning" else find_spec(name))
    done = runner.invoke(app, ["export", str(tmp_path), "-o", str(tmp_path / "bundle")])
    assert done.exit_code == 2
    line = error_line(done.stderr)
    assert "lightning" in line
    assert "pip install 'thyrosight[train,pretrained]'" in line
    assert "torch" not in line.partition("not found")[0]


def test_column_needs_role_and_name(tmp_path: Path) -> None:
    for text in ("patient", "=PatID", "patient="):
        done = runner.invoke(app, ["prepare", str(tmp_path), "-o", str(tmp_path), "--column", text])
        assert done.exit_code == 2
        assert f"--column {text}" in error_line(done.stderr)


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


def test_info_of_a_bundle_and_of_a_damaged_one(bundle: Path, tmp_path: Path) -> None:
    told = json.loads(runner.invoke(app, ["info", str(bundle), "--json"]).stdout)
    assert told["bundle"]["name"] == "tiny"
    assert told["installed"]["onnxruntime"][0].isdigit()
    text = runner.invoke(app, ["info", str(bundle)]).stdout
    assert "a stand-in for tests" in text
    assert "balanced" in text
    damaged = make_tiny_bundle(tmp_path / "damaged")
    onnx = bytearray((damaged / "model.onnx").read_bytes())
    onnx[40] ^= 1
    (damaged / "model.onnx").write_bytes(onnx)
    done = runner.invoke(app, ["info", str(damaged)])
    assert done.exit_code == 1
    assert "model.onnx" in error_line(done.stderr)


def test_demo_ends_with_the_report(bundle: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second finds everything there
        done = runner.invoke(app, ["demo", "-o", str(tmp_path / "demo"), "--bundle", str(bundle), "-n", "2"])
        assert done.exit_code == 0, done.stderr
        report = Path(done.stdout.splitlines()[-1])
        assert "0001" in report.read_text(encoding="utf-8")


def test_phantom_in_a_public_sets_layout_is_recognised_by_prepare(tmp_path: Path) -> None:
    done = runner.invoke(app, ["phantom", "-n", "6", "-o", str(tmp_path / "set"), "--layout", "ddti"])
    assert Path(done.stdout.strip()) == tmp_path / "set"
    prepared = runner.invoke(app, ["prepare", str(tmp_path / "set"), "-o", str(tmp_path / "out"), "--json"])
    assert prepared.exit_code == 0, prepared.stderr
    assert json.loads(prepared.stdout)["source"] == "ddti"
    wrong = runner.invoke(app, ["phantom", "-n", "6", "-o", str(tmp_path / "set"), "--layout", "ddtx"])
    assert wrong.exit_code == 1
    assert "ddti" in error_line(wrong.stderr)


def test_audit_passes_a_sound_set_and_fails_one_that_leaks(phantoms: Path, tmp_path: Path) -> None:
    run = ["prepare", str(phantoms), "-o", str(tmp_path), "--folds", "2"]
    assert runner.invoke(app, run).exit_code == 0
    sound = runner.invoke(app, ["audit", str(tmp_path / "cases.csv"), "--json"])
    assert sound.exit_code == 0, sound.stdout
    assert json.loads(sound.stdout)["is_valid"] is True
    table = (tmp_path / "cases.csv").read_text(encoding="utf-8")
    groups = re.findall(r"phantom_3_000\d", table)
    leaky = tmp_path / "leaky.csv"
    leaky.write_text(
        "\n".join(re.sub(r"(?<=[01],)phantom_3_000\d(?=,phantom,)", groups[0], line) for line in table.splitlines())
    )
    assert leaky.read_text() != table
    done = runner.invoke(app, ["audit", str(leaky)])
    assert done.exit_code == 1
    assert groups[0] in done.stdout
    assert "[red]" not in done.stdout


def test_evaluate_compare_pool(bundle: Path, phantoms: Path, tmp_path: Path) -> None:
    evaluate = ["evaluate", str(bundle), "--cases", str(phantoms / "cases.csv")]
    first = runner.invoke(app, [*evaluate, "-o", str(tmp_path / "a"), "--json"])
    assert first.exit_code == 0, first.stderr
    evaluation = json.loads(first.stdout)
    assert evaluation["num_images"] == 4
    assert {"name", "value", "low", "high", "n"} <= evaluation["scores"][0].keys()
    second = runner.invoke(app, [*evaluate, "-o", str(tmp_path / "b")])
    assert second.exit_code == 0
    assert second.stdout.splitlines()[-1] == str(tmp_path / "b" / "report.html")
    tables = [str(tmp_path / name / "per_case.csv") for name in "ab"]
    compared = json.loads(runner.invoke(app, ["compare", *tables, "--json"]).stdout)
    assert compared["num_cases"] == 4
    assert all(score["difference"]["value"] in (0, None) for score in compared["scores"])
    pooled = runner.invoke(app, ["pool", tables[0], "-o", str(tmp_path / "pooled"), "--json"])
    dice = [
        next(s["value"] for s in json.loads(done.stdout)["scores"] if s["name"] == "dice") for done in (first, pooled)
    ]
    assert dice[0] == dice[1]
    twice = runner.invoke(app, ["pool", *tables, "-o", str(tmp_path / "twice")])
    assert twice.exit_code == 1
    assert "is in two of" in error_line(twice.stderr)


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


# What is shown


class Inner(BaseModel):
    value: float


@dataclass(frozen=True)
class Outer:
    path: Path
    box: Box
    inner: Inner
    numbers: tuple[float, ...]
    array: np.ndarray
    missing: None = None


def test_plain_is_json_whatever_comes_in() -> None:
    record = Outer(
        Path("a/b"), Box(1, 2, 3, 4), Inner(value=0.5), (1.0, math.nan, math.inf), np.array([[True], [False]])
    )
    assert plain(record) == {
        "path": "a/b",
        "box": [1, 2, 3, 4],
        "inner": {"value": 0.5},
        "numbers": [1.0, None, None],
        "array": [[True], [False]],
        "missing": None,
    }
    assert plain({1: np.float32(2.5)}) == {"1": 2.5}


def test_text_of_cells() -> None:
    assert [cell_text(value) for value in (None, 0.123456, 12, "x", True)] == ["-", "0.1235", "12", "x", "True"]
    assert in_line({"a": [1, 2], "b": {}}) == "a: 1, 2, b: -"
    assert words("num_empty_masks") == "empty masks"


def test_stdout_is_kept_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    with stdout_kept_for_json(True):
        print("chatter")
    with stdout_kept_for_json(False):
        print("result")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "chatter\n")


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working") as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")
