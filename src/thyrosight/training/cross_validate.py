"""Configuration, cases.csv -> one model per fold, each scored on the fold that it has not seen, and pooled scores.

OUT/  fold0/ … (run folders)  fold0/evaluation/ …  pooled/{per_case.csv, evaluation.json, report.html}
A finished step is not repeated: the same command continues a fold that was stopped, then the next ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thyrosight.config import Config
from thyrosight.datasets.table import RowChoice, read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.evaluate import evaluate
from thyrosight.evaluation.evaluate_folds import pool
from thyrosight.evaluation.summary import Evaluation
from thyrosight.export.run_folder import refuse_other_settings, run_record
from thyrosight.inference.predictor import Predictor
from thyrosight.training.train import train
from thyrosight.types import Progress


def cross_validate(
    config: Config,
    cases: Sequence[Path],
    out: Path,
    *,
    folds: Sequence[int] | None = None,
    tta: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Train and score each fold of the first table (or the folds named), then pool the out-of-fold scores.

    The other tables only train; their rows of the scored fold are left out too. InputError where the first table has
    no such fold, ConfigError where `out` holds a run with other settings.
    """
    scored_csv = cases[0]
    known = sorted({case.fold for case in read_cases(scored_csv) if case.fold is not None and case.split != "test"})
    if not known:
        raise InputError(f"{scored_csv}: no row has a fold; run prepare --folds 5")
    unknown = sorted(set(folds or known) - set(known))
    if unknown:
        raise InputError(f"{scored_csv}: no row has fold {unknown[0]}; there are {known}")
    kind = kind_of_scores("evaluation", tta)
    parts = [_score_fold(config, cases, out / f"fold{fold}", fold, tta, progress) / kind for fold in folds or known]
    return pool([part / "per_case.csv" for part in parts], out / kind_of_scores("pooled", tta))


def kind_of_scores(name: str, tta: bool) -> str:
    """Name of a folder of scores; scores with test-time augmentation have their own."""
    return f"{name}-tta" if tta else name


def _score_fold(
    config: Config, cases: Sequence[Path], run: Path, fold: int, tta: bool, progress: Progress | None
) -> Path:
    """Train and evaluate one fold, each unless it is finished -> the run folder."""
    if (run / "bundle" / "bundle.json").exists():
        refuse_other_settings(run, run_record(config, cases, run, fold))
    else:
        train(config, cases, run, fold, resume=run.exists())
    evaluation = run / kind_of_scores("evaluation", tta)
    if not (evaluation / "evaluation.json").exists():
        evaluate(Predictor.load(run / "bundle", tta=tta), cases[0], evaluation, RowChoice(fold=fold), progress=progress)
    return run
