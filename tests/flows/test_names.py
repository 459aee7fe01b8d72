"""Names in any bytes and any locale: every command that reads or writes files takes them, and nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.files import readable

GBK = os.fsdecode(b"\xbc\xd7")
"""A name as a Chinese Windows wrote it, unzipped on Linux."""
NAMES = {"gbk": GBK, "umlaut": "Schilddrüse", "escape": "a\x1b[2Jb", "newline": "a\nb", "long": "x" * 200}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    path = tmp_path / "plain.png"
    Image.fromarray(rng.integers(20, 160, (96, 128)).astype(np.uint8)).save(path)
    return path


def thyrosight(*arguments: str | Path, locale: str = "C.UTF-8") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"LC_ALL": locale, "OMP_NUM_THREADS": "1"}
    if locale == "POSIX":
        environment |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "thyrosight", *map(os.fsencode, arguments)]
    return subprocess.run(command, capture_output=True, env=environment)


@pytest.mark.parametrize(
    ("kind", "locale"), [*((kind, "C.UTF-8") for kind in NAMES), ("gbk", "POSIX"), ("umlaut", "POSIX")]
)
def test_predict_takes_files_and_folders_of_any_name(tmp_path: Path, image: Path, kind: str, locale: str) -> None:
    folder = tmp_path / f"in{NAMES[kind]}"[:200]
    folder.mkdir()
    os.rename(image, folder / f"{NAMES[kind]}.png")
    out = tmp_path / f"out{NAMES[kind]}"[:200]
    done = thyrosight("predict", folder, "-o", out, locale=locale)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["status"] == "done"
    (row,) = csv.DictReader((out / "results.csv").read_text(encoding="utf-8").splitlines())
    assert row["file"] == readable(f"{NAMES[kind]}.png")
    assert readable(NAMES[kind])[:20] in (out / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")


@pytest.mark.parametrize("kind", ["gbk", "umlaut"])
def test_prepare_and_audit_take_images_of_any_name(tmp_path: Path, image: Path, kind: str) -> None:
    folder = tmp_path / NAMES[kind]
    for name in ("benign", "malignant"):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            (folder / name / f"{name} ({number}).png").write_bytes(image.read_bytes())
            mask_HW = np.zeros((96, 128), np.uint8)
            mask_HW[30:50, 40:60] = 255
            Image.fromarray(mask_HW).save(folder / name / f"{name} ({number})_mask.png")
    done = thyrosight("prepare", folder, "-o", tmp_path / "cases", "--folds", "0")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    audited = thyrosight("audit", tmp_path / "cases" / "cases.csv", "--json")
    kinds = {finding["kind"] for finding in json.loads(audited.stdout)["findings"]}
    assert not kinds & {"missing image", "missing mask", "unreadable image"}, kinds


def test_a_name_becomes_text_that_shows_its_bytes() -> None:
    assert readable(f"a{GBK}\x1b.png") == r"a\xbc\xd7\x1b.png"
    assert readable("a\u2028b") == r"a\u2028b"
    assert readable("Schilddrüse 1.png") == "Schilddrüse 1.png"
