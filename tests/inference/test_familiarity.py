"""familiarity.py, statistics.py: statistics by hand, the formula of the measure, what it flags and lets pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from checkout import ROOT
from parts import part_path
from thyrosight.bundle.card import familiarity_line, model_card
from thyrosight.bundle.records import NUM_STATISTICS, BundleInfo, Familiarity
from thyrosight.bundle.store import load_bundle
from thyrosight.datasets.table import read_cases
from thyrosight.frames.source import as_frame
from thyrosight.inference.familiarity import (
    CLIP,
    MAX_FRAMES_PER_SOURCE,
    MIN_FRAMES,
    _spread,
    conformal_quantile,
    distance,
    fit_familiarity,
    shrunk_moments,
)
from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import phantom_case, write_phantoms
from thyrosight.phantom.records import PhantomSettings
from thyrosight.prediction import FlagCode
from thyrosight.types import Box, Case
from thyrosight.views.statistics import (
    MAX_ASPECT,
    MIN_SIDE_PX,
    SIDE_PX,
    STATISTICS,
    varied,
    view_statistics,
    working_size,
)
from tiny_bundle import make_tiny_bundle

UInt8 = NDArray[np.uint8]
SMALL = PhantomSettings(size_hw=(200, 260))
NUM_FITTED = 70


def named(view_HW: UInt8) -> dict[str, float]:
    """View -> its statistics by name."""
    return dict(zip(STATISTICS, view_statistics(view_HW).tolist(), strict=True))


def record(**changes: Any) -> Familiarity:
    """A measure that leaves statistics as they are: centre 0, scale 1, no whitening."""
    unit = [[float(row == column) for column in range(row + 1)] for row in range(NUM_STATISTICS)]
    values = {"centre": [0.0] * NUM_STATISTICS, "scale": [1.0] * NUM_STATISTICS, "whitening": unit}
    return Familiarity.model_validate(values | {"threshold": 1.5, "num_frames": 60, "flagged_held_out": 0.02} | changes)


# Statistics


def test_a_flat_view_has_the_statistics_of_nothing() -> None:
    found = named(np.full((128, 128), 100, np.uint8))
    assert found["middle_level"] == pytest.approx(10.0)
    assert found["commonest_level"] == pytest.approx(math.log(1.001), abs=1e-6)
    assert found["between_rows"] == found["between_columns"] == pytest.approx(math.log(0.01), abs=1e-6)
    for name in ("top_over_bottom", "middle_over_ends", "down_over_across_0", "fall_2", "cross_1", "quiet", "loud"):
        assert found[name] == pytest.approx(0.0, abs=1e-6), name
    assert found["tail_down_1"] == pytest.approx(math.log(0.05 / 0.05**2), abs=1e-5)
    assert found["coherence"] == pytest.approx(math.log(0.02), abs=1e-6)
    assert found["layers"] == 0


def test_bands_lie_down_and_not_across() -> None:
    """Rows of 0 and 255, 32 high: all variance is between rows; level 0 changes in 3 of 127 rows."""
    view_HW = np.repeat(np.array([0, 255, 0, 255], np.uint8), 32)[:, None] * np.ones((1, 128), np.uint8)
    lying, standing = named(view_HW), named(np.ascontiguousarray(view_HW.T))
    assert lying["between_rows"] == pytest.approx(math.log(1.01), abs=1e-3)
    assert lying["between_columns"] == pytest.approx(math.log(0.01), abs=1e-3)
    assert lying["down_over_across_0"] == pytest.approx(math.log((255 * 3 / 127 + 0.05) / 0.05), abs=1e-4)
    assert standing["down_over_across_0"] == pytest.approx(-lying["down_over_across_0"], abs=1e-5)
    assert lying["layers"] > 0.5
    assert standing["layers"] == pytest.approx(-lying["layers"], abs=1e-5)
    assert lying["commonest_level"] == pytest.approx(math.log(0.501), abs=1e-5)


def test_depth_is_told_from_above_and_below() -> None:
    view_HW = np.repeat(np.linspace(200, 20, 128).astype(np.uint8)[:, None], 128, axis=1)
    upright, turned = named(view_HW), named(np.ascontiguousarray(view_HW[::-1]))
    assert upright["top_over_bottom"] == pytest.approx(2 / 3 * math.sqrt(12), rel=0.02)  # of a ramp, in its deviations
    assert turned["top_over_bottom"] == pytest.approx(-upright["top_over_bottom"], abs=1e-4)
    assert upright["middle_over_ends"] == pytest.approx(0, abs=0.02)


def test_noise_has_the_tails_of_noise() -> None:
    """Mean square over squared mean of a normal variable: pi / 2; white noise changes down as much as across."""
    noise_HW = np.random.default_rng(0).normal(128, 20, (128, 128)).clip(0, 255).astype(np.uint8)
    found = named(noise_HW)
    for level in (1, 2):
        assert found[f"tail_down_{level}"] == pytest.approx(math.log(math.pi / 2), abs=0.08)
    for level in range(3):
        assert found[f"down_over_across_{level}"] == pytest.approx(0, abs=0.1)
    assert abs(found["speckle_skewness"]) < 0.05
    assert found["quiet"] > -0.3, "noise is nowhere smooth"
    noise_HW[:, :40] = 128
    assert named(noise_HW)["quiet"] < -2, "and here it is"


def test_working_size() -> None:
    assert working_size(np.zeros((300, 300), np.uint8)).shape == (SIDE_PX, SIDE_PX)
    assert working_size(np.zeros((100, 400), np.uint8)).shape == (SIDE_PX // 2, 2 * SIDE_PX)
    assert working_size(np.zeros((5, 4000), np.uint8)).shape == (SIDE_PX // 2, 2 * SIDE_PX), f"at most {MAX_ASPECT} : 1"
    assert working_size(np.zeros((100, 100), np.uint8), stretch=4.0).shape == (SIDE_PX // 2, 2 * SIDE_PX)
    assert min(working_size(np.zeros((1, 1), np.uint8)).shape) >= MIN_SIDE_PX


@given(
    size_hw=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    levels=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_any_view_has_finite_statistics(size_hw: tuple[int, int], levels: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    view_HW = rng.integers(min(levels), max(levels) + 1, size_hw).astype(np.uint8)
    found = view_statistics(view_HW)
    assert found.shape == (NUM_STATISTICS,) == (len(STATISTICS),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    changed_HW = varied(view_HW, rng)
    assert np.isfinite(changed_HW).all()
    assert changed_HW.min() >= 0
    assert changed_HW.max() <= 255


def test_variation_follows_from_the_generator() -> None:
    view_HW = phantom_case(1, 2, SMALL).image_HW
    first, again, other = (varied(view_HW, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


# The measure


def test_conformal_quantile() -> None:
    counted = np.arange(1.0, 100.0)
    assert conformal_quantile(counted, 0.05) == 95  # the 95th of 99, since ceil(100 * 0.95) is 95
    assert conformal_quantile(counted[::-1], 0.5) == 50
    assert conformal_quantile(counted[:19], 0.05) == 19
    assert conformal_quantile(counted[:10], 0.05) == 10, "too few to say: the largest"


def test_moments_are_those_of_many_and_shrink_for_few() -> None:
    rng = np.random.default_rng(0)
    mixing = np.tril(rng.normal(size=(6, 6)))
    truth = mixing @ mixing.T
    many = rng.normal(size=(20_000, 6)) @ mixing.T
    assert np.allclose(shrunk_moments(many), truth, atol=0.05 * np.trace(truth))
    few = many[:4]
    sample = few.T @ few / 4
    off_diagonal = ~np.eye(6, dtype=bool)
    assert np.abs(shrunk_moments(few)[off_diagonal]).sum() < np.abs(sample[off_diagonal]).sum()
    assert np.linalg.eigvalsh(shrunk_moments(few)).min() > 0, "four vectors alone span no six dimensions"
    assert np.trace(shrunk_moments(few)) == pytest.approx(np.trace(sample), rel=1e-4)


def test_distance_is_the_length_of_the_clipped_statistics() -> None:
    view_HW = phantom_case(0, 1, SMALL).image_HW
    frame, whole = as_frame(view_HW), Box(0, 0, 260, 200)
    statistics = view_statistics(view_HW).astype(np.float64)
    expected = np.linalg.norm(np.clip(statistics, -CLIP, CLIP)) / math.sqrt(NUM_STATISTICS)
    assert distance(frame, record(), whole, (whole,)) == pytest.approx(expected, rel=1e-6)
    assert distance(frame, record(scale=[1e-9] * NUM_STATISTICS), whole, (whole,)) == pytest.approx(CLIP, rel=0.1)
    left, right = Box(0, 0, 130, 200), Box(130, 0, 260, 200)
    parts = [distance(frame, record(), whole, (part,)) for part in (left, right)]
    assert distance(frame, record(), whole, (left, right)) == pytest.approx(sum(parts) / 2)


def test_whitening_counts_what_goes_together_once() -> None:
    """whitening row 1 = (-1, 1): a second statistic that follows the first adds nothing."""
    rows = [list(row) for row in record().whitening]
    rows[1] = [-1.0, 1.0]
    centre = view_statistics(phantom_case(0, 1, SMALL).image_HW).tolist()
    centre[0], centre[1] = centre[0] - 3, centre[1] - 3
    frame, whole = as_frame(phantom_case(0, 1, SMALL).image_HW), Box(0, 0, 260, 200)
    assert distance(frame, record(centre=centre), whole, (whole,)) == pytest.approx(math.sqrt(18 / 27), rel=1e-4)
    followed = distance(frame, record(centre=centre, whitening=rows), whole, (whole,))
    assert followed == pytest.approx(math.sqrt(9 / 27), rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"centre": [0.0] * 26},
        {"scale": [0.0] * NUM_STATISTICS},
        {"whitening": [[1.0] * NUM_STATISTICS] * NUM_STATISTICS},
        {"threshold": 0.0},
        {"threshold": math.nan},
        {"statistics": 2},
        {"surplus": 1},
    ],
)
def test_a_record_that_cannot_be_meant_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        record(**changes)


# The fit


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Phantoms, every one a group of its own."""
    return read_cases(write_phantoms(NUM_FITTED, tmp_path_factory.mktemp("phantoms"), seed=5, settings=SMALL))


