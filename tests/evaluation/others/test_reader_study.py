"""Log of readings -> scores with and without the network: values counted by hand, and what does not count."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import runner
from thyrosight.cli import app
from thyrosight.datasets.table import write_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.others.reader_study import study_readers
from thyrosight.examination.reading_log import LoggedReading, append_reading
from thyrosight.files import sha256_of
from thyrosight.types import Case

SIDE = 40
Square = tuple[tuple[float, float], ...]


def square(x0: int, width: int) -> Square:
    """-> the corners of a square of `width` x 10 pixels whose mask covers just these pixels."""
    x1 = x0 + width - 1
    return ((x0, 10), (x1, 10), (x1, 19), (x0, 19))


def write_set(folder: Path, num: int = 4) -> tuple[Path, list[str]]:
    """-> cases.csv of `num` images, every second malignant, each with a square of 10 x 10; their SHA-256."""
    cases, hashes = [], []
    for index in range(num):
        image, mask = folder / f"{index}.png", folder / f"{index}_mask.png"
        cv2.imwrite(str(image), np.full((SIDE, SIDE), index + 1, np.uint8))
        mask_HW = np.zeros((SIDE, SIDE), np.uint8)
        mask_HW[10:20, 10:20] = 255
        cv2.imwrite(str(mask), mask_HW)
        hashes.append(sha256_of(image))
        cases.append(Case(f"case_{index}", image, mask, index % 2, f"patient {index}", "own", image_sha256=hashes[-1]))
    write_cases(cases, folder / "cases.csv")
    return folder / "cases.csv", hashes


def log_reading(log: Path, sha256: str, shown: bool, suspicion: float | None, outline: Square | None, who: str) -> None:
    append_reading(
        log,
        LoggedReading(
            reader=who,
            image_sha256=sha256,
            width_px=SIDE,
            height_px=SIDE,
            network_shown=shown,
            when="2026-01-01T00:00:00Z",
            outlines_xy=None if outline is None else (outline,),
            suspicion=suspicion,
            seconds=20.0 if shown else 30.0,
        ),
    )


def write_log(folder: Path, hashes: list[str]) -> Path:
    """Two readers: without the network each ranks one malignant image below a benign one and outlines half."""
    log = folder / "log.jsonl"
    for who in ("A", "B"):
        for sha256, before, after in zip(hashes, (0.5, 0.4, 0.1, 0.9), (0.1, 0.8, 0.2, 0.9), strict=True):
            log_reading(log, sha256, False, before, square(10, 5), who)
            log_reading(log, sha256, True, after, square(10, 10), who)
    return log


def test_the_scores_are_those_counted_by_hand(tmp_path: Path) -> None:
    cases, hashes = write_set(tmp_path)
    study = study_readers(write_log(tmp_path, hashes), cases)
    auroc, dice = study.scores
    assert (auroc.without.value, auroc.with_network.value, auroc.gain.value) == (0.75, 1.0, 0.25)
    assert dice.without.value == pytest.approx(2 * 50 / 150)
    assert dice.with_network.value == 1
    assert dice.gain.value == pytest.approx(1 / 3)
    assert (dice.gain.low, dice.gain.high) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert auroc.gain.low is not None
    assert auroc.gain.low < 0.25
    assert (study.num_readers, study.num_images, study.num_pairs) == (2, 4, 8)
    assert (study.seconds_without, study.seconds_with) == (30.0, 20.0)
    assert ("A", "auroc", 0.75, 1.0) in study.by_reader
    assert not study.left_out


def test_what_does_not_count_is_counted(tmp_path: Path) -> None:
    cases, hashes = write_set(tmp_path)
    log = write_log(tmp_path, hashes)
    log_reading(log, "f" * 64, True, 0.5, None, "A")
    log_reading(log, hashes[0], True, None, None, "A")
    log_reading(log, hashes[0], True, 0.1, square(10, 10), "A")
    log_reading(log, hashes[0], False, 0.5, None, "C")
    assert study_readers(log, cases).left_out == {
        "readings of images that are not in cases.csv": 1,
        "readings that neither outline nor rate": 1,
        "readings that the reader replaced later": 1,
        "readings without the network alone": 1,
    }


def test_the_last_reading_counts(tmp_path: Path) -> None:
    cases, hashes = write_set(tmp_path)
    log = write_log(tmp_path, hashes)
    for who in ("A", "B"):
        for sha256 in hashes:
            log_reading(log, sha256, True, 0.5, square(10, 5), who)
    auroc, dice = study_readers(log, cases).scores
    assert auroc.with_network.value == 0.5
    assert dice.gain.value == 0


def test_no_pair_is_an_error_that_says_why(tmp_path: Path) -> None:
    cases, hashes = write_set(tmp_path)
    log_reading(tmp_path / "log", hashes[0], False, 0.5, None, "A")
    with pytest.raises(InputError, match=r"without and with the network \(1 readings without the network alone\)"):
        study_readers(tmp_path / "log", cases)


def test_the_command_prints_both_and_names_faults(tmp_path: Path) -> None:
    cases, hashes = write_set(tmp_path)
    log = write_log(tmp_path, hashes)
    done = runner.invoke(app, ["readers", str(log), "--cases", str(cases)])
    assert done.exit_code == 0, done.stderr
    assert "0.750" in done.stdout
    assert "2 readers, 4 images, 8 pairs" in done.stdout
    log.write_bytes(log.read_bytes() + b"{\n")
    done = runner.invoke(app, ["readers", str(log), "--cases", str(cases), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["scores"][0]["gain"]["value"] == 0.25
    assert "line 17" in done.stderr
