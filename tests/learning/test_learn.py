"""learn: each step once, in its order; after a stop at any step the same call goes on. Training is stood in for."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning", reason="the training extra is not installed")

from thyrosight.bundle.store import load_bundle
from thyrosight.datasets.prepare import prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.evaluation.evaluate import evaluate
from thyrosight.inference.predictor import Predictor
from thyrosight.learning import learn as learning
from thyrosight.learning.learn import Watch, begin_plan, learn
from thyrosight.learning.records import LearnOptions
from thyrosight.networks.from_bundle import form_of
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from tiny_bundle import make_tiny_bundle

OPTIONS = LearnOptions(hours=1.0, workers=1)
STEPS = ("measure_step", "evaluate_cases", "cross_validate", "evaluate_folds", "train", "recalibrate")


@pytest.fixture(scope="module")
def own_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 phantoms as images/ + masks/ + labels.csv."""
    folder = tmp_path_factory.mktemp("own")
    table = write_phantoms(16, folder / "drawn", seed=4, settings=PhantomSettings(size_hw=(128, 160), no_nodule=0.0))
    rows = []
    for kind in ("images", "masks"):
        (folder / "set" / kind).mkdir(parents=True)
    for number, case in enumerate(read_cases(table)):
        assert case.mask is not None
        shutil.copy(case.image, folder / "set" / "images" / f"{number:02}.png")
        shutil.copy(case.mask, folder / "set" / "masks" / f"{number:02}.png")
        rows.append((f"{number:02}.png", number % 2, f"p{number}"))
    with open(folder / "set" / "labels.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("image", "malignancy", "patient"), *rows])
    return folder / "set"


@pytest.fixture(scope="module")
def scored(own_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network's scores of the set."""
    folder = tmp_path_factory.mktemp("scored")
    prepare(own_set, folder / "cases", workers=1)
    evaluate(Predictor.load("shipped"), folder / "cases", folder / "scores")
    return folder / "scores"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, scored: Path) -> list[str]:
    """The names of the steps as they run; each step that computes only leaves its files."""
    done: list[str] = []

    def leave(name: str, path: Path, text: str | Path) -> None:
        done.append(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.read_text() if isinstance(text, Path) else text)

    def untouched(predictor: Any, cases: Any, context: Any, out: Path, **named: Any) -> None:
        done.append("evaluate_cases")
        shutil.copytree(scored, out)

    def folds(config: Any, cases: Any, out: Path, **named: Any) -> None:
        leave("cross_validate", out / "pooled" / "per_case.csv", out.parent / "untouched" / "per_case.csv")

    def across(runs: Path, table: Path, out: Path, **named: Any) -> None:
        leave("evaluate_folds", out / "pooled" / "per_case.csv", runs / "pooled" / "per_case.csv")
        (out / "pooled" / "report.html").write_text("")

    monkeypatch.setattr(learning, "measure_step", lambda config, cases: done.append("measure_step") or 0.1)
    monkeypatch.setattr(learning, "evaluate_cases", untouched)
    monkeypatch.setattr(learning, "cross_validate", folds)
    monkeypatch.setattr(learning, "evaluate_folds", across)
    monkeypatch.setattr(
        learning, "train", lambda config, cases, out, *_, **__: leave("train", out / "bundle" / "bundle.json", "")
    )
    monkeypatch.setattr(
        learning, "recalibrate", lambda bundle, scores, out, **_: leave("recalibrate", out / "bundle.json", "")
    )
    return done


def test_each_step_once_in_its_order_and_never_again(own_set: Path, calls: list[str], tmp_path: Path) -> None:
    lines: list[str] = []
    learned = learn(own_set, tmp_path / "out", OPTIONS, Watch(lines.append))
    assert list(dict.fromkeys(calls)) == ["measure_step", "evaluate_cases", *STEPS[2:]]
    # cross_validate is called again: it skips its finished folds by itself.
    calls.clear()
    assert learn(own_set, tmp_path / "out", OPTIONS) == learned
    assert calls == ["cross_validate"]
    plan = "\n".join(lines)
    assert "16 images of 16 groups, 16 outlined, 16 labelled (8 high, 8 low)" in plan
    assert "from the shipped network, which has seen none of these images" in plan
    assert lines.index(next(line for line in lines if line.startswith("time"))) < lines.index(
        next(line for line in lines if line.startswith("shipped network: scored"))
    ), "the plan comes first"
    assert learned.comparison is not None
    dice = next(score for score in learned.comparison.scores if score.name == "dice")
    assert dice.n == 16
    assert dice.difference.value == 0, "the stand-in gives the shipped network's own scores"
    page = learned.report.read_text()
    assert "no difference is shown" in page
    assert all(command in page for command in learned.commands)
    assert "16 images say little" in page


@pytest.mark.parametrize("stopped", STEPS)
def test_after_a_stop_the_same_call_goes_on(
    stopped: str, own_set: Path, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = getattr(learning, stopped)
    with monkeypatch.context() as patch:

        def stop(*given: Any, **named: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(learning, stopped, stop)
        with pytest.raises(KeyboardInterrupt):
            learn(own_set, tmp_path / "out", OPTIONS)
    assert getattr(learning, stopped) is work
    before = set(calls) - {"cross_validate"}
    calls.clear()
    assert learn(own_set, tmp_path / "out", OPTIONS).report.exists()
    assert not before & set(calls) - {"measure_step"}, "a finished step ran twice"


def test_a_network_of_ones_own_is_started_from_and_compared_with(
    own_set: Path, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, lines = make_tiny_bundle(tmp_path / "tiny"), []
    monkeypatch.setattr(learning, "form_of", lambda _: {"name": "unet", "encoder": "lite0"})
    mine = replace(OPTIONS, bundle=bundle)
    learned = learn(own_set, tmp_path / "out", mine, Watch(lines.append))
    name = Predictor.load(bundle).model.name
    assert learned.present == name
    network = json.loads((tmp_path / "out" / "learn.json").read_text())["plan"]["config"]["network"]
    assert (network["start_from"], network["encoder"]) == (str(bundle), "lite0")
    assert f"{name}: scored untouched on the same images" in lines
    assert f"{name} untouched" in learned.report.read_text()
    with pytest.raises(ConfigError, match="begun with bundle"):
        learn(own_set, tmp_path / "out", OPTIONS)
    tiny = load_bundle(bundle)
    with pytest.raises(ConfigError, match="from which no run can begin"):
        form_of(replace(tiny, info=tiny.info.model_copy(update={"network": "ensemble"})))


def test_the_plan_alone_trains_nothing(own_set: Path, calls: list[str], tmp_path: Path) -> None:
    plan = begin_plan(own_set, tmp_path / "out", OPTIONS)
    assert set(calls) == {"measure_step"}
    assert plan == begin_plan(own_set, tmp_path / "out", OPTIONS)
    assert json.loads((tmp_path / "out" / "learn.json").read_text())["plan"]["start"] == "shipped"
    assert plan.config["optim"]["epochs"] >= 4


def test_a_set_that_the_audit_calls_invalid_is_refused(own_set: Path, calls: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(own_set, folder)
    rows = (folder / "labels.csv").read_text().splitlines()
    # One picture in two groups, hence in two folds.
    for number in range(1, 16):
        shutil.copy(folder / "images" / "00.png", folder / "images" / f"{number:02}.png")
        shutil.copy(folder / "masks" / "00.png", folder / "masks" / f"{number:02}.png")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match="not valid for training"):
        learn(folder, tmp_path / "out", OPTIONS)
    assert not calls
    shutil.copytree(own_set, folder, dirs_exist_ok=True)
    learn(folder, tmp_path / "out", OPTIONS)
    assert "recalibrate" in calls, "corrected, the same command goes on"


def test_few_groups_make_fewer_folds(own_set: Path, calls: list[str], tmp_path: Path) -> None:
    begin_plan(own_set, tmp_path / "out", OPTIONS)
    assert {case.fold for case in read_cases(tmp_path / "out" / "cases")} == {0, 1, 2, 3}
