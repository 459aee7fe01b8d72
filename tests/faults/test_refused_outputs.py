"""Outputs that can't be written, queues and locks that are damaged: each command says so in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from small_disk import fill, small_disk
from thyrosight.phantom.cohort import write_phantoms
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """-> a folder with inputs, and READ_ONLY and FULL disks in it."""
    folder = tmp_path_factory.mktemp("places")
    write_phantoms(4, folder / "phantoms", 1)
    make_tiny_bundle(folder / "tiny")
    (folder / "file").write_text("no folder")
    (folder / "tiny.toml").write_text(
        "[network]\npretrained = false\n[data]\nsize_hw = [64, 64]\n[optim]\nepochs = 1\n"
    )
    with small_disk(folder / "READ_ONLY", 4) as read_only, small_disk(folder / "FULL", 4) as full:
        subprocess.run(["mount", "-o", "remount,ro", str(read_only)], check=True)
        fill(full)
        yield folder


COMMANDS = {
    "predict": ["predict", "{in}/phantoms/image", "--bundle", "{in}/tiny", "-o", "{out}/x"],
    "demo": ["demo", "--bundle", "{in}/tiny", "-n", "1", "-o", "{out}/x"],
    "phantom": ["phantom", "-n", "2", "-o", "{out}/x"],
    "prepare": ["prepare", "{in}/phantoms", "-o", "{out}/x"],
    "train": ["train", "{in}/tiny.toml", "--cases", "{in}/phantoms/cases.csv", "-o", "{out}/x"],
    "evaluate": ["evaluate", "{in}/tiny", "--cases", "{in}/phantoms/cases.csv", "-o", "{out}/x"],
    "stress": ["stress", "{in}/tiny", "--cases", "{in}/phantoms/cases.csv", "-o", "{out}/x"],
    "serve": ["serve", "--port", "0", "--bundle", "{in}/tiny", "--data", "{out}/x"],
    "listen": ["listen", "--send-to", "A@127.0.0.1:9", "--port", "0", "--bundle", "{in}/tiny", "--spool", "{out}/x"],
}


SHORT = ("predict", "prepare", "evaluate", "serve")
"""What the short form tries; `make faults` tries every command."""


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS if os.environ.get("THYROSIGHT_FAULTS") == "all" else SHORT)
@pytest.mark.parametrize("out", ["READ_ONLY", "FULL", "file"])
def test_a_refused_output_is_one_line(places: Path, command: str, out: str) -> None:
    arguments = [part.format(**{"in": places, "out": places / out}) for part in COMMANDS[command]]
    done = subprocess.run(
        [sys.executable, "-m", "thyrosight", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode in (1, 2), done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["queue.sqlite", "queue.lock"])
def test_a_damaged_data_folder_is_one_line(places: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no database" * 1_000)
    arguments = ["serve", "--port", "0", "--bundle", str(places / "tiny"), "--data", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "thyrosight", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert name in done.stderr
