"""Training, killed at each of its writes or out of disk space there, resumes to the uninterrupted run's weights."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lightning")

import torch

from kills import ENDED, FAILED, AtWrite, full_from, in_child, killed_at
from thyrosight.config import Config, config_from_dict
from thyrosight.errors import InputError
from thyrosight.export.checkpoint import kept_checkpoint
from thyrosight.training import train as training_module
from thyrosight.training.train import train

IS_ALL = os.environ.get("THYROSIGHT_FAULTS") == "all"
"""`make faults` takes every write; else it is the first savings of checkpoints, with no bundle after them."""
REFUSED = 9
CONFIG = {
    "network": {"pretrained": False},
    "data": {"size_hw": [32, 32]},
    "optim": {"batch_size": 8, "epochs": 3, "lr": 2e-3, "ema_decay": 0.5},
    "run": {"threads": 1, "precision": "32", "validation_share": 0.3, "preview_every": 0, "accelerator": "cpu"}
    | {"keep": "best"},
}


@pytest.fixture(scope="module")
def rising(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path, int]:
    """-> (configuration, its uninterrupted run, how many writes that took); its best epoch is not the last."""
    for seed in range(12):
        config = config_from_dict(CONFIG | {"run": CONFIG["run"] | {"seed": seed}})
        out = tmp_path_factory.mktemp("whole") / "run"
        status, num_writes = in_child(lambda c=config, o=out: ended(c, cohort, o))
        assert status == ENDED
        if weights_of(out / "best.ckpt") != weights_of(out / "last.ckpt"):
            return config, out, num_writes
    raise AssertionError("no seed whose best epoch is not the last")


def ended(config: Config, cohort: Path, out: Path, resume: bool = False) -> None:
    """A run from its start to its end, or to its last checkpoint where not all is wanted."""
    if not IS_ALL:
        training_module.export_run = lambda run: run / "bundle"
    train(config, [cohort], out, 0, resume)


def weights_of(checkpoint: Path) -> str:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()


def shipped(run: Path) -> str:
    return hashlib.sha256((run / "bundle" / "weights.safetensors").read_bytes()).hexdigest()


def resumes_to_the_same(rising: tuple[Config, Path, int], cohort: Path, out: Path) -> None:
    config, whole, _ = rising
    status, _ = in_child(lambda: ended(config, cohort, out, resume=True))
    assert status == ENDED
    if IS_ALL:
        assert shipped(out) == shipped(whole)
    assert weights_of(out / "best.ckpt") == weights_of(whole / "best.ckpt")
    leftovers = [path.name for path in out.rglob("*") if path.name.startswith(".") and path.is_file()]
    assert not leftovers


def checkpoint_writes(rising: tuple[Config, Path, int], cohort: Path, folder: Path) -> list[int]:
    """-> the numbers of the writes by which a checkpoint lasts or takes its place, and of those that follow."""
    config, _, _ = rising
    note = folder / "writes"

    def at_write(number: int, name: str) -> None:
        with open(note, "a") as stream:
            stream.write(f"{number} {sorted(path.name for path in (folder / 'run').glob('*.ckpt*'))}\n")

    assert in_child(lambda: ended(config, cohort, folder / "run"), at_write)[0] == ENDED
    lines = [line.partition(" ") for line in note.read_text().splitlines()]
    changes = [int(lines[at][0]) for at in range(1, len(lines)) if lines[at][2] != lines[at - 1][2]]
    return sorted({number + step for number in changes for step in (-1, 0)})


@pytest.mark.slow
def test_a_kill_at_each_step_of_saving_loses_nothing(
    rising: tuple[Config, Path, int], cohort: Path, tmp_path: Path
) -> None:
    """Once last.ckpt claimed a score whose best.ckpt was not yet there: the resumed run shipped other weights."""
    folder = tmp_path / "count"
    folder.mkdir()
    numbers = checkpoint_writes(rising, cohort, folder)
    assert len(numbers) >= 4
    numbers = numbers if IS_ALL else numbers[:6]
    for number in numbers:
        out = tmp_path / f"run{number}"
        status, _ = in_child(lambda o=out: ended(rising[0], cohort, o), killed_at(number))
        assert status == -signal.SIGKILL
        resumes_to_the_same(rising, cohort, out)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [killed_at, full_from])
def test_a_fault_at_any_write_loses_nothing(
    rising: tuple[Config, Path, int], cohort: Path, tmp_path: Path, fault: Callable[[int], AtWrite]
) -> None:
    config, _, num_writes = rising
    for number in range(2, num_writes + 1) if IS_ALL else (num_writes // 2,):
        out = tmp_path / f"{fault.__name__}{number}"

        def work(out: Path = out) -> None:
            try:
                ended(config, cohort, out)
            except InputError as error:
                os._exit(FAILED if "\n" in str(error) else REFUSED)

        status, _ = in_child(work, fault(number))
        assert status in ((-signal.SIGKILL,) if fault is killed_at else (REFUSED, ENDED)), (number, status)
        resumes_to_the_same(rising, cohort, out)


def test_a_best_checkpoint_that_is_lost_is_not_replaced_in_silence(
    rising: tuple[Config, Path, int], tmp_path: Path
) -> None:
    (tmp_path / "last.ckpt").write_bytes((rising[1] / "last.ckpt").read_bytes())
    with pytest.raises(InputError, match=r"best\.ckpt is missing"):
        kept_checkpoint(tmp_path, "best")
    assert kept_checkpoint(tmp_path, "last")["state_dict"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02cos\nsystem\n", b"{}"])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="damaged checkpoint"):
        kept_checkpoint(tmp_path, "last")
