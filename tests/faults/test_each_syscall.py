"""Commands and services, stopped or refused by the system at their calls that write: see each_syscall.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("pynetdicom")

from checkout import SOURCE

PROGRAM = Path(__file__).with_name("each_syscall.py")
IS_ALL = os.environ.get("THYROSIGHT_FAULTS") == "all"
SHORT = [
    ("predict", None, 40, 5),
    ("predict", "EIO", 60, 3),
    ("prepare", None, 6, 2),
    ("dicom", "EMFILE", 4, 1),
    ("serve", None, 90, 30),
    ("serve", "ENOSPC", 90, 60),
    ("listen", None, 50, 20),
    ("listen", "EMFILE", 30, 17),
]
"""(flow, error or None for SIGKILL, of how many calls one is tried, the first); in continuous integration."""
LONG = [
    *((flow, None, step, 1) for flow, step in {
        "predict": 1, "prepare": 1, "phantom": 1, "dicom": 1, "evaluate": 1, "export": 1, "serve": 1, "listen": 1,
        "train": 12, "cross-validate": 60,
    }.items()),
    *((flow, error, step, 1) for flow, step in {
        "predict": 8, "prepare": 3, "phantom": 6, "dicom": 3, "evaluate": 6, "serve": 12, "listen": 8, "train": 60,
    }.items() for error in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE")),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize(("flow", "error", "step", "start"), LONG if IS_ALL else SHORT)
def test_no_state_is_lost_or_other(flow: str, error: str | None, step: int, start: int) -> None:
    if flow in ("train", "cross-validate", "export"):
        pytest.importorskip("lightning")
    command = [sys.executable, str(PROGRAM), flow, "--step", str(step), "--start", str(start)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, *(["--error", error] if error else [])], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["met"] >= 1
    assert result["bad"] == 0
