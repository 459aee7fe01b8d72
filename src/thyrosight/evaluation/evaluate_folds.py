"""One bundle per fold, cases.csv -> each bundle scored on the fold that it has not seen, and all folds pooled.

OUT/  fold0/ …  pooled/   each with per_case.csv, evaluation.json, report.html
The few validation images of a bundle gave its calibration and its mask rule. With across_folds, the images of the other
folds give both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.store import Bundle, fold_bundles, load_bundle
from thyrosight.bundle.training_sets import sets_to_ask_by_name
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import RowChoice, choose_cases, read_cases, table_path
from thyrosight.environment import hardware, utc_now_for_people
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore, compact_case_scores, is_case_scores, read_case_scores
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.evaluate import context_of, evaluate_cases, write_evaluation
from thyrosight.evaluation.mask_rule import THRESHOLDS, OutOfFoldRule, dices_of, out_of_fold_rule
from thyrosight.evaluation.out_of_fold import recalibrated
from thyrosight.evaluation.summary import (
    Evaluation,
    EvaluationContext,
    read_evaluation,
    refuse_other_evaluation,
    summarise,
)
from thyrosight.evaluation.unseen_rows import with_seen, without_seen
from thyrosight.files import raise_shortage, write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Case, Progress

BY_OTHERS = "Outlined by the rule that the other folds choose: mask threshold {:g}, least mean probability {:g}."


def evaluate_folds(
    runs: Path,
    cases_csv: Path,
    out: Path,
    *,
    across_folds: bool = False,
    calibrates: bool = True,
    even_if_seen: bool = False,
    predictor_of: Callable[[Bundle], Predictor] = Predictor,
    progress: Progress | None = None,
) -> Evaluation:
    """Folder with foldK/bundle (of `cross-validate` or `ensemble`), cases.csv -> the pooled Evaluation, written.

    across_folds: mask rule and calibration of each fold come from the images of the other folds, each predicted by the
    model that has not learned from it. With calibrates=False only the mask rule comes from there. InputError where a
    bundle does not state that it left its fold of these cases out. An image of the fold that a bundle saw under another
    name is left out and named. With even_if_seen there is no InputError, and such images are scored and named. progress
    is called per fold with (cases done, cases in all).
    """
    bundles = {fold: load_bundle(path) for fold, path in fold_bundles(runs).items()}
    cases_csv = table_path(cases_csv)
    cases = read_cases(cases_csv)
    for fold, bundle in bundles.items():
        if not even_if_seen:
            _refuse_seen(bundle, cases, fold)
    if across_folds and len(bundles) < 2:
        raise InputError(f"{runs}: one fold only; --across-folds needs at least two")
    rule = None
    if across_folds:
        rule = _rule_of({fold: predictor_of(bundle) for fold, bundle in bundles.items()}, cases)
    for fold, bundle in bundles.items():
        rows, notes = RowChoice(fold=fold), []
        if rule is not None:
            own = rule.by_fold[fold]
            bundle = replace(bundle, info=own.in_bundle(bundle.info))
            notes = [BY_OTHERS.format(own.threshold, own.min_mean_probability)]
        predictor, in_fold = predictor_of(bundle), choose_cases(cases, cases_csv, rows)
        chosen, seen = without_seen(predictor, in_fold, cases_csv, even_if_seen)
        context = context_of(predictor, chosen, cases_csv, rows)
        context = with_seen(replace(context, notes=(*context.notes, *notes)), seen, in_fold, even_if_seen)
        evaluate_cases(predictor, chosen, context, out / f"fold{fold}", progress=progress)
    rates = any(bundle.info.has_malignancy for bundle in bundles.values())
    is_rated = rates and any(case.malignancy is not None and case.fold in bundles for case in cases)
    parts = [out / f"fold{fold}" / "per_case.csv" for fold in bundles]
    return pool(parts, out / "pooled", across_folds=across_folds and calibrates and is_rated, mask_rule=rule)


def _rule_of(predictors: dict[int, Predictor], cases: Sequence[Case]) -> OutOfFoldRule | None:
    """{fold: its predictor}, all cases -> one mask rule per fold, chosen on the outlines of the other folds.

    None where a fold has no case with an outline, or a predictor that gives no outlines. A case that can't be read is
    skipped here; the evaluation of its fold reports it.
    """
    dices: dict[int, NDArray[np.float64]] = {}
    has_empty = False
    for fold, predictor in predictors.items():
        tables = []
        for case in cases:
            if case.fold != fold or case.mask is None or not predictor.info.has_mask:
                continue
            try:
                frame = load_image(case)
                reference_HW = load_mask(case, frame.size_hw)
            except InputError as error:
                raise_shortage(error)
                continue
            raw = predictor.run(frame, fov=case.fov, panels=case.panels)
            tables.append(dices_of(reference_HW, raw, THRESHOLDS, predictor.info))
            has_empty |= not reference_HW.any()
        if tables:
            dices[fold] = np.array(tables)
    if len(dices) < len(predictors):
        return None
    settings = next(iter(predictors.values())).info.network_settings
    return out_of_fold_rule(dices, settings, may_drop=has_empty)


def _refuse_seen(bundle: Bundle, cases: Sequence[Case], fold: int) -> None:
    """InputError where the bundle may have learned from this fold of a set, as far as the names of sets can tell."""
    sources = {case.source for case in cases if case.fold == fold}
    seen = sets_to_ask_by_name(bundle, sources, fold)
    if seen:
        raise InputError(
            f"{bundle.path}: has learned from {seen[0].source} ({seen[0].split}), so fold {fold} of it is not unseen; "
            "pass the folder that `cross-validate` wrote for these cases, or --even-if-seen"
        )


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

    One table with all folds is accepted as well, such as the file `keep` of an earlier call. InputError where a case is
    in two tables: these are not folds of one cross-validation. across_folds: first, the risk of each fold is calibrated
    on the logits of the other folds. mask_rule: the rule by which the folds were outlined; it is recorded. keep: file
    for all rows as one compact table, from which this evaluation can be made again.
    """
    _refuse_parts_as_outputs(parts, out, keep)
    rows = [row for path in parts for row in read_case_scores(path)]
    seen: set[str] = set()
    for row in rows:
        if row.case_id in seen:
            raise InputError(f"case {row.case_id} is in two of {', '.join(map(str, parts))}; pass disjoint folds")
        seen.add(row.case_id)
    if across_folds:
        rows = recalibrated(rows, ", ".join(map(str, parts)))
    evaluated = replace(_pooled(parts, rows, across_folds), mask_rule=mask_rule)
    if not _goes_on(out, rows):
        refuse_other_evaluation(out, evaluated)
    evaluation = summarise(rows, evaluated, settings)
    write_evaluation(evaluation, {}, out)
    if keep is not None:
        keep_case_scores(rows, keep)
    return evaluation


