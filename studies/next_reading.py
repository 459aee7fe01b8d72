"""cases.csv with masks -> how many readings a network needs if it asks for doubtful images first, and in random order.

    python studies/next_reading.py cases/ddti/cases.csv -o out [--recipe finetune] [--batches 20,40,80,160] [--fold 0]

The page's list can order images by how much a reading would teach. Here the masks of cases.csv are the readings: a
network learns from the first batch, the same for both orders, then from the readings of the next images. `doubt` takes
those whose outline is the least certain (thyrosight.web.jobs.teaching, as on the page), `random` any. After each batch
the Dice on the held-out fold is printed. The last batch is all that there is. Groups stay together in a batch. With the
default, 24 phantoms are drawn and a tiny network takes one epoch: it shows that the study runs, and nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thyrosight.config import Config, load_recipe
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.evaluation.metrics.overlap import dice
from thyrosight.frames.load import load_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from thyrosight.training.train import train
from thyrosight.types import Case
from thyrosight.web.jobs.teaching import outline_doubt

ORDERS = ("doubt", "random")
TINY = ("data.size_hw=[64,64]", "optim.epochs=1", "optim.batch_size=4", "run.validation_share=0.3")


def looked_at(predictor: Predictor, case: Case) -> tuple[float, float]:
    """Case -> (doubt of the network, Dice of its outline)."""
    frame = load_frame(case.image)
    raw = predictor.run(frame, fov=case.fov, panels=case.panels or None)
    return outline_doubt(raw), dice(load_mask(case, frame.size_hw), raw.mask_HW)


def in_order(cases: Sequence[Case], value_of: dict[str, float], num: int) -> list[Case]:
    """Cases, a value each -> the first `num` or a few more: whole groups, the highest mean value first."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group or case.case_id, []).append(case)
    ranked = sorted(groups.values(), key=lambda members: -np.mean([value_of[case.case_id] for case in members]))
    chosen: list[Case] = []
    for members in ranked:
        if len(chosen) >= num:
            break
        chosen += members
    return chosen


def learned(config: Config, read: Sequence[Case], folder: Path) -> Predictor:
    """Readings -> the network that learns from them alone; a finished one is taken as it is."""
    if not (folder / "run" / "bundle").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        write_cases(list(read), folder / "cases.csv")
        train(config, folder / "cases.csv", folder / "run", resume=(folder / "run").is_dir())
    return Predictor.load(folder / "run" / "bundle")


def follow(
    order: str, pool: Sequence[Case], held_out: Sequence[Case], batches: Sequence[int], given: argparse.Namespace
) -> None:
    """One order -> a line per batch: number of readings, Dice on the held-out cases."""
    config = load_recipe(given.recipe, given.set)
    rng = np.random.default_rng(given.seed)
    chance = {case.case_id: float(rng.random()) for case in pool}
    read = in_order(pool, chance, batches[0])
    predictor = learned(config, read, given.out / f"first_{len(read)}")
    for place, wanted in enumerate([*batches, len(pool)]):
        left = [case for case in pool if case not in read]
        if place:
            value_of = chance
            if order == "doubt" and wanted < len(pool):
                value_of = {case.case_id: looked_at(predictor, case)[0] for case in left}
            read += in_order(left, value_of, wanted - len(read))
        if place:
            name = "all" if len(read) == len(pool) else order
            predictor = learned(config, read, given.out / f"{name}_{len(read)}")
        scores = [looked_at(predictor, case)[1] for case in held_out]
        print(f"| {order} | {len(read)} | {np.mean(scores):.3f} | {len(scores)} |", flush=True)
        if len(read) >= len(pool):
            break


def main() -> None:
    """Prints the table of both orders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--recipe", default="phantoms")
    parser.add_argument("--batches", default="")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    table = given.cases
    if table is None:
        settings = PhantomSettings(size_hw=(160, 200), no_nodule=0.0, split_screen=0.0)
        table = given.out / "phantoms" / "cases.csv"
        if not table.exists():
            write_phantoms(24, given.out / "phantoms", settings=settings)
        given.set = [*TINY, *given.set]
    cases = [case for case in read_cases(table) if case.mask is not None]
    if given.cases is None:
        held_out, pool = cases[:6], cases[6:]
    else:
        held_out = [case for case in cases if case.fold == given.fold]
        pool = [case for case in cases if case.fold not in (given.fold, None)]
    batches = [int(num) for num in given.batches.split(",") if num] or [max(6, len(pool) // 3), len(pool) * 2 // 3]
    print("| order | readings | Dice | held-out images |\n|---|---|---|---|")
    for order in ORDERS:
        follow(order, pool, held_out, batches, given)


if __name__ == "__main__":
    main()
