"""One bundle a fold, cases.csv -> each scored on the fold that it has not seen, and all of them pooled.

OUT/  fold0/ …  pooled/   each with per_case.csv, evaluation.json, report.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thyrosight.bundle import fold_bundles, load_bundle
from thyrosight.cases.table import read_cases
from thyrosight.errors import InputError
from thyrosight.evaluate import evaluate, pool
from thyrosight.evaluation import Evaluation
from thyrosight.start import split_in_words
from thyrosight.types import Case


def evaluate_folds(
    runs: Path, cases_csv: Path, out: Path, *, threads: int | None = None, tta: bool = False
) -> Evaluation:
    """Folder with foldK/bundle (of `cross-validate` or `ensemble`), cases.csv -> the pooled Evaluation, written.

    InputError where a bundle does not say that it kept its fold of these cases aside.
    """
    bundles = fold_bundles(runs)
    cases = read_cases(cases_csv)
    for fold, path in bundles.items():
        _refuse_seen(path, cases, fold)
    for fold, path in bundles.items():
        evaluate(path, cases_csv, out / f"fold{fold}", fold=fold, threads=threads, tta=tta)
    return pool([out / f"fold{fold}" / "per_case.csv" for fold in bundles], out / "pooled")


def _refuse_seen(path: Path, cases: Sequence[Case], fold: int) -> None:
    """InputError where the bundle has seen more of the cases' sets than the other folds."""
    sources = {case.source for case in cases if case.fold == fold}
    for part in load_bundle(path).info.training_sets:
        if part.source in sources and not part.split.endswith(split_in_words(fold)):
            raise InputError(
                f"{path}: has learnt from {part.source} ({part.split}), so fold {fold} of it is not unseen; pass the "
                "folder that `cross-validate` wrote for these cases"
            )
