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
from thyrosight.types import Spacing
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


@pytest.mark.parametrize(("name", "value"), [("prevalence", 0.1), ("tta", True), ("device", "cuda")])
def test_options_that_contradict_a_predictor_are_refused(
    name: str, value: object, bundle: Path, tmp_path: Path
) -> None:
    """They were passed over: the risks in the results were for another share than the one that was asked for."""
    Image.fromarray(nodule()).save(tmp_path / "a.png")
    predictor = Predictor.load(bundle, threads=1)
    options = FolderOptions(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"the Predictor has {name} of its own; pass {name}=.* to Predictor.load"):
        predict_folder(tmp_path / "a.png", tmp_path / "out", bundle=predictor, options=options)
    assert not (tmp_path / "out").exists()
    same = FolderOptions(threads=2)  # threads change no result
    assert predict_folder(tmp_path / "a.png", tmp_path / "out", bundle=predictor, options=same).num_done == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "every=0: give a whole number, 1 or more"),
        ({"frame_index": "1"}, "frame_index='1': give a whole number"),
        ({"threads": -1}, "threads=-1"),
        ({"spacing": 0.06}, "spacing=0.06: give Spacing"),
        ({"spacing": (0.06, -1)}, "which is not above zero; give millimetres"),
    ],
)
def test_options_that_can_not_be_are_refused_when_they_are_made(options: dict[str, object], words: str) -> None:
    """Some were passed over, others became "internal error; please report it" for each file."""
    with pytest.raises(InputError, match=words):
        FolderOptions(**options)  # type: ignore[arg-type]


def test_a_pair_of_millimetres_is_a_spacing() -> None:
    assert FolderOptions(spacing=(0.06, 0.05)).spacing == Spacing(0.06, 0.05)  # type: ignore[arg-type]


@pytest.mark.parametrize("sources", [nodule(), [nodule()], None, [Image.new("L", (64, 64))], b"a.png", 5])
def test_images_in_memory_are_not_for_predict_folder(sources: object, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no path.*Predictor\.predict"):
        predict_folder(sources, tmp_path / "out", bundle=bundle)  # type: ignore[arg-type]


def test_an_empty_source_is_not_the_working_folder(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an empty path"):
        predict_folder("", tmp_path / "out", bundle=bundle)


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5, 100_000])
def test_threads_that_can_not_be_are_refused(threads: object, bundle: Path) -> None:
    """A hundred thousand took minutes to start; `-1` passed; `"2"` was called a damaged bundle."""
    with pytest.raises(InputError, match=r"threads=.*: give a whole number, 1 to 1,024"):
        Predictor.load(bundle, threads=threads)  # type: ignore[arg-type]
