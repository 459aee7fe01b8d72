"""Pictures -> the same in the forms of a leak: copied, re-encoded, cropped, mirrored, marked, one frame later."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from thyrosight.types import Case, UInt8Array

Disguise = Callable[[UInt8Array], UInt8Array]


def as_jpeg(image_HW: UInt8Array) -> UInt8Array:
    """As a lossy file of quality 60 gives it back."""
    encoded = cv2.imencode(".jpg", image_HW, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def cropped_and_resized(image_HW: UInt8Array) -> UInt8Array:
    """7 % off every side, then 10 % smaller."""
    height, width = image_HW.shape
    inner_HW = image_HW[round(0.07 * height) : round(0.93 * height), round(0.07 * width) : round(0.93 * width)]
    return np.asarray(cv2.resize(inner_HW, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA), np.uint8)


def mirrored(image_HW: UInt8Array) -> UInt8Array:
    return np.ascontiguousarray(image_HW[:, ::-1])


def next_frame(image_HW: UInt8Array) -> UInt8Array:
    """The probe has moved by some pixels, and the speckle is another."""
    height, width = image_HW.shape
    move = np.array([[1, 0, 3], [0, 1, 2]], np.float32)
    moved_HW = cv2.warpAffine(image_HW, move, (width, height), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    speckle_HW = 1 + 0.12 * np.random.default_rng(7).standard_normal(moved_HW.shape)
    return np.clip(moved_HW * speckle_HW, 0, 255).astype(np.uint8)


def brighter(image_HW: UInt8Array) -> UInt8Array:
    """Contrast x 1.35, brightness + 18."""
    return np.clip(image_HW.astype(np.float32) * 1.35 + 18, 0, 255).astype(np.uint8)


def with_calipers(image_HW: UInt8Array) -> UInt8Array:
    """Four crosses, a dotted line, and a length in the corner."""
    marked_HW = image_HW.copy()
    height, width = marked_HW.shape
    places = [(round(x * width), round(y * height)) for x, y in ((0.3, 0.45), (0.6, 0.45), (0.45, 0.3), (0.45, 0.6))]
    for place in places:
        cv2.drawMarker(marked_HW, place, 255, cv2.MARKER_CROSS, max(8, width // 30), 2)
    cv2.line(marked_HW, places[0], places[1], 255, 1)
    cv2.putText(marked_HW, "1 D 12.3 mm", (round(0.05 * width), round(0.95 * height)), 0, 0.5, 255, 1)
    return marked_HW


DISGUISES: dict[str, Disguise] = {
    "same image": lambda image_HW: image_HW.copy(),
    "JPEG": as_jpeg,
    "cropped and resized": cropped_and_resized,
    "mirrored": mirrored,
    "next frame": next_frame,
    "brighter": brighter,
    "calipers": with_calipers,
}


def fields_of(cases: list[Case]) -> list[UInt8Array]:
    """Cases -> the gray pixels of their ultrasound fields."""
    from thyrosight.frames.load import load_frame

    images = []
    for case in cases:
        frame = load_frame(case.image)
        images.append(np.ascontiguousarray(frame.image_HW[case.fov.slices] if case.fov else frame.image_HW))
    return images
