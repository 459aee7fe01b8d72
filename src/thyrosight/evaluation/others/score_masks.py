"""Masks and risks of another program, cases.csv -> Evaluation, by the same functions and files as `evaluate`.

The name of a mask file is the id of its case, or the name of the case's image: FOLDER/c1.png, c1_mask.png, c1.nii.gz,
c1/mask.png.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.csv_file import NO_VALUE, number_of, read_rows
from thyrosight.datasets.formats.volumes import as_png
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import EVERY_ROW, RowChoice, choose_cases, read_cases, table_path
from thyrosight.environment import hardware, utc_now_for_people
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CasePrediction, CaseScore, score_case
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings
from thyrosight.evaluation.evaluate import score_all
from thyrosight.evaluation.report import Outlines, outlines_of
from thyrosight.evaluation.summary import Evaluation, EvaluationContext
from thyrosight.files import sha256_of
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.names import image_name_of, shorter_names
from thyrosight.folders.tree import is_image, is_volume, stem_without_ending
from thyrosight.folders.words import plain_name
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.measurement.outlines import bounding_box, components
from thyrosight.results.layout import OVERLAY_NAME
from thyrosight.types import BoolArray, Case, Frame, Progress
from thyrosight.views.field import field_of_view

NAME_COLUMNS = ("case_id", "case", "name", "image", "file", "filename", "id")
RISK_COLUMNS = ("risk", "probability", "prob", "malignancy_probability", "p_malignant", "score")
SURE = 1e-6
"""A risk of 0 or 1 is moved by this much towards 0.5, so that its logit is finite."""
MAX_NAMED = 5


@dataclass(frozen=True)
class OtherResults:
    """Results of another program. name: what reports call it.

    masks: a folder, None without masks. risks: a CSV, None without risks.

    labels: which values of a mask are nodules (empty: all but 0). missing_is_empty: where a case has no mask file, the
    program found nothing in it.
    """

    masks: Path | None = None
    risks: Path | None = None
    name: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)
    missing_is_empty: bool = False


@dataclass(frozen=True)
class _Found:
    """{case_id: its mask file}, {case_id: its risk}, and sentences about files and rows that belong to no case."""

    masks: Mapping[str, Path]
    risks: Mapping[str, float]
    notes: tuple[str, ...]


def score_masks(
    results: OtherResults,
    cases_csv: Path,
    out: Path,
    rows: RowChoice = EVERY_ROW,
    *,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> Evaluation:
    """Results, cases.csv (or its folder), which of its rows -> Evaluation, written to the folder `out`.

    A case whose mask is missing or can't be read has no score and is named. InputError where no file belongs to any
    case, where two files belong to one case, or where a risk is not a probability.
    """
    cases_csv = table_path(cases_csv)
    cases = choose_cases(read_cases(cases_csv), cases_csv, rows)
    if results.masks is None and results.risks is None:
        raise InputError("nothing to score: give a folder of masks, a CSV of risks, or both")
    found = _found(results, cases)

    def score_one(case: Case) -> tuple[CaseScore, Outlines]:
        return _score(results, found, case, settings)

    context = _context(results, found, cases, cases_csv, rows)
    return score_all(cases, score_one, context, out, settings, progress)


def _score(
    results: OtherResults, found: _Found, case: Case, settings: EvaluationSettings
) -> tuple[CaseScore, Outlines]:
    """One case -> its score and both outlines; InputError where its mask is missing or can't be used."""
    frame = load_image(case)
    reference_HW = load_mask(case, frame.size_hw) if case.mask is not None else None
    predicted_HW = _mask(results, found, case, frame)
    fov = case.fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    risk = found.risks.get(case.case_id)
    parts = components(predicted_HW) if predicted_HW is not None else []
    predicted = CasePrediction(
        fov=fov,
        num_panels=max(1, len(case.panels)),
        malignancy_logit=None if risk is None else _logit(risk),
        risk=risk,
        regions=tuple((bounding_box(part_HW), 1.0) for part_HW in parts),
    )
    score = score_case(case, reference_HW, predicted_HW, predicted, settings.masks)
    return score, outlines_of(fov, reference_HW, predicted_HW)


