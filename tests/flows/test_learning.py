"""Learning itself: the first loss is that of theory, one batch is learnt, a killed run resumes to the same weights."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from thyrosight.config import config_from_dict
from thyrosight.datasets.table import read_cases
from thyrosight.errors import (
    ConfigError,
    InputError,
)
from thyrosight.networks.unet import UNet
from thyrosight.networks.vnet2d import VNet2d
from thyrosight.training.dataset import (
    ViewDataset,
    collate,
)
from thyrosight.training.losses import (
    LossSettings,
    multitask_loss,
)
from thyrosight.training.train import (
    choose_precision,
    train,
)

TINY = {
    "network": {"pretrained": False},
    "data": {"size_hw": [64, 64]},
    "optim": {"batch_size": 8, "epochs": 3},
    "run": {"threads": 1, "precision": "32", "validation_share": 0.2, "preview_every": 3, "accelerator": "cpu"},
}
TINY_TOML = """
[network]
pretrained = false
[data]
size_hw = [64, 64]
[optim]
batch_size = 8
epochs = 3
[run]
threads = 1
precision = "32"
accelerator = "cpu"
validation_share = 0.2
preview_every = 3
"""


def first_batch(cohort: Path, number: int = 8) -> object:
    dataset = ViewDataset(read_cases(cohort), config_from_dict(TINY), augmented=False)
    return collate([dataset[index] for index in range(number)])


def final_state(run: Path) -> dict[str, object]:
    return dict(torch.load(run / "last.ckpt", weights_only=True)["state_dict"])


def assert_same_weights(one: Path, other: Path, atol: float = 0.0) -> None:
    first, second = final_state(one), final_state(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(
            value, second[name], atol=atol, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_the_first_losses_are_those_of_theory(cohort: Path) -> None:
    torch.manual_seed(0)
    batch = first_batch(cohort)
    with torch.inference_mode():
        output = UNet(pretrained=False).eval()(batch.image_B1HW)  # type: ignore[attr-defined]
        parts = multitask_loss(output, batch, LossSettings(mask="cross_entropy")).parts  # type: ignore[arg-type]
    # The mask begins at 10 % everywhere: -s log 0.1 - (1 - s) log 0.9 where a share s of the pixels is nodule.
    share = float(batch.mask_B1HW.mean())  # type: ignore[attr-defined]
    probability = 1 / (1 + math.exp(2.2))
    expected = -share * math.log(probability) - (1 - share) * math.log(1 - probability)
    assert float(parts["mask"]) == pytest.approx(expected, rel=0.15)
    assert float(parts["malignancy"]) == pytest.approx(math.log(2), abs=0.35)


@pytest.mark.parametrize("name", ["unet", "vnet2d"])
def test_one_batch_is_learnt_by_heart(cohort: Path, name: str) -> None:
    torch.manual_seed(0)
    batch = first_batch(cohort, 4)
    network = UNet(pretrained=False, dropout=0.0) if name == "unet" else VNet2d(dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3 if name == "unet" else 1e-3)
    settings = LossSettings(mask="dice+cross_entropy", mask_weight=1.0, malignancy_weight=1.0)
    losses = []
    for _ in range(60 if name == "unet" else 40):
        loss = multitask_loss(network(batch.image_B1HW), batch, settings)  # type: ignore[attr-defined,arg-type]
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.35 * losses[0], losses[::10]


def test_a_run_writes_what_it_promises_and_refuses_to_be_overwritten(cohort: Path, tmp_path: Path) -> None:
    config = config_from_dict(TINY)
    bundle = train(config, [cohort], tmp_path / "run", fold=1)
    found = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "rows.json", "last.ckpt", "best.ckpt", "metrics.csv", "curves.png", "bundle"} <= found
    assert (tmp_path / "run" / "previews" / "epoch_003.png").stat().st_size > 1000
    lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert len(lines) == 4
    assert all(math.isfinite(float(value)) for value in lines[1].split(","))
    with pytest.raises(InputError, match="holds a run already; pass --resume"):
        train(config, [cohort], tmp_path / "run", fold=1)
    with pytest.raises(ConfigError, match=r"config\.optim\.epochs: 3 then, 4 now"):
        train(config_from_dict({**TINY, "optim": {"batch_size": 8, "epochs": 4}}), [cohort], tmp_path / "run", 1, True)

    from thyrosight.bundle.store import load_bundle
    from thyrosight.frames.load import load_frame
    from thyrosight.inference.predictor import Predictor

    info = load_bundle(bundle).info
    assert info.parameters == sum(parameter.numel() for parameter in UNet(pretrained=False).parameters())
    assert info.training_sets[0].split == "folds other than 1, but validation"
    raw = Predictor.load(bundle).run(load_frame(read_cases(cohort)[0].image))
    assert np.isfinite(raw.malignancy_logit)


def run_command(cohort: Path, folder: Path, *extra: str) -> list[str]:
    config = folder.parent / "tiny.toml"
    config.write_text(TINY_TOML)
    command = [sys.executable, "-m", "thyrosight", "train", str(config), "--cases", str(cohort), "-o", str(folder)]
    return [*command, "--fold", "0", *extra]


def wait_for_checkpoint(run: Path, process: subprocess.Popen[Any], seconds: float = 400) -> None:
    """Until the run has written its first checkpoint, or has ended."""
    deadline = time.monotonic() + seconds
    while not (run / "last.ckpt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_killed_run_resumes_to_the_weights_of_an_uninterrupted_one(cohort: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(run_command(cohort, whole), check=True, capture_output=True)
    for _ in range(5):  # on a busy machine this process may sleep until the run has ended
        shutil.rmtree(killed, ignore_errors=True)
        process = subprocess.Popen(run_command(cohort, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_checkpoint(killed, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not (killed / "bundle").exists():
            break
    assert not (killed / "bundle").exists(), "the run ended each time before it could be killed"
    subprocess.run(run_command(cohort, killed, "--resume"), check=True, capture_output=True)
    assert_same_weights(whole, killed)
    ours, theirs = ((run / "metrics.csv").read_text().splitlines() for run in (whole, killed))
    assert [line.rsplit(",", 1)[0] for line in ours] == [line.rsplit(",", 1)[0] for line in theirs]


def test_ctrl_c_keeps_what_was_learnt_and_writes_a_bundle(cohort: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = run_command(cohort, run, "--set", "optim.epochs=200")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for_checkpoint(run, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=400)
    assert "stopping after this step" in errors, errors
    assert (run / "bundle" / "bundle.json").exists(), errors


TWO_NORMS = """
import os, sys, torch
from thyrosight.networks.sync_norm import convert_sync_norm
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
def network():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d
    return torch.nn.Sequential(conv(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), conv(4, 1, 3))
