"""One image -> its case, in this process or in a child: the same files; a child's death costs its image, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

import dying_case_child
from scans import run, write_scans
from thyrosight.inference.predictor import Predictor
from thyrosight.results import predict_folder as folder_room
from thyrosight.results.predict_case import CaseSettings, FolderOptions
from thyrosight.results.predict_folder import IMAGES_PER_PROCESS, num_processes
from thyrosight.types import Spacing
from tiny_bundle import make_tiny_bundle

NUM_SCANS = 2 * IMAGES_PER_PROCESS


def results_in(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(out.glob("*/*")):
        found[str(path.relative_to(out))] = path.read_bytes()
        if path.suffix == ".json":
            found[str(path.relative_to(out))] = json.loads(path.read_text()) | {"seconds": 0}
    return found


def test_children_write_what_one_process_writes(tmp_path: Path) -> None:
    names = [f"{index}.png" for index in range(NUM_SCANS)]
    write_scans(tmp_path / "in", *names)
    bundle = make_tiny_bundle(tmp_path / "bundle")
    seen: list[str] = []
    alone = run(tmp_path / "in", tmp_path / "alone", Predictor.load(bundle, threads=1))
    several = run(tmp_path / "in", tmp_path / "several", bundle, lambda _, __, name, ___: seen.append(name), threads=2)
    assert (several.num_done, several.num_failed) == (alone.num_done, 0) == (NUM_SCANS, 0)
    assert seen == names
    assert results_in(tmp_path / "several") == results_in(tmp_path / "alone")
    again = run(tmp_path / "in", tmp_path / "several", bundle, threads=2)
    assert again.num_skipped == NUM_SCANS


def test_only_the_children_load_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded_here(*_: object) -> NoReturn:
        raise AssertionError("this process does not need the network")

    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(NUM_SCANS)))
    bundle = make_tiny_bundle(tmp_path / "bundle")
    first = run(tmp_path / "in", tmp_path / "first", bundle, threads=1)
    monkeypatch.setattr("thyrosight.inference.predictor.load_network", loaded_here)
    assert run(tmp_path / "in", tmp_path / "out", bundle, threads=2).num_done == NUM_SCANS
    ours, theirs = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("out", "first"))
    assert ours["model"] == theirs["model"]
    assert ours["settings"] == theirs["settings"] | {"threads": 2}
    with pytest.raises(AssertionError):
        run(tmp_path / "in", tmp_path / "alone", bundle, threads=1)
    assert first.num_done == NUM_SCANS


def test_a_dying_child_costs_its_image_which_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(NUM_SCANS - 1)), "deadly.png")
    monkeypatch.setattr(folder_room, "case_process", dying_case_child)
    summary = run(tmp_path / "in", tmp_path / "out", make_tiny_bundle(tmp_path / "bundle"), threads=2)
    assert (summary.num_done, summary.num_failed) == (NUM_SCANS - 1, 1)
    (failure,) = summary.failures
    assert failure.file == "deadly.png"
    assert failure.message.startswith("deadly.png: the process that predicted it ended twice (signal 9);")


def test_settings_arrive_in_the_child_as_they_were(tmp_path: Path) -> None:
    options = FolderOptions(tta=True, overwrite=True, every=3, spacing=Spacing(0.1, 0.2), prevalence=0.1)
    settings = CaseSettings(tmp_path, None, options)
    assert CaseSettings.of_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_few_images_stay_in_one_process() -> None:
    assert num_processes(2 * IMAGES_PER_PROCESS - 1, 8) == 1
    assert num_processes(1000, 1) == 1
    assert num_processes(1000, 3) == 3
