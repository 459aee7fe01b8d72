"""studies/page_to_model.py: uploads, readings, export and the switch through a real server; learning is left out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("fastapi")

from checkout import ROOT, SOURCE
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import read_cases
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from tiny_bundle import make_tiny_bundle


def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("page_to_model", ROOT / "studies" / "page_to_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readings_of_a_set_leave_as_its_masks_and_another_model_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    way = study()
    settings = PhantomSettings(size_hw=(128, 160), split_screen=0.0)
    cases = [case for case in read_cases(write_phantoms(3, tmp_path / "set", settings=settings)) if case.mask]
    make_tiny_bundle(tmp_path / "out" / "models" / "learned" / "bundle", name="learned")
    with way.server(make_tiny_bundle(tmp_path / "tiny"), tmp_path / "out") as client:
        item_of = way.read_on_the_page(client, cases, tmp_path / "out")
        way.switched(client, item_of[cases[0].case_id])
    told = capsys.readouterr().out
    assert "switched to learned" in told
    assert "1 earlier result" in told
    made = {case.case_id: case for case in read_cases(tmp_path / "out" / "readings")}
    assert len({case.group for case in made.values()}) == len(cases), "a folder per patient"
    for case in cases:
        kept = made[item_of[case.case_id][:16]]
        size_hw = settings.size_hw
        assert np.mean(load_mask(kept, size_hw) != load_mask(case, size_hw)) < 0.002
