"""cases.csv with masks -> how many readings a network needs if it asks for doubtful images first, and in random order.

    python studies/next_reading.py cases/ddti/cases.csv -o out [--recipe finetune] [--batches 20,40,80,160] [--fold 0]

The page's list can order images by how much a reading would teach. Here the masks of cases.csv are the readings: a
network learns from the first batch, the same for both orders, then from the readings of the next images. `doubt` takes
those whose outline is the least certain (thyrosight.web.jobs.teaching, as on the page), `random` any. After each batch
the Dice on the held-out fold is printed. The last batch is all that there is, unless --without-all is given. Groups
stay together in a batch. --seeds 0,1,2 repeats everything with other first batches and other random orders. The last
table has doubt minus random, paired per held-out image (its mean over the seeds), with the interval of a bootstrap over
groups. Networks and their scores are kept in the folder: a repeated command goes on. With the default, 24 phantoms are
drawn and a tiny network takes one epoch: it shows that the study runs, and nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thyrosight.config import Config, load_recipe
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import group_key, read_cases, write_cases
from thyrosight.evaluation.metrics.bootstrap import mean_of, paired_bootstrap
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


def looked_at(folder: Path, predictor: Predictor, cases: Sequence[Case]) -> dict[str, tuple[float, float]]:
    """A network's folder -> {case: (its doubt, Dice of its outline)}, kept in FOLDER/looks.json."""
    kept = folder / "looks.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for case in cases:
        if case.case_id not in found:
            frame = load_frame(case.image)
            raw = predictor.run(frame, fov=case.fov, panels=case.panels or None)
            found[case.case_id] = outline_doubt(raw), dice(load_mask(case, frame.size_hw), raw.mask_HW)
    kept.write_text(json.dumps(found))
    return {case.case_id: tuple(found[case.case_id]) for case in cases}


def in_order(cases: Sequence[Case], value_of: dict[str, float], num: int) -> list[Case]:
    """Cases, a value each -> the first `num` or a few more: whole groups, the highest mean value first."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(group_key(case), []).append(case)
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
        begun = (folder / "run").is_dir()
        train(config, folder / "cases.csv", folder / "run", resume=begun, keep_stopped=False)
    return Predictor.load(folder / "run" / "bundle")


def follow(
    order: str,
    seed: int,
    pool: Sequence[Case],
    held_out: Sequence[Case],
    batches: Sequence[int],
    given: argparse.Namespace,
) -> dict[int, list[float]]:
    """One order, one seed -> {batch: Dice of each held-out case}, and a line per batch."""
    config = load_recipe(given.recipe, given.set)
    rng = np.random.default_rng(seed)
    chance = {case.case_id: float(rng.random()) for case in pool}
    read = in_order(pool, chance, batches[0])
    folder = given.out / f"seed{seed}" / f"first_{len(read)}"
    predictor = learned(config, read, folder)
    scores_of: dict[int, list[float]] = {}
    for place, wanted in enumerate([*batches, *([] if given.without_all else [len(pool)])]):
        left = [case for case in pool if case not in read]
        if place:
            value_of = chance
            if order == "doubt" and wanted < len(pool):
                value_of = {name: doubt for name, (doubt, _) in looked_at(folder, predictor, left).items()}
            read += in_order(left, value_of, wanted - len(read))
            is_all = len(read) == len(pool)
            folder = given.out / ("all" if is_all else f"seed{seed}/{order}_{len(read)}")
            predictor = learned(config, sorted(read, key=lambda case: case.case_id) if is_all else read, folder)
        scores = [score for _, score in looked_at(folder, predictor, held_out).values()]
        scores_of[wanted] = scores
        print(f"| {seed} | {order} | {len(read)} | {np.mean(scores):.3f} | {len(scores)} |", flush=True)
        if len(read) >= len(pool):
            break
    return scores_of


def print_difference(found: dict[str, list[dict[int, list[float]]]], held_out: Sequence[Case]) -> None:
    """{order: per seed {batch: Dice of each held-out case}} -> the table of doubt minus random."""
    print("\n| readings | doubt | random | doubt - random (95 %) | seeds | images |\n|---|---|---|---|---|---|")
    groups = [group_key(case) for case in held_out]
    for batch in list(found["doubt"][0])[1:]:
        doubt, chance = (np.mean([scores[batch] for scores in found[order]], axis=0) for order in ORDERS)
        gain = paired_bootstrap(mean_of(doubt), mean_of(chance), groups, np.random.default_rng(0))
        value, interval = f"{gain.value:+.3f}", gain.reason or f"{gain.low:+.3f} to {gain.high:+.3f}"
        print(f"| {batch} | {doubt.mean():.3f} | {chance.mean():.3f} | {value} ({interval}) ", end="")
        print(f"| {len(found['doubt'])} | {len(groups)} |")


def main() -> None:
    """Prints the tables of both orders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--recipe", default="phantoms")
    parser.add_argument("--batches", default="")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--without-all", action="store_true")
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
    print("| seed | order | readings | Dice | held-out images |\n|---|---|---|---|---|")
    found: dict[str, list[dict[int, list[float]]]] = {order: [] for order in ORDERS}
    for seed in map(int, given.seeds.split(",")):
        for order in ORDERS:
            found[order].append(follow(order, seed, pool, held_out, batches, given))
    print_difference(found, held_out)


if __name__ == "__main__":
    main()
