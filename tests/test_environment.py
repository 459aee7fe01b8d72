"""What a result records about this installation."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from thyrosight import environment
from thyrosight.environment import (
    NOT_INSTALLED,
    git_revision,
    hardware,
    library_versions,
    processor,
    software_version,
    usable_threads,
    utc_now,
    utc_now_for_people,
)


def test_versions_are_of_what_is_installed_in_the_order_asked_for() -> None:
    found = library_versions(["pydantic", "no-such-library", "python", "numpy"])
    assert list(found.items()) == [
        ("pydantic", version("pydantic")),
        ("python", platform.python_version()),
        ("numpy", version("numpy")),
    ]


def test_hardware_names_processor_system_and_software() -> None:
    found = hardware()
    assert list(found) == ["processor", "cores", "system", "python", "onnxruntime", "thyrosight"]
    assert found["processor"] == processor() != ""
    assert int(found["cores"]) >= usable_threads() >= 1
    assert found["onnxruntime"] == version("onnxruntime")
    assert software_version() == f"thyrosight {found['thyrosight']}"


def test_hardware_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "library_versions", lambda names: {})
    assert hardware()["onnxruntime"] == NOT_INSTALLED


def test_times_are_utc() -> None:
    now = datetime.now(UTC)
    assert abs((datetime.fromisoformat(utc_now()) - now).total_seconds()) < 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", utc_now_for_people())


def test_the_revision_is_a_commit_or_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert re.fullmatch(r"([0-9a-f]{40}\+?)?", git_revision())
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    assert git_revision() == ""
