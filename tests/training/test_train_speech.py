"""A run speaks while it trains: score before the first step, epochs, what it keeps; and what Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="the training extra is not installed")

from thyrosight.config import config_from_dict
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.training.train import train

TINY = {
    "network": {"pretrained": False},
    "data": {"size_hw": [32, 32]},
    "optim": {"batch_size": 8, "epochs": 3},
    "run": {"threads": 1, "precision": "32", "validation_share": 0.3, "preview_every": 0, "accelerator": "cpu"},
}


@pytest.mark.slow
def test_a_run_from_the_shipped_network_is_scored_before_the_first_step(cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    write_cases([replace(case, source="own") for case in read_cases(cohort)][:16], table)
    network = {"encoder": "lite2", "drop_path": 0.05, "start_from": "shipped"}
    config = config_from_dict(TINY | {"network": network, "optim": {"batch_size": 8, "epochs": 1}})
    lines: list[str] = []
    train(config, [table], tmp_path / "run", 0, tell=lines.append)
    assert lines[0].startswith("fold 0: learns from ")
    before = next(line for line in lines if line.startswith("before the first step"))
    assert "Dice 0." in before
    assert "which says little" in before
    epoch = next(line for line in lines if line.startswith("epoch 1/1"))
    assert "val_loss" in epoch
    assert lines.index(before) < lines.index(epoch)
    assert lines[-1].startswith("keeps the last epoch, 1")
    assert "val_loss" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_leaves_no_bundle_to_a_cross_validation(cohort: Path, tmp_path: Path) -> None:
    """Once the bundle of a stopped fold counted as a finished one."""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2/3"):  # before its checkpoint
            os.kill(os.getpid(), signal.SIGINT)

    config, run = config_from_dict(TINY), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(config, [cohort], run, 0, tell=tell, keep_stopped=False)
    assert lines[-1] == "stopped: epoch 1 is kept; the same command goes on with the next one"
    assert not (run / "bundle").exists()
    train(config, [cohort], run, 0, True, tell=lines.append, keep_stopped=False)
    assert "  goes on with epoch 2" in lines
    assert lines[-1].startswith("keeps the last epoch, 3")
    assert (run / "bundle" / "bundle.json").exists()
