"""Configuration, cases.csv -> one model per fold, each scored on the fold that it has not seen, and pooled scores.

OUT/  fold0/ … (run folders)  fold0/evaluation/ …  pooled/{per_case.csv, evaluation.json, report.html}
A finished step is not repeated: the same command continues a fold that was stopped, and then the next folds.
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
from thyrosight.export.set_audit import check_set
from thyrosight.inference.predictor import Predictor
from thyrosight.training.callbacks import tell_on_stderr
from thyrosight.training.speech import Tell
from thyrosight.training.train import train
from thyrosight.types import Progress


def cross_validate(
    config: Config,
    cases: Sequence[Path],
    out: Path,
    *,
    folds: Sequence[int] | None = None,
    tta: bool = False,
    even_if_invalid: bool = False,
    progress: Progress | None = None,
    tell: Tell = tell_on_stderr,
) -> Evaluation:
    """Train and score each fold of the first table (or the folds named), then pool the out-of-fold scores.

    The other tables are used only in training; their rows of the scored fold are left out too. InputError where the
    first table has
    no such fold, or where the audit calls the set invalid, unless even_if_invalid. ConfigError where `out` holds a run
    with other settings. tell is called with each line for people. Ctrl-C raises KeyboardInterrupt; the same call
    continues later.
    """
    scored_csv = cases[0]
    known = sorted({case.fold for case in read_cases(scored_csv) if case.fold is not None and case.split != "test"})
    if not known:
        raise InputError(f"{scored_csv}: no row has a fold; run prepare --folds 5")
    unknown = sorted(set(folds or known) - set(known))
    if unknown:
        raise InputError(f"{scored_csv}: no row has fold {unknown[0]}; there are {known}")
    kind = kind_of_scores("evaluation", tta)
    check_set(cases, out, config.data.reference_sources, even_if_invalid)
    parts = []
    for fold in folds or known:
        run = out / f"fold{fold}"
        _train_fold(config, cases, run, fold, tell)
        _score_fold(cases[0], run, run / kind, fold, tta, progress)
        parts.append(run / kind)
    return pool([part / "per_case.csv" for part in parts], out / kind_of_scores("pooled", tta))


def kind_of_scores(name: str, tta: bool) -> str:
    """-> name of the folder of scores; scores with test-time augmentation have a folder of their own."""
    return f"{name}-tta" if tta else name


def _train_fold(config: Config, cases: Sequence[Path], run: Path, fold: int, tell: Tell) -> None:
    """Train one fold, unless it is finished."""
    if (run / "bundle" / "bundle.json").exists():
        refuse_other_settings(run, run_record(config, cases, run, fold))
    else:
        # even_if_invalid: `cross_validate` has checked the set once for all folds.
        resume = run.exists()
        train(config, cases, run, fold, resume=resume, tell=tell, keep_stopped=False, even_if_invalid=True)


def _score_fold(scored_csv: Path, run: Path, out: Path, fold: int, tta: bool, progress: Progress | None) -> None:
    """Scores the bundle of one fold on this fold, unless the report exists, which is written last."""
    if not (out / "report.html").exists():
        evaluate(Predictor.load(run / "bundle", tta=tta), scored_csv, out, RowChoice(fold=fold), progress=progress)
