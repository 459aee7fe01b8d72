"""Model, labelled cases -> scores with intervals: predict every chosen case, score it, sum up, write.

Writes OUT/per_case.csv, OUT/evaluation.json and OUT/report.html; thyrosight.comparison compares two per_case.csv.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import choose_cases, read_cases
from thyrosight.environment import hardware, utc_now_for_people
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore, Rating, score_case, write_case_scores
from thyrosight.evaluation.compare import Comparison as Comparison
from thyrosight.evaluation.compare import compare as compare
from thyrosight.evaluation.report import Outlines, Picture, chosen_for_galleries, outlines_of, picture_of, write_report
from thyrosight.evaluation.scores import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.summary import Evaluated, Evaluation, Failure, OperatingPoint, evaluation_json, summarise
from thyrosight.files import sha256_of, write_atomic
from thyrosight.frames.load import load_frame
from thyrosight.types import Case, Spacing

if TYPE_CHECKING:
    from thyrosight.inference.predictor import Predictor


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
    from thyrosight.inference.predictor import Predictor

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
    raw = predictor.run(frame, fov=case.fov, panels=case.panels)
    prediction = predictor.interpret(frame, raw)
    seconds = time.perf_counter() - start
    prediction_HW = raw.mask_HW if predictor.info.has_mask else None
    rating = Rating(
        fov=case.fov or raw.fov,
        num_panels=max(1, len(case.panels) or len(raw.panels)),
        malignancy_logit=raw.malignancy_logit if predictor.info.has_malignancy else None,
        risk=prediction.risk,
        seconds=round(seconds, 4),
        mean_probability=round(float(raw.probability_HW[raw.mask_HW].mean()), 6) if raw.mask_HW.any() else None,
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
        created=utc_now_for_people(),
        hardware=hardware(),
        notes=notes,
        with_tta=predictor.with_tta,
    )