torch.manual_seed(1)
image = 5 + torch.rand(6, 1, 16, 16)
whole, shared = network(), torch.nn.parallel.DistributedDataParallel(convert_sync_norm(network()))
(whole(image) ** 2).mean().backward()
(shared(image[rank::2]) ** 2).mean().backward()
for (name, one), (_, other) in zip(whole.named_parameters(), shared.module.named_parameters()):
    torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4, msg=lambda text: name + text)
for (name, one), (_, other) in zip(whole.named_buffers(), shared.module.named_buffers()):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
sys.stdout.flush()
os._exit(0)  # PyTorch 2.13 aborts one process in ten that ends by itself: Gloo's threads outlive the interpreter
"""


def torchrun(*arguments: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]


def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "norms.py"
    script.write_text(TWO_NORMS)
    torchrun(str(script))


def test_gradients_of_two_processes_are_those_of_one() -> None:
    """With class weights, grades and empty outlines, which the processes hold in different numbers."""
    torchrun(str(Path(__file__).parents[1] / "support" / "two_processes.py"), "vnet2d", "float64")


def test_two_processes_score_what_one_does(cohort: Path, tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    # The V-Net: the U-Net's runs part after the first step at this size (docs/experiments.md, several processes).
    quiet = ("--set", "network.name=vnet2d", "--set", "network.dropout=0", "--set", "optim.epochs=2")
    subprocess.run(run_command(cohort, alone, *quiet), check=True, capture_output=True)
    torchrun("-m", "thyrosight", *run_command(cohort, shared, *quiet)[3:])
    ours, theirs = ((run / "metrics.csv").read_text().splitlines() for run in (alone, shared))
    assert len(ours) == len(theirs) == 3
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        losses = [[float(value) for value in line.split(",")[2:5]] for line in (one, other)]
        scores = [[float(value) for value in line.split(",")[5:8]] for line in (one, other)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=3e-3)
        np.testing.assert_allclose(scores[0], scores[1], atol=0.01)


def test_a_gradient_that_is_not_finite_stops_with_the_mend(cohort: Path, tmp_path: Path) -> None:
    from thyrosight.errors import ThyrosightError

    config = config_from_dict({**TINY, "optim": {"batch_size": 8, "epochs": 3, "clip_norm": 0.0}})
    config = replace(config, optim=replace(config.optim, lr=1e30))  # a file with this is refused
    with pytest.raises(ThyrosightError, match=r"not finite at step .* Lower optim\.lr"):
        train(config, [cohort], tmp_path / "run", fold=0)


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a GPU"):
        choose_precision(config_from_dict({"run": {"precision": "16"}}), "cpu")


@pytest.mark.parametrize("task", ["mask", "malignancy"])
def test_either_task_alone_trains(cohort: Path, tmp_path: Path, task: str) -> None:
    off = {"mask": {"malignancy_weight": 0.0}, "malignancy": {"mask_weight": 0.0}}[task]
    config = config_from_dict({**TINY, "loss": off, "optim": {"batch_size": 8, "epochs": 1}})
    from thyrosight.bundle.store import load_bundle

    info = load_bundle(train(config, [cohort], tmp_path / "run", fold=0)).info
    assert (info.has_mask, info.has_malignancy) == (task == "mask", task == "malignancy")
