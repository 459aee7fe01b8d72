"""Overlay pictures: colours, words, blanked margins."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import HIGH_RISK, LOW_RISK, risk_colour
from thyrosight.results.overlay import MIN_WIDTH_PX, _font, draw_overlay, legend_lines, strip_height
from thyrosight.types import Frame, Spacing
from thyrosight.views.shown_frame import BLANK
from tiny_bundle import make_tiny_bundle

# The picture.


def colours_of(picture_HW3: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(v) for v in colour) for colour in np.unique(picture_HW3.reshape(-1, 3), axis=0)}


@pytest.fixture
def screen() -> Frame:
    """A screen capture: speckle in the middle, a dark disc in it, a name in the margin."""
    image_HW = np.zeros((300, 400), np.uint8)
    image_HW[60:260, 80:330] = np.random.default_rng(0).normal(150, 25, (200, 250)).clip(95, 255).astype(np.uint8)
    cv2.circle(image_HW, (200, 160), 30, 20, -1)
    cv2.putText(image_HW, "NAME", (4, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return Frame(None, image_HW, None, Spacing(0.1, 0.1), None, "0" * 64)


def test_the_picture_shows_the_field_alone(tmp_path: Path, screen: Frame) -> None:
    fields = Predictor.load(make_tiny_bundle(tmp_path / "fields"), threads=1)
    found = fields.examine(screen)
    field = found.prediction.field_of_view
    picture_HW3 = draw_overlay(screen, found.prediction)
    height = picture_HW3.shape[0] - strip_height(found.prediction)
    assert height % field.box.height <= 3
    assert picture_HW3.shape[1] // field.box.width == height // field.box.height >= 2


def test_the_name_in_the_margin_is_blanked_even_where_the_model_sees_whole_frames(
    tiny: Predictor, screen: Frame
) -> None:
    prediction = tiny.predict(screen)
    margin_HW = screen.image_HW[:60]
    assert (margin_HW == 255).any()
    everywhere = prediction.nodules[0].model_copy(update={"outline_xy": ((0, 0), (399, 0), (399, 299), (0, 299))})
    picture_HW3 = draw_overlay(screen, prediction.model_copy(update={"nodules": (everywhere,)}))
    scale = picture_HW3.shape[1] // 400
    margin_HW3 = picture_HW3[6 * scale : 50 * scale, 6 * scale : 100 * scale]
    assert colours_of(margin_HW3) == {BLANK}


@pytest.mark.parametrize("is_colour", [False, True])
def test_a_name_inside_the_field_is_filled_in(tiny: Predictor, is_colour: bool) -> None:
    image_HW = np.random.default_rng(2).normal(70, 9, (300, 400)).clip(40, 110).astype(np.uint8)
    cv2.putText(image_HW, "MARIA 4C", (120, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    rgb_HW3 = np.stack([image_HW, image_HW, image_HW // 2], axis=2) if is_colour else None
    frame = Frame(None, image_HW, rgb_HW3, None, "not said", "0" * 64)
    prediction = tiny.predict(frame).model_copy(update={"nodules": ()})
    picture_HW3 = draw_overlay(frame, prediction)[: -strip_height(prediction)]
    assert image_HW.max() == 255
    assert picture_HW3.max() < 130
    assert (picture_HW3[..., 2].mean() < 0.6 * picture_HW3[..., 0].mean()) == is_colour


def test_colours_and_words_follow_the_risk_and_the_spacing(tiny: Predictor, screen: Frame) -> None:
    assert risk_colour(0.5, 0.5) == HIGH_RISK
    assert risk_colour(0.49, 0.5) == LOW_RISK
    prediction = tiny.predict(screen)
    nodule = max(prediction.nodules, key=lambda n: n.mean_probability)
    assert nodule.size.longest_mm is not None
    texts = [text for _, text in legend_lines(prediction)]
    assert any(f"{nodule.size.longest_mm:.1f} x " in text and "mm" in text for text in texts)
    assert texts[-2].endswith("research use only")
    assert texts[-1] == f"model: {prediction.model.name}"
    high = nodule.model_copy(update={"risk": 0.99})
    picture_HW3 = draw_overlay(screen, prediction.model_copy(update={"nodules": (high,)}))
    assert HIGH_RISK in colours_of(picture_HW3)
    assert LOW_RISK not in colours_of(picture_HW3)


def test_a_long_name_of_a_model_is_cut_before_the_edge_and_hides_no_other_words(tiny: Predictor, screen: Frame) -> None:
    """Once "research use only" stood behind the name, and was cut at the edge of a narrow picture."""
    prediction = tiny.predict(screen)
    named = prediction.model_copy(update={"model": prediction.model.model_copy(update={"name": "W" * 60})})
    picture_HW3 = draw_overlay(screen, named)
    assert picture_HW3[-strip_height(named) :, -8:].max() <= max(BLANK)
    assert "research use only" in legend_lines(named)[-2][1]
    lengths = [_font().getlength(text) for _, text in legend_lines(prediction)[:-1]]
    assert max(lengths) + 32 < MIN_WIDTH_PX


@pytest.mark.parametrize("size_hw", [(32, 32), (40, 700), (2000, 1500)])
def test_pictures_of_any_size_are_readable(tiny: Predictor, size_hw: tuple[int, int]) -> None:
    image_HW = np.random.default_rng(1).normal(150, 20, size_hw).clip(100, 255).astype(np.uint8)
    cv2.circle(image_HW, (size_hw[1] // 2, size_hw[0] // 2), min(size_hw) // 4, 20, -1)
    found = tiny.examine(image_HW)
    picture_HW3 = draw_overlay(found.frame, found.prediction)
    assert picture_HW3.dtype == np.uint8
    assert 440 <= picture_HW3.shape[1] <= 1600
    assert picture_HW3.shape[0] <= 1600 + strip_height(found.prediction)
