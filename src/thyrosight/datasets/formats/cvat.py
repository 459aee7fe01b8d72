"""CVAT for images 1.1: one XML with all images and their shapes -> cases."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.formats.annotation_files import xml_below, xml_root
from thyrosight.datasets.formats.shapes import (
    Annotated,
    AnnotatedShape,
    Images,
    data_set_of_shapes,
    ellipse,
    polygon,
    run_lengths,
)
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.folders.names import malignancy_in
from thyrosight.folders.words import SPLIT_WORDS
from thyrosight.types import BoolArray

NAME = "cvat"


def recognise(folder: Path) -> bool:
    """A folder with an XML file that opens `<annotations>`."""
    return folder.is_dir() and bool(xml_below(folder, b"annotations"))


def read(request: Request) -> DataSet:
    """CVAT folder -> one case per image that the XML lists; tags and attributes may say benign or malignant."""
    images, found, num_missing = Images(request.folder), [], 0
    files = xml_below(request.folder, b"annotations")
    for path in files:
        root = xml_root(path)
        if root.find("track") is not None and root.find("image") is None:
            raise InputError(f'{path}: tracks of a video; export it from CVAT as "CVAT for images 1.1"')
        for one in root.iter("image"):
            image = images.find(one.get("name", ""), path.parent)
            if image is None:
                num_missing += 1
                continue
            try:
                size_hw = int(one.get("height", 0)), int(one.get("width", 0))
                shapes = tuple(shape for child in one if (shape := _shape(child)) is not None)
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}: {image.name}: not whole as CVAT ({error}); export it again") from None
            texts = [tag.get("label", "") for tag in one.iter("tag")]
            texts += [text.text or "" for text in one.iter("attribute") if malignancy_in(text.text or "") is not None]
            split = SPLIT_WORDS.get((one.get("subset") or "").casefold(), "")
            found.append(Annotated(image, shapes, tuple(texts), split, size_hw))
    left_out = {"entry of the XML without its image": num_missing} if num_missing else {}
    notes = []
    if others := len(set(images.all) - {one.image for one in found}):
        notes.append(f"{others} images that the XML does not list were passed over")
    return data_set_of_shapes(request, NAME, found, left_out, [*notes, *images.notes()])


def _shape(child: Any) -> AnnotatedShape | None:
    """An element below <image> -> its shape; None for tags. Lines and points have no area."""
    label = child.get("label", "")
    if child.tag == "polygon":
        corners_xy = [[float(n) for n in pair.split(",")] for pair in child.get("points", "").split(";")]
        return AnnotatedShape(label, polygon(corners_xy))
    if child.tag == "ellipse":
        x, y, a, b = (float(child.get(name)) for name in ("cx", "cy", "rx", "ry"))
        return AnnotatedShape(label, ellipse(x, y, a, b, math.radians(float(child.get("rotation") or 0))))
    if child.tag == "mask":
        counts = [int(n) for n in child.get("rle", "").split(",")]
        left, top, width, height = (int(child.get(name)) for name in ("left", "top", "width", "height"))
        return AnnotatedShape(label, partial(_draw_part, counts, left, top, width, height))
    if child.tag == "box":
        x0, y0, x1, y1 = (float(child.get(name)) for name in ("xtl", "ytl", "xbr", "ybr"))
        turn = math.radians(float(child.get("rotation") or 0))
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        half_x, half_y = abs(x1 - x0) / 2, abs(y1 - y0) / 2
        reach_x, reach_y = half_x * cos + half_y * sin, half_x * sin + half_y * cos
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        around = box_of(middle_x - reach_x, middle_y - reach_y, middle_x + reach_x, middle_y + reach_y)
        return AnnotatedShape(label, None, around)
    return AnnotatedShape(label, None) if child.tag in ("polyline", "points") else None


def _draw_part(counts: list[int], left: int, top: int, width: int, height: int, size_hw: tuple[int, int]) -> BoolArray:
    """Run lengths by row inside a rectangle -> mask_HW."""
    if min(left, top, width, height) < 0 or top + height > size_hw[0] or left + width > size_hw[1]:
        raise InputError("a mask reaches beyond the image")
    mask_HW = np.zeros(size_hw, np.bool_)
    mask_HW[top : top + height, left : left + width] = run_lengths(counts, height, width, by_column=False)
    return mask_HW


SET = KnownSet(name=NAME, recognise=recognise, read=read)
