"""Every training line of the documents runs as it stands, on small phantoms under the names of the sets."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkout import ROOT
from thyrosight.cli import app
from thyrosight.datasets.sets import BY_SOURCE
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings

pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("lightning", reason="the training extra is not installed")

SMALLER = ("optim.epochs=1", "optim.batch_size=4", "data.size_hw=[64, 64]", "run.threads=1", "run.preview_every=0")
"""All that a line is changed by, beside its paths: an epoch on small inputs."""


def training_lines(document: str) -> list[list[str]]:
    """A document -> the words of each `thyrosight train` and `cross-validate` line in its code blocks, in order."""
    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^ {4}thyrosight ((?:train|cross-validate) .*)$", text, re.M)]


def write_table(path: Path, phantoms: Path, *, has_folds: bool) -> None:
    """The cases.csv that a line names: the phantoms under the name of that set, or of one that no bundle has seen."""
    source = next((name for name in BY_SOURCE if name in path.parts), "own")
    target = "gland" if source == "tg3k" else "nodule"
    cases = [
        replace(
            case,
            source=source,
            target=target,
            group=f"{source}_{case.case_id}",
            fold=number % 2 if has_folds else None,
        )
        for number, case in enumerate(read_cases(phantoms))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cases(cases, path)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(10, tmp_path_factory.mktemp("phantoms"), seed=5, settings=PhantomSettings(size_hw=(128, 160)))


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        *(pytest.param(f"docs/{name}.md", marks=pytest.mark.slow) for name in ("getting-started", "how-to", "results")),
    ],
)
def test_each_training_line_runs(
    document: str, phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    lines = training_lines(document)
    assert lines, f"{document} has no training line any more; take it from this test"
    for words in lines:
        tables = [value for option, value in pairwise(words) if option == "--cases"]
        for table in tables:
            # As `prepare --folds 0` leaves the sets that only help.
            write_table(tmp_path / table, phantoms, has_folds=table == tables[0])
        one_fold = ["--fold", "0"] if words[0] == "cross-validate" else []
        settings = [word for setting in SMALLER for word in ("--set", setting)]
        done = CliRunner().invoke(app, [*words, *one_fold, *settings])
        assert done.exit_code == 0, f"{document}: {' '.join(words)}: {done.stderr}\n{done.exception!r}"
