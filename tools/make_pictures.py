"""Phantoms and a bundle -> docs/pictures/overview.jpg: frames, the model's outlines, the truth next to the risk.

The picture shows no patient. Its phantoms were chosen because the model is right on them; the README says so.
`--survey N` prints the model's scores on the first N phantoms of the seed, which are the figures of the README's
caption.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from thyrosight.inference.predictor import Predictor
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.phantom.cohort import phantom_case
from thyrosight.phantom.records import Phantom, PhantomSettings
from thyrosight.prediction import Prediction
from thyrosight.results.overlay import draw_overlay, strip_height
from thyrosight.types import Frame

SEED = 0
CHOSEN = (12, 110, 8, 23)
"""Indices of the phantoms that are shown: two benign, two malignant, one nodule each, no split screen."""
SETTINGS = PhantomSettings(no_nodule=0.0)
TILE_HW = (258, 320)
CAPTION_HEIGHT_PX, FONT_PX = 58, 19
GAP_PX = 6


def predicted(predictor: Predictor, index: int) -> tuple[Phantom, Frame, Prediction]:
    """A phantom's number -> the phantom, its frame, the model's prediction."""
    phantom = phantom_case(SEED, index, SETTINGS)
    frame = Frame(None, phantom.image_HW, None, phantom.spacing, None, "0" * 64)
    return phantom, frame, predictor.predict(frame)


def tile(picture_HW3: np.ndarray) -> np.ndarray:
    """A picture -> the same on a black tile of TILE_HW, with its aspect ratio."""
    height, width = picture_HW3.shape[:2]
    scale = min(TILE_HW[0] / height, TILE_HW[1] / width)
    small = cv2.resize(picture_HW3, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    canvas = np.zeros((*TILE_HW, 3), np.uint8)
    top, left = (TILE_HW[0] - small.shape[0]) // 2, (TILE_HW[1] - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def caption(phantom: Phantom, prediction: Prediction) -> np.ndarray:
    """-> two lines of text on white: the truth, and the model's answer."""
    (truth,), (nodule,) = phantom.nodules, prediction.nodules
    lines = (
        f"truth: {truth.longest_mm:.1f} mm, {'malignant' if truth.malignancy else 'benign'}",
        f"model: {nodule.size.longest_mm:.1f} mm, risk {prediction.risk:.0%}",
    )
    canvas = Image.new("RGB", (TILE_HW[1], CAPTION_HEIGHT_PX), "white")
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((4, 4 + number * (FONT_PX + 7)), line, fill="black", font=ImageFont.load_default(FONT_PX))
    return np.array(canvas)


def column(predictor: Predictor, index: int) -> np.ndarray:
    """A phantom's number -> its frame, the overlay and the caption, one above the other."""
    phantom, frame, prediction = predicted(predictor, index)
    overlay_HW3 = draw_overlay(frame, prediction)[: -strip_height(prediction)]
    gray_HW3 = np.repeat(phantom.image_HW[:, :, None], 3, axis=2)
    gap = np.full((GAP_PX, TILE_HW[1], 3), 255, np.uint8)
    return np.vstack([tile(gray_HW3[phantom.field.slices]), gap, tile(overlay_HW3), caption(phantom, prediction)])


def dice_of(phantom: Phantom, prediction: Prediction) -> float:
    """-> Dice of all outlines together against all nodules that were drawn."""
    outlines_xy = [np.array(nodule.outline_xy) for nodule in prediction.nodules]
    mask_HW = fill_outlines(outlines_xy, phantom.mask_HW.shape)
    return 2.0 * (mask_HW & phantom.mask_HW).sum() / (mask_HW.sum() + phantom.mask_HW.sum())


def survey(predictor: Predictor, num: int) -> str:
    """The first phantoms -> mean and median Dice, the share below 0.8."""
    results = (predicted(predictor, index) for index in range(num))
    dice_N = np.array([dice_of(phantom, prediction) for phantom, _, prediction in results])
    mean, median, low = dice_N.mean(), np.median(dice_N), (dice_N < 0.8).mean()
    return f"{num} phantoms: Dice mean {mean:.3f}, median {median:.3f}, below 0.8 {low:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--bundle", type=Path, help="a model bundle; the shipped model where not given")
    parser.add_argument(
        "--survey", type=int, metavar="N", help="print the scores on the first N phantoms, draw nothing"
    )
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.bundle)
    if arguments.survey:
        print(survey(predictor, arguments.survey))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    columns = [column(predictor, index) for index in CHOSEN]
    gap = np.full((columns[0].shape[0], GAP_PX, 3), 255, np.uint8)
    sheet = np.hstack([part for one in columns for part in (one, gap)][:-1])
    path = arguments.out / "overview.jpg"
    cv2.imwrite(str(path), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(path)


if __name__ == "__main__":
    main()
