"""Fixtures of many tests, the real parts that a run has tested, and settings that make a loaded machine no fault."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from parts import PARTS, part_path

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
    """A headless Chromium; for tests marked with part("browser")."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=part_path("browser"), args=arguments, timeout=180_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A reader_desk.Desk: the service, without a browser, as readers use it."""
    from reader_desk import Desk
    from tiny_bundle import make_tiny_bundle

    folder = tmp_path_factory.mktemp("desk")
    found = Desk(make_tiny_bundle(folder / "tiny"), folder / "data")
    yield found
    found.close()


# The order of tests is random, the numbers in them are not: a test that fails does so on every machine.


def _seed() -> None:
    """Sets the generators that all of a process share; a test that needs numbers of its own makes its own generator."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    _seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    _seed()


# Real parts.


def parts_of(item: pytest.Item) -> list[str]:
    """A test -> the parts that it is marked with."""
    names = [str(name) for marker in item.iter_markers("part") for name in marker.args]
    assert set(names) <= PARTS.keys(), f"{item.nodeid}: no such part; known: {', '.join(PARTS)}"
    return names


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tells the report of each test its parts; a worker's reports are counted in the main process."""
    for item in items:
        item.user_properties.extend(("part", name) for name in parts_of(item))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: a test whose part is absent is skipped with how to get it."""
    for name in parts_of(item):
        if PARTS[name].find() is None:
            pytest.skip(f"no {name} here: {PARTS[name].get}")


class RealParts:
    """How many tests of each part ran, and how many were skipped."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        names = [value for key, value in report.user_properties if key == "part"]
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.update(names)
        elif report.when == "call":
            self.ran.update(names)

    def faults(self) -> list[str]:
        """-> what makes the run a failed one."""
        here = [name for name in self.skipped if PARTS[name].find() is not None]
        asked = [name for name in os.environ.get("THYROSIGHT_MUST_RUN", "").split(",") if name]
        return [f"{name} is installed, and {self.skipped[name]} of its tests were skipped" for name in here] + [
            f"{name} must run (THYROSIGHT_MUST_RUN), and none of its tests ran" for name in asked if not self.ran[name]
        ]

    def lines(self) -> Iterator[str]:
        """-> one line per part that this run asked for."""
        for name, part in PARTS.items():
            if not self.ran[name] + self.skipped[name]:
                continue
            absent = f"; {self.skipped[name]} skipped, to get it: {part.get}" if self.skipped[name] else ""
            yield f"{part.kind:16} {name:17} {self.ran[name]:4d} ran{absent}"

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if self.ran or self.skipped:
            terminalreporter.section("tests of real parts")
            for line in self.lines():
                terminalreporter.line(line)
            for fault in self.faults():
                terminalreporter.line(f"FAILED: {fault}", red=True)
        seed = getattr(config.option, "randomly_seed", None)
        if seed is not None:
            terminalreporter.line(f"for the same order: --randomly-seed={seed}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.faults() and not session.config.option.collectonly and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis without deadlines (a loaded machine is no fault of the code); the main process counts the parts.

    pytest-randomly changes the order of modules and tests in each run, and nothing else: `_seed` and Hypothesis draw
    the same numbers each time. The harnesses of tests/faults/fuzz.py look for new ones.
    """
    config.option.randomly_reset_seed = False
    # A forked child has none of OpenCV's threads and would wait for them for ever: none are started.
    cv2.setNumThreads(1)
    from hypothesis import settings

    settings.register_profile("the-same-each-time", deadline=None, derandomize=True)
    settings.load_profile("the-same-each-time")
    config.addinivalue_line("markers", "part(name, ...): tests real parts of support/parts.py; skipped without them")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RealParts(), "real-parts")
