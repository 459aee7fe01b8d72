"""Run, its rows and configuration -> what its bundle states about data and training: counts, origins, time."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thyrosight.bundle.records import BundleInfo, TrainingSet
from thyrosight.bundle.training_sets import inherited_from
from thyrosight.config import Config, config_to_dict
from thyrosight.datasets.sets import BY_SOURCE
from thyrosight.files import raise_disk_fault
from thyrosight.types import Case

IN_THE_BUNDLE_ELSEWHERE = ("about", "network")


def with_training_facts(
    info: BundleInfo,
    config: Config,
    run: Path,
    record: Mapping[str, Any],
    fit_cases: Sequence[Case],
    num_validation_images: int,
) -> BundleInfo:
    """Info from `run_info`, run folder and its config.json, fitted rows -> info with facts of data and training."""
    datasets = _dataset_records(run, record["cases"])
    recipe = {key: value for key, value in config_to_dict(config).items() if key not in IN_THE_BUNDLE_ELSEWHERE}
    chosen = info.has_mask and num_validation_images > 0 and config.run.choose_threshold
    return info.model_copy(
        update={
            "training_sets": tuple(
                _with_set_facts(entry, _fitted_rows(entry, fit_cases), datasets) for entry in info.training_sets
            ),
            "recipe": json.loads(json.dumps(recipe)),
            "num_validation_images": num_validation_images,
            "compute": compute_of(run, record["started_with"].get("processor", "")),
            "mask_threshold_from": "best mean Dice on the validation groups of the training rows"
            if chosen
            else "set in the configuration",
        }
    )


def _fitted_rows(entry: TrainingSet, fit_cases: Sequence[Case]) -> list[Case]:
    """-> the rows of this set that the run was fitted on.

    Empty for a set of the starting weights, or where the number of rows differs.
    """
    if inherited_from(entry):
        return []
    rows = [case for case in fit_cases if case.source == entry.source]
    return rows if len(rows) == entry.num_images else []


def _with_set_facts(entry: TrainingSet, rows: Sequence[Case], datasets: dict[str, dict[str, Any]]) -> TrainingSet:
    """Training set, its rows from `_fitted_rows`, {source: dataset.json} -> the set with its origin and its counts.

    Without rows there is nothing to count, and only the origin is added.
    """
    known = BY_SOURCE.get(entry.source)
    changes: dict[str, Any] = {"origin": (known and known.origin) or entry.origin}
    if rows:
        record = datasets.get(entry.source, {})
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
    """Run, its tables -> the dataset.json next to each table, by source; an unreadable dataset.json is left out."""
    found = {}
    for table in tables:
        try:
            record = json.loads((run / table).with_name("dataset.json").read_text(encoding="utf-8"))
            found[str(record["source"])] = dict(record)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise_disk_fault(error)
            continue
    return found


def compute_of(run: Path, processor: str) -> dict[str, str]:
    """Run, processor (empty: unknown) -> epochs, steps and hours from its metrics.csv; empty where it has none."""
    try:
        with (run / "metrics.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        seconds = sum(float(row["seconds"]) for row in rows)
        last = rows[-1]
        counts = {"epochs": last["epoch"], "steps": last["step"], "hours in the epochs": f"{seconds / 3600:.2f}"}
        return {**counts, "processor": processor} if processor else counts
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise_disk_fault(error)
        return {}
