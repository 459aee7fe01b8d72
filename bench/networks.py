"""The network of every configuration: parameters, GFLOP of a forward, seconds per image to predict and to train.

GFLOP: 10^9 operations in convolutions and matrix products for one image, by torch's own counter; a multiplication and
an addition count as two. Predict: the exported network on ONNX Runtime, one image, median of several rounds in which
the networks take turns. Wall time, and CPU time of the process, which other work on the machine disturbs less.
Train: CPU seconds per image of forward, loss, backward and optimiser at the configuration's precision. The weights are
fresh: none of this depends on them. The figures hold for this machine; the ratios to the first row hold more widely.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from thyrosight.config import Config


@dataclass
class Row:
    """One configuration's network; (wall, CPU) seconds of every round."""

    name: str
    num_parameters: int
    gflop: float
    predict: Callable[[], object]
    train_step: Callable[[], object]
    batch_size: int
    predict_times: list[tuple[float, float]] = field(default_factory=list)
    train_times: list[tuple[float, float]] = field(default_factory=list)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """A call -> its (wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def gflop_of(network: nn.Module, size_hw: tuple[int, int]) -> float:
    """Network -> 10^9 operations of its forward on one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, 1, *size_hw))
    return counter.get_total_flops() / 1e9


def prediction(network: nn.Module, size_hw: tuple[int, int], threads: int) -> Callable[[], object]:
    """Network -> a call that runs its exported form on one image, with threads that sleep while they wait."""
    import onnxruntime

    from thyrosight.export.onnx import to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(to_onnx(network, size_hw), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((1, 1, *size_hw), dtype=np.float32)
    return lambda: session.run(None, {"image": image})


def training_step(network: nn.Module, config: Config, size_hw: tuple[int, int], batch_size: int) -> Callable[[], None]:
    """Network -> a call that trains it for a step on noise, as `train` would on a CPU."""
    import torch

    from thyrosight.networks import NETWORKS
    from thyrosight.training.batch import Batch
    from thyrosight.training.losses import LossSettings, multitask_loss
    from thyrosight.training.module import parameter_groups
    from thyrosight.training.train import choose_precision

    layout = NETWORKS[config.network.name].memory_format
    network = network.to(memory_format=layout).train()  # type: ignore[call-overload]
    groups = parameter_groups(network, config.optim.lr, 1.0, config.optim.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=config.optim.lr, fused=True)
    image = torch.rand(batch_size, 1, *size_hw).contiguous(memory_format=layout)
    valid, every = torch.ones_like(image, dtype=torch.bool), torch.ones(batch_size, dtype=torch.bool)
    labels = torch.arange(batch_size) % 2
    batch = Batch(image, (image > 0.7).float(), valid, every, labels, labels.float())
    is_half = choose_precision(config, "cpu") == "bf16-mixed"

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            output = network(image)
        multitask_loss(output, batch, LossSettings(mask="dice+cross_entropy")).total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def row_of(path: Path, size_hw: tuple[int, int], threads: int, batch_size: int) -> Row:
    """Configuration -> its network, counted and made ready to be timed."""
    from thyrosight.config import load_config
    from thyrosight.networks import build_network

    config = load_config(path)
    network = build_network(config.network, with_pretrained=False).eval()
    return Row(
        name=path.stem,
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        gflop=gflop_of(network, size_hw),
        predict=prediction(network, size_hw, threads),
        train_step=training_step(network, config, size_hw, batch_size),
        batch_size=batch_size,
    )


def measure(rows: list[Row], rounds: int, train_rounds: int) -> None:
    """Times the rows in turn, after one call of each to warm up, so that a busy moment slows them all."""
    for number in range(max(rounds, train_rounds) + 1):
        for row in rows:
            taken = timed(row.predict) if number <= rounds else None
            if number and taken:
                row.predict_times.append(taken)
            taken = timed(row.train_step) if train_rounds and number <= train_rounds else None
            if number and taken:
                row.train_times.append(taken)


def table_of(rows: list[Row]) -> str:
    """Measured rows -> a table in Markdown; ratios to the first row."""
    lines = ["| configuration | parameters | GFLOP | predict s, wall | CPU | ratio | train CPU s per image | ratio |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    middle = [[statistics.median(part) for part in zip(*row.predict_times, strict=True)] for row in rows]
    steps = [statistics.median(cpu for _, cpu in row.train_times) if row.train_times else None for row in rows]
    for row, (wall, cpu), step in zip(rows, middle, steps, strict=True):
        trained = "| |" if step is None else f"{step / row.batch_size:.2f} | {step / (steps[0] or 1):.1f} |"
        lines.append(
            f"| `{row.name}` | {row.num_parameters:,} | {row.gflop:.1f} | {wall:.3f} | {cpu:.3f} | "
            f"{cpu / middle[0][1]:.1f} | {trained}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path, nargs="+")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--train-rounds", type=int, default=2, help="training steps to time; 0 for none")
    parser.add_argument("--batch", type=int, default=4, help="images per training step")
    arguments = parser.parse_args()

    import torch

    from thyrosight.training.train import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    size_hw = (arguments.size[0], arguments.size[1])
    rows = [row_of(path, size_hw, arguments.threads, arguments.batch) for path in arguments.config]
    measure(rows, arguments.rounds, arguments.train_rounds)
    print(f"{size_hw[0]} x {size_hw[1]}, {arguments.threads} threads, median of {arguments.rounds} rounds")
    print(table_of(rows))


if __name__ == "__main__":
    main()
