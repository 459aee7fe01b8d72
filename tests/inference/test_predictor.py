"""Predictor and its records: geometry to the pixel, risks by hand, arrays, faults, what is loaded, the JSON schema."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from bad_inputs import speckle
from checkout import GOLDEN, SOURCE
from parts import part_path
from thyrosight.bundle.store import load_bundle
from thyrosight.errors import BundleError, InputError
from thyrosight.inference.nodule_masks import nodule_masks_of
from thyrosight.inference.onnx_runtime import default_threads
from thyrosight.inference.predictor import Predictor, loaded_again
from thyrosight.inference.risk import calibrated_risk
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.measurement.size import measure
from thyrosight.measurement.tissue import NO_SOLID
from thyrosight.prediction import Prediction, json_schema
from thyrosight.types import Box, Frame, Spacing
from thyrosight.views.second_look import closer_views
from tiny_bundle import MAP_EDGE, MEAN_EDGE, make_tiny_bundle, tiny_onnx

GOLDEN_SCHEMA = GOLDEN / "prediction.schema.json"
WHOLE = {"crop": "none", "views": "frame"}
GROUND, DARK, DARKER = 150, 28, 8  # ground and dark lie evenly about the edge of the tiny network, 0.35 of 255


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Sees the whole frame at 128 x 128."""
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("whole") / "tiny", preprocessing=WHOLE), threads=1)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Finds the field and its panels."""
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("fields") / "tiny"), threads=1)


def with_changes(predictor: Predictor, **changes: Any) -> Predictor:
    """The same network under a changed declaration."""
    changed = object.__new__(Predictor)
    changed.__dict__.update(predictor.__dict__)
    changed.info = predictor.info.model_copy(update=changes)
    return changed


def ground(size_hw: tuple[int, int] = (128, 128)) -> np.ndarray:
    return np.full(size_hw, GROUND, np.uint8)


def disc(image_HW: np.ndarray, centre_xy: tuple[int, int], radius: int, gray: int = DARK) -> np.ndarray:
    """-> the disc's mask; it is drawn into the image."""
    rows, columns = np.ogrid[: image_HW.shape[0], : image_HW.shape[1]]
    mask_HW = (columns - centre_xy[0]) ** 2 + (rows - centre_xy[1]) ** 2 <= radius**2
    image_HW[mask_HW] = gray
    return mask_HW


def dice(a_HW: np.ndarray, b_HW: np.ndarray) -> float:
    return float(2 * (a_HW & b_HW).sum() / (a_HW.sum() + b_HW.sum()))


def frame_of(image_HW: np.ndarray, spacing: Spacing | None = None, rgb_HW3: np.ndarray | None = None) -> Frame:
    reason = None if spacing else "not said"
    return Frame(Path("folder/case.png"), image_HW, rgb_HW3, spacing, reason, "0" * 64)


# Outlines and measurements.


def test_a_disc_is_outlined_measured_and_rated(whole: Predictor) -> None:
    image_HW = ground()
    truth_HW = disc(image_HW, (70, 50), 20)
    found = whole.examine(frame_of(image_HW, Spacing(row_mm=0.2, column_mm=0.1)))
    (nodule,) = found.prediction.nodules
    assert dice(found.mask_HW, truth_HW) > 0.97
    assert nodule.size.area_px == found.mask_HW.sum()
    assert nodule.size.area_mm2 == pytest.approx(nodule.size.area_px * 0.02)
    assert nodule.size.anteroposterior_px == pytest.approx(41, abs=2)
    assert nodule.size.anteroposterior_mm == pytest.approx(nodule.size.anteroposterior_px * 0.2, abs=1e-3)
    assert nodule.size.transverse_mm == pytest.approx(nodule.size.transverse_px * 0.1, abs=1e-3)
    assert nodule.size.taller_than_wide
    assert nodule.size.mm_reason is None
    assert nodule.signs is not None
    assert nodule.signs.cystic_share == 1
    assert (nodule.signs.echogenicity_ratio, nodule.signs.echogenicity_reason) == (None, NO_SOLID)
    assert nodule.signs.perimeter_mm is not None
    assert nodule.mean_probability == pytest.approx(float(found.raw.probability_HW[found.mask_HW].mean()), abs=1e-6)
    assert np.array_equal(fill_outlines([np.array(nodule.outline_xy)], (128, 128)), found.mask_HW)
    assert found.prediction.image.name == "case.png"


