"""A training run <-> the records in its folder: config.json (settings, tables, start), rows.json (use of each row)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import Bundle
from thyrosight.bundle.training_sets import start_record
from thyrosight.config import Config, config_from_dict, config_to_dict
from thyrosight.environment import TRAINING_LIBRARIES, git_revision, library_versions, processor, usable_threads
from thyrosight.errors import ConfigError, InputError
from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.files.leftovers import remove_leftovers
from thyrosight.types import Case

START_IMAGES = "start_images.bin"
MAY_DIFFER = frozenset(("started_with", "about", "threads", "num_workers", "cache_mb", "max_minutes"))
"""What may change when a run goes on: versions of software, the description, and what the machine can give."""
"""File of a run that began with a bundle: the images that this bundle had seen."""


def read_run(run: Path) -> dict[str, Any]:
    """Run -> its config.json: {"config": …, "fold": …, "cases": relative to the run, "started_with": versions}."""
    try:
        record = json.loads((run / "config.json").read_bytes())
    except OSError as error:
        raise_disk_fault(error, run / "config.json")
        raise InputError(f"{run}: not the folder of a training run (no config.json in it)") from None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{run / 'config.json'}: damaged, it is no JSON table; put a copy back, or train again")
    _name_reference_sources(record)
    return record


def _name_reference_sources(record: dict[str, Any]) -> None:
    """An older run states reference sources as `repeat = 0`; its record gets them as data.reference_sources."""
    try:
        data = record["config"]["data"]
        if sources := [source for source, times in data["repeat"].items() if times <= 0]:
            data["repeat"] = {source: times for source, times in data["repeat"].items() if times > 0}
            data["reference_sources"] = sources
    except (KeyError, TypeError, AttributeError):
        return  # config_from_dict reports what is wrong


def finished_run(run: Path) -> dict[str, Any]:
    """As `read_run`, for a run that is complete enough for an export.

    InputError where config.json lacks something that an export needs, as in runs of older versions.
    """
    record = read_run(run)
    missing = [name for name in ("config", "fold", "cases", "started_with") if name not in record]
    if missing or not (run / "rows.json").exists():
        what = f"its config.json has no {', '.join(missing)}" if missing else "no rows.json in it"
        raise InputError(f"{run}: {what}, so an older version began it; export it with that version, or train it again")
    return record


def run_record(
    config: Config, cases: Sequence[Path], out: Path, fold: int | None, start: Bundle | None = None
) -> dict[str, Any]:
    """-> the contents of config.json; the paths of the tables are relative to the run."""
    tables = [Path(os.path.relpath(path, out)).as_posix() for path in cases]
    started_with = {
        "git_revision": git_revision(),
        "versions": library_versions(TRAINING_LIBRARIES),
        "processor": f"{processor()}, {usable_threads()} threads",
        "bundle": start and start_record(start),
    }
    return {"config": config_to_dict(config), "fold": fold, "cases": tables, "started_with": started_with}


def rows_record(
    fit: Sequence[Case], validation: Sequence[Case], reference: Sequence[Case], kept_out: Sequence[Case]
) -> dict[str, list[str]]:
    """-> the contents of rows.json: the names of the rows by their use."""
    parts = {"fit": fit, "validation": validation, "shown": reference, "kept_out": kept_out}
    return {name: [f"{case.source}/{case.case_id}" for case in part] for name, part in parts.items()}


def prepare_run(out: Path, resume: bool, record: dict[str, Any], rows: dict[str, list[str]]) -> None:
    """Write config.json and rows.json.

    Where `out` has them already, check that this run may continue the earlier one.
    """
    if (out / "config.json").exists():
        if not resume:
            raise InputError(f"{out}: holds a run already; pass --resume to continue it, or choose another folder")
        refuse_other_settings(out, record)
        remove_leftovers(out)
        if _read_rows(out) != rows:
            raise ConfigError(f"{out}: was started with other cases or another split; resume with the same cases.csv")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "rows.json", json.dumps(rows, indent=1))
    write_atomic(out / "config.json", json.dumps(record, indent=1))


def keep_start_images(out: Path, start: Bundle | None) -> None:
    """Stores in the run which images its starting bundle has seen: the run's own bundle counts them as seen too."""
    if start is not None and len(start.seen):
        write_atomic(out / START_IMAGES, start.seen.to_bytes())


def start_images(run: Path) -> SeenImages | None:
    """Run -> the images that its starting weights had seen; None where the run has no readable file of them."""
    try:
        return SeenImages.from_bytes((run / START_IMAGES).read_bytes())
    except (OSError, ValueError) as error:
        raise_disk_fault(error)
        return None


def _read_rows(run: Path) -> Any:
    try:
        return json.loads((run / "rows.json").read_bytes())
    except (OSError, ValueError) as error:
        raise_disk_fault(error, run / "rows.json")
        raise InputError(f"{run / 'rows.json'}: missing or damaged; put a copy back, or train again") from error


def refuse_other_settings(run: Path, record: dict[str, Any]) -> None:
    """ConfigError where the run and `record` differ in a setting; the error names each of these settings."""
    before = read_run(run)
    # A setting that did not exist then had the effect of its default.
    before["config"] = config_to_dict(config_from_dict(before["config"], where=str(run / "config.json")))
    difference = _difference(before, record)
    if difference:
        raise ConfigError(f"{run}: was started with other settings ({difference}); resume with the same")


def _difference(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    """The settings that differ, as dotted names; those in MAY_DIFFER are left out."""
    found = []
    before, now = json.loads(json.dumps(before)), json.loads(json.dumps(now))
    for key in sorted((set(before) | set(now)) - MAY_DIFFER):
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            inner = _difference(one, other, f"{prefix}{key}.")
            found += [inner] if inner else []
        elif one != other:
            found.append(f"{prefix}{key}: {one!r} then, {other!r} now")
    return "; ".join(found)
