"""Seconds of a training step and of an epoch on this machine's GPU (or CPU), by network, size, precision and layout.

    python bench/gpu.py [--epoch 3644] [--minutes 8] [--json OUT.json]
    python bench/gpu.py --device cpu --tiny        # shows in seconds that it runs

One call that fits a borrowed GPU: settings are tried in order of importance until the minutes are over, each with few
steps, and each line is printed at once. A setting that fails is a line with its reason. `eager` is what `train` does;
`compiled` and `graph` are torch.compile and a CUDA graph of the whole step, which `train` does not use. The loader's
lines are images per second of decode and augmentation alone, on phantoms. The loader keeps up with a GPU where this
figure is above the step's. An epoch has --epoch images. The first line names hardware and versions.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from thyrosight.config import Config, DataConfig, NetworkConfig, OptimConfig, RunConfig
from thyrosight.networks import NETWORKS, build_network
from thyrosight.training.batch import Batch
from thyrosight.training.losses import LossSettings, multitask_loss
from thyrosight.training.module import parameter_groups

WARM_UP, STEPS = 5, 20
TYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Setting:
    """What is measured. mode: eager, compiled or graph."""

    network: str
    encoder: str
    size: int
    batch_size: int
    precision: str = "bfloat16"
    channels_last: bool = True
    mode: str = "eager"

    @property
    def name(self) -> str:
        layout = "channels-last" if self.channels_last else "channels-first"
        network = f"{self.network} {self.encoder}".strip()
        return f"{network} {self.size} x {self.size}, batch {self.batch_size}, {self.precision}, {layout}, {self.mode}"


def settings(is_tiny: bool, has_gpu: bool) -> list[Setting]:
    """-> the settings to try, the most important first."""
    if is_tiny:
        nets = [Setting("unet", "lite0", 64, 2), Setting("vnet2d", "", 64, 2)]
    else:
        nets = [
            Setting("unet", "lite2", 256, 32),
            Setting("unet", "lite2", 384, 16),
            Setting("vnet2d", "", 512, 8),
            Setting("unet", "lite2", 256, 128),
            Setting("vnet2d", "", 512, 32),
        ]
    found = list(nets)
    for change in (
        {"channels_last": False},
        *([{"mode": "graph"}, {"precision": "float16"}, {"precision": "tf32"}] if has_gpu else []),
        {"precision": "float32"},
        *([] if is_tiny else [{"mode": "compiled"}]),
    ):
        found += [dataclasses.replace(net, **change) for net in nets[:3]]
    return found


def config_of(setting: Setting) -> Config:
    network = NetworkConfig(name=setting.network)
    if setting.encoder:
        network = dataclasses.replace(network, encoder=setting.encoder)
    size_hw = (setting.size, setting.size)
    return Config(
        network=network, data=DataConfig(size_hw=size_hw), optim=OptimConfig(batch_size=setting.batch_size),
        run=RunConfig(),
    )  # fmt: skip


def training_step(setting: Setting, device: torch.device) -> Callable[[], None]:
    """-> a call that trains the network for a step on noise, whose tensors are on the device already."""
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = setting.precision == "tf32"
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    network: Any = build_network(config_of(setting).network, with_pretrained=False)
    network = network.to(device=device, memory_format=layout).train()
    groups = parameter_groups(network, 1e-4, 1.0, 0.01)
    optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True, capturable=setting.mode == "graph")
    shape = (setting.batch_size, 1, setting.size, setting.size)
    image = torch.rand(shape, device=device).contiguous(memory_format=layout)
    every = torch.ones(setting.batch_size, dtype=torch.bool, device=device)
    labels = torch.arange(setting.batch_size, device=device) % 2
    batch = Batch(image, (image > 0.7).float(), torch.ones_like(image, dtype=torch.bool), every, labels, labels.float())
    dtype, losses = TYPES[setting.precision], LossSettings(mask="dice+cross_entropy")
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    forward = torch.compile(network) if setting.mode == "compiled" else network

    def loss_backward() -> None:
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            output = forward(image)
        scaler.scale(multitask_loss(output, batch, losses).total).backward()

    def step() -> None:
        loss_backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return step if setting.mode != "graph" else as_graph(loss_backward, optimizer)


def as_graph(loss_backward: Callable[[], None], optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Forward and backward, optimiser -> a call that replays all of them as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            loss_backward()
            optimizer.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss_backward()
        optimizer.step()
    return graph.replay


def milliseconds(step: Callable[[], None], device: torch.device, num_steps: int, until: float) -> float:
    """Step -> median milliseconds of a call, after warm-up; the device has finished at each reading of the clock."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    times = []
    warm_up = min(WARM_UP, num_steps)
    for number in range(warm_up + num_steps):
        wait()
        started = time.perf_counter()
        step()
        wait()
        times += [1000 * (time.perf_counter() - started)] if number >= warm_up else []
        if times and time.monotonic() > until:
            break
    return statistics.median(times)