def test_the_risks_are_those_computed_by_hand(whole: Predictor) -> None:
    """At 128 x 128 the letterbox is the identity, and inside the disc the 5 x 5 average is the gray itself."""
    image_HW = ground()
    disc(image_HW, (64, 64), 30, DARK)
    found = whole.examine(image_HW)
    logit = 10 * (MEAN_EDGE - image_HW.mean() / 255)
    assert found.raw.malignancy_logit == pytest.approx(logit, abs=1e-4)
    assert found.prediction.risk == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    assert found.raw.malignancy_map_HW[64, 64] == pytest.approx(20 * (MAP_EDGE - DARK / 255), abs=1e-4)
    mean_map = float(found.raw.malignancy_map_HW[found.mask_HW].mean())
    assert found.prediction.nodules[0].risk == pytest.approx(1 / (1 + math.exp(-mean_map)), abs=1e-5)
    (point,) = found.prediction.operating_points
    assert point.is_above == (logit >= 0)


def test_every_nodule_has_its_own_risk_and_the_largest_is_the_first(whole: Predictor) -> None:
    image_HW = ground()
    disc(image_HW, (30, 64), 20, DARKER)
    disc(image_HW, (90, 64), 30, DARK)
    large, small = whole.predict(image_HW).nodules
    assert (large.number, small.number) == (1, 2)
    assert large.size.area_px > small.size.area_px
    assert large.risk is not None
    assert small.risk is not None
    assert small.risk > 0.9 > large.risk


def test_without_a_map_a_nodule_has_the_risk_of_the_image(whole: Predictor) -> None:
    image_HW = ground()
    disc(image_HW, (64, 64), 20)
    prediction = with_changes(whole, has_malignancy_map=False).predict(image_HW)
    assert prediction.nodules[0].risk == prediction.risk


def test_holes_are_filled_and_specks_are_dropped(whole: Predictor) -> None:
    image_HW = ground()
    outer_HW = disc(image_HW, (64, 64), 30)
    disc(image_HW, (64, 64), 10, GROUND)
    disc(image_HW, (10, 10), 2)
    found = whole.examine(image_HW)
    assert len(found.prediction.nodules) == 1
    assert found.mask_HW[64, 64]
    assert not found.mask_HW[10, 10]
    assert found.raw.probability_HW[10, 10] > 0.5, "the speck must have been seen for this test to mean anything"
    assert dice(found.mask_HW, outer_HW) > 0.97


def rule(min_area_fraction: float) -> Any:
    """-> what a bundle says of its outlines."""
    shares = {"min_area_fraction": min_area_fraction, "min_mean_probability": 0.0}
    return SimpleNamespace(has_mask=True, mask_threshold=0.5, smooth_outlines=False, **shares)


@pytest.mark.parametrize(("num_pixels", "is_kept"), [(31, False), (32, True)])
def test_the_smallest_nodule_is_the_declared_fraction_of_the_view(num_pixels: int, is_kept: bool) -> None:
    info = rule(0.002)
    probability_HW = np.zeros((100, 160), np.float32)  # 0.002 of it are 32 pixels
    probability_HW[50, 20 : 20 + num_pixels] = 0.9
    assert bool(nodule_masks_of(probability_HW, info)) == is_kept
    assert nodule_masks_of(np.full((100, 160), 0.5, np.float32), info) == (), "the threshold itself is not above it"


def test_noise_does_not_become_thousands_of_nodules() -> None:
    info: Any = SimpleNamespace(
        has_mask=True, mask_threshold=0.5, min_area_fraction=0.0, min_mean_probability=0.0, smooth_outlines=False
    )
    probability_HW = np.random.default_rng(0).random((500, 500), np.float32)
    probability_HW[::2] = 0
    assert len(nodule_masks_of(probability_HW, info)) <= 16


