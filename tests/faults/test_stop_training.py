"""SIGTERM within an epoch: the run stops and says what it keeps, which is no error, and a second one ends it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning", reason="the training extra is not installed")

from thyrosight.config import config_from_dict
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.training.module import TrainingModule
from thyrosight.training.train import train

CONFIG = config_from_dict(
    {
        "network": {"pretrained": False},
        "data": {"size_hw": [32, 32]},
        "optim": {"batch_size": 4, "epochs": 1},
        "run": {"threads": 1, "precision": "32", "validation_share": 0.3, "preview_every": 0, "accelerator": "cpu"},
    }
)


@pytest.fixture
def table(cohort: Path, tmp_path: Path) -> Path:
    write_cases(read_cases(cohort)[:16], tmp_path / "cases.csv")
    return tmp_path / "cases.csv"


def _stop_at(patch: pytest.MonkeyPatch, step: int, num_signals: int = 1) -> None:
    """SIGTERM within this training step, counted from 1."""
    real, steps = TrainingModule.training_step, []

    def training_step(self: TrainingModule, *arguments: Any) -> Any:
        steps.append(None)
        for _ in range(num_signals if len(steps) == step else 0):
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *arguments)

    patch.setattr(TrainingModule, "training_step", training_step)


def test_within_the_first_epoch_nothing_is_kept_and_that_is_no_error(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it ended with an error on a missing checkpoint, and named a command that was refused."""
    lines: list[str] = []
    with monkeypatch.context() as patch:
        _stop_at(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, [table], tmp_path / "run", 0, tell=lines.append)
    assert lines[-1].startswith("stopped before the end of the first epoch")
    assert lines[-1].endswith("the same command with --resume starts again")
    train(CONFIG, [table], tmp_path / "run", 0, True, tell=lines.append)
    assert (tmp_path / "run" / "bundle" / "bundle.json").exists()


def test_a_second_signal_ends_it_at_once_as_ctrl_c_does(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once Lightning ended the process with exit code 1 and without a word."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    _stop_at(monkeypatch, 1, num_signals=2)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, [table], tmp_path / "run", 0, tell=lambda line: None)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not (tmp_path / "run" / "bundle").exists()
