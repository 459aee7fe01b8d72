"""This installation -> what made a result: versions of the libraries, revision of the source tree."""

from __future__ import annotations

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