@given(
    size_hw=st.tuples(st.integers(40, 300), st.integers(40, 300)),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    share=st.floats(0.05, 0.5),
)
@settings(max_examples=30, deadline=None)
def test_what_comes_back_is_in_the_source_pixels(
    whole: Predictor, size_hw: tuple[int, int], place: tuple[float, float], share: float
) -> None:
    image_HW = ground(size_hw)
    centre_xy = (int(place[0] * (size_hw[1] - 1)), int(place[1] * (size_hw[0] - 1)))
    radius = max(share * min(size_hw), 10 * max(size_hw) / 128)  # at least 10 pixels of the network's input
    truth_HW = disc(image_HW, centre_xy, int(radius))
    found = whole.examine(image_HW)
    assert found.mask_HW.shape == size_hw
    assert found.mask_HW.dtype == np.bool_
    assert found.raw.probability_HW.shape == size_hw
    assert found.raw.probability_HW.min() >= 0
    assert found.raw.probability_HW.max() <= 1
    outlines = [np.array(nodule.outline_xy) for nodule in found.prediction.nodules]
    assert np.array_equal(fill_outlines(outlines, size_hw), found.mask_HW)
    assert found.prediction.nodules
    assert dice(found.mask_HW, truth_HW) > 0.7
    for nodule in found.prediction.nodules:
        mask_HW = fill_outlines([np.array(nodule.outline_xy)], size_hw)
        assert nodule.size.longest_px == pytest.approx(measure(mask_HW, None).longest_px, abs=1e-3)


# Views.


def test_nothing_outside_the_panels_and_the_risk_of_those_with_a_nodule(fields: Predictor) -> None:
    image_HW = np.full((200, 400), GROUND, np.uint8)
    disc(image_HW, (100, 100), 30)
    image_HW[:, 380:] = DARK  # dark, and outside
    left, right = Box(20, 20, 180, 180), Box(220, 20, 380, 180)
    raw = fields.run(frame_of(image_HW), fov=Box(20, 20, 380, 180), panels=(left, right))
    outside_HW = np.ones((200, 400), bool)
    outside_HW[left.slices] = outside_HW[right.slices] = False
    assert not raw.mask_HW[outside_HW].any()
    assert (raw.probability_HW[outside_HW] == 0).all()
    assert (raw.malignancy_map_HW[outside_HW] == 0).all()
    assert raw.mask_HW[100, 100]
    assert raw.view_logits[0] != raw.view_logits[1]
    assert raw.malignancy_logit == raw.view_logits[0]
    prediction = fields.interpret(frame_of(image_HW), raw)
    assert [nodule.panel_index for nodule in prediction.nodules] == [0]
    image_HW[:] = GROUND
    raw = fields.run(frame_of(image_HW), fov=Box(20, 20, 380, 180), panels=(left, right))
    assert raw.malignancy_logit == pytest.approx(sum(raw.view_logits) / 2)


def test_a_nodule_across_two_panels_is_two(fields: Predictor) -> None:
    image_HW = np.full((200, 400), GROUND, np.uint8)
    disc(image_HW, (200, 100), 40)
    raw = fields.run(frame_of(image_HW), fov=Box(0, 0, 400, 200), panels=(Box(0, 0, 200, 200), Box(200, 0, 400, 200)))
    prediction = fields.interpret(frame_of(image_HW), raw)
    assert sorted(nodule.panel_index for nodule in prediction.nodules) == [0, 1]
    assert {"touches_border", "several_panels"} <= {flag.code for flag in prediction.flags}


def test_a_model_for_whole_frames_gets_the_whole_frame(whole: Predictor) -> None:
    raw = whole.run(frame_of(ground()), fov=Box(20, 20, 60, 60), panels=(Box(20, 20, 40, 60), Box(40, 20, 60, 60)))
    assert raw.fov == Box(0, 0, 128, 128)
    assert raw.panels == (raw.fov,)