def _mask(results: OtherResults, found: _Found, case: Case, frame: Frame) -> BoolArray | None:
    """-> the program's mask; None where the program gives no masks, or the case needs none.

    InputError where it is missing.
    """
    path = found.masks.get(case.case_id)
    if path is None:
        if results.masks is None or (case.mask is None and not case.boxes):
            return None
        if results.missing_is_empty:
            return np.zeros(frame.size_hw, np.bool_)
        raise InputError(
            f"{results.masks}: no mask of that name; add it, or pass --missing-is-empty if none means no nodule"
        )
    keep = results.labels or None
    if not is_volume(path):
        return read_mask_image(path, frame.size_hw, keep, is_prediction=True).mask_HW
    with tempfile.TemporaryDirectory() as folder:
        png = as_png(path, Path(folder) / "mask.png", is_mask=True)
        try:
            return read_mask_image(png, frame.size_hw, keep, is_prediction=True).mask_HW
        except InputError as error:
            raise InputError(str(error).replace(str(png), str(path))) from None


def _logit(risk: float) -> float:
    inside = min(max(risk, SURE), 1 - SURE)
    return math.log(inside / (1 - inside))


# Which file is of which case


def _found(results: OtherResults, cases: Sequence[Case]) -> _Found:
    names = _names(cases)
    masks: dict[str, Path] = {}
    strays: list[str] = []
    notes: list[str] = []
    if results.masks is not None:
        masks, strays = _mask_files(results.masks, names)
        if strays:
            notes.append(_counted(strays, "mask files belong to no chosen case and are not used"))
        without = [case.case_id for case in cases if case.case_id not in masks and (case.mask or case.boxes)]
        if without:
            done = "count as empty" if results.missing_is_empty else "have no score"
            notes.append(_counted(without, f"cases have no mask file and {done}"))
    risks: dict[str, float] = {}
    if results.risks is not None:
        risks, others = _risks(results.risks, names)
        if others:
            notes.append(_counted(others, "rows of the risks belong to no chosen case and are not used"))
        without = [case.case_id for case in cases if case.malignancy is not None and case.case_id not in risks]
        if without:
            notes.append(_counted(without, "labelled cases have no risk"))
    return _Found(masks, risks, tuple(notes))


def _names(cases: Sequence[Case]) -> dict[str, str]:
    """-> {name in lower case: case_id}, for every name that means only one case.

    An id has priority over a file name.
    """
    names: dict[str, str] = {}
    torn: set[str] = set()
    for case in cases:
        stem = stem_without_ending(case.image).casefold()
        if names.setdefault(stem, case.case_id) != case.case_id:
            torn.add(stem)
    names = {name: case_id for name, case_id in names.items() if name not in torn}
    return names | {case.case_id.casefold(): case.case_id for case in cases}


