"""Stress tests with a stub in the model's place: what it answers is known, so every drop and change is too."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from thyrosight.bundle.seen_images import SeenImages
from thyrosight.cli import app
from thyrosight.commands.stress import print_stress
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import RowChoice, read_cases, write_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.evaluation.case_scores import read_case_scores
from thyrosight.evaluation.estimates import EvaluationSettings
from thyrosight.evaluation.stress.stress import StressPlan, disturbances, pool_stress, stress
from thyrosight.evaluation.stress.stress_scores import StressRow, StressTest
from thyrosight.types import BoolArray, Box, Case
from tiny_bundle import make_tiny_bundle

SHAPE = (120, 160)
FIELD = Box(10, 10, 150, 110)
QUICK = EvaluationSettings(draws=100)
Answer = Callable[[Case, np.ndarray], tuple[BoolArray, float]]


class Stub:
    """Answers with the mask and risk that `answer` makes of the case and its gray pixels; keeps what it was given."""

    def __init__(self, cases: list[Case], answer: Answer) -> None:
        self.cases = {case.image: case for case in cases}
        self.answer = answer
        self.given: list[tuple[Box | None, tuple[Box, ...]]] = []
        self.with_tta = False
        self.model = SimpleNamespace(id="feedbeef00000000")
        self.seen = SeenImages.of([])
        self.info = SimpleNamespace(
            name="stub", has_mask=True, has_malignancy=True, risk_meaning="made up", training_sets=()
        )

    def run(self, frame: Any, *, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> Any:
        self.given.append((fov, panels))
        mask_HW, risk = self.answer(self.cases[frame.path], frame.image_HW)
        logit = math.log(risk / (1 - risk))
        return SimpleNamespace(fov=fov or FIELD, panels=panels, malignancy_logit=logit, mask_HW=mask_HW, risk=risk)

    def interpret(self, frame: Any, raw: Any) -> Any:
        return SimpleNamespace(risk=raw.risk)


def steady(case: Case, image_HW: np.ndarray) -> tuple[BoolArray, float]:
    """The clean reference and a right risk, whatever the image shows."""
    return load_mask(case, SHAPE), 0.7 if case.malignancy else 0.3


def shaken_by_calipers(case: Case, image_HW: np.ndarray) -> tuple[BoolArray, float]:
    """As steady; but where anything as bright as ink is seen, the lower half of the nodule is lost and risk turns."""
    mask_HW, risk = steady(case, image_HW)
    if image_HW.max() > 200:
        mask_HW[60:] = False
        risk = 1 - risk
    return mask_HW, risk


def make_cases(folder: Path, num: int = 8) -> list[Case]:
    """-> cases on disk: a nodule in rows 40 to 79, no mask for the last; two images a group, labels 0 1 0 1 …"""
    rng = np.random.default_rng(0)
    cases = []
    for index in range(num):
        image_path, mask_path = folder / f"c{index}.png", folder / f"c{index}_mask.png"
        cv2.imwrite(str(image_path), rng.integers(60, 120, SHAPE, dtype=np.uint8))
        mask_HW = np.zeros(SHAPE, np.uint8)
        mask_HW[40:80, 50:100] = 255
        cv2.imwrite(str(mask_path), mask_HW)
        cases.append(
            Case(
                case_id=f"c{index}",
                image=image_path,
                mask=mask_path if index < num - 1 else None,
                malignancy=index % 2,
                group=f"g{index // 2}",
                source="a",
                fold=index // 4,
                fov=FIELD,
                panels=(FIELD,),
            )
        )
    return cases


def run(cases: list[Case], out: Path, answer: Answer = steady, **choice: Any) -> tuple[StressTest, Stub]:
    table = out.parent / f"{out.name}_cases" / "cases.csv"
    table.parent.mkdir(exist_ok=True)
    write_cases(cases, table)
    stub = Stub(read_cases(table), answer)
    predictor: Any = stub
    plan = StressPlan(choice.pop("chosen", ()), choice.pop("settings", QUICK))
    return stress(predictor, table, out, RowChoice(**choice), plan=plan), stub


def row_of(test: StressTest, kind: str, strength: int) -> StressRow:
    return next(row for row in test.rows if (row.perturbation, row.strength) == (kind, strength))


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return make_cases(tmp_path)


def test_a_model_that_is_not_shaken_loses_nothing_but_what_is_cut_away(cases: list[Case], tmp_path: Path) -> None:
    test, _ = run(cases, tmp_path / "out")
    assert (test.num_images, test.num_groups, test.dice.value, test.auroc.value) == (8, 4, 1.0, 1.0)
    assert len(test.rows) == 45
    for row in test.rows:
        assert (row.auroc.value, row.auroc_drop.value, row.risk_change.value) == (1.0, 0.0, 0.0)
        if row.perturbation != "depth":
            assert (row.dice.value, row.dice_drop.value) == (1.0, 0.0), row.perturbation
    depth = row_of(test, "depth", 5)
    kept = 30 / 40
    assert depth.dice.value == pytest.approx(2 * kept / (kept + 1)), "40 of the field's 100 rows: the cut is at row 70"
    assert depth.dice_drop.value == pytest.approx(1 - 2 * kept / (kept + 1))
    assert (test.caliper_risk_change_daily, test.caliper_risk_change) != (None, None)


def test_drops_changes_and_headlines_by_hand(cases: list[Case], tmp_path: Path) -> None:
    chosen = disturbances(["gain", "calipers"], [1, 2, 5])
    test, _ = run(cases, tmp_path / "out", shaken_by_calipers, chosen=chosen)
    assert [(row.perturbation, row.strength) for row in test.rows] == list(chosen)
    calipers = row_of(test, "calipers", 2)
    assert calipers.dice_drop.value == pytest.approx(1 - 2 * 0.5 / 1.5), "half of the nodule is left"
    assert calipers.auroc.value == 0.0
    assert calipers.auroc_drop.value == 1.0
    assert calipers.risk_change.value == pytest.approx(0.4)
    assert (calipers.num_images, calipers.dice.n, calipers.risk_change.n) == (7, 7, 7), "one has no outline to measure"
    gain = row_of(test, "gain", 1)
    assert (gain.num_images, gain.dice.n, gain.risk_change.n) == (8, 7, 8)
    assert test.risk_sd == pytest.approx(0.2)
    assert test.worst_daily in (row_of(test, "calipers", 1), calipers)
    assert test.caliper_risk_change_daily is not None
    assert test.caliper_risk_change is not None
    assert test.caliper_risk_change_daily.value == pytest.approx(0.4)
    assert (test.caliper_risk_change_daily.n, test.caliper_risk_change.n) == (14, 21)


def test_headlines_not_tried_are_none(cases: list[Case], tmp_path: Path) -> None:
    test, _ = run(cases, tmp_path / "out", chosen=disturbances(["blur"], [4]))
    assert (test.worst_daily, test.caliper_risk_change_daily, test.caliper_risk_change) == (None, None, None)


def test_the_model_is_given_the_field_of_the_table_as_it_is_cut(cases: list[Case], tmp_path: Path) -> None:
    chosen = disturbances(["depth", "gain"], [2])
    _, stub = run(cases[:1], tmp_path / "given", chosen=chosen)
    shallow = FIELD._replace(y1=100)
    assert stub.given == [(FIELD, (FIELD,)), (FIELD, (FIELD,)), (shallow, (shallow,))], "clean, gain, depth"
    _, stub = run([replace(cases[0], fov=None, panels=())], tmp_path / "found", chosen=chosen)
    assert stub.given == [(None, ())] * 3, "else it has to find the field of every image anew"


def test_a_reference_that_is_cut_away_whole_leaves_the_mean(cases: list[Case], tmp_path: Path) -> None:
    for case in cases[:2]:
        mask_HW = np.zeros(SHAPE, np.uint8)
        mask_HW[85:100, 50:100] = 255
        cv2.imwrite(str(case.mask), mask_HW)
    test, _ = run(cases, tmp_path / "out", chosen=disturbances(["depth"], [1, 5]))
    assert [row.dice.n for row in test.rows] == [7, 5]
    assert row_of(test, "depth", 5).num_images == 8


def test_a_case_that_cannot_be_read_is_told_and_the_rest_is_done(cases: list[Case], tmp_path: Path) -> None:
    cases[3].image.write_bytes(b"no image")
    test, _ = run(cases, tmp_path / "out", chosen=disturbances(["gain"], [1]))
    assert [failure.case_id for failure in test.failures] == ["c3"]
    assert test.num_images == 7
    for case in cases:
        case.image.write_bytes(b"no image")
    with pytest.raises(InputError, match="none of the 8 chosen cases could be predicted; the first: c0"):
        run(cases, tmp_path / "nothing", chosen=disturbances(["gain"], [1]))


def test_what_is_done_is_not_done_again_and_another_test_is_refused(cases: list[Case], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = run(cases, out, shaken_by_calipers, chosen=disturbances(["calipers"], [1]))
    second, stub = run(cases, out, shaken_by_calipers, chosen=disturbances(["calipers"], [1, 2]))
    assert len(stub.given) == 8 + 7, "the clean images, and strength 2 of those with an outline"
    assert second.rows[0] == first.rows[0]
    again, _ = run(cases, tmp_path / "again", shaken_by_calipers, chosen=disturbances(["calipers"], [1, 2]))
    assert again.rows == second.rows, "in two goes or in one"
    with pytest.raises(InputError, match="holds the stress test of another model, or on other cases"):
        run(cases, out, shaken_by_calipers, chosen=disturbances(["gain"], [1]), fold=0)


def test_files(cases: list[Case], tmp_path: Path) -> None:
    out = tmp_path / "out"
    test, _ = run(cases, out, shaken_by_calipers, chosen=disturbances(["calipers", "text"], [1, 3]))
    rows = list(csv.DictReader((out / "stress.csv").open(encoding="utf-8")))
    assert [(row["perturbation"], row["strength"]) for row in rows] == [
        ("calipers", "1"),
        ("calipers", "3"),
        ("text", "1"),
        ("text", "3"),
    ]
    assert float(rows[0]["dice_drop"]) == pytest.approx(1 / 3, abs=1e-5)
    assert (rows[0]["risk_change_n"], rows[2]["risk_change_n"]) == ("7", "8")
    told = json.loads((out / "stress.json").read_text(encoding="utf-8"))
    assert told["rows"][1]["meaning"] == test.rows[1].meaning
    assert told["worst_daily"]["perturbation"] in ("calipers", "text")
    names = {path.name for path in (out / "per_case").iterdir()}
    assert names == {"clean.csv", "calipers-1.csv", "calipers-3.csv", "text-1.csv", "text-3.csv"}
    assert [row.case_id for row in read_case_scores(out / "per_case" / "calipers-1.csv")] == [f"c{k}" for k in range(7)]


def test_pooled_folds_are_the_test_of_all_cases(cases: list[Case], tmp_path: Path) -> None:
    chosen = disturbances(["calipers", "speckle"], [1, 2])
    whole, _ = run(cases, tmp_path / "whole", shaken_by_calipers, chosen=chosen)
    parts = [tmp_path / "part0", tmp_path / "part1"]
    for fold, part in enumerate(parts):
        run(cases, part, shaken_by_calipers, chosen=chosen, fold=fold)
    pooled = pool_stress(parts, tmp_path / "pooled", QUICK)
    assert pooled.rows == whole.rows
    assert (pooled.dice, pooled.auroc, pooled.num_images) == (whole.dice, whole.auroc, 8)
    assert (tmp_path / "pooled" / "stress.csv").read_text() == (tmp_path / "whole" / "stress.csv").read_text()
    shutil.rmtree(tmp_path / "pooled" / "per_case")
    (tmp_path / "pooled" / "stress.csv").unlink()  # as if it had been stopped after its first file
    assert pool_stress(parts, tmp_path / "pooled", QUICK).rows == whole.rows
    with pytest.raises(InputError, match="case c0 is in another part as well"):
        pool_stress([parts[0], tmp_path / "whole"], tmp_path / "twice")
    run(cases, tmp_path / "less", shaken_by_calipers, chosen=chosen[:1], fold=1)
    with pytest.raises(InputError, match="not the same disturbances"):
        pool_stress([parts[0], tmp_path / "less"], tmp_path / "other")
    with pytest.raises(InputError, match="pass the folder of a stress test"):
        pool_stress([tmp_path], tmp_path / "none")


def test_a_model_without_risk_or_without_outline_has_the_other(cases: list[Case], tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    write_cases(cases, table)
    stub: Any = Stub(read_cases(table), shaken_by_calipers)
    stub.info.has_mask = False
    test = stress(stub, table, tmp_path / "no_mask", plan=StressPlan(disturbances(["gain"], [1]), QUICK))
    assert (test.rows[0].dice.value, test.rows[0].dice_drop.value, test.worst_daily) == (None, None, None)
    assert test.rows[0].auroc.value == 1.0
    stub = Stub(read_cases(table), shaken_by_calipers)
    stub.info.has_malignancy = False
    stub.interpret = lambda frame, raw: SimpleNamespace(risk=None)
    test = stress(stub, table, tmp_path / "no_risk", plan=StressPlan(disturbances(["gain"], [1]), QUICK))
    assert (test.rows[0].auroc.value, test.rows[0].auroc_drop.value, test.rows[0].risk_change.value) == (None,) * 3
    assert test.rows[0].dice.value == 1.0


def test_unknown_choices_are_told_what_there_is() -> None:
    assert disturbances(["text", "gain"], [2, 1]) == (("gain", 1), ("gain", 2), ("text", 1), ("text", 2))
    assert len(disturbances()) == 45
    with pytest.raises(ConfigError, match="no perturbation 'fog'; there are gain, gamma"):
        disturbances(["fog"])
    with pytest.raises(ConfigError, match="no strength 6; there are 1 to 5"):
        disturbances([], [1, 6])


def test_calipers_without_outlines_say_why_their_rows_are_empty(cases: list[Case], tmp_path: Path) -> None:
    bare = [replace(case, mask=None) for case in cases]
    test, _ = run(
        bare, tmp_path / "out", lambda case, image_HW: (np.zeros(SHAPE, bool), 0.5), chosen=(("calipers", 1),)
    )
    stream = StringIO()
    print_stress(test, Console(file=stream, width=250))
    assert "nothing to disturb by calipers: no case has an outline to draw it on" in stream.getvalue()


def test_the_table_names_every_row_and_both_headlines(cases: list[Case], tmp_path: Path) -> None:
    test, _ = run(cases, tmp_path / "out", shaken_by_calipers, chosen=disturbances(["gain", "calipers"], [1, 2]))
    stream = StringIO()
    print_stress(test, Console(file=stream, width=250))
    text = stream.getvalue()
    assert "worst mean Dice drop at strengths 1-2: 0.333" in text
    assert "mean |change of risk| with calipers drawn on: 0.400" in text
    assert "both diameters" in text
    assert "2 dB up or down" in text


def test_from_the_command_line_with_a_real_bundle(cohort: Path, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    command = ["stress", str(bundle), "--cases", str(cohort), "--fold", "1", "--perturbation", "depth"]
    command += ["--perturbation", "calipers", "--strengths", "1,5", "--threads", "1"]
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [(row["perturbation"], row["strength"]) for row in told["rows"]] == [
        ("depth", 1),
        ("depth", 5),
        ("calipers", 1),
        ("calipers", 5),
    ]
    assert told["num_images"] == 10
    assert told["rows"][3]["risk_change"]["value"] > told["rows"][2]["risk_change"]["value"] > 0
    done = CliRunner().invoke(app, ["pool-stress", str(tmp_path / "out"), "-o", str(tmp_path / "pooled")])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("stress.csv")
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "x"), "--strengths", "one"])
    assert done.exit_code == 2
    assert "--strengths one: write numbers separated by commas" in done.output
