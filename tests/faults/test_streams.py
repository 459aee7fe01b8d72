"""A stdout that is closed or full, and SIGTERM: the work is done or kept, one line at most, the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thyrosight.phantom.cohort import write_phantoms
from tiny_bundle import make_tiny_bundle

THYROSIGHT = [sys.executable, "-m", "thyrosight"]
pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    write_phantoms(3, folder / "phantoms", 1)
    make_tiny_bundle(folder / "tiny")
    return folder


def commands(places: Path, out: Path) -> dict[str, list[str]]:
    cases, tiny = str(places / "phantoms" / "cases.csv"), str(places / "tiny")
    return {
        "help": ["--help"],
        "version": ["--version"],
        "info": ["info", tiny],
        "info-json": ["info", tiny, "--json"],
        "measure": ["measure", str(places / "phantoms" / "mask" / "0000.png")],
        "audit": ["audit", cases],
        "phantom": ["phantom", "-n", "2", "-o", str(out / "p")],
        "predict": ["predict", str(places / "phantoms" / "image"), "--bundle", tiny, "-o", str(out / "r")],
        "evaluate": ["evaluate", tiny, "--cases", cases, "-o", str(out / "e")],
        "tirads": ["tirads", "--help"],
    }


NAMES = ("help", "version", "info", "info-json", "measure", "audit", "phantom", "predict", "evaluate", "tirads")


@pytest.mark.parametrize("name", NAMES)
def test_a_full_stdout_is_one_line_and_exit_code_1(places: Path, tmp_path: Path, name: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*THYROSIGHT, *commands(places, tmp_path)[name]],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "stdout" in line]
    assert lines == ["error: stdout: can't be written (No space left on device); free the space or print elsewhere"]
    assert "Traceback" not in done.stderr
    if name == "predict":
        assert (tmp_path / "r" / "report.html").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_that_has_gone_costs_nothing(places: Path, tmp_path: Path, name: str) -> None:
    command = [*THYROSIGHT, *commands(places, tmp_path)[name]]
    usual = subprocess.run([*THYROSIGHT, *commands(places, tmp_path / "usual")[name]], capture_output=True, check=False)
    ours, theirs = os.pipe()
    os.close(ours)
    gone = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert gone.returncode == usual.returncode
    assert len(gone.stderr.splitlines()) == len(usual.stderr.splitlines())
    assert "error" not in gone.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_no_fault(places: Path, tmp_path: Path, closed: str) -> None:
    words = " ".join(f"'{word}'" for word in [*THYROSIGHT, *commands(places, tmp_path)["measure"]])
    done = subprocess.run(["sh", "-c", f"{words} {closed}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_ends_as_ctrl_c_does(tmp_path: Path, number: signal.Signals) -> None:
    command = [*THYROSIGHT, "phantom", "-n", "5000", "-o", str(tmp_path / "p")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "p" / "image" / "0001.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    said, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines() == ["interrupted: finished results are kept; run the same command again to go on"]
    assert said == ""
