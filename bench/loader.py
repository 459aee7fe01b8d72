"""The training loader alone next to the training step: images per second of processor time, one thread each, in turn.

    python bench/loader.py CONFIG [--cases CASES.csv] [--batch 8] [--rounds 5] [--set KEY=VALUE]

Without --cases, 16 phantoms are drawn. The loader decodes, cuts, augments and joins into batches in this process; its
first pass is measured apart, because later passes find decoded images in memory. The step is forward, loss, backward
and optimiser of the configuration's network with fresh weights. The ratio says how many cores that train one core of
loading keeps busy.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from networks import training_step

from thyrosight.config import Config, load_config
from thyrosight.datasets.prepare import prepare
from thyrosight.datasets.table import read_cases
from thyrosight.networks import build_network
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.training.dataset import ViewDataset, training_loader
from thyrosight.training.train import keep_freed_memory


def pass_of(loader: object) -> Callable[[], int]:
    """Loader -> a call that reads all of it and gives the number of images."""
    return lambda: sum(len(batch.image_B1HW) for batch in loader)  # type: ignore[attr-defined]


def rate(work: Callable[[], int]) -> float:
    """A call that gives a number of images -> images per second of processor time."""
    started = time.process_time()
    return work() / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--cases", type=Path, help="cases.csv; 16 phantoms where not given")
    parser.add_argument("--images", type=int, default=64, help="at most this many rows of --cases")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    config = load_config(arguments.config, arguments.overrides)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, num_workers=0),
        optim=dataclasses.replace(config.optim, batch_size=arguments.batch),
    )
    with tempfile.TemporaryDirectory() as name:
        cases_csv = arguments.cases
        if cases_csv is None:
            write_phantoms(16, Path(name) / "phantoms", 0)
            prepare(Path(name) / "phantoms", Path(name) / "cases")
            cases_csv = Path(name) / "cases" / "cases.csv"
        measure(config, cases_csv, arguments.images, arguments.rounds)


def measure(config: Config, cases_csv: Path, num_images: int, rounds: int) -> None:
    """Prints the rates of the loader's first pass, its later passes and the step, and the ratio of the last two."""
    cases = read_cases(cases_csv)[:num_images]
    one_pass = pass_of(training_loader(ViewDataset(cases, config, augmented=True), config))
    size_hw, batch_size = config.data.size_hw, config.optim.batch_size
    step = training_step(build_network(config.network, with_pretrained=False), config, size_hw, batch_size)
    step()

    def one_step() -> int:
        step()
        return batch_size

    first = rate(one_pass)
    loads, steps = [], []
    for _ in range(rounds):
        loads.append(rate(one_pass))
        steps.append(rate(one_step))
    ratios = [load / trained for load, trained in zip(loads, steps, strict=True)]
    print(
        f"{config.network.name}, {size_hw[0]} x {size_hw[1]}, batch {batch_size}, {len(cases)} cases, {rounds} rounds"
    )
    print(f"load {os.getloadavg()[0]:.1f}; images per second of one core's processor time, medians")
    print(f"loader, first pass {first:8.1f}")
    print(f"loader, later      {statistics.median(loads):8.1f}  ({min(loads):.1f} to {max(loads):.1f})")
    print(f"training step      {statistics.median(steps):8.1f}  ({min(steps):.1f} to {max(steps):.1f})")
    print(f"loader / step      {statistics.median(ratios):8.1f}  ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
