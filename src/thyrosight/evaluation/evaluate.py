"""Model, labelled cases -> scores with intervals: predict every chosen case, score it, sum up, write.

Writes OUT/per_case.csv, OUT/evaluation.json and OUT/report.html; thyrosight.comparison compares two per_case.csv.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from thyrosight.case_scores import (
    CaseScore,
    Rating,
    compact_case_scores,
    read_case_scores,
    score_case,
    write_case_scores,
)
from thyrosight.cases.load import load_mask
from thyrosight.cases.table import read_cases
from thyrosight.comparison import Comparison as Comparison
from thyrosight.comparison import compare as compare
from thyrosight.declared import read_evaluation
from thyrosight.errors import InputError
from thyrosight.evaluation import (
    Evaluated,
    Evaluation,
    Failure,
    OperatingPoint,
    evaluation_json,
    summarise,
)
from thyrosight.evaluation_report import (
    Outlines,
    Picture,
    chosen_for_galleries,
    outlines_of,
    picture_of,
    write_report,
)
from thyrosight.files import sha256_of, write_atomic
from thyrosight.images import load_frame
from thyrosight.mask_rule import OutOfFoldRule
from thyrosight.out_of_fold import recalibrated
from thyrosight.scores import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.types import Case, Spacing

if TYPE_CHECKING:
    from thyrosight.predict import Predictor


def evaluate(
    bundle: Path | None,
    cases_csv: Path,
    out: Path,
    *,
    split: str | None = None,
    fold: int | None = None,
    threads: int | None = None,
    tta: bool = False,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
) -> Evaluation:
    """Bundle (None: the shipped one), cases.csv, which of its rows -> Evaluation, written to the folder `out`.

    A case that can't be read is a Failure in the result and does not stop the rest. InputError where no row is chosen
    or none can be scored.
    """
    from thyrosight.predict import Predictor

    predictor = Predictor.load(bundle, threads=threads, tta=tta)
    return evaluate_predictor(predictor, cases_csv, out, split=split, fold=fold, settings=settings)


def evaluate_predictor(
    predictor: Predictor,
    cases_csv: Path,
    out: Path,
    *,
    split: str | None = None,
    fold: int | None = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    notes: Sequence[str] = (),
) -> Evaluation:
    """As `evaluate`, with a predictor that is loaded already; notes: what else to say of this evaluation."""
    cases_csv = cases_csv / "cases.csv" if cases_csv.is_dir() else cases_csv
    all_cases = read_cases(cases_csv)
    cases, selection = choose_cases(all_cases, cases_csv, split, fold)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[CaseScore] = []
    failures: list[Failure] = []
    drawn: dict[str, Outlines] = {}
    for case in _with_progress(cases, "evaluating"):
        try:
            score, drawn[case.case_id] = examine(predictor, case, settings)
            rows.append(score)
        except InputError as error:
            failures.append(Failure(case.case_id, str(error)))
    evaluated = _evaluated(predictor, cases_csv, selection, (*_notes(cases, split, fold), *notes))
    evaluation = summarise(rows, evaluated, settings, failures)
    image_of = {case.case_id: case.image for case in cases}
    gallery = {
        case_id: picture_of(load_frame(image_of[case_id]).image_HW, drawn[case_id])
        for case_id in chosen_for_galleries(rows)
    }
    write_evaluation(evaluation, gallery, out)
    return evaluation


def write_evaluation(evaluation: Evaluation, gallery: dict[str, Picture], out: Path) -> None:
    """Evaluation, pictures by case -> OUT/per_case.csv, evaluation.json, report.html; each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_case_scores(evaluation.cases, out / "per_case.csv")
    write_atomic(out / "evaluation.json", evaluation_json(evaluation))
    write_report(evaluation, gallery, out / "report.html")


def pool(
    parts: Sequence[Path],
    out: Path,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    *,
    across_folds: bool = False,
    mask_rule: OutOfFoldRule | None = None,
    keep: Path | None = None,
) -> Evaluation:
    """per_case.csv of several folds, each by the model that has not seen it -> one Evaluation of all cases, written.

    One table that holds all folds (`keep` of an earlier call) will do as well. A case that is in two of them is an
    InputError: then they are no folds of one cross-validation. across_folds: each fold's risk is first calibrated on
    the logits of the others. mask_rule: by which the parts were outlined, to be told. keep: file for all rows as one
    compact table, which gives this evaluation again.
    """
    rows = [row for path in parts for row in read_case_scores(path)]
    seen: set[str] = set()
    for row in rows:
        if row.case_id in seen:
            raise InputError(f"case {row.case_id} is in two of {', '.join(map(str, parts))}; pass disjoint folds")
        seen.add(row.case_id)
    if across_folds:
        rows = recalibrated(rows, ", ".join(map(str, parts)))
    evaluated = replace(_pooled(parts, rows, across_folds), mask_rule=mask_rule)
    evaluation = summarise(rows, evaluated, settings)
    write_evaluation(evaluation, {}, out)
    if keep is not None:
        keep_case_scores(rows, keep)
    return evaluation


