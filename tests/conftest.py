"""Fixtures shared by the tests: a phantom cohort, and one thread a process so that workers don't fight over cores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cases.csv of 40 phantoms with folds 0 to 3, every one a group of its own."""
    from dataclasses import replace

    from thyrosight.datasets.table import read_cases, write_cases
    from thyrosight.phantom.cohort import write_phantoms
    from thyrosight.phantom.records import PhantomSettings

    folder = tmp_path_factory.mktemp("cohort")
    table = write_phantoms(40, folder, seed=3, settings=PhantomSettings(size_hw=(160, 200)))
    cases = [replace(case, fold=index % 4) for index, case in enumerate(read_cases(table))]
    write_cases(cases, table)
    return table


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis without deadlines: a loaded machine is no fault of the code."""
    from hypothesis import settings

    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")
