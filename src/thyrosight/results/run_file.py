"""run.json of a results folder: its model, settings and versions. A second run needs the same model and settings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from thyrosight.bundle.store import Bundle, bundle_id
from thyrosight.environment import NOT_INSTALLED, library_versions, software_version, utc_now
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.files.earlier_files import json_table
from thyrosight.files.leftovers import remove_leftovers
from thyrosight.frames.find_images import RUN_KIND
from thyrosight.inference.onnx_runtime import CPU
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.prevalence import ShareOfMalignant
from thyrosight.prediction import ModelIdentity
from thyrosight.results.layout import CSV_NAME, REPORT_NAME, RUN_NAME, FailedFile

RUN_FILES = frozenset({CSV_NAME, REPORT_NAME, RUN_NAME})
SAME_SETTINGS = ("frame", "every", "mm_per_pixel", "prevalence", "device")
"""Settings that may not change between two runs into one folder. The model and tta may not change either."""
LIBRARIES = {"numpy": "numpy", "onnxruntime": "onnxruntime", "opencv": "opencv-python-headless", "pillow": "pillow"}
"""Key in run.json -> name of the Python distribution."""


class UsedModel(NamedTuple):
    """What a run records of its model. prevalence: the share of malignant nodules that was asked for."""

    identity: ModelIdentity
    with_tta: bool
    prevalence: float | None
    device: str

    @classmethod
    def of(cls, predictor: Predictor) -> UsedModel:
        return cls(predictor.model, predictor.with_tta, predictor.share.asked_for, predictor.device)

    @classmethod
    def of_bundle(cls, bundle: Bundle, tta: bool, prevalence: float | None) -> UsedModel:
        """Bundle, settings -> UsedModel of child processes, which load the model themselves and run it on the CPU."""
        identity = ModelIdentity(name=bundle.info.name, id=bundle_id(bundle.info))
        return cls(identity, tta, ShareOfMalignant.of(bundle.info, prevalence).asked_for, CPU)


def open_run(out: Path, model: UsedModel, num_images: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Results folder, the run -> the content of run.json at the run's start; makes the folder or checks its content.

    InputError where the folder can't be made, or holds a run.json, results.csv or report.html of another program. Also
    where it holds results of another model or other settings, unless `overwrite` is set.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
    except OSError as error:
        raise InputError(f"{out}: can't be made a folder ({error.strerror}); choose another path") from error
    run: dict[str, Any] = {
        "kind": RUN_KIND,
        "format_version": 1,
        "model": model.identity.model_dump(),
        "settings": {"tta": model.with_tta} | settings | {"prevalence": model.prevalence, "device": model.device},
        "versions": _versions(),
        "started": utc_now(),
        "num_images": num_images,
    }
    earlier = _earlier_run(out)
    if earlier is not None and not settings["overwrite"]:
        for what, before, now in (
            ("model", earlier["model"], run["model"]),
            ("tta", earlier["settings"]["tta"], model.with_tta),
            *((name, earlier["settings"].get(name), run["settings"][name]) for name in SAME_SETTINGS),
        ):
            if before != now:
                raise InputError(
                    f"{out}: holds results of {what} {before}, not {now}; choose another folder or pass --overwrite"
                )
    kept = {} if earlier is None else {"failures": earlier.get("failures", [])}
    write_run(out, run | kept | {"status": "running"})
    return run


def earlier_failures(out: Path, tried: Collection[str]) -> list[FailedFile]:
    """Results folder, the files of this run -> failures of earlier runs that this run did not try again."""
    found = []
    for failure in json_table(out / RUN_NAME).get("failures") or ():
        try:
            one = FailedFile(str(failure["file"]), str(failure["message"]))
        except (KeyError, TypeError):
            continue
        found += [one] if one.file not in tried else []
    return found


def write_run(out: Path, run: dict[str, Any]) -> None:
    """Results folder, content -> its run.json."""
    write_atomic(out / RUN_NAME, json.dumps(run, indent=2, ensure_ascii=False) + "\n")


def _versions() -> dict[str, str]:
    """-> this program, Python, the system and the libraries that a result depends on."""
    found = library_versions(["python", *LIBRARIES.values()])
    versions = {"software": software_version(), "python": found["python"]}
    versions |= {name: found.get(library, NOT_INSTALLED) for name, library in LIBRARIES.items()}
    return versions | {"system": sys.platform}


def _earlier_run(out: Path) -> dict[str, Any] | None:
    """-> run.json of an earlier run; None in a new folder. InputError where another program wrote the file."""
    present = sorted(name for name in RUN_FILES if os.path.lexists(out / name))
    if not present:
        return None
    try:
        run = json.loads((out / RUN_NAME).read_text(encoding="utf-8"))
        if (
            run["kind"] == RUN_KIND
            and {"model", "settings"} <= run.keys()
            and {"tta", "frame"} <= run["settings"].keys()
        ):
            return dict(run) | {"settings": {"device": CPU} | run["settings"]}  # before --device all were on the CPU
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise_disk_fault(error)
    raise InputError(f"{out}: has {', '.join(present)} that this version did not write; choose another folder")
