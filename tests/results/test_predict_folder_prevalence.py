"""predict at another share of malignant nodules: risks, intervals and operating points move, the evidence does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import ConfigError, InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.prevalence import at_share
from thyrosight.results.predict_folder import FolderOptions, predict_folder
from tiny_bundle import make_tiny_bundle

CALIBRATION = {"scale": 1.0, "offset": 0.5, "n": 40, "covariance": (0.01, 0.0, 0.04), "prevalence": 0.7}


def nodule() -> np.ndarray:
    image_HW = np.full((128, 128), 150, np.uint8)
    image_HW[40:80, 30:90] = 20
    return image_HW


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = {"crop": "none", "views": "frame"}
    return make_tiny_bundle(tmp_path_factory.mktemp("b") / "tiny", preprocessing=whole, calibration=CALIBRATION)


def test_risks_intervals_and_points_are_restated_and_the_sides_stay(bundle: Path) -> None:
    plain = Predictor.load(bundle, threads=1).predict(nodule())
    rare = Predictor.load(bundle, threads=1, prevalence=0.1).predict(nodule())
    assert plain.risk is not None
    assert plain.risk_share is not None
    assert rare.risk_share is not None
    assert (plain.risk_share.assumed, plain.risk_share.calibrated_at) == (0.7, 0.7)
    assert (rare.risk_share.assumed, rare.risk_share.risk_when_calibrated) == (0.1, plain.risk)
    assert rare.risk == pytest.approx(at_share(plain.risk, 0.7, 0.1), abs=1e-6)
    assert rare.risk_share.likelihood_ratio == plain.risk_share.likelihood_ratio
    assert "10 % of the nodules are malignant; it was restated from the 70 %" in rare.risk_share.sentence
    first, again = plain.nodules[0], rare.nodules[0]
    assert first.risk is not None
    assert first.risk_interval is not None
    assert again.risk == pytest.approx(at_share(first.risk, 0.7, 0.1), abs=1e-6)
    expected = [at_share(value, 0.7, 0.1) for value in first.risk_interval]
    assert again.risk_interval == pytest.approx(expected, abs=1e-6)
    assert rare.operating_points[0].threshold == pytest.approx(at_share(0.5, 0.7, 0.1), abs=1e-6)
    assert rare.operating_points[0].is_above == plain.operating_points[0].is_above


def test_a_bundle_that_does_not_say_its_share_can_not_be_restated(tmp_path: Path) -> None:
    silent = make_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(ConfigError, match="does not say at which share"):
        Predictor.load(silent, threads=1, prevalence=0.1)
    assert Predictor.load(silent, threads=1).predict(nodule()).risk_share is None


def test_a_share_of_none_or_all_is_refused(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Predictor.load(bundle, threads=1, prevalence=1.0)


def test_results_of_two_shares_do_not_mix_in_one_folder(bundle: Path, tmp_path: Path) -> None:
    Image.fromarray(nodule()).save(tmp_path / "a.png")
    predict_folder(
        tmp_path / "a.png", tmp_path / "out", bundle=bundle, options=FolderOptions(threads=1, prevalence=0.1)
    )
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["prevalence"] == 0.1
    assert "10 % of the nodules" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(InputError, match=r"holds results of prevalence 0\.1, not None"):
        predict_folder(tmp_path / "a.png", tmp_path / "out", bundle=bundle, options=FolderOptions(threads=1))
