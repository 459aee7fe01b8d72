"""The studies that speak of boxes: their small parts by hand, the queue's order and what it skips."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from thyrosight.types import Box

STUDIES = Path(__file__).parents[2] / "studies"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"study_{name}", STUDIES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_runs_of_one_class_and_places_inside_a_group() -> None:
    boxed = script("boxed_risk")
    assert boxed.run_lengths([0, 0, 1, 0, 0, 0]) == [2, 2, 1, 3, 3, 3]
    assert boxed.inner_places(list("aaaabbbb"), margin=1) == [False, True, True, False, False, True, True, False]


def test_a_nodule_painted_out_leaves_the_rest_as_it_was() -> None:
    image_HW = np.full((60, 80), 100, np.uint8)
    image_HW[20:40, 30:50] = 10
    after_HW = script("boxed_risk").painted_out(image_HW, [Box(30, 20, 50, 40)])
    assert after_HW.min() >= 98
    assert image_HW.min() == 10, "the picture given is not touched"


def test_the_queue_keeps_each_fold_aside_and_skips_what_is_done(tmp_path: Path) -> None:
    queue = script("joint_queue")
    out, tables = tmp_path / "out", tmp_path / "cases"
    done = out / "fold0" / "bundle" / "bundle.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    steps = list(queue.steps(out, tables, tmp_path / "official", 2))
    trainings = [step for step in steps if step.arguments[0] == "train"]
    assert [step.product.parent.parent.name for step in trainings] == [
        *("fold0", "fold1", "fold2", "fold3", "fold4"),
        *("final", "without_ddti", "official"),
    ]
    assert [step.is_done for step in trainings] == [True] + [False] * 7
    without = trainings[6].arguments
    assert not any("ddti/cases.csv" in part for part in without)
    official = trainings[7].arguments
    assert str(tmp_path / "official" / "cases.csv") in official
    assert str(tables / "tn5000" / "cases.csv") not in official
    evaluations = [step for step in steps if step.arguments[0] == "evaluate"]
    breast = [step for step in evaluations if "bus" in str(step.product)]
    assert all(Path(step.arguments[1]).name == "bundle-breast" for step in breast)
    assert len(evaluations) == 5 * 5 + 2
