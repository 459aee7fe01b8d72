"""Every command: help, version, exit codes, errors in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from command_line import error_line, runner
from thyrosight.cli import COMMANDS, WITHOUT_TRAINING, app, exit_code, program, with_home
from thyrosight.errors import BundleError, ConfigError, InputError, MissingExtraError, ThyrosightError

PROCESS = """
import gc, os, sys
from thyrosight.__main__ import main
sys.argv = ["thyrosight", sys.argv[1], "--help"]
try:
    main()
finally:
    print(os.environ.get("OPENBLAS_NUM_THREADS"), gc.isenabled(), "numpy" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(("name", "threads"), [("predict", "1"), ("train", None)])
def test_a_command_that_does_not_train_has_one_thread_for_small_matrices(name: str, threads: str | None) -> None:
    """The variable counts before NumPy is imported; Python's search for cycles is on again once all is loaded."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, name], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == [str(threads), "True", "False"]
    assert set(COMMANDS) >= WITHOUT_TRAINING


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


@pytest.mark.parametrize("named", ["predict", "info", "predikt", "--version", None])
def test_the_program_of_one_command_says_what_the_whole_program_says(named: str | None) -> None:
    for arguments in ([named, "--help"], [named, "--no-such-option"], [named]):
        words = [word for word in arguments if word is not None]
        whole, alone = runner.invoke(app, words), runner.invoke(program(named), words)
        assert (alone.exit_code, alone.stdout, alone.stderr) == (whole.exit_code, whole.stdout, whole.stderr)


def test_only_the_named_command_is_made() -> None:
    assert [command.name for command in program("predict").registered_commands] == ["predict"]
    for name in ("predikt", "-h", None):
        assert [command.name for command in program(name).registered_commands] == list(COMMANDS)


# Errors


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = runner.invoke(app, ["prepare", str(tmp_path), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert str(tmp_path) in error_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "command",
    [
        ["prepare", "{phantoms}"],
        ["audit", "{phantoms}"],
        ["evaluate", "{tiny}", "--cases", "{phantoms}"],
        ["score", "{phantoms}/mask", "--cases", "{phantoms}"],
    ],
    ids=lambda command: command[0],
)
def test_an_output_folder_that_is_a_file_is_one_line_and_stays(
    tmp_path: Path, bundle: Path, phantoms: Path, command: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    words = [word.format(phantoms=phantoms, tiny=bundle) for word in command]
    done = runner.invoke(app, [*words, "-o", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert "a file" in error_line(done.stderr)
    assert (tmp_path / "file").read_text() == "mine"


def test_interrupted_is_130_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thyrosight.commands.predict.run_demo", interrupted)
    done = runner.invoke(app, ["demo", "-o", str(tmp_path)])
    assert done.exit_code == 130
    assert done.stderr.startswith("interrupted")
    assert done.stderr.count("\n") == 1


def test_an_interrupted_training_names_the_option_that_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thyrosight.commands.training.settings_given", interrupted)
    (tmp_path / "cases.csv").touch()
    done = runner.invoke(app, ["train", "--cases", str(tmp_path / "cases.csv"), "-o", str(tmp_path / "run")])
    assert done.exit_code == 130
    assert done.stderr == (
        "interrupted: finished results are kept; run the same command again with --resume to go on\n"
    )


def test_a_fault_of_ours_is_not_dressed_as_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("thyrosight.commands.predict.run_demo", broken)
    done = runner.invoke(app, ["demo", "-o", str(tmp_path)])
    assert isinstance(done.exception, ZeroDivisionError)


# Words that shells leave as they are


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "", "-o", "x"],
        ["predict", "a.png", "-o", ""],
        ["predict", "a.png", "--out="],
        ["prepare", "", "-o", "x"],
        ["evaluate", "shipped", "--cases", "", "-o", "x"],
        ["compare", "", ""],
        ["predict", "a.png", "-o", "x", "--bundle", ""],
        ["phantom", "-n", "1", "-o", ""],
        ["predict", "a.png", "-o", "x", "--mm-per-pixel", ""],
    ],
)
def test_an_empty_path_is_not_the_working_folder(words: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, words)
    assert done.exit_code == 2
    assert "is empty; is a variable of the shell not set?" in error_line(done.stderr)
    assert not list(tmp_path.iterdir())


def test_an_empty_text_is_a_text(tmp_path: Path) -> None:
    done = runner.invoke(app, ["annotations", str(tmp_path), "-o", str(tmp_path / "x.json"), "--root", ""])
    assert "is empty" not in done.stderr


def test_home_is_found_behind_an_equals_sign(monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", "/where/home/is")
    assert with_home("--out=~/results") == "--out=/where/home/is/results"
    for word in ("~/x", "--root=/data/~", "a=~/x", "--out", "--out=x", "--out=~x/y"):
        assert with_home(word) == word