def _mask_files(folder: Path, names: Mapping[str, str]) -> tuple[dict[str, Path], list[str]]:
    """Folder -> ({case_id: its mask file}, the names of files that belong to no case).

    Where no file fits by the usual words for masks (such as `_mask`), any ending after a case's name is ignored:
    c1_pred.png belongs to c1.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; pass the folder with the masks, one file per image")
    files = [path for path in files_below(folder) if is_image(path) and path.name != OVERLAY_NAME]
    found: dict[str, Path] = {}
    strays: list[str] = []
    has_own_words = not any(_case_of(path, folder, names) for path in files)
    for path in files:
        case_id = _case_of(path, folder, names, shorten=has_own_words)
        if case_id is None:
            strays.append(path.name)
        elif case_id in found:
            raise InputError(f"{folder}: {found[case_id].name} and {path.name} are both of {case_id}; keep one of them")
        else:
            found[case_id] = path
    if not found:
        seen = f"{len(strays)} other images, the first {strays[0]}" if strays else "no image"
        raise InputError(
            f"{folder}: no mask has the name of a case or of its image (there: {seen}); name them as the column case_id"
        )
    return found, strays


def _case_of(path: Path, folder: Path, names: Mapping[str, str], *, shorten: bool = False) -> str | None:
    """Mask file -> the case of its name; for a `mask.png` of `predict`, the case of its folder; None without a case."""
    stem = stem_without_ending(path)
    is_in_its_folder = stem.casefold() == "mask" and path.parent != folder
    wanted = (
        (path.parent.name,)
        if is_in_its_folder
        else (stem, image_name_of(stem), *(shorter_names(stem) if shorten else ()))
    )
    return next((names[name.casefold()] for name in wanted if name.casefold() in names), None)


def _risks(path: Path, names: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """CSV -> ({case_id: risk}, the names in rows that belong to no case)."""
    rows = read_rows(path)
    columns = list(rows[0]) if rows else []
    written = {plain_name(column): column for column in columns}
    name = next((written[plain_name(one)] for one in NAME_COLUMNS if plain_name(one) in written), None)
    value = next((written[plain_name(one)] for one in RISK_COLUMNS if plain_name(one) in written), None)
    if name is None or value is None:
        raise InputError(
            f"{path}: needs a column {NAME_COLUMNS[0]} (or {', '.join(NAME_COLUMNS[1:])}) and a column "
            f"{RISK_COLUMNS[0]} (or {', '.join(RISK_COLUMNS[1:])}); there are {', '.join(columns) or 'none'}"
        )
    risks: dict[str, float] = {}
    strays: list[str] = []
    for number, row in enumerate(rows, start=2):
        stem = stem_without_ending(Path(row[name].replace("\\", "/")))
        case_id = names.get(row[name].casefold()) or names.get(stem.casefold())
        if case_id is None:
            strays.append(row[name])
        elif case_id in risks:
            raise InputError(f"{path} row {number}: {case_id} is there twice; keep one row per case")
        elif row[value] and row[value].casefold() not in NO_VALUE:
            risks[case_id] = _probability(row[value], f"{path} row {number}: {value}")
    if not risks:
        raise InputError(f"{path}: no row has the name of a case and a risk; name them as the column case_id")
    return risks, strays


def _probability(text: str, where: str) -> float:
    try:
        risk = number_of(text)
    except ValueError:
        risk = math.nan
    if not 0 <= risk <= 1:
        raise InputError(f"{where} '{text}' is no probability; write a number from 0 to 1")
    return risk


def _counted(names: Sequence[str], what: str) -> str:
    more = " ..." if len(names) > MAX_NAMED else ""
    return f"{len(names)} {what}: {', '.join(names[:MAX_NAMED])}{more}."


def _context(
    results: OtherResults, found: _Found, cases: Sequence[Case], cases_csv: Path, rows: RowChoice
) -> EvaluationContext:
    digest = hashlib.sha256()
    for case_id, path in sorted(found.masks.items()):
        digest.update(f"{case_id} {sha256_of(path)}\n".encode())
    digest.update(f"{sorted(found.risks.items())} {sorted(results.labels)} {results.missing_is_empty}".encode())
    glands = sum(case.target == "gland" for case in cases)
    about = (f"{glands} of the references outline the gland, not a nodule.",) if glands else ()
    source = results.masks or results.risks
    return EvaluationContext(
        model_name=results.name or (source.resolve().name if source else ""),
        model_id=digest.hexdigest()[:16],
        trained_on=(),
        risk_meaning="",
        operating_points=(),
        cases=cases_csv.name if cases_csv.parent.name == "" else f"{cases_csv.parent.name}/{cases_csv.name}",
        cases_sha256=sha256_of(cases_csv),
        selection=rows.in_words,
        created=utc_now_for_people(),
        hardware=hardware(),
        notes=(
            "Masks and risks of another program: whether it has learned from these images is not known.",
            *about,
            *found.notes,
        ),
    )
