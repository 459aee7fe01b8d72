"""This installation -> what made a result: versions of the libraries, revision of the source tree, the processor."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def library_versions() -> dict[str, str]:
    """Versions of what shaped the weights."""
    found = {"python": platform.python_version()}
    for name in (
        "thyrosight",
        "torch",
        "lightning",
        "onnx",
        "onnxruntime",
        "numpy",
        "opencv-python-headless",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str:
    """Revision of the source tree this runs from, with `+` where it was changed; empty outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        git = ["git", "-C", str(folder)]
        revision = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", "."], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return revision + ("+" if changed.strip() else "")


def processor() -> str:
    """-> this machine's processor and how many of its threads this process may use, as the system names them."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            name = value.strip()
            break
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {threads} threads"