@pytest.fixture(scope="module")
def fitted(rows: list[Case]) -> Familiarity:
    found = fit_familiarity(rows)
    assert found is not None
    return found


def test_fit_says_what_it_was_fitted_on(fitted: Familiarity, rows: list[Case]) -> None:
    assert fitted.num_frames == NUM_FITTED
    assert fitted.flagged_held_out <= 0.1
    assert 1 < fitted.threshold < 3
    assert fit_familiarity(rows) == fitted, "the same rows give the same record"
    own = [distance(as_frame(case.image), fitted) for case in rows[:30]]
    assert 0.6 < float(np.median(own)) < 1.2


def text_page() -> UInt8:
    page_HW = np.full((400, 500), 250, np.uint8)
    for top in range(20, 400, 18):
        cv2.putText(page_HW, "no scan but words on paper 1234", (12, top), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 10, 1)
    return page_HW


def natural_noise() -> UInt8:
    """Random phases under the spectrum of photographs."""
    rng = np.random.default_rng(1)
    radius = np.maximum(np.hypot(np.fft.fftfreq(300)[:, None], np.fft.rfftfreq(400)[None]), 1 / 400)
    values = np.fft.irfft2(np.exp(2j * np.pi * rng.random(radius.shape)) / radius, (300, 400))
    return np.clip(110 + 45 * values / values.std(), 0, 255).astype(np.uint8)


