"""No command replaces a file that it did not write, nor the results of another model or of other cases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.phantom.cohort import write_phantoms
from tiny_bundle import make_tiny_bundle

OWN = b"a file of the user\n"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    write_phantoms(4, folder / "phantoms", 1)
    write_phantoms(3, folder / "others", 2)
    make_tiny_bundle(folder / "tiny")
    make_tiny_bundle(folder / "second", name="second")
    for name, bundle in (("one", "tiny"), ("two", "second")):
        run("evaluate", folder / bundle, "--cases", folder / "phantoms" / "cases.csv", "-o", folder / name)
    run("stress", folder / "tiny", "--cases", folder / "phantoms", "-o", folder / "stress", *ONE_DISTURBANCE)
    return folder


ONE_DISTURBANCE = ("--perturbation", "gain", "--strengths", "1")


def run(*arguments: object) -> str:
    """-> all that the command printed; it must have ended without a fault of ours."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return f"exit {result.exit_code}\n{result.output}"


COMMANDS = {
    "evaluate": ("evaluate", "{in}/tiny", "--cases", "{in}/phantoms/cases.csv", "-o", "{out}"),
    "pool": ("pool", "{in}/one/per_case.csv", "-o", "{out}", "--export", "{out}/kept.csv"),
    "compare": ("compare", "{in}/one/per_case.csv", "{in}/two/per_case.csv", "-o", "{out}/compared.json"),
    "stress": ("stress", "{in}/tiny", "--cases", "{in}/phantoms", "-o", "{out}", *ONE_DISTURBANCE),
    "pool-stress": ("pool-stress", "{in}/stress", "-o", "{out}"),
    "phantom": ("phantom", "-n", "4", "--seed", "1", "-o", "{out}"),
    "phantom-layout": ("phantom", "-n", "4", "--layout", "tn3k", "-o", "{out}"),
    "prepare": ("prepare", "{in}/phantoms", "--folds", "2", "-o", "{out}"),
    "predict": ("predict", "{in}/phantoms/image/0000.png", "--bundle", "{in}/tiny", "-o", "{out}"),
}
NAMES = {
    "evaluate": ("report.html", "per_case.csv", "evaluation.json"),
    "pool": ("report.html", "per_case.csv", "evaluation.json", "kept.csv"),
    "compare": ("compared.json",),
    "stress": ("stress.csv", "stress.json", "run.json"),
    "pool-stress": ("stress.csv", "stress.json", "run.json"),
    "phantom": ("cases.csv", "truth.json", "image/0000.png", "mask/0003.png"),
    "phantom-layout": ("label4trainval.csv", "tn3k-trainval-fold0.json"),
    "prepare": ("cases.csv", "dataset.json", "contact_sheet.png"),
    "predict": ("results.csv", "report.html", "run.json"),
}


@pytest.mark.parametrize(("command", "name"), [(command, name) for command, names in NAMES.items() for name in names])
def test_a_file_of_the_user_stays(places: Path, tmp_path: Path, command: str, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(OWN)
    said = run(*(word.format(**{"in": places, "out": tmp_path}) for word in COMMANDS[command]))
    assert path.read_bytes() == OWN
    assert said.startswith("exit 1\n")
    assert Path(name).name in said or "another stress test" in said or "the stress test of another" in said
    assert "error:" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_command_may_be_given_again(places: Path, tmp_path: Path, command: str) -> None:
    words = [word.format(**{"in": places, "out": tmp_path}) for word in COMMANDS[command]]
    first, second = run(*words), run(*words)
    assert (first[:6], second[:6]) == ("exit 0", "exit 0"), second


@pytest.mark.parametrize("command", ["evaluate", "stress", "phantom", "compare"])
def test_results_of_another_subject_stay(places: Path, tmp_path: Path, command: str) -> None:
    words = [word.format(**{"in": places, "out": tmp_path}) for word in COMMANDS[command]]
    run(*words)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = {"tiny": "second", "phantoms": "others", "one": "two"}
    for old, new in other.items():
        changed = [word.replace(f"{places}/{old}", f"{places}/{new}") for word in words]
        changed = [new if word == "1" else word for word, new in zip(words, changed, strict=True)]
        if command == "phantom":
            changed = ["3" if word == "1" else word for word in words]
        if changed == words:
            continue
        said = run(*changed)
        assert said.startswith("exit 1\n"), said
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_runs_in_one_folder_both_keep_their_failures(places: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        shutil.copy(places / "phantoms" / "image" / "0000.png", tmp_path / name / f"{name}_good.png")
        (tmp_path / name / f"{name}_bad.png").write_bytes(b"no image")
        run("predict", tmp_path / name, "--bundle", places / "tiny", "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [failure["file"] for failure in record["failures"]] == ["first_bad.png", "second_bad.png"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "first_bad.png" in page
    assert "second_bad.png" in page
    shutil.copy(places / "phantoms" / "image" / "0001.png", tmp_path / "first" / "first_bad.png")
    run("predict", tmp_path / "first", "--bundle", places / "tiny", "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [failure["file"] for failure in record["failures"]] == ["second_bad.png"]
