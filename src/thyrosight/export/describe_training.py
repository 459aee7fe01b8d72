"""A run's rows, tables and configuration -> what its bundle tells of data and training: counts, origins, time."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thyrosight.bundle.records import BundleInfo, TrainingSet
from thyrosight.bundle.training_sets import inherited_from
from thyrosight.config import Config, config_to_dict
from thyrosight.datasets.sets import BY_SOURCE
from thyrosight.types import Case

IN_THE_BUNDLE_ELSEWHERE = ("about", "network")


def with_training_facts(
    info: BundleInfo,
    config: Config,
    run: Path,
    tables: Sequence[str],
    fit_cases: Sequence[Case],
    num_validation_images: int,
    processor: str = "",
) -> BundleInfo:
    """Info as far as `run_info` makes it, the run (tables relative to it), its fitted rows -> with all the rest.

    processor: what the run began on, empty where it did not record that.
    """
    told = _dataset_records(run, tables)
    recipe = {key: value for key, value in config_to_dict(config).items() if key not in IN_THE_BUNDLE_ELSEWHERE}
    chosen = info.has_mask and num_validation_images > 0 and config.run.choose_threshold
    return info.model_copy(
        update={
            "training_sets": tuple(
                _described_set(entry, _rows_behind(entry, fit_cases), told) for entry in info.training_sets
            ),
            "recipe": json.loads(json.dumps(recipe)),
            "num_validation_images": num_validation_images,
            "compute": compute_of(run, processor),
            "mask_threshold_from": "best mean Dice on the validation groups of the training rows"
            if chosen
            else "set in the configuration",
        }
    )


def _rows_behind(entry: TrainingSet, fit_cases: Sequence[Case]) -> list[Case]:
    """-> the fitted rows of that entry; none where an earlier run has seen it."""
    if inherited_from(entry):
        return []
    rows = [case for case in fit_cases if case.source == entry.source]
    return rows if len(rows) == entry.num_images else []


def _described_set(entry: TrainingSet, rows: Sequence[Case], told: dict[str, dict[str, Any]]) -> TrainingSet:
    """A training set, its fitted rows (none: not among those of this run), dataset.json by source -> with all that."""
    known = BY_SOURCE.get(entry.source)
    changes: dict[str, Any] = {"origin": (known and known.origin) or entry.origin}
    if rows:
        record = told.get(entry.source, {})
        changes |= {
            "num_groups": len({case.group for case in rows}),
            "num_outlined": sum(case.mask is not None for case in rows),
            "num_labelled": sum(case.malignancy is not None for case in rows),
            "num_high": sum(case.malignancy == 1 for case in rows),
            "label_meaning": str(record.get("risk_meaning", "")),
            "left_out": {str(reason): int(number) for reason, number in record.get("left_out", {}).items()},
            "notes": tuple(map(str, record.get("notes", ()))),
        }
    return entry.model_copy(update=changes)


def _dataset_records(run: Path, tables: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The run, its tables -> dataset.json beside each, by source; one that can't be read tells nothing."""
    found = {}
    for table in tables:
        try:
            record = json.loads((run / table).with_name("dataset.json").read_text(encoding="utf-8"))
            found[str(record["source"])] = dict(record)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def compute_of(run: Path, processor: str) -> dict[str, str]:
    """The run -> epochs, steps and hours that its metrics.csv counts, and on what; empty where it has none."""
    try:
        with (run / "metrics.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        seconds = sum(float(row["seconds"]) for row in rows)
        last = rows[-1]
        told = {"epochs": last["epoch"], "steps": last["step"], "hours in the epochs": f"{seconds / 3600:.2f}"}
        return {**told, "processor": processor} if processor else told
    except (OSError, ValueError, KeyError, IndexError):
        return {}