def scene() -> UInt8:
    """Smooth surfaces with sharp outlines, lit from one side, as in a photograph."""
    rng = np.random.default_rng(2)
    ramp_HW = np.linspace(90, 200, 400)[None] * np.ones((300, 1))
    for _ in range(40):
        centre, radius = (int(rng.integers(400)), int(rng.integers(300))), int(rng.integers(8, 60))
        cv2.circle(ramp_HW, centre, radius, float(rng.integers(20, 240)), -1, cv2.LINE_AA)
    return np.clip(ramp_HW + rng.normal(0, 2, ramp_HW.shape), 0, 255).astype(np.uint8)


def noise() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (300, 400)).astype(np.uint8)


def checkerboard() -> UInt8:
    return np.kron(np.indices((10, 14)).sum(axis=0) % 2, np.ones((30, 30))).astype(np.uint8) * 200


def black() -> UInt8:
    return np.zeros((300, 400), np.uint8)


@pytest.mark.parametrize("picture", [text_page, natural_noise, scene, noise, checkerboard, black])
def test_what_is_no_ultrasound_is_unlike(fitted: Familiarity, picture: Callable[[], UInt8]) -> None:
    assert distance(as_frame(picture()), fitted) > fitted.threshold


def test_new_frames_of_the_kind_pass_and_on_their_side_they_do_not(fitted: Familiarity) -> None:
    new = [phantom_case(seed, 9, replace(SMALL, split_screen=0.0)).image_HW for seed in range(30)]
    upright = np.array([distance(as_frame(image_HW), fitted) for image_HW in new])
    lying = np.array([distance(as_frame(np.ascontiguousarray(image_HW.T)), fitted) for image_HW in new])
    assert np.mean(upright > fitted.threshold) <= 0.1
    assert np.mean(lying > fitted.threshold) >= 0.9


