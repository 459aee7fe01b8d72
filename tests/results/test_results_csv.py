"""results.csv."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from scans import rows_of, run, write_scans
from thyrosight.bundle.store import load_bundle
from thyrosight.inference.predictor import Predictor
from thyrosight.results import report
from thyrosight.results.layout import read_result
from thyrosight.results.results_csv import CSV_COLUMNS, SIGN_COLUMNS, csv_row

# The table.


def test_the_table_says_what_the_results_say(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "2.png", "10.png", "=cmd.png")
    Image.fromarray(np.random.default_rng(5).normal(150, 10, (80, 90)).astype(np.uint8)).save(
        tmp_path / "in" / "no.png"
    )
    run(tmp_path / "in", tmp_path / "out", tiny)
    rows = rows_of(tmp_path / "out")
    assert [row["case_id"] for row in rows] == ["2", "10", "cmd", "no"]
    assert rows[2]["file"] == "'=cmd.png"
    assert tuple(rows[0]) == CSV_COLUMNS
    for row in rows:
        result = read_result(tmp_path / "out" / row["case_id"])
        assert result is not None
        assert float(row["risk"]) == result.risk
        assert row["risk_share"] == ("" if result.risk_share is None else str(round(result.risk_share.assumed, 4)))
        assert row["flags"] == ";".join(flag.code for flag in result.flags)
        assert int(row["num_nodules"]) == len(result.nodules)
        if result.nodules:
            size = result.nodules[0].size
            assert float(row["longest_px"]) == size.longest_px
            assert row["longest_mm"] == ""
            assert int(row["taller_than_wide"]) == size.taller_than_wide
            signs = result.nodules[0].signs
            assert signs is not None
            assert [row[name] for name in SIGN_COLUMNS] == [
                "" if getattr(signs, name) is None else str(getattr(signs, name)) for name in SIGN_COLUMNS
            ]
            assert row["compactness"] != ""
    assert rows[3]["area_px"] == rows[3]["nodule_risk"] == rows[3]["mean_probability"] == ""
    assert rows[3]["flags"] == "small_image;no_nodule"


def test_the_table_says_which_share_its_risks_assume(tmp_path: Path) -> None:
    prediction = Predictor.load(threads=1, prevalence=0.1).predict(np.full((90, 120), 120, np.uint8))
    assert dict(zip(CSV_COLUMNS, csv_row("a", prediction), strict=True))["risk_share"] == 0.1
    prediction = Predictor.load(threads=1).predict(np.full((90, 120), 120, np.uint8))
    calibrated_at = load_bundle(None).info.calibration.prevalence
    assert dict(zip(CSV_COLUMNS, csv_row("a", prediction), strict=True))["risk_share"] == round(calibrated_at or 0, 4)


def test_results_from_before_there_were_signs_are_read(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    path = tmp_path / "out" / "a" / "result.json"
    found = json.loads(path.read_text())
    for nodule in found["nodules"]:
        del nodule["signs"]
    path.write_text(json.dumps(found))
    report.write_results(tmp_path / "out")
    (row,) = rows_of(tmp_path / "out")
    assert float(row["longest_px"]) > 0
    assert [row[name] for name in SIGN_COLUMNS] == [""] * 6
    assert "irregularity" not in (tmp_path / "out" / "report.html").read_text().split("<footer")[0]
