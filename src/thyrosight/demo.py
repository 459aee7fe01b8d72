"""Phantoms drawn on the spot x a bundle -> a results folder with its HTML report: what a first visitor sees."""

from __future__ import annotations

from pathlib import Path

from thyrosight.errors import InputError


def run_demo(out: Path, bundle: Path | None = None, num_cases: int = 8, seed: int = 0) -> Path:
    """Folder, bundle (None: the shipped one) -> the path of OUT/results/report.html, made new each time.

    The sample cases in OUT/cases are synthetic: no patient, and the truth is in OUT/cases/truth.json. InputError where
    the model could not be run on one of them.
    """
    from thyrosight.phantom import write_phantoms
    from thyrosight.predict_folder import predict_folder

    cases_csv = write_phantoms(num_cases, out / "cases", seed)
    summary = predict_folder([cases_csv.parent / "image"], out / "results", bundle=bundle, overwrite=True)
    if summary.failures:
        raise InputError(f"{summary.failures[0].file}: {summary.failures[0].message}")
    return summary.report