def _goes_on(out: Path, rows: Sequence[CaseScore]) -> bool:
    """Whether `out` holds a pool of some of these folds, for example of fold 0 where the new pool has 0 and 1."""
    evaluated, table = json_table(out / "evaluation.json").get("evaluated"), out / "per_case.csv"
    return isinstance(evaluated, dict) and _holds_part_of(table, rows)


def _holds_part_of(table: Path, rows: Sequence[CaseScore]) -> bool:
    """Whether the file is a table of some of these scores: the same cases by the same networks."""
    if not is_case_scores(table):
        return False
    now = {row.case_id: row for row in rows}
    return all(_is_same(row, now.get(row.case_id)) for row in read_case_scores(table))


def _is_same(row: CaseScore, other: CaseScore | None) -> bool:
    """Whether two scores are of one case by one network; a compact table has rounded them."""
    if other is None:
        return False
    pairs = ((row.dice, other.dice), (row.malignancy_logit, other.malignancy_logit))
    return all(a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-4)) for a, b in pairs)


def _refuse_parts_as_outputs(parts: Sequence[Path], out: Path, keep: Path | None) -> None:
    """InputError where the pool would take the place of one of its parts."""
    tables = {(path / "per_case.csv" if path.is_dir() else path).resolve() for path in parts}
    for written, given in ((out / "per_case.csv", out), (keep, keep)):
        if written is not None and written.resolve() in tables:
            raise InputError(f"{given}: is one of the parts, and would be replaced; choose another path")


def keep_case_scores(rows: Sequence[CaseScore], path: Path) -> None:
    """Scores -> one compact CSV with numbers and case names only; written whole or not at all."""
    refuse_strangers([path], lambda there: _holds_part_of(there, rows), "a table of these scores by case")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, compact_case_scores(rows))


def _selection(folds: Collection[int], num_tables: int) -> str:
    """Folds of the rows, number of tables -> which cases these are, in words."""
    if not folds:
        return f"{num_tables} tables, pooled"
    names = ", ".join(map(str, sorted(folds)))
    return f"fold {names}" if len(folds) == 1 else f"folds {names}, pooled"


def _pooled(parts: Sequence[Path], rows: Sequence[CaseScore], across_folds: bool) -> EvaluationContext:
    """Tables of the folds, their rows -> the context of all folds, from the evaluation.json next to each table."""
    own = [_evaluation_of(part) for part in parts if part.is_dir() or part.name == "per_case.csv"]
    known = [read_evaluation(path)["evaluated"] for path in own if path.exists()]
    meanings = {record["risk_meaning"] for record in known}
    folds = {row.fold for row in rows if row.fold is not None}
    note = "Each fold's risk was calibrated on the logits of the other folds, not as its own model gave it."
    return EvaluationContext(
        model_name="a model, on the fold that it has not seen"
        if len(folds) == 1
        else f"{len(folds) or len(parts)} models, each on the fold that it has not seen",
        model_id="",
        trained_on=(),
        risk_meaning=meanings.pop() if len(meanings) == 1 and len(known) == len(parts) else "",
        operating_points=(),
        cases=", ".join(sorted({row.source for row in rows})),
        cases_sha256="",
        selection=_selection(folds, len(parts)),
        created=utc_now_for_people(),
        hardware=hardware(),
        notes=(*((note,) if across_folds else ()), *seen_notes(known)),
        with_tta=any(record.get("with_tta") for record in known),
        left_out_as_seen=of_all(known, "left_out_as_seen"),
        scored_although_seen=of_all(known, "scored_although_seen"),
    )


def of_all(known: Sequence[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """Contexts of several evaluations, name of a field that holds a list -> all these lists joined."""
    return tuple(str(item) for record in known for item in record.get(name) or ())


def seen_notes(known: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Contexts of several evaluations -> their sentences about images that a model had seen in training."""
    kinds = (
        ("left_out_as_seen", "were left out: the model of their fold had seen them in training"),
        ("scored_although_seen", "were scored although the model had seen them in training"),
    )
    return tuple(
        f"{len(names)} images {done}: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}."
        for name, done in kinds
        if (names := of_all(known, name))
    )


def _evaluation_of(part: Path) -> Path:
    """per_case.csv of a fold, or its folder -> the path of evaluation.json next to it, whether or not it exists."""
    return part / "evaluation.json" if part.is_dir() else part.with_name("evaluation.json")
