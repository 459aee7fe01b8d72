"""`prepare`, `audit`, `evaluate`, `predict`, `report` in other locales, homes, zones: the files are the same.

Continuous integration tries one surrounding that has all of it; `make faults` each by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkout import SOURCE
from syscall_flows import files_of
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from tiny_bundle import make_tiny_bundle

IS_ALL = os.environ.get("THYROSIGHT_FAULTS") == "all"
NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
EACH: dict[str, dict[str, str]] = {
    "locale C": {"LC_ALL": "C", **NO_UTF8},
    "a locale that is not there": {"LC_ALL": "zh_CN.GBK", **NO_UTF8},
    "a terminal of GBK": {"PYTHONIOENCODING": "gbk", **NO_UTF8},
    "a home that can only be read": {"HOME": "/proc/self"},
    "no home": {"HOME": ""},
    "a zone with summer time": {"TZ": "Europe/Berlin"},
    "umask 077": {"UMASK": "077"},
    "umask 000": {"UMASK": "000"},
}
AT_ONCE = {"all of it": {"LC_ALL": "C", "HOME": "/proc/self", "TZ": "Europe/Berlin", "UMASK": "077", **NO_UTF8}}
SET = "结节-ä"


def run(material: Path, out: Path, changes: dict[str, str]) -> dict[str, Any]:
    """The commands one after another, in one shell -> what they wrote."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "UMASK": "022", **changes}
    if not environment["HOME"]:
        del environment["HOME"]
    program = f"'{sys.executable}' -m thyrosight"
    lines = [
        'set -e; umask "$UMASK"; mkdir "$OUT"',
        f'{program} prepare "$IN/{SET}" -o "$OUT/cases" --folds 2 --workers 1',
        f'{program} audit "$OUT/cases/cases.csv" -o "$OUT/audit" --workers 1',
        f'{program} evaluate "$IN/bundle" --cases "$OUT/cases/cases.csv" -o "$OUT/scores" --threads 1',
        f'{program} predict "$IN/{SET}/image" -o "$OUT/results" --bundle "$IN/bundle" --threads 1',
        f'{program} report "$OUT/results" -o "$OUT/report" --date 2026-10-25',
    ]
    environment |= {"IN": str(material), "OUT": str(out)}
    ended = subprocess.run(["sh", "-c", "\n".join(lines)], env=environment, capture_output=True, cwd=out.parent)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert b"Traceback" not in ended.stderr
    found = files_of(out)
    assert found["audit/audit.json"].pop("cases_csv") == str(out / "cases" / "cases.csv")
    return found


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    write_phantoms(4, folder / SET, 2, settings=PhantomSettings(size_hw=(128, 160)))
    make_tiny_bundle(folder / "bundle")
    return folder


@pytest.fixture(scope="module")
def expected(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(material, tmp_path_factory.mktemp("expected") / "out", {})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("name", EACH if IS_ALL else AT_ONCE)
def test_the_same_files(name: str, material: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    changes = (EACH | AT_ONCE)[name]
    assert run(material, tmp_path / "out", changes) == expected
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes <= {0o666 & ~int(changes.get("UMASK", "022"), 8)}
