"""A view in source pixels <-> the network's input: the letterbox and its exact inverse.

Legend: `_HW` arrays (rows, columns), `_hw` sizes. All resizing follows pixel centres, as cv2.resize does: the centre of
output pixel i is at (i + 0.5) * (input size / output size) - 0.5 of the input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.types import BoolArray, Box, FloatArray, UInt8Array

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True)
class Letterbox:
    """The place of one view in the network's input.

    The view is cropped, scaled without a change of its aspect ratio, and centred, with zeros around it.

    source: the view in source pixels. size_hw: size of the input. scaled_hw: the view's size in the input.
    offset_yx: the view's upper left pixel in the input.
    """

    source: Box
    size_hw: tuple[int, int]
    scaled_hw: tuple[int, int]
    offset_yx: tuple[int, int]

    def image(self, image_HW: UInt8Array) -> FloatArray:
        """Whole frame, uint8 -> the view as float32 in [0, 1] at size_hw: area average if it shrinks, else bilinear."""
        view_HW = self._crop(image_HW).astype(np.float32) * np.float32(1.0 / 255.0)
        is_shrinking = self.scaled_hw[0] <= view_HW.shape[0] and self.scaled_hw[1] <= view_HW.shape[1]
        scaled_HW = _resize(view_HW, self.scaled_hw, cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR)
        input_HW = np.zeros(self.size_hw, np.float32)
        input_HW[self._content] = np.clip(scaled_HW, 0.0, 1.0)
        return input_HW

    def mask(self, mask_HW: BoolArray) -> BoolArray:
        """Mask of the whole frame -> mask of the view at size_hw; each pixel takes the source pixel at its centre."""
        view_HW = self._crop(mask_HW)
        rows = nearest_index(view_HW.shape[0], self.scaled_hw[0])
        columns = nearest_index(view_HW.shape[1], self.scaled_hw[1])
        input_HW = np.zeros(self.size_hw, np.bool_)
        input_HW[self._content] = view_HW[rows[:, None], columns[None, :]] > 0
        return input_HW

    def valid(self) -> BoolArray:
        """-> bool at size_hw: False in the border that the letterbox adds."""
        valid_HW = np.zeros(self.size_hw, np.bool_)
        valid_HW[self._content] = True
        return valid_HW

    def restore(self, values_HW: FloatArray) -> FloatArray:
        """Values at size_hw (a probability map) -> float32 (source.height, source.width), bilinear, without border."""
        if values_HW.shape != self.size_hw:
            raise ValueError(f"a map of {values_HW.shape} can't be restored by a letterbox of {self.size_hw}")
        scaled_HW = np.ascontiguousarray(values_HW[self._content], dtype=np.float32)
        return _resize(scaled_HW, (self.source.height, self.source.width), cv2.INTER_LINEAR)

    @property
    def _content(self) -> tuple[slice, slice]:
        (y0, x0), (height, width) = self.offset_yx, self.scaled_hw
        return slice(y0, y0 + height), slice(x0, x0 + width)

    def _crop(self, array_HW: NDArray[Pixel]) -> NDArray[Pixel]:
        height, width = array_HW.shape
        if not (0 <= self.source.x0 < self.source.x1 <= width and 0 <= self.source.y0 < self.source.y1 <= height):
            raise InputError(
                f"view {tuple(self.source)} is not inside the {width} x {height} image; check fov and panels"
            )
        return array_HW[self.source.slices]


def letterbox(box: Box, size_hw: tuple[int, int]) -> Letterbox:
    """View in source pixels, size of the network's input -> the largest centred fit that keeps the aspect ratio.

    Sizes are rounded to the nearest pixel and are at least 1. Odd padding has its extra pixel below and at the right.
    """
    if box.width < 1 or box.height < 1 or min(size_hw) < 1:
        raise InputError(f"view {tuple(box)} into {size_hw}: both must be at least one pixel wide and high")
    scale = min(size_hw[0] / box.height, size_hw[1] / box.width)
    scaled_height = min(size_hw[0], max(1, int(box.height * scale + 0.5)))
    scaled_width = min(size_hw[1], max(1, int(box.width * scale + 0.5)))
    offset_yx = ((size_hw[0] - scaled_height) // 2, (size_hw[1] - scaled_width) // 2)
    return Letterbox(box, (size_hw[0], size_hw[1]), (scaled_height, scaled_width), offset_yx)


def restored(boxes: Iterable[Letterbox], values_V1HW: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """Maps of several views of one image, at the network's size -> one map in the image's pixels, 0 outside views."""
    whole_HW = np.zeros(size_hw, np.float32)
    for box, values_1HW in zip(boxes, values_V1HW, strict=True):
        whole_HW[box.source.slices] = box.restore(values_1HW[0])
    return whole_HW


def nearest_index(num_input: int, num_output: int) -> NDArray[np.intp]:
    """Sizes of an axis -> the input pixel at each output pixel's centre: floor((i + 0.5) * num_input / num_output).

    It is computed in integers, so that no rounding moves a pixel. cv2's INTER_NEAREST would take the pixel at the
    corner.
    """
    return ((2 * np.arange(num_output, dtype=np.intp) + 1) * num_input) // (2 * num_output)


def _resize(array_HW: FloatArray, size_hw: tuple[int, int], interpolation: int) -> FloatArray:
    if array_HW.shape == size_hw:
        return array_HW.copy()
    resized_HW = cv2.resize(np.ascontiguousarray(array_HW), (size_hw[1], size_hw[0]), interpolation=interpolation)
    return np.asarray(resized_HW, dtype=np.float32).reshape(size_hw)
