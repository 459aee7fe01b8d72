"""A cross-validation and its cases.csv with descriptors -> how well TI-RADS proposals agree with a reader's words.

    python studies/proposals.py runs/ddti cases/ddti/cases.csv

Each fold's network outlines the images that it has not seen. The measures of the largest nodule are compared with the
words of the same case. AUROC and its interval (bootstrap over groups) are over all limits; sensitivity and specificity
are at the limit that is set. Readings are by case, not by image.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from thyrosight.bundle.store import fold_bundles
from thyrosight.datasets.table import read_cases
from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.frames.load import load_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import NoduleSigns
from thyrosight.tirads.proposals import LIMITS
from thyrosight.types import Case


class Question(NamedTuple):
    """Words of a descriptor against others, the measure that could separate them, the positive side of its limit."""

    descriptor: str
    words: tuple[str, ...]
    others: tuple[str, ...]
    measure: str
    sign: int
    is_called: Callable[[float], bool] | None


CYSTIC, MIXED, SPONGIFORM = "cystic or almost completely cystic", "mixed cystic and solid", "spongiform"
SOLID, ISO, HYPO, VERY = "solid or almost completely solid", "hyperechoic or isoechoic", "hypoechoic", "very hypoechoic"
NONE = "none or large comet-tail artifacts"
QUESTIONS = (
    Question(
        "composition", (MIXED, CYSTIC), (SOLID, SPONGIFORM), "cystic_share", 1, lambda value: value >= LIMITS.mixed_from
    ),
    Question(
        "echogenicity",
        (HYPO, VERY),
        (ISO,),
        "echogenicity_ratio",
        -1,
        lambda value: value < LIMITS.hypoechoic_below,
    ),
    Question(
        "echogenicity",
        (VERY,),
        (HYPO,),
        "echogenicity_ratio",
        -1,
        lambda value: value < LIMITS.very_hypoechoic_below,
    ),
    Question("margin", ("lobulated or irregular",), ("smooth", "ill-defined"), "irregularity", 1, None),
    Question("foci", ("punctate echogenic foci",), (NONE,), "num_foci", 1, lambda value: value >= LIMITS.foci_from),
)


def measured(runs: Path, cases_csv: Path) -> list[tuple[Case, NoduleSigns]]:
    """-> every case with a word and an outlined nodule, with the signs of its largest nodule."""
    cases = read_cases(cases_csv)
    found = []
    for fold, bundle in fold_bundles(runs).items():
        predictor = Predictor.load(bundle)
        for case in cases:
            if case.fold != fold or not any(case.descriptors.get(one.descriptor) for one in QUESTIONS):
                continue
            frame = load_frame(case.image)
            prediction = predictor.interpret(frame, predictor.run(frame, fov=case.fov, panels=case.panels))
            if prediction.nodules and prediction.nodules[0].signs is not None:
                found.append((case, prediction.nodules[0].signs))
    return found


def row_of(question: Question, found: list[tuple[Case, NoduleSigns]]) -> str:
    """Question, cases with signs -> a row of the table."""
    rows = [
        (question.sign * float(value), case.descriptors[question.descriptor] in question.words, case.group)
        for case, signs in found
        if case.descriptors.get(question.descriptor) in question.words + question.others
        and (value := getattr(signs, question.measure)) is not None
    ]
    values, labels, groups = (np.array(part) for part in zip(*rows, strict=True))
    area = grouped_bootstrap(auroc_of(labels, values), groups.tolist(), np.random.default_rng(0))
    called = "never proposed | |"
    if question.is_called is not None:
        hits = np.array([question.is_called(question.sign * value) for value in values])
        called = f"{hits[labels].mean():.2f} | {(~hits)[~labels].mean():.2f} |"
    name = f"{question.descriptor}: {' or '.join(question.words)} by `{question.measure}`"
    return f"| {name} | {len(rows)} | {labels.sum()} | {area.value:.2f} ({area.low:.2f} to {area.high:.2f}) | {called}"


def main() -> None:
    found = measured(Path(sys.argv[1]), Path(sys.argv[2]))
    print("| word by measure | n | with it | AUROC | sensitivity | specificity |\n|---|---|---|---|---|---|")
    for question in QUESTIONS:
        print(row_of(question, found))


if __name__ == "__main__":
    main()
