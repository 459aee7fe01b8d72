"""`predict` killed, or out of disk space, at each of its writes: the same command goes on to the same results."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kills import ENDED, FAILED, AtWrite, full_from, in_child, killed_at
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.results.predict_folder import predict_folder
from tiny_bundle import make_tiny_bundle

STEP = 1 if os.environ.get("THYROSIGHT_FAULTS") == "all" else 6
REFUSED = 9


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Predictor, Path, int]:
    """-> (images, predictor, the results of an uninterrupted run, how many writes that took)."""
    folder = tmp_path_factory.mktemp("whole")
    images = write_phantoms(3, folder / "cases", 1).parent / "image"
    predictor = Predictor.load(make_tiny_bundle(folder / "bundle"), threads=1)
    status, num_writes = in_child(lambda: run(images, predictor, folder / "out"))
    assert status == ENDED
    return images, predictor, folder / "out", num_writes


def run(images: Path, predictor: Predictor, out: Path) -> None:
    predict_folder(images, out, bundle=predictor, progress=lambda *_: None)


def said(folder: Path) -> dict[str, Any]:
    """-> every file of a results folder, without what differs from run to run."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".png":
            found[name] = path.read_bytes()
        elif path.name == "result.json":
            found[name] = json.loads(path.read_text()) | {"seconds": 0}
        elif path.is_file():
            found[name] = bool(path.stat().st_size)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("fault", [killed_at, full_from])
def test_a_fault_at_any_write_loses_nothing(
    whole: tuple[Path, Predictor, Path, int], tmp_path: Path, fault: Callable[[int], AtWrite]
) -> None:
    images, predictor, expected, num_writes = whole
    assert num_writes > 40
    for number in range(1, num_writes + 1, STEP):
        out = tmp_path / f"out{number}"

        def work(out: Path = out) -> None:
            try:
                run(images, predictor, out)
            except (InputError, OSError) as error:
                os._exit(FAILED if "\n" in str(error) else REFUSED)

        status, _ = in_child(work, fault(number))
        assert status in ((-signal.SIGKILL,) if fault is killed_at else (REFUSED, ENDED)), number
        assert in_child(lambda out=out: run(images, predictor, out))[0] == ENDED, number
        assert said(out) == said(expected), number
