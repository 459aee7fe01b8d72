"""Cases, configuration, fold -> the rows of a run: training, validation, reference, and rows that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from thyrosight.config import Config
from thyrosight.datasets.table import group_key
from thyrosight.errors import InputError
from thyrosight.types import Case


class RunRows(NamedTuple):
    """The rows of a run. reference: rows without a loss, which only help to fit the flag `unlike_training`."""

    fit: list[Case]
    validation: list[Case]
    reference: list[Case]
    kept_out: list[Case]


def divide_rows(cases: Sequence[Case], config: Config, fold: int | None) -> RunRows:
    """All cases, the fold to score (None: no fold) -> the rows of a run; InputError where no row is left to fit."""
    training, kept_out = choose_rows(cases, fold)
    reference = [case for case in training if case.source in config.data.reference_sources]
    fit, validation = split_validation(
        [case for case in training if case.source not in config.data.reference_sources],
        config.run.validation_share,
        config.run.seed,
        config.run.validation_sources,
    )
    if not fit:
        raise InputError(
            "no training rows: every row is in the scored fold, the test split, the validation share or a source of "
            "data.reference_sources"
        )
    return RunRows(fit, validation, reference, kept_out)


def choose_rows(cases: Sequence[Case], fold: int | None) -> tuple[list[Case], list[Case]]:
    """All cases, the fold to score -> (training rows, rows left out). Rows of the test split are always left out.

    InputError where no row has the fold, or where a group has rows on both sides.
    """
    kept_out = [case for case in cases if case.split == "test" or (fold is not None and case.fold == fold)]
    training = [case for case in cases if case.split != "test" and (fold is None or case.fold != fold)]
    if fold is not None and not any(case.fold == fold for case in cases):
        known = sorted({case.fold for case in cases if case.fold is not None})
        raise InputError(f"no row has fold {fold}; folds in these cases: {known or 'none (run prepare --folds 5)'}")
    leaked = {group_key(case) for case in kept_out} & {group_key(case) for case in training}
    if leaked:
        raise InputError(
            f"groups {sorted(leaked)[:5]} are both in training and in the rows kept out; run `thyrosight audit`"
        )
    return training, kept_out


def split_validation(
    cases: Sequence[Case], share: float, seed: int, sources: Sequence[str] = ()
) -> tuple[list[Case], list[Case]]:
    """Training rows -> (rows to fit, rows for validation).

    Validation gets `share` of the groups of each source and label, from `sources` only (empty: all sources). A group is
    never on both sides.
    """
    if share <= 0:
        return list(cases), []
    rng = np.random.default_rng([seed, 7])
    strata: dict[tuple[str, str], list[str]] = {}
    labels: dict[str, tuple[str, str]] = {}
    for case in cases:
        if sources and case.source not in sources:
            continue
        key = (case.source, str(case.malignancy))
        labels.setdefault(group_key(case), key)
    for group, key in labels.items():
        strata.setdefault(key, []).append(group)
    chosen: set[str] = set()
    for key in sorted(strata):
        groups = sorted(strata[key])
        order = rng.permutation(len(groups))
        chosen.update(groups[index] for index in order[: round(share * len(groups))])
    return [case for case in cases if group_key(case) not in chosen], [
        case for case in cases if group_key(case) in chosen
    ]
