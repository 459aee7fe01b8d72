"""This installation -> what a result records about it: versions, source revision, processor, time.

Only the standard library is imported here: `thyrosight --version` and `import thyrosight` must start at once.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NOT_INSTALLED = "not installed"
TRAINING_LIBRARIES = (
    *("python", "thyrosight", "torch", "lightning", "onnx", "onnxruntime", "numpy"),
    "opencv-python-headless",
)
"""What a trained network depends on; bundle.json and a run's config.json record these versions."""


def _package_version() -> str:
    try:
        return version("thyrosight")
    except PackageNotFoundError:
        return "0+uninstalled"


__version__ = _package_version()


def software_version() -> str:
    """-> this program's name and version."""
    return f"thyrosight {__version__}"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Distribution names (or "python") -> {name: version}, in the same order.

    Those that are not installed are left out.
    """
    found = {}
    for name in names:
        try:
            found[name] = platform.python_version() if name == "python" else version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str:
    """-> the commit of the source tree in use, followed by `+` where files were changed; empty outside a checkout."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        status = [*git, "status", "--porcelain", "--", "."]
        changes = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return revision.strip() + ("+" if changes.strip() else "")


def processor() -> str:
    """-> the processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == "model name")
    return next(filter(None, names), "") or platform.processor() or platform.machine()


def usable_threads() -> int:
    """-> the number of the processor's threads that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> dict[str, str]:
    """-> the machine and the software that an evaluation ran on, for evaluation.json."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count() or 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "onnxruntime": library_versions(["onnxruntime"]).get("onnxruntime", NOT_INSTALLED),
        "thyrosight": __version__,
    }


def utc_now() -> str:
    """-> the time in UTC for a `created` or `started` field, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def utc_now_for_people() -> str:
    """-> the time in UTC for a report, to the minute: `2026-11-28 11:40 UTC`."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
