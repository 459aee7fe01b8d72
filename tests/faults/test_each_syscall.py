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
    ("predict", "", 40, 5),
    ("predict", "--error EIO", 60, 3),
    ("prepare", "", 6, 2),
    ("prepare", "--error EMFILE --inputs", 8, 5),
    ("dicom", "--error EMFILE", 4, 1),
    ("calibrate", "--error EROFS", 9, 2),
    ("archive", "--error EDQUOT --once", 12, 4),
    ("stress", "", 30, 5),
    ("serve", "", 90, 30),
    ("serve", "--error ENOSPC", 90, 60),
    ("serve", "--jump=-86400", 300, 150),
    ("listen", "", 50, 20),
    ("listen", "--error EMFILE", 30, 17),
    ("listen", "--jump=86400", 100, 30),
]
"""(flow, options (none: SIGKILL), of how many calls one is tried, the first); in continuous integration."""
ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE")
LONG = [
    *((flow, "", step, 1) for flow, step in {
        "predict": 2, "prepare": 1, "phantom": 2, "dicom": 2, "evaluate": 2, "export": 3, "serve": 6, "listen": 4,
        "train": 24, "cross-validate": 120, "learn": 150, "archive": 3, "audit": 2, "calibrate": 3, "pool": 4,
        "compare": 1, "score": 3, "select": 4, "stress": 4, "report": 3, "annotations": 1, "import-masks": 3,
    }.items()),
    *((flow, f"--error {error}", step, 1 + at % step) for flow, step in {
        "predict": 24, "prepare": 4, "phantom": 12, "dicom": 5, "evaluate": 8, "serve": 40, "listen": 20,
        "archive": 10, "audit": 5, "calibrate": 6, "compare": 3, "report": 6, "export": 12,
    }.items() for at, error in enumerate(ERRORS)),
    *((flow, f"--error {error} --inputs", step, 1) for flow, step in {
        "predict": 9, "prepare": 3, "audit": 3, "evaluate": 5, "calibrate": 3, "archive": 4,
    }.items() for error in ("EIO", "EMFILE", "ENFILE") 
      if (flow, error) not in (("archive", "EIO"), ("prepare", "EIO"))),
    *((flow, f"--jump={jump}", step, 1) for flow, step in {"predict": 40, "serve": 60, "listen": 30}.items()
      for jump in (-86400, 86400)),
]  # fmt: skip
"""As SHORT. An error of the disk has its place elsewhere (test_refused_inputs.py) for an archive, where the image is a
failed row until `--overwrite`, and for `prepare`, where a tile of the contact sheet says that it can't be read."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize(("flow", "options", "step", "start"), LONG if IS_ALL else SHORT)
def test_no_state_is_lost_or_other(flow: str, options: str, step: int, start: int) -> None:
    if flow in ("train", "cross-validate", "export", "learn"):
        pytest.importorskip("lightning")
    if flow in ("archive", "select"):
        pytest.importorskip("pyarrow")
    command = [sys.executable, str(PROGRAM), flow, "--step", str(step), "--start", str(start)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([*command, *options.split()], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["met"] >= 1
    assert result["bad"] == 0
