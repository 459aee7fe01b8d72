"""Every command line of README, docs/ and CONTRIBUTING runs, on phantoms; servers start, answer and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from checkout import SOURCE
from documented_commands import NUM_PHANTOMS, SMALL_PHANTOMS, SMALLER, UID, Desk, documents, lines_in, run
from thyrosight.datasets.table import write_cases
from thyrosight.phantom.cohort import write_phantoms
from tiny_bundle import make_tiny_bundle

for extra in ("torch", "lightning", "fastapi", "pynetdicom", "dicomweb_client"):
    pytest.importorskip(extra, reason=f"{extra} is not installed")

NOT_RUN = {
    "import-tensorflow": "needs TensorFlow and a checkpoint of the old network; tests/export holds the import",
    "import-masks": "needs masks that another tool drew on a result; tests of the command hold it",
    "--from-server": "needs the data folder of a server with readings; tests of the command hold it",
    "--dicom": "needs the DICOM files of the examination; tests of the report hold it",
}
"""Commands and options that can't be executed here, each with its reason."""
STARTED = ("serve", "listen")
HISTORY = ("experiments.md", "CHANGELOG.md", "archive.md", "performance.md")
"""What the first two tell was so when it was written. The others need archives of thousands; tests of theirs run it."""
PAGES = [page for page in documents() if page.name not in HISTORY and lines_in(page)]
LEARNS = "how-to.md"
"""Where `learn` runs to its end; elsewhere the same line prints its plan."""
QUICK = ("README.md", "layouts.md", "reference.md", "pacs.md")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(NUM_PHANTOMS, folder, seed=5, settings=SMALL_PHANTOMS)


@pytest.fixture(scope="module")
def cross_validation(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """-> two folds by the recipe `finetune`, trained when they are first asked for."""

    @cache
    def made() -> Path:
        folder = tmp_path_factory.mktemp("cross_validation")
        desk = Desk(folder, phantoms, made)
        write_cases(desk._cases("own/cases.csv"), folder / "cases.csv")
        settings = [word for setting in SMALLER for word in ("--set", setting)]
        cases = str(folder / "cases.csv")
        run(["cross-validate", "--recipe", "finetune", "--cases", cases, "-o", str(folder / "runs"), *settings])
        return folder / "runs"

    return made


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[dict[str, bool]]:
    """Line -> whether it ran; their numbers are told at the end."""
    ran: dict[str, bool] = {}
    yield ran
    num_failed = sum(not is_fine for is_fine in ran.values())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\ndocumented commands: {len(ran)} lines, {num_failed} failures")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=[] if page.name in QUICK else pytest.mark.slow) for page in PAGES],
)
def test_each_line_runs(
    page: Path,
    phantoms: Path,
    cross_validation: Callable[[], Path],
    tally: dict[str, bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    desk = Desk(tmp_path, phantoms, cross_validation)
    for number, words in enumerate(lines_in(page), start=1):
        if set(words) & set(NOT_RUN):
            continue
        line = f"{page.name} {number}: {' '.join(words)}"
        tally[line] = False
        if words[0] in STARTED:
            _start_and_stop(desk.arguments(words), tmp_path)
        elif words[0] == "dicomweb":
            _over_dicomweb(words)
        elif words[0] == "learn" and page.name != LEARNS:
            run([*desk.arguments(words), "--plan"])
        else:
            run(desk.arguments(words))
        if words[0] == "cross-validate":
            desk.last_runs = tmp_path / words[words.index("-o") + 1]
            desk.label_as_predicted(desk.last_runs, Path(words[words.index("--cases") + 1]))
        tally[line] = True


def _start_and_stop(words: list[str], folder: Path) -> None:
    """A server's line -> it announced itself, and ended with 0 after SIGTERM. Addresses and ports are free ones."""
    words = ["127.0.0.1" if word in ("0.0.0.0", "10.1.2.3") else word for word in words]
    bundle = folder / "tiny_for_services"
    if not bundle.exists():
        make_tiny_bundle(bundle)
    place = ["--data", str(folder / "data")] if words[0] == "serve" else ["--spool", str(folder / "spool")]
    model = [] if "--bundle" in words else ["--bundle", str(bundle)]
    command = [sys.executable, "-m", "thyrosight", *words, "--port", "0", *model, *place]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    told = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert told.startswith(("http://127.0.0.1:", "listening as ")), f"{' '.join(words)}: {told}{errors}"
    assert process.returncode in (0, 143, -signal.SIGTERM), errors


def _over_dicomweb(words: list[str]) -> None:
    """A dicomweb line -> it ran against a server that holds one image of the study."""
    from fake_archive import archive_of
    from pacs_peers import file_bytes, us_dataset

    with ExitStack() as stack:
        root = stack.enter_context(archive_of(file_bytes(us_dataset())))
        given = {"URL": root, "https://pacs.example/dicom-web": root, "UID": UID}
        run([given.get(word, word) for word in words])


def test_what_is_not_run_is_still_there() -> None:
    shown = {word for page in documents() for words in lines_in(page) for word in words}
    assert set(NOT_RUN) <= shown


def test_a_document_is_read_in_its_order(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        "Run `thyrosight prepare\nA -o B` first, see `thyrosight prepare`.\n"
        "\n    thyrosight train x --cases B  # then\n"
        "\n```\nthyrosight info && thyrosight serve\n```\n"
    )
    assert lines_in(page) == [["prepare", "A", "-o", "B"], ["train", "x", "--cases", "B"], ["info"], ["serve"]]