def lettered() -> np.ndarray:
    """-> speckle with a name burned in."""
    image_HW = np.random.default_rng(2).normal(70, 9, (300, 400)).clip(40, 110).astype(np.uint8)
    cv2.putText(image_HW, "MARIA 4C", (120, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return image_HW


def test_a_network_for_fields_does_not_see_burned_in_text(fields: Predictor, whole: Predictor) -> None:
    seen: list[np.ndarray] = []
    field = Box(0, 0, 400, 300)
    for predictor in (fields, whole):
        spy = with_changes(predictor)
        spy._forward = lambda image, forward=predictor._forward: (seen.append(image), forward(image))[1]  # type: ignore[method-assign]
        frame = frame_of(lettered())
        raw = spy.run(frame, fov=field, panels=(field,))
        prediction = spy.interpret(frame, raw)
        is_flagged = "text_in_field" in {flag.code for flag in prediction.flags}
        assert is_flagged == bool(raw.text) == (predictor is fields)
    letters = lettered() > 200
    assert letters.sum() > 100
    assert seen[0].max() < 0.5, "the letters are filled in"
    assert seen[1].max() > 0.6, "and would have been seen"


# The mirrored view.


def test_tta_is_the_mean_of_the_image_and_its_mirror(whole: Predictor) -> None:
    """The tiny network's own sums are symmetric, so a letterbox that is off by one pixel is what would show here."""
    image_HW = ground((100, 77))
    disc(image_HW, (20, 30), 14)
    twice = with_changes(whole)
    twice.with_tta = True
    plain, mirrored = whole.run(frame_of(image_HW)), whole.run(frame_of(np.ascontiguousarray(image_HW[:, ::-1])))
    both = twice.run(frame_of(image_HW))
    expected_HW = (plain.probability_HW + mirrored.probability_HW[:, ::-1]) / 2
    (closer,) = closer_views(expected_HW, both.panels)
    looked_twice_HW = np.zeros(expected_HW.shape, np.bool_)
    looked_twice_HW[closer.slices] = True
    assert both.probability_HW[~looked_twice_HW] == pytest.approx(expected_HW[~looked_twice_HW], abs=0.02)
    # Seen larger, the tiny network's blur is narrower: the edge moves, the disc stays where it is.
    assert ((both.probability_HW > 0.5) == (expected_HW > 0.5)).mean() > 0.99
    assert both.malignancy_logit == pytest.approx((plain.malignancy_logit + mirrored.malignancy_logit) / 2, abs=1e-3)
    assert twice.predict(image_HW).with_tta


def test_tta_mirrors_the_maps_back(whole: Predictor) -> None:
    twice = with_changes(whole)
    twice.with_tta = True
    seen: list[np.ndarray] = []

    def run_once(image_V1HW: np.ndarray) -> tuple[np.ndarray, ...]:
        seen.append(image_V1HW)
        columns = np.broadcast_to(np.arange(4, dtype=np.float32) / 4, (1, 1, 2, 4))
        return columns, np.array([1.0 if len(seen) == 1 else 3.0], np.float32), columns

    twice._forward_once = run_once  # type: ignore[method-assign]
    mask_V1HW, logit_V, map_V1HW = twice._forward(np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4))
    assert np.array_equal(seen[1], seen[0][..., ::-1])
    assert mask_V1HW[0, 0, 0].tolist() == [0.375] * 4  # (0, .25, .5, .75 + .75, .5, .25, 0) / 2
    assert map_V1HW[0, 0, 1].tolist() == [0.375] * 4
    assert logit_V.tolist() == [2.0]


# Calibration, and models that lack a part.


@pytest.mark.parametrize(
    ("logit", "expected"), [(0.0, 0.268941), (0.5, 0.5), (1.0, 0.731059), (1000.0, 1.0), (-1000.0, 0.0)]
)
def test_calibration_is_the_declared_line_in_a_sigmoid(logit: float, expected: float) -> None:
    info: Any = SimpleNamespace(has_malignancy=True, calibration=SimpleNamespace(scale=2.0, offset=-1.0))
    assert calibrated_risk(info, logit) == pytest.approx(expected, abs=1e-6)


def test_a_nodules_risk_has_an_interval_where_the_calibration_has_one(tmp_path: Path) -> None:
    calibration = {"scale": 1.0, "offset": 0.0, "covariance": (0.04, 0.0, 0.25), "n": 30, "fitted_on": "elsewhere"}
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny", preprocessing=WHOLE, calibration=calibration))
    image_HW = ground()
    disc(image_HW, (70, 50), 20)
    (nodule,) = predictor.predict(image_HW).nodules
    assert nodule.risk is not None
    assert nodule.risk_interval is not None
    assert nodule.risk_interval[0] < nodule.risk < nodule.risk_interval[1]
    assert "30 images" in str(nodule.risk_interval_reason)


def test_a_model_without_a_risk_says_so(whole: Predictor) -> None:
    image_HW = ground()
    disc(image_HW, (64, 64), 20)
    found = with_changes(whole, has_malignancy=False, has_malignancy_map=False).examine(image_HW)
    assert math.isnan(found.raw.malignancy_logit)
    prediction = found.prediction
    assert prediction.risk is None
    assert prediction.risk_reason == "the model tiny does not rate malignancy"
    assert prediction.nodules[0].risk is None
    assert prediction.operating_points == ()
    assert "no_risk" in {flag.code for flag in prediction.flags}


def test_a_model_without_outlines_says_so_and_not_that_there_is_no_nodule(whole: Predictor) -> None:
    image_HW = ground()
    disc(image_HW, (64, 64), 20)
    prediction = with_changes(whole, has_mask=False).predict(image_HW)
    codes = {flag.code for flag in prediction.flags}
    assert prediction.nodules == ()
    assert prediction.risk is not None
    assert "no_outline" in codes
    assert "no_nodule" not in codes


# Flags.


def speckled(size_hw: tuple[int, int] = (128, 128)) -> np.ndarray:
    return np.random.default_rng(0).normal(GROUND, 12, size_hw).clip(120, 255).astype(np.uint8)


def codes_of(predictor: Predictor, frame: Frame) -> set[str]:
    return {flag.code for flag in predictor.predict(frame).flags}


def test_a_good_image_has_no_flag(whole: Predictor) -> None:
    image_HW = speckled()
    disc(image_HW, (64, 64), 20)
    assert codes_of(whole, frame_of(image_HW)) == set()


def test_flags_of_the_picture(whole: Predictor) -> None:
    assert codes_of(whole, frame_of(ground())) == {"no_nodule", "low_contrast"}
    assert codes_of(whole, frame_of(speckled((128, 60)))) == {"no_nodule", "small_image"}
    image_HW = speckled()
    rgb_HW3 = np.stack([image_HW] * 3, axis=2)
    assert codes_of(whole, frame_of(image_HW, rgb_HW3=rgb_HW3 - np.array([0, 0, 60], np.uint8))) == {"no_nodule"}, (
        "a tint"
    )
    rgb_HW3[:20, :20] = (255, 0, 0)
    assert codes_of(whole, frame_of(image_HW, rgb_HW3=rgb_HW3)) == {"no_nodule", "colour_overlay"}


def test_flags_of_the_nodules(whole: Predictor) -> None:
    image_HW = speckled()
    disc(image_HW, (0, 64), 20)
    disc(image_HW, (90, 64), 20, 88)  # just under the tiny network's edge, 0.35 * 255 = 89
    flags = {flag.code: flag.message for flag in whole.predict(frame_of(image_HW)).flags}
    assert flags.keys() == {"several_nodules", "touches_border", "low_probability"}
    assert flags["several_nodules"].startswith("2 regions")
    assert "nodule 2 at the border" in flags["touches_border"]
    assert "nodule 1: uncertain outline" in flags["low_probability"]


def test_a_small_field_is_flagged(fields: Predictor) -> None:
    frame = frame_of(speckled((400, 400)))
    prediction = fields.interpret(frame, fields.run(frame, fov=Box(0, 0, 120, 120), panels=(Box(0, 0, 120, 120),)))
    assert "small_field" in {flag.code for flag in prediction.flags}


# What may be given.


def test_arrays_and_files_give_the_same(whole: Predictor, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rgb_HW3 = rng.integers(0, 255, (64, 80, 3), np.uint8)
    Image.fromarray(rgb_HW3).save(tmp_path / "image.png")
    from_file, from_array = whole.examine(str(tmp_path / "image.png")), whole.examine(rgb_HW3)
    assert np.array_equal(from_file.frame.image_HW, from_array.frame.image_HW)
    assert np.array_equal(from_file.raw.probability_HW, from_array.raw.probability_HW)
    assert from_array.prediction.image.name is None
    assert from_array.prediction.image.spacing_reason == "an array carries no pixel spacing"
    gray = whole.examine(np.stack([rgb_HW3[..., 0]] * 3, axis=2)).frame
    assert gray.rgb_HW3 is None
    assert np.array_equal(gray.image_HW, rgb_HW3[..., 0])


@pytest.mark.parametrize("shape", [(4,), (0, 5), (40, 40, 5), (40, 40, 0), (2, 40, 40, 3)])
def test_other_arrays_are_refused_with_the_mend(whole: Predictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="give numbers of shape"):
        whole.predict(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("value", [-0.5, 1.5, np.nan, np.inf])
def test_a_mask_that_is_no_probability_is_refused(value: float, tmp_path: Path) -> None:
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny", preprocessing=WHOLE), threads=1)
    session = predictor._session

    class Lying:
        def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            mask, *others = session.run(names, inputs)
            mask[0, 0, 0, 0] = value
            return [mask, *others]

    predictor._session = Lying()  # type: ignore[assignment]
    with pytest.raises(BundleError, match="its mask is no probability; use another bundle"):
        predictor.predict(np.zeros((128, 128), np.uint8))


def test_a_network_that_fails_as_it_runs_is_one_line(tmp_path: Path) -> None:
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny", preprocessing=WHOLE), threads=1)

    class Failing:
        def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            raise RuntimeError("of ONNX Runtime\nwith two lines")

    predictor._session = Failing()  # type: ignore[assignment]
    with pytest.raises(
        BundleError, match=r"^model tiny: its network can't be run \(RuntimeError\); use another bundle$"
    ):
        predictor.predict(np.zeros((128, 128), np.uint8))


def test_a_missing_file_is_named(whole: Predictor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.png: no such file"):
        whole.predict(tmp_path / "nothing.png")


# Networks that break the contract.


def test_a_network_that_is_none_or_speaks_otherwise_is_refused(tmp_path: Path) -> None:
    import onnx

    bundle = load_bundle(make_tiny_bundle(tmp_path / "tiny"))
    with pytest.raises(BundleError, match="can't be loaded"):
        Predictor(replace(bundle, onnx_bytes=b"no network"))
    model = onnx.load_from_string(tiny_onnx())
    model.graph.output.remove(model.graph.output[2])
    with pytest.raises(BundleError, match="export it again"):
        Predictor(replace(bundle, onnx_bytes=model.SerializeToString()))


def test_values_that_are_not_finite_are_no_result(whole: Predictor) -> None:
    broken = with_changes(whole)
    broken._forward_once = lambda image: (np.full_like(image, np.nan), np.zeros(1, np.float32), image)  # type: ignore[method-assign]
    with pytest.raises(BundleError, match="not finite"):
        broken.predict(ground())


# The records.


def example(whole: Predictor) -> Prediction:
    image_HW = speckled()
    disc(image_HW, (64, 64), 20)
    return whole.predict(frame_of(image_HW))


def test_the_json_is_read_back_to_the_same_and_its_outlines_are_compact(whole: Predictor) -> None:
    prediction = example(whole)
    text = prediction.to_json()
    assert Prediction.model_validate_json(text) == prediction
    assert json.loads(text) == prediction.model_dump(mode="json")
    assert len(text.splitlines()) < 130
    named = prediction.model_copy(update={"risk_meaning": "[\n  1,\n  2\n] and [ 1, 2 ], \u00e9"})
    assert Prediction.model_validate_json(named.to_json()) == named


def test_records_are_frozen_and_refuse_what_they_do_not_know(whole: Predictor) -> None:
    prediction = example(whole)
    with pytest.raises(ValidationError):
        prediction.risk = 0.1  # type: ignore[misc]
    table = prediction.model_dump(mode="json")
    for wrong in ({"patient": "x"}, {"risk": 1.2}, {"risk": math.nan}, {"schema_version": 2}):
        with pytest.raises(ValidationError):
            Prediction.model_validate(table | wrong)


def test_golden_schema_is_the_published_one() -> None:
    """A change here changes every consumer's contract: raise SCHEMA_VERSION, then `make golden`."""
    if os.environ.get("THYROSIGHT_GOLDEN"):
        GOLDEN_SCHEMA.parent.mkdir(exist_ok=True)
        GOLDEN_SCHEMA.write_text(json_schema(), encoding="utf-8")
    assert json_schema() == GOLDEN_SCHEMA.read_text(encoding="utf-8")


# What it loads.


def test_prediction_loads_no_training_and_no_reporting(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    image_HW = ground()
    disc(image_HW, (64, 64), 20)
    cv2.imwrite(str(tmp_path / "one.png"), image_HW)
    code = (
        "import sys, json; from pathlib import Path; from thyrosight import Predictor\n"
        f"p = Predictor.load(Path({str(bundle)!r})).predict({str(tmp_path / 'one.png')!r})\n"
        "print(json.dumps([len(p.nodules), sorted({n.split('.')[0] for n in sys.modules})]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    num_nodules, loaded = json.loads(done.stdout)
    assert num_nodules == 1
    unwanted = {"torch", "lightning", "matplotlib", "pandas", "scipy", "skimage", "sklearn", "onnx", "onnxscript"}
    assert not set(loaded) & (unwanted | {"jinja2", "rich", "typer"})


def test_sent_to_another_process_it_is_loaded_there(tmp_path: Path) -> None:
    """`multiprocessing` with spawn, and joblib, pickle it; ONNX Runtime's session can't be."""
    path = make_tiny_bundle(tmp_path / "tiny", preprocessing=WHOLE)
    first = Predictor.load(path, threads=1, tta=True)
    sent = pickle.dumps(first)
    assert len(sent) < 2_000, "no weights, no secrets: where the bundle is, and the settings"
    image_HW = speckle()
    there = pickle.loads(sent)
    assert there.with_tta
    assert there.predict(image_HW).model_copy(update={"seconds": 0.0}) == first.predict(image_HW).model_copy(
        update={"seconds": 0.0}
    )
    assert pickle.loads(sent) is there, "loaded once per process"
    loaded_again.cache_clear()
    shutil.rmtree(path)
    make_tiny_bundle(path, preprocessing=WHOLE, calibration={"scale": 2.0, "offset": 0.0, "n": 40})
    with pytest.raises(BundleError, match="another model is there"):
        pickle.loads(sent)


def test_threads_are_at_least_one_and_no_more_than_there_are() -> None:
    assert 1 <= default_threads() <= (os.cpu_count() or 1)


# Real images.


@pytest.mark.parametrize("fold", [0, 3])
@pytest.mark.part("ddti")
def test_real_frames_give_masks_inside_the_field(fields: Predictor, fold: int) -> None:
    paths = sorted((part_path("ddti") / "original").glob("*.jpg"))
    for path in paths[fold::90]:
        found = fields.examine(path)
        field = found.prediction.field_of_view.box
        inside_HW = np.zeros((360, 560), bool)
        inside_HW[field.slices] = True
        assert found.mask_HW.shape == (360, 560)
        assert not found.mask_HW[~inside_HW].any()
        assert (found.raw.probability_HW[~inside_HW] == 0).all()
        assert found.prediction.image.spacing is None


def test_a_region_of_low_mean_probability_is_dropped_where_the_bundle_says_so() -> None:
    probability_HW = np.zeros((100, 160), np.float32)
    probability_HW[10:40, 10:40], probability_HW[60:90, 60:90] = 0.9, 0.6
    info = rule(0.002)
    assert len(nodule_masks_of(probability_HW, info)) == 2
    info.min_mean_probability = 0.7
    (kept_HW,) = nodule_masks_of(probability_HW, info)
    assert kept_HW[20, 20]


def test_a_bundle_says_whether_outlines_are_smoothed() -> None:
    probability_HW = np.zeros((100, 100), np.float32)
    probability_HW[30:70, 20:60] = probability_HW[49:51, 20:95] = 0.9
    info = rule(0.002)
    (whole_HW,) = nodule_masks_of(probability_HW, info)
    assert (whole_HW == (probability_HW > 0.5)).all()
    info.smooth_outlines = True
    (smooth_HW,) = nodule_masks_of(probability_HW, info)
    assert not smooth_HW[:, 65:].any()
    assert smooth_HW[35:65, 25:55].all()


def test_smoothed_regions_do_not_overlap() -> None:
    probability_HW = np.full((120, 120), 0.9, np.float32)
    probability_HW[:, 60] = probability_HW[30:50, 50:70] = 0.0
    info = rule(0.002)
    info.smooth_outlines = True
    masks = nodule_masks_of(probability_HW, info)
    assert len(masks) == 2
    assert not (masks[0] & masks[1]).any()