def test_too_few_frames_and_one_group_give_no_record(rows: list[Case]) -> None:
    assert fit_familiarity(rows[: MIN_FRAMES - 1]) is None
    assert fit_familiarity([]) is None
    assert fit_familiarity([replace(case, group="one video") for case in rows]) is None


def test_large_sets_are_thinned_evenly_and_small_ones_kept() -> None:
    many = [Case(str(number), Path("a.png"), None, None, str(number), "many") for number in range(2500)]
    few = [Case(str(number), Path("a.png"), None, None, str(number), "few") for number in range(7)]
    chosen = _spread([*many, *few])
    assert [case.case_id for case in chosen if case.source == "few"] == [case.case_id for case in few]
    thinned = np.array([int(case.case_id) for case in chosen if case.source == "many"])
    assert len(thinned) == MAX_FRAMES_PER_SOURCE
    assert set(np.diff(thinned)) == {2, 3}
    assert thinned[0] == 0


# In a bundle


def test_bundle_keeps_the_record_and_an_older_one_loads_without(tmp_path: Path, fitted: Familiarity) -> None:
    notes = "a list in words: [ 1, 2 ]\n[\n  3\n]"
    path = make_tiny_bundle(tmp_path / "with", familiarity=fitted, notes=notes)
    info = load_bundle(path).info
    assert info.familiarity == fitted
    assert info.notes == notes
    text = (path / "bundle.json").read_text(encoding="utf-8")
    assert '"size_hw": [128, 128]' in text, "numbers stand in one line"
    assert len(text.splitlines()) < 150
    older = {key: value for key, value in json.loads(text).items() if key != "familiarity"}
    assert BundleInfo.model_validate_json(json.dumps(older), strict=True).familiarity is None
    assert load_bundle(make_tiny_bundle(tmp_path / "without")).info.familiarity is None


@pytest.mark.parametrize("preprocessing", [{"crop": "field", "views": "panels"}, {"crop": "none", "views": "frame"}])
def test_prediction_is_flagged(tmp_path: Path, fitted: Familiarity, preprocessing: dict[str, str]) -> None:
    path = make_tiny_bundle(tmp_path / "tiny", familiarity=fitted, preprocessing=preprocessing)
    predictor = Predictor.load(path, threads=1)
    flags = {flag.code: flag.message for flag in predictor.predict(text_page()).flags}
    assert "does not look like the ultrasound" in flags["unlike_training"]
    framed_HW = np.zeros((300, 400), np.uint8)  # a screen around the field is no reason for a flag
    framed_HW[40:240, 60:320] = phantom_case(4, 9, replace(SMALL, screen=0.0, split_screen=0.0)).image_HW
    assert "unlike_training" not in {flag.code for flag in predictor.predict(framed_HW).flags}
    silent = Predictor.load(make_tiny_bundle(tmp_path / "silent", preprocessing=preprocessing), threads=1)
    assert "unlike_training" not in {flag.code for flag in silent.predict(text_page()).flags}


def test_card_says_it_in_one_line(tmp_path: Path, fitted: Familiarity) -> None:
    info = load_bundle(make_tiny_bundle(tmp_path / "tiny", familiarity=fitted)).info
    assert f"flagged above a distance of {fitted.threshold:.2f}" in familiarity_line(info)
    assert f"of {NUM_FITTED} training frames" in familiarity_line(info)
    assert f"- Unlike its training images: {familiarity_line(info)}" in model_card(info).splitlines()
    assert "no statistics of its training images" in familiarity_line(info.model_copy(update={"familiarity": None}))


def test_every_flag_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert not [code for code in get_args(FlagCode) if f"`{code}`" not in text]


# Real frames


@pytest.mark.part("ddti")
def test_real_frames_pass_and_other_pictures_do_not() -> None:
    paths = sorted((part_path("ddti") / "original").glob("*.jpg"))
    cases = [Case(path.stem, path, None, None, path.stem.split("_")[0], "ddti") for path in paths]
    fitted = fit_familiarity(cases[:120])
    assert fitted is not None
    seen_groups = {case.group for case in cases[:120]}
    new = [case for case in cases[120:] if case.group not in seen_groups][::4]
    found = np.array([distance(as_frame(case.image), fitted) for case in new])
    assert len(found) >= 40
    assert np.mean(found > fitted.threshold) <= 0.12
    for picture in (text_page, natural_noise, scene, noise, checkerboard, black):
        assert distance(as_frame(picture()), fitted) > fitted.threshold, picture.__name__
