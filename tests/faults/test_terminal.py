"""Escape sequences in file names, options and bundles never reach the terminal; a real terminal is asked (pty)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_bundle import make_tiny_bundle
from web_server import frame_png

pty = pytest.importorskip("pty", reason="pseudo-terminals are of Unix")

EVIL = "bad\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e"
FORBIDDEN = (b"\x1b]", b"\x07", b"\x1b[2J", "\x9b".encode(), "\u202e".encode())


def on_terminal(*arguments: str) -> bytes:
    """-> all that a command writes on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "thyrosight", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        if not block:
            break
        said += block
    process.wait()
    os.close(ours)
    return said


def piped(*arguments: str) -> bytes:
    done = subprocess.run([sys.executable, "-m", "thyrosight", *arguments], capture_output=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    make_tiny_bundle(folder / "tiny")
    make_tiny_bundle(folder / f"{EVIL}-bundle", notes="x")
    (folder / "in").mkdir()
    (folder / "in" / f"{EVIL}.png").write_bytes(frame_png(0))
    (folder / "in" / f"{EVIL}2.png").write_bytes(b"no image")
    (folder / f"{EVIL}.toml").write_text(f'[optim]\n"{"ab"}" = 1\n')
    return folder


@pytest.mark.parametrize("run", [on_terminal, piped])
@pytest.mark.parametrize("what", ["predict", "info", "option", "missing", "config", "json"])
def test_no_command_hands_them_on(places: Path, tmp_path: Path, run: object, what: str) -> None:
    tiny = str(places / "tiny")
    command = {
        "predict": ["predict", str(places / "in"), "-o", str(tmp_path / EVIL), "--bundle", tiny],
        "info": ["info", str(places / f"{EVIL}-bundle")],
        "option": ["predict", f"--{EVIL}"],
        "missing": ["measure", str(places / f"{EVIL}-missing.png")],
        "config": ["train", str(places / f"{EVIL}.toml"), "--cases", str(places / EVIL), "-o", str(tmp_path / "run")],
        "json": ["info", str(places / f"{EVIL}-bundle"), "--json"],
    }[what]
    said = run(*command)  # type: ignore[operator]
    assert said
    assert not [mark for mark in FORBIDDEN if mark in said], said[-500:]
    if what == "json" and run is piped:
        assert EVIL in json.loads(said)["path"]
