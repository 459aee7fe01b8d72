"""A disk of some megabytes that a test can fill, where this system lets us mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Folder -> the same, on a file system of its own; the test is skipped where it can't be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}M,mode=0700", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system of its own can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Fills the disk of a folder except for leave_bytes bytes -> the file that takes the space."""
    path = folder / "fill"
    free = os.statvfs(folder)
    with open(path, "wb") as stream:
        left = free.f_bavail * free.f_frsize - leave_bytes
        try:
            while left > 0:
                left -= stream.write(bytes(min(left, 1 << 20)))
                stream.flush()
        except OSError:
            pass
    return path
