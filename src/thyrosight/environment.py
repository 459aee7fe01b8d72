"""This installation -> what made a result: versions of the libraries, revision of the source tree, the processor."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np

from thyrosight.evaluation.compare import Comparison as Comparison
from thyrosight.evaluation.compare import compare as compare


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


def _software() -> str:
    from thyrosight import __version__

    return f"thyrosight {__version__}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hardware() -> dict[str, str]:
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from thyrosight import __version__

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:
        runtime = "not installed"
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count() or 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "onnxruntime": runtime,
        "thyrosight": __version__,
    }


def versions() -> dict[str, str]:
    """-> this program, Python and the libraries that a result depends on."""
    import onnxruntime
    import PIL

    return {
        "software": software_version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": str(onnxruntime.__version__),
        "opencv": str(cv2.__version__),
        "pillow": PIL.__version__,
        "system": sys.platform,
    }


def software_version() -> str:
    """-> this program's name and version."""
    from thyrosight import __version__

    return f"thyrosight {__version__}"


def installed_versions() -> dict[str, str]:
    """-> versions of Python and of the libraries that prediction rests on; torch's where it is installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
