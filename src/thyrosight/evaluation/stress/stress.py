"""Predictor, cases.csv -> StressTest: predict every chosen case clean and under each disturbance, score, write.

Writes OUT/stress.csv, OUT/stress.json, OUT/run.json and OUT/per_case/{clean,KIND-STRENGTH}.csv;
thyrosight.evaluation.compare compares any two of those tables. A disturbance whose table exists is not repeated: the
same command continues where it was stopped, and a command with more strengths adds these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import EVERY_ROW, RowChoice, choose_cases, read_cases, table_path
from thyrosight.environment import utc_now_for_people
from thyrosight.errors import ConfigError, InputError
from thyrosight.evaluation.case_scores import (
    CasePrediction,
    CaseScore,
    MaskSettings,
    read_case_scores,
    score_case,
    write_case_scores,
)
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.stress.perturb import PERTURBATIONS, STRENGTHS, Scene, perturb, rng_of
from thyrosight.evaluation.stress.stress_scores import (
    CLEAN,
    Disturbance,
    StressContext,
    StressTest,
    stress_csv,
    stress_json,
    summarise_stress,
)
from thyrosight.evaluation.summary import UnscoredCase
from thyrosight.evaluation.unseen_rows import without_seen
from thyrosight.files import raise_shortage, sha256_of, write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers
from thyrosight.types import BoolArray, Box, Case, Frame, Progress

if TYPE_CHECKING:
    from thyrosight.inference.predictor import Predictor

Views = tuple[Box, tuple[Box, ...]]
"""(field, the views in it)."""
Clean = tuple[Case, CaseScore, Views]
"""A case, the score of its clean image, and its field and views as the table gives them or the predictor finds them."""


@dataclass(frozen=True)
class StressPlan:
    """Which disturbances are tried and how they are scored.

    An empty list means every perturbation at every strength.
    """

    disturbances: tuple[Disturbance, ...] = ()
    settings: EvaluationSettings = DEFAULT_SETTINGS


EVERY_DISTURBANCE = StressPlan()
RESULTS = ("stress.csv", "stress.json", "per_case")


def stress(
    predictor: Predictor,
    cases_csv: Path,
    out: Path,
    rows: RowChoice = EVERY_ROW,
    *,
    plan: StressPlan = EVERY_DISTURBANCE,
    even_if_seen: bool = False,
    progress: Progress | None = None,
) -> StressTest:
    """Predictor, cases.csv (or its folder), which of its rows -> StressTest, written to the folder `out`.

    Rows that the model has seen in training are left out, unless even_if_seen; a note says which. A case that can't be
    read is an UnscoredCase in the result and does not stop the rest. InputError where no row is chosen or none can be
    predicted, or `out` holds another stress test. progress: (predictions done, in all).
    """
    cases_csv = table_path(cases_csv)
    wanted = choose_cases(read_cases(cases_csv), cases_csv, rows)
    cases, seen = without_seen(predictor, wanted, cases_csv, even_if_seen)
    chosen, settings = plan.disturbances or disturbances(), plan.settings
    stressed = StressContext(
        model_name=predictor.info.name,
        model_id=predictor.model.id,
        risk_meaning=predictor.info.risk_meaning,
        cases=f"{cases_csv.parent.name}/{cases_csv.name}",
        cases_sha256=sha256_of(cases_csv),
        selection=rows.in_words,
        with_tta=predictor.with_tta,
        settings=settings,
        created=utc_now_for_people(),
        notes=seen.notes(wanted, "scored all the same" if even_if_seen else "left out"),
    )
    _continue_or_refuse(out, stressed)
    done, total = count(1), len(cases) * (1 + len(chosen))

    def step() -> None:
        if progress is not None:
            progress(next(done), total)

    clean, failures = _score_clean(predictor, cases, settings, step)
    scores = {CLEAN: [score for _, score, _ in clean]}
    write_case_scores(scores[CLEAN], _score_file(out, CLEAN))
    for key in chosen:
        scores[key] = _score_disturbed(predictor, clean, key, settings, _score_file(out, key), step)
    test = summarise_stress(scores, stressed, failures)
    _write(test, out)
    return test


def pool_stress(parts: Sequence[Path], out: Path, settings: EvaluationSettings = DEFAULT_SETTINGS) -> StressTest:
    """Folders of stress tests, each of a model on the fold that it has not seen -> the StressTest of all cases.

    InputError where the folders differ in their disturbances, or where a case is in two of them.
    """
    scores: dict[Disturbance, list[CaseScore]] = {}
    for part in parts:
        of_part = _read_scores(part)
        if scores and set(of_part) != set(scores):
            raise InputError(f"{part}: not the same disturbances as in {parts[0]}; pool stress tests of one choice")
        twice = {row.case_id for row in of_part[CLEAN]} & {row.case_id for row in scores.get(CLEAN, ())}
        if twice:
            raise InputError(f"{part}: case {min(twice)} is in another part as well; pass disjoint folds")
        for key, rows in of_part.items():
            scores[key] = scores.get(key, []) + rows
    stressed = StressContext(
        model_name=f"{len(parts)} models, each on the fold that it has not seen",
        model_id="",
        risk_meaning="",
        cases=", ".join(part.name for part in parts),
        cases_sha256="",
        selection="pooled folds",
        with_tta=False,
        settings=settings,
        created=utc_now_for_people(),
        notes=tuple(note for part in parts for note in _subject_of(part)[2]),
    )
    subject = (stressed.model_name, stressed.cases)
    refuse_strangers([out / "run.json"], lambda path: False, "of a pooled stress test")
    is_repeated = _subject_of(out)[:2] == subject
    refuse_strangers([out / name for name in RESULTS] * (not is_repeated), lambda path: False, "of these stress tests")
    test = summarise_stress(scores, stressed)
    out.mkdir(parents=True, exist_ok=True)
    _write(test, out)  # before the rows, so that the same command recognises what it began
    (out / "per_case").mkdir(exist_ok=True)
    for key, rows in scores.items():
        write_case_scores(rows, _score_file(out, key))
    return test


def disturbances(perturbations: Sequence[str] = (), strengths: Sequence[int] = ()) -> tuple[Disturbance, ...]:
    """Perturbations and strengths (none: all) -> every pair of them; ConfigError lists the known names."""
    unknown = [name for name in perturbations if name not in PERTURBATIONS]
    if unknown:
        raise ConfigError(f"no perturbation {unknown[0]!r}; there are {', '.join(PERTURBATIONS)}")
    wrong = [strength for strength in strengths if strength not in STRENGTHS]
    if wrong:
        raise ConfigError(f"no strength {wrong[0]}; there are {STRENGTHS[0]} to {STRENGTHS[-1]}")
    names = [name for name in PERTURBATIONS if not perturbations or name in perturbations]
    return tuple((name, strength) for name in names for strength in STRENGTHS if not strengths or strength in strengths)


# Cases


def _score_clean(
    predictor: Predictor, cases: Sequence[Case], settings: EvaluationSettings, step: Callable[[], None]
) -> tuple[list[Clean], list[UnscoredCase]]:
    clean: list[Clean] = []
    failures: list[UnscoredCase] = []
    for case in cases:
        try:
            frame = load_image(case)
            reference_HW = load_mask(case, frame.size_hw) if case.mask is not None else None
            given = (case.fov, case.panels) if case.fov else None
            clean.append((case, *_score(predictor, case, frame, reference_HW, given, settings.masks)))
        except InputError as error:
            raise_shortage(error)
            failures.append(UnscoredCase(case.case_id, str(error)))
        step()
    return clean, failures


def _score_disturbed(
    predictor: Predictor,
    clean: Sequence[Clean],
    key: Disturbance,
    settings: EvaluationSettings,
    path: Path,
    step: Callable[[], None],
) -> list[CaseScore]:
    """-> the scores under one disturbance; they are read from the file if it exists, else made and written to it."""
    if path.is_file():
        rows = read_case_scores(path)
        unknown = {row.case_id for row in rows} - {case.case_id for case, _, _ in clean}
        if unknown:
            raise InputError(f"{path}: case {min(unknown)} can't be predicted clean; delete the file to do it again")
        for _ in clean:
            step()
        return rows
    rows = []
    for case, _, views in clean:
        score = score_disturbed(predictor, case, views, key, settings)
        rows += [score] if score is not None else []
        step()
    if rows:
        write_case_scores(rows, path)
    return rows


def score_disturbed(
    predictor: Predictor, case: Case, views: Views, key: Disturbance, settings: EvaluationSettings
) -> CaseScore | None:
    """Predictor, case, field and views of its clean image, disturbance -> score; None where the case does not allow it.

    The predictor gets the field that cases.csv states, without the part that a disturbance of depth removes. Where
    cases.csv states no field, the predictor looks for it in the disturbed image, so a missed field lowers the score.
    """
    frame = load_image(case)
    reference_HW = load_mask(case, frame.size_hw) if case.mask is not None else None
    name, strength = key
    scene = Scene(frame.image_HW, reference_HW, *views)
    disturbed = perturb(scene, name, strength, rng_of(settings.seed, case.case_id, name))
    if disturbed is None:
        return None
    changed = replace(frame, image_HW=disturbed.image_HW, rgb_HW3=None)
    given = (disturbed.fov, disturbed.panels) if case.fov else None
    return _score(predictor, case, changed, disturbed.reference_HW, given, settings.masks)[0]


def _score(
    predictor: Predictor,
    case: Case,
    frame: Frame,
    reference_HW: BoolArray | None,
    given: Views | None,
    masks: MaskSettings,
) -> tuple[CaseScore, Views]:
    """-> the score of one image, and its field and views, as given or as the predictor found them."""
    fov, panels = given or (None, ())
    raw = predictor.run(frame, fov=fov, panels=panels)
    prediction = predictor.interpret(frame, raw)
    fov, panels = fov or raw.fov, panels or raw.panels
    predicted = CasePrediction(
        fov=fov,
        num_panels=max(1, len(panels)),
        malignancy_logit=raw.malignancy_logit if predictor.info.has_malignancy else None,
        risk=prediction.risk,
    )
    predicted_HW = raw.mask_HW if predictor.info.has_mask else None
    return score_case(case, reference_HW, predicted_HW, predicted, masks), (fov, panels)


# Files


def _continue_or_refuse(out: Path, stressed: StressContext) -> None:
    """Make the folder with a record of the test in it; InputError where it holds another stress test."""
    record = {
        "model_id": stressed.model_id,
        "with_tta": stressed.with_tta,
        "cases_sha256": stressed.cases_sha256,
        "selection": stressed.selection,
        "seed": stressed.settings.seed,
        "masks": asdict(stressed.settings.masks),
        **({"notes": stressed.notes} if stressed.notes else {}),
    }
    path = out / "run.json"
    text = json.dumps(record, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{out}: holds the stress test of another model, or on other cases; choose another folder")
    if not path.exists():
        refuse_strangers([out / name for name in RESULTS], lambda there: False, "of this stress test")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)  # before anything else, so that the same command recognises what it began
    (out / "per_case").mkdir(exist_ok=True)


def _subject_of(out: Path) -> tuple[str, str, tuple[str, ...]]:
    """Folder -> (model, cases, notes) of the stress test in it; empty where there is none."""
    stressed = json_table(out / "stress.json").get("stressed")
    stressed = stressed if isinstance(stressed, dict) else {}
    notes = tuple(map(str, stressed.get("notes") or ()))
    return str(stressed.get("model_name", "")), str(stressed.get("cases", "")), notes


def _write(test: StressTest, out: Path) -> None:
    write_atomic(out / "stress.json", stress_json(test))
    write_atomic(out / "stress.csv", stress_csv(test))


def _read_scores(part: Path) -> dict[Disturbance, list[CaseScore]]:
    """Folder of a stress test -> {disturbance: its scores}."""
    if not _score_file(part, CLEAN).is_file():
        raise InputError(f"{part}: no per_case/clean.csv; pass the folder of a stress test")
    files = {key: _score_file(part, key) for key in (CLEAN, *disturbances())}
    return {key: read_case_scores(path) for key, path in files.items() if path.is_file()}


def _score_file(out: Path, key: Disturbance) -> Path:
    name, strength = key
    return out / "per_case" / (f"{name}.csv" if key == CLEAN else f"{name}-{strength}.csv")
