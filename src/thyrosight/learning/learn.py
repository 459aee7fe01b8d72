"""A folder of labelled ultrasound, hours -> a validated, calibrated bundle and its report.

OUT/  learn.json  cases/  audit.json  untouched/  folds/  across/  comparison.json  final/  bundle/  report.html
Each step writes its last file when it is finished, and is then not repeated. After a stop at any point the same call
goes on, and ends with the same result as an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from thyrosight.bundle.store import SHIPPED, default_bundle_path, load_bundle
from thyrosight.config import Config, config_from_dict
from thyrosight.daemon import hold_folder
from thyrosight.datasets.audit import audit
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.prepare import prepare
from thyrosight.datasets.table import EVERY_ROW, read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import read_case_scores
from thyrosight.evaluation.compare import Comparison, compare
from thyrosight.evaluation.evaluate import context_of, evaluate_cases
from thyrosight.evaluation.evaluate_folds import evaluate_folds
from thyrosight.evaluation.out_of_fold import recalibrated
from thyrosight.export.calibrate_by_folds import recalibrate
from thyrosight.files import write_atomic
from thyrosight.inference.predictor import Predictor
from thyrosight.learning.plan import AtHand, Measures, make_plan
from thyrosight.learning.records import (
    AUDIT_NAME,
    SHIPPED_IN_WORDS,
    LearningPlan,
    LearnOptions,
    begin,
    keep_plan,
)
from thyrosight.learning.report import PAGE, PageContent, next_commands, write_page
from thyrosight.learning.the_set import Memory, facts_of, rows_in_folds, seen_rows, set_aside, sets_by_name
from thyrosight.networks.efficientnet_lite import has_imagenet_weights
from thyrosight.networks.from_bundle import form_of
from thyrosight.training.cross_validate import cross_validate
from thyrosight.training.speech import Tell
from thyrosight.training.step_time import measure_step
from thyrosight.training.train import train
from thyrosight.types import Case, Progress

LAST_OF_EVALUATION = "report.html"
"""The file that an evaluation writes last: where it exists, the evaluation is finished."""
NUM_TIMED = 3


@dataclass(frozen=True)
class Watch:
    """How a caller follows the work: tell is called with each line, progress with (images done, images in all)."""

    tell: Tell = lambda line: None
    progress: Progress | None = None


SILENT = Watch()


@dataclass(frozen=True)
class Learned:
    """The result.

    comparison: scores out of fold, the new networks first, the present one second; None where no network is shipped.

    why_not_calibrated: empty where the risk is calibrated, or where no risk was learned. present: the network that the
    new ones are compared with, in words.
    """

    bundle: Path
    report: Path
    comparison: Comparison | None
    why_not_calibrated: str
    commands: tuple[str, ...]
    has_risk: bool
    present: str


def learn(folder: Path, out: Path, options: LearnOptions, watch: Watch = SILENT) -> Learned:
    """Folder of a labelled set, output folder -> the result.

    The plan is passed to watch.tell before anything is trained.

    InputError where the set can't be used, or the audit calls it invalid. ConfigError where `out` was begun for another
    set or with other options, or where the hours do not suffice.
    """
    plan = begin_plan(folder, out, options, watch)
    with closing(_hold(out)):
        return _follow(plan, out, options.bundle, watch)


def begin_plan(folder: Path, out: Path, options: LearnOptions, watch: Watch = SILENT) -> LearningPlan:
    """As `learn` up to its plan: the set is prepared and audited, a few steps are measured, nothing is trained."""
    folder, out = Path(folder), Path(out)
    plan = begin(out, folder, options)
    with closing(_hold(out)):
        if not (out / AUDIT_NAME).exists():
            _prepare_and_audit(folder, out, options, watch)
        if plan is None:
            plan = _planned(read_cases(out / "cases"), options, watch)
            keep_plan(out, plan)
    for what, words in plan.lines:
        watch.tell(f"{what:<11} {words}")
    return plan


def _hold(out: Path) -> Connection:
    return hold_folder(out / "learn.lock", "another `learn` works in it; wait for it, or choose another folder with -o")


# The set and the plan


def _prepare_and_audit(folder: Path, out: Path, options: LearnOptions, watch: Watch) -> None:
    """Writes OUT/cases and then OUT/audit.json, which marks both as done. InputError where the audit finds an error."""
    table = out / "cases" / "cases.csv"
    chosen = replace(options.prepare, fewer_folds=True)
    summary = prepare(folder, table.parent, chosen, workers=options.workers, progress=watch.progress)
    for note in summary.notes:
        watch.tell(f"note: {note}")
    for reason, number in summary.left_out.items():
        watch.tell(f"left out: {number} for: {reason}")
    present = _present(options.bundle)
    if present is not None:
        set_aside(table, _memory_of(present))
    report = audit(table, workers=options.workers, progress=watch.progress)
    for finding in report.findings:
        if finding.severity != "note":
            watch.tell(f"{finding.severity}: {finding.message} ({len(finding.case_ids)} cases)")
    if not report.is_valid:
        first = next(finding for finding in report.findings if finding.severity == "error")
        raise InputError(f"{table}: not valid for training: {first.message}; correct it, then repeat the command")
    write_atomic(out / AUDIT_NAME, report.to_json())


def _planned(cases: Sequence[Case], options: LearnOptions, watch: Watch) -> LearningPlan:
    """All rows -> the plan, after a few real steps and predictions."""
    predictor = _present(options.bundle)
    facts = facts_of(cases, _memory_of(predictor) if predictor else None)
    training = [case for case in cases if case.split != "test"]
    watch.tell("measuring a few training steps")
    seconds_of: dict[tuple[tuple[int, int], int], float] = {}

    def step(config: Config) -> float:
        key = (config.data.size_hw, config.optim.batch_size)
        if key not in seconds_of:
            seconds_of[key] = measure_step(config, training)
        return seconds_of[key]

    measures = Measures(step, _seconds_per_prediction(predictor, training))
    at_hand = AtHand(
        has_present=predictor is not None,
        has_imagenet=has_imagenet_weights("lite2"),
        known_by_name=sets_by_name(predictor.info) if predictor else (),
        present=SHIPPED_IN_WORDS if options.bundle is None or predictor is None else predictor.model.name,
        form=_form_of(options.bundle),
    )
    return make_plan(facts, options, at_hand, measures)


def _present(bundle: Path | None) -> Predictor | None:
    """The bundle that was named, else the shipped one -> the present network; None where none is shipped."""
    if bundle is None and not default_bundle_path().exists():
        return None
    return Predictor.load(bundle or SHIPPED)


def _form_of(bundle: Path | None) -> dict[str, Any]:
    """-> the network's settings with which a run begins from this bundle; none for the shipped one, the recipe's."""
    return {} if bundle is None else {**form_of(load_bundle(bundle)), "start_from": str(bundle.resolve())}


def _memory_of(predictor: Predictor) -> Memory:
    return Memory(predictor.info, predictor.seen)


def _seconds_per_prediction(predictor: Predictor | None, cases: Sequence[Case]) -> float:
    """-> seconds to read and predict one image; without a shipped model 0.3, the time of a slow machine."""
    if predictor is None:
        return 0.3
    predictor.run(load_image(cases[0]))
    started = time.monotonic()
    timed = cases[:NUM_TIMED]
    for case in timed:
        predictor.run(load_image(case), fov=case.fov, panels=case.panels)
    return (time.monotonic() - started) / len(timed)


# The work


def _follow(plan: LearningPlan, out: Path, bundle: Path | None, watch: Watch) -> Learned:
    """The plan, OUT with its set, the present network's bundle (None: the shipped one) -> the result."""
    config = config_from_dict(plan.config, where=str(out / "learn.json"))
    table = out / "cases" / "cases.csv"
    predictor = _present(bundle)
    if predictor is not None:
        _score_untouched(predictor, plan.present, table, out / "untouched", watch)
    folds = out / "folds"
    watch.tell("folds: one network per fold, scored on the fold that it has not seen")
    cross_validate(config, [table], folds, progress=watch.progress, tell=watch.tell)
    why_not = _why_not_calibrated(folds / "pooled" / "per_case.csv") if config.loss.teaches_malignancy else ""
    pooled = out / "across" / "pooled"
    if not (pooled / LAST_OF_EVALUATION).exists():
        watch.tell("rules: mask rule and calibration of each fold, by the other folds")
        evaluate_folds(
            folds,
            table,
            out / "across",
            across_folds=True,
            calibrates=not why_not,
            progress=watch.progress,
        )
    comparison = None
    if predictor is not None:
        comparison = compare(pooled / "per_case.csv", out / "untouched" / "per_case.csv", out=out / "comparison.json")
    final = out / "final"
    if not (final / "bundle" / "bundle.json").exists():
        watch.tell("final network: all rows teach")
        train(config, [table], final, None, final.exists(), tell=watch.tell, keep_stopped=False)
    learned = out / "bundle"
    if not (learned / "bundle.json").exists():
        recalibrate(final / "bundle", pooled / "per_case.csv", learned, calibrates=not why_not)
    commands = next_commands(out, read_cases(table))
    has_risk = config.loss.teaches_malignancy
    if not (out / PAGE).exists():
        write_page(out, PageContent(plan, comparison, why_not, commands, has_risk))
    return Learned(learned, out / PAGE, comparison, why_not, commands, has_risk, plan.present)


def _score_untouched(predictor: Predictor, name: str, table: Path, out: Path, watch: Watch) -> None:
    """Scores the present network on the rows of the folds; the trained networks are compared with these scores."""
    if (out / LAST_OF_EVALUATION).exists():
        return
    watch.tell(f"{name.removeprefix('the ')}: scored untouched on the same images")
    cases = rows_in_folds(read_cases(table))
    seen = len(seen_rows(_memory_of(predictor), cases))
    note = f"{seen} of these images have taught {name} before: its scores here are too good."
    notes = (note,) * (seen > 0)
    context = replace(context_of(predictor, cases, table, EVERY_ROW), selection="all folds", notes=notes)
    evaluate_cases(predictor, cases, context, out, progress=watch.progress)


def _why_not_calibrated(per_case: Path) -> str:
    """Pooled scores of the folds -> why their risk can't be calibrated across folds; empty where it can."""
    try:
        recalibrated(read_case_scores(per_case), "the risk is not calibrated")
    except InputError as error:
        return str(error)
    return ""