def keep_case_scores(rows: Sequence[CaseScore], path: Path) -> None:
    """Scores -> one compact CSV, numbers and case names alone; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, compact_case_scores(rows))


def _pooled(parts: Sequence[Path], rows: Sequence[CaseScore], across_folds: bool) -> Evaluated:
    """The folds' tables and their rows -> what was evaluated; what their evaluation.json agree on is kept."""
    own = [_evaluation_of(part) for part in parts if part.is_dir() or part.name == "per_case.csv"]
    known = [read_evaluation(path)["evaluated"] for path in own if path.exists()]
    meanings = {record["risk_meaning"] for record in known}
    folds = {row.fold for row in rows if row.fold is not None}
    note = "Each fold's risk was calibrated on the logits of the other folds, not as its own model gave it."
    return Evaluated(
        model_name=f"{len(folds) or len(parts)} models, each on the fold that it has not seen",
        model_id="",
        trained_on=(),
        risk_meaning=meanings.pop() if len(meanings) == 1 and len(known) == len(parts) else "",
        operating_points=(),
        cases=", ".join(sorted({row.source for row in rows})),
        cases_sha256="",
        selection=f"folds {', '.join(map(str, sorted(folds)))}, pooled" if folds else f"{len(parts)} tables, pooled",
        created=_now(),
        hardware=_hardware(),
        notes=(note,) if across_folds else (),
        with_tta=any(record.get("with_tta") for record in known),
    )


def _evaluation_of(part: Path) -> Path:
    """A fold's per_case.csv, or its folder -> the evaluation.json beside it; a kept table has none."""
    return part / "evaluation.json" if part.is_dir() else part.with_name("evaluation.json")


# Which cases


def choose_cases(cases: Sequence[Case], path: Path, split: str | None, fold: int | None) -> tuple[list[Case], str]:
    """All cases, split and fold (None: any) -> the chosen ones and that choice in words; none: InputError."""
    chosen = [case for case in cases if (split is None or case.split == split) and (fold is None or case.fold == fold)]
    words = [f"split {split}"] * (split is not None) + [f"fold {fold}"] * (fold is not None)
    if not chosen:
        splits = sorted({case.split or "(empty)" for case in cases})
        folds = sorted({case.fold for case in cases if case.fold is not None})
        raise InputError(
            f"{path}: no row is in {' and '.join(words)}; there are splits {', '.join(splits)} and folds "
            f"{', '.join(map(str, folds)) or 'none'}"
        )
    return chosen, " and ".join(words) or "every row"


def _notes(cases: Sequence[Case], split: str | None, fold: int | None) -> tuple[str, ...]:
    notes = []
    if split is None and fold is None:
        notes.append("Every row was evaluated: if the model learned from some of them, these are not held-out scores.")
    glands = sum(case.target == "gland" for case in cases)
    if glands:
        notes.append(f"{glands} of the references outline the gland, not a nodule.")
    return tuple(notes)


# One case


def examine(predictor: Predictor, case: Case, settings: EvaluationSettings) -> tuple[CaseScore, Outlines]:
    """Predictor, case -> its score against the reference, and both outlines; InputError where a file is not good.

    Sizes and pictures go by the field that the table gives, whatever the model was shown: two models share the same.
    """
    frame = load_frame(case.image)
    if case.row_mm and case.column_mm:
        frame = replace(
            frame, spacing=Spacing(case.row_mm, case.column_mm), spacing_reason="from cases.csv", regions=()
        )
    reference_HW = load_mask(case, frame.size_hw) if case.mask is not None else None
    start = time.perf_counter()
    raw = predictor.raw(frame, fov=case.fov, panels=case.panels)
    prediction, mask_HW = predictor.predict_raw(frame, raw)
    seconds = time.perf_counter() - start
    prediction_HW = mask_HW if predictor.info.has_mask else None
    rating = Rating(
        fov=case.fov or raw.fov,
        num_panels=max(1, len(case.panels) or len(raw.panels)),
        malignancy_logit=raw.malignancy_logit if predictor.info.has_malignancy else None,
        risk=prediction.risk,
        seconds=round(seconds, 4),
        mean_probability=round(float(raw.probability_HW[mask_HW].mean()), 6) if mask_HW.any() else None,
    )
    score = score_case(case, reference_HW, prediction_HW, rating, settings.masks)
    return score, outlines_of(rating.fov, reference_HW, prediction_HW)


def _with_progress(cases: Sequence[Case], what: str) -> Iterable[Case]:
    """Cases -> the same, with a progress bar on stderr where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(cases, description=what, console=console, transient=True, disable=not console.is_terminal)


# On what


def _evaluated(predictor: Predictor, cases_csv: Path, selection: str, notes: tuple[str, ...]) -> Evaluated:
    info = predictor.info
    return Evaluated(
        model_name=info.name,
        model_id=predictor.model.id,
        trained_on=tuple(f"{part.source}: {part.num_images} images ({part.split})" for part in info.training_sets),
        risk_meaning=info.risk_meaning,
        operating_points=tuple(
            OperatingPoint(point.name, point.threshold, point.meaning) for point in info.operating_points
        ),
        cases=cases_csv.name if cases_csv.parent.name == "" else f"{cases_csv.parent.name}/{cases_csv.name}",
        cases_sha256=sha256_of(cases_csv),
        selection=selection,
        created=_now(),
        hardware=_hardware(),
        notes=notes,
        with_tta=predictor.with_tta,
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hardware() -> dict[str, str]:
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from thyrosight import __version__

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:
        runtime = "not installed"
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count() or 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "onnxruntime": runtime,
        "thyrosight": __version__,
    }