def measured(setting: Setting, device: torch.device, num_steps: int, num_epoch: int, until: float) -> dict[str, Any]:
    """Setting -> its row: milliseconds, images per second, seconds per epoch, memory; or why it has none."""
    row: dict[str, Any] = {"setting": setting.name}
    try:
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        taken = milliseconds(training_step(setting, device), device, num_steps, until)
    except Exception as error:  # out of memory, an operation that a graph does not know, a compiler that is missing
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        return row | {"failed": f"{type(error).__name__}: {reason}"}
    images = setting.batch_size / taken * 1000
    row |= {"ms_per_step": round(taken, 3), "images_per_second": round(images, 1)}
    row |= {"epoch_s": round(num_epoch / images, 2)}
    if device.type == "cuda":
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return row


def loader_rows(sizes: list[int], workers: list[int], num_images: int) -> list[dict[str, Any]]:
    """-> images per second of the training loader alone: the first pass decodes, the second has them in memory."""
    from thyrosight.datasets.prepare import prepare
    from thyrosight.datasets.table import read_cases
    from thyrosight.phantom.cohort import write_phantoms
    from thyrosight.training.dataset import ViewDataset, training_loader

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(num_images, folder / "phantoms", 0)
        prepare(folder / "phantoms", folder / "cases")
        cases = read_cases(folder / "cases" / "cases.csv")
        for size, number in itertools.product(sizes, workers):
            data = DataConfig(size_hw=(size, size), num_workers=number)
            config = Config(data=data, optim=OptimConfig(batch_size=min(8, num_images)))
            loader = training_loader(ViewDataset(cases, config, augmented=True), config)
            for which in ("first", "later"):
                started = time.perf_counter()
                num = sum(len(batch.image_B1HW) for batch in loader)
                seconds = time.perf_counter() - started
                line = f"loader {size} x {size}, {number} workers, {which} epoch"
                rows.append({"setting": line, "images_per_second": round(num / seconds, 1)})
    return rows


def machine(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {"device": str(device), "torch": torch.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
        found |= {"cudnn": torch.backends.cudnn.version()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=7.0, help="after that no further setting is begun")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--epoch", type=int, default=3644, help="images per epoch")
    parser.add_argument("--tiny", action="store_true", help="small sizes and few steps: only that it runs")
    parser.add_argument("--json", type=Path, help="write all rows into this file, after each one")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    if arguments.tiny:
        torch.set_num_threads(1)
    device = torch.device(arguments.device)
    rows: list[dict[str, Any]] = [machine(device)]

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=2) + "\n")

    print(json.dumps(rows[0]), flush=True)
    num_steps = 1 if arguments.tiny else arguments.steps
    for setting in settings(arguments.tiny, device.type == "cuda"):
        if setting.network not in NETWORKS:
            sys.exit(f"error: no network {setting.network}; known: {', '.join(NETWORKS)}")
        if time.monotonic() > until:
            keep({"setting": setting.name, "failed": "no time left"})
            continue
        keep(measured(setting, device, num_steps, arguments.epoch, until))
        if setting == settings(arguments.tiny, device.type == "cuda")[2]:
            loaders = loader_rows([64] if arguments.tiny else [256, 512], [0, 1] if arguments.tiny else [0, 4, 12], 8)
            for row in loaders:
                keep(row)


if __name__ == "__main__":
    main()
