"""Predictor, cases.csv -> Evaluation: predict every chosen case, score it against its reference, sum up, write.

Writes OUT/per_case.csv, OUT/evaluation.json and OUT/report.html; thyrosight.evaluation.compare compares two
per_case.csv.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.training_sets import without_record
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import EVERY_ROW, RowChoice, choose_cases, read_cases, table_path
from thyrosight.environment import hardware, utc_now_for_people
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CasePrediction, CaseScore, score_case, write_case_scores
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.report import Outlines, Picture, chosen_for_galleries, outlines_of, picture_of, write_report
from thyrosight.evaluation.scores import ModelThreshold
from thyrosight.evaluation.summary import (
    Evaluation,
    EvaluationContext,
    UnscoredCase,
    evaluation_json,
    refuse_other_evaluation,
    summarise,
)
from thyrosight.evaluation.unseen_rows import with_seen, without_seen
from thyrosight.files import raise_shortage, sha256_of, write_atomic
from thyrosight.frames.load import load_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.measurement.outlines import bounding_box, components
from thyrosight.types import Case, Progress, Spacing


def evaluate(
    predictor: Predictor | Path | str,
    cases_csv: Path | str,
    out: Path | str,
    rows: RowChoice = EVERY_ROW,
    *,
    even_if_seen: bool = False,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> Evaluation:
    """Predictor (or the path of its bundle), cases.csv (or its folder), which rows -> Evaluation, written to `out`.

    Rows that the model has seen in training are left out and named, or scored and named if `even_if_seen`. A case that
    can't be read is an UnscoredCase in the result and does not stop the rest. InputError where no row is chosen, or
    none can be scored. progress is called with (cases done, cases in all).
    """
    cases_csv = table_path(Path(cases_csv))
    if isinstance(predictor, Path | str):
        predictor = Predictor.load(predictor)
    chosen = choose_cases(read_cases(cases_csv), cases_csv, rows)
    cases, seen = without_seen(predictor, chosen, cases_csv, even_if_seen)
    context = context_of(predictor, cases, cases_csv, rows)
    context = with_seen(context, seen, chosen, even_if_seen)
    return evaluate_cases(predictor, cases, context, Path(out), settings, progress)


def evaluate_cases(
    predictor: Predictor,
    cases: Sequence[Case],
    context: EvaluationContext,
    out: Path,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> Evaluation:
    """Predictor, the chosen cases, what is evaluated -> Evaluation, written to the folder `out`."""
    return score_all(cases, lambda case: score_prediction(predictor, case, settings), context, out, settings, progress)


def score_all(
    cases: Sequence[Case],
    score_one: Callable[[Case], tuple[CaseScore, Outlines]],
    context: EvaluationContext,
    out: Path,
    settings: EvaluationSettings,
    progress: Progress | None,
) -> Evaluation:
    """The chosen cases, a function that scores one case -> Evaluation, written to `out`.

    A case for which the function raises InputError becomes an UnscoredCase.
    """
    refuse_other_evaluation(out, context)
    out.mkdir(parents=True, exist_ok=True)
    scores: list[CaseScore] = []
    failures: list[UnscoredCase] = []
    outlines: dict[str, Outlines] = {}
    for done, case in enumerate(cases, start=1):
        try:
            score, outlines[case.case_id] = score_one(case)
            scores.append(score)
        except InputError as error:
            raise_shortage(error)
            failures.append(UnscoredCase(case.case_id, str(error)))
        if progress is not None:
            progress(done, len(cases))
    evaluation = summarise(scores, context, settings, failures)
    image_of = {case.case_id: case.image for case in cases}
    pictures = {
        case_id: picture_of(load_frame(image_of[case_id]).image_HW, outlines[case_id])
        for case_id in chosen_for_galleries(scores)
    }
    write_evaluation(evaluation, pictures, out)
    return evaluation


def write_evaluation(evaluation: Evaluation, pictures: dict[str, Picture], out: Path) -> None:
    """Evaluation, Picture by case_id -> OUT/per_case.csv, evaluation.json, report.html; each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_case_scores(evaluation.cases, out / "per_case.csv")
    write_atomic(out / "evaluation.json", evaluation_json(evaluation))
    write_report(evaluation, pictures, out / "report.html")


# One case


def score_prediction(predictor: Predictor, case: Case, settings: EvaluationSettings) -> tuple[CaseScore, Outlines]:
    """Predictor, case -> its score against the reference, and both outlines; InputError where a file can't be used.

    The ultrasound field is the `fov` in cases.csv, if it has one, else the field that the model found. With a `fov`,
    two models are scored on the same field.
    """
    frame = load_image(case)
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
    predicted = CasePrediction(
        fov=case.fov or raw.fov,
        num_panels=max(1, len(case.panels) or len(raw.panels)),
        malignancy_logit=raw.malignancy_logit if predictor.info.has_malignancy else None,
        risk=prediction.risk,
        seconds=round(seconds, 4),
        mean_probability=round(float(raw.probability_HW[raw.mask_HW].mean()), 6) if raw.mask_HW.any() else None,
        regions=tuple(
            (bounding_box(part_HW), float(raw.probability_HW[part_HW].mean())) for part_HW in components(raw.mask_HW)
        ),
    )
    score = score_case(case, reference_HW, prediction_HW, predicted, settings.masks)
    return score, outlines_of(predicted.fov, reference_HW, prediction_HW)


# What was evaluated


def context_of(predictor: Predictor, cases: Sequence[Case], cases_csv: Path, rows: RowChoice) -> EvaluationContext:
    """Predictor, the chosen cases, their table and the choice -> what is evaluated."""
    info = predictor.info
    return EvaluationContext(
        model_name=info.name,
        model_id=predictor.model.id,
        trained_on=tuple(f"{part.source}: {part.num_images} images ({part.split})" for part in info.training_sets),
        risk_meaning=info.risk_meaning,
        operating_points=tuple(
            ModelThreshold(point.name, point.threshold, point.meaning) for point in info.operating_points
        ),
        cases=cases_csv.name if cases_csv.parent.name == "" else f"{cases_csv.parent.name}/{cases_csv.name}",
        cases_sha256=sha256_of(cases_csv),
        selection=rows.in_words,
        created=utc_now_for_people(),
        hardware=hardware(),
        notes=_notes(info, cases, rows),
        with_tta=predictor.with_tta,
    )


def _notes(info: BundleInfo, cases: Sequence[Case], rows: RowChoice) -> tuple[str, ...]:
    notes = []
    is_known = bool(info.training_sets) and not without_record(info.training_sets)
    if rows == EVERY_ROW and not is_known:
        notes.append("Every row was evaluated: if the model learned from some of them, these are not held-out scores.")
    glands = sum(case.target == "gland" for case in cases)
    if glands:
        notes.append(f"{glands} of the references outline the gland, not a nodule.")
    return tuple(notes)
