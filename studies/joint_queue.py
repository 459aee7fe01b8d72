"""Runs all trainings, exports and evaluations of the joint network: five folds, the final network, two with less data.

Finished steps are skipped and a stopped step goes on, so the same command can be started again at any time, on any
machine that has the folder. One process and `--threads` threads; about 80 minutes per training on one core of 2026.

    python studies/joint_queue.py OUT --tables CASES --official TN5000_BY_ITS_OWN_SPLIT --threads 2

CASES holds <set>/cases.csv as `prepare` makes them (ddti, busi, busbra, tn5000, tg3k), and phantom/ (`phantom -n 240`).
OUT/fold0 … fold4 each leave out one fold; OUT/final learns from all; OUT/without_ddti has seen no image of DDTI, and
OUT/official learns from train and val of the split of TN5000's authors, in `--official` (`prepare --official-split`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs" / "joint" / "unet_lite2.toml"
SETS = ("ddti", "busi", "busbra", "tn5000", "tg3k", "phantom")
BREAST = ("busi", "busbra")
READING = "ddti"


@dataclass(frozen=True)
class Step:
    """One command of thyrosight, and the file that it leaves when it is done."""

    arguments: tuple[str, ...]
    product: Path

    @property
    def is_done(self) -> bool:
        return self.product.exists()


def training(run: Path, tables: Sequence[Path], fold: int | None, threads: int) -> Step:
    """Run folder, tables, the fold kept aside -> the training; it goes on where it was stopped."""
    cases = [part for table in tables for part in ("--cases", str(table))]
    resume = ["--resume"] if (run / "config.json").exists() else []
    kept = ["--fold", "all" if fold is None else str(fold)]
    limit = ["--set", f"run.threads={threads}"]
    return Step(("train", str(CONFIG), *cases, *kept, "-o", str(run), *limit, *resume), run / "bundle" / "bundle.json")


def questions(run: Path) -> Iterator[Step]:
    """Run folder -> the exports of two more bundles: for the risk of the breast sets, and for that of readings."""
    for name in ("breast", "reading"):
        bundle = run / f"bundle-{name}"
        yield Step(("export", str(run), "--question", name, "-o", str(bundle)), bundle / "bundle.json")


def scores(run: Path, tables: dict[str, Path], part: Sequence[str], threads: int) -> Iterator[Step]:
    """Run folder, {set: table}, which rows -> an evaluation of each set by the bundle that answers its question.

    DDTI has two: by the bundle for the thyroid's pathology (evaluation-ddti), and by the bundle for readings
    (evaluation-ddti-reading).
    """
    for name, table in tables.items():
        kinds = [("bundle-breast" if name in BREAST else "bundle", f"evaluation-{name}")]
        kinds += [("bundle-reading", "evaluation-ddti-reading")] if name == READING else []
        for bundle, out in kinds:
            arguments = (str(run / bundle), "--cases", str(table), *part, "-o", str(run / out))
            yield Step(("evaluate", *arguments, "--threads", str(threads)), run / out / "evaluation.json")


def steps(out: Path, tables: Path, official: Path | None, threads: int) -> Iterator[Step]:
    """Folders -> every step in order.

    Each is made when its turn comes, because it depends on the files that are there.
    """
    path = {name: tables / name / "cases.csv" for name in SETS}
    scored = {name: path[name] for name in ("tn5000", "ddti", *BREAST)}
    for fold in range(5):
        run = out / f"fold{fold}"
        yield training(run, list(path.values()), fold, threads)
        yield from questions(run)
        yield from scores(run, scored, ("--fold", str(fold)), threads)
    final = out / "final"
    yield training(final, list(path.values()), None, threads)
    yield from questions(final)
    apart = out / "without_ddti"
    yield training(apart, [table for name, table in path.items() if name != READING], None, threads)
    yield next(scores(apart, {READING: path[READING]}, (), threads))
    if official is not None:
        run = out / "official"
        others = [table for name, table in path.items() if name != "tn5000"]
        yield training(run, [*others, official / "cases.csv"], None, threads)
        yield from scores(run, {"tn5000": official / "cases.csv"}, ("--split", "test"), threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tables", type=Path, required=True, help="folder of <set>/cases.csv")
    parser.add_argument("--official", type=Path, help="folder of TN5000's cases.csv by its official split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="say what is done and what is next, and do nothing")
    arguments = parser.parse_args()
    for step in steps(arguments.out, arguments.tables, arguments.official, arguments.threads):
        state = "done" if step.is_done else "to do"
        print(f"{state:6s} {' '.join(step.arguments)}", flush=True)
        if not step.is_done and not arguments.list:
            subprocess.run([sys.executable, "-m", "thyrosight", *step.arguments], check=True)


if __name__ == "__main__":
    main()
