"""Supervisely: img/a.png and ann/a.png.json with its objects -> cases."""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.formats.annotation_files import json_below, json_of, starts_as_json
from thyrosight.datasets.formats.shapes import (
    Annotated,
    AnnotatedShape,
    Draw,
    Images,
    data_set_of_files,
    polygon,
    read_each,
)
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.types import BoolArray, Json

NAME = "supervisely"
KEYS = ("objects", "size", "tags")
MAX_BITMAP_BYTES = 64 << 20


def recognise(folder: Path) -> bool:
    """A folder with JSON files that hold objects, size and tags, named `a.png.json` for the image a.png."""
    return folder.is_dir() and any(starts_as_json(path, KEYS) for path in json_below(folder))


def read(request: Request) -> DataSet:
    """Supervisely folder -> one case per annotation file; tags may say benign or malignant."""
    images = Images(request.folder)
    files = [path for path in json_below(request.folder) if starts_as_json(path, KEYS)]
    return data_set_of_files(request, NAME, "annotation file", images, read_each(files, partial(_read_one, images)))


def _read_one(images: Images, path: Path) -> Annotated | None:
    content = json_of(path)
    place = path.parent.with_name("img")
    image = place / path.stem if (place / path.stem).is_file() else images.find(path.stem, place)
    if image is None:
        return None
    try:
        shapes = tuple(_shape(one) for one in content["objects"])
        size_hw = int(content["size"]["height"]), int(content["size"]["width"])
        tags = [text for tag in content["tags"] for text in (tag.get("name"), tag.get("value")) if text]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not whole as Supervisely ({type(error).__name__} {error})") from None
    return Annotated(image, shapes, tuple(map(str, tags)), size_hw=size_hw)


def _shape(one: Json) -> AnnotatedShape:
    kind, category = one["geometryType"], str(one["classTitle"])
    if kind == "bitmap":
        x, y = (int(number) for number in one["bitmap"]["origin"])
        return AnnotatedShape(category, partial(_draw_bitmap, str(one["bitmap"]["data"]), x, y))
    points = one["points"]["exterior"] if "points" in one else []
    if kind == "polygon" and (outer := polygon(points)) is not None:
        holes = [hole for ring in one["points"].get("interior") or [] if (hole := polygon(ring)) is not None]
        return AnnotatedShape(category, partial(_draw_with_holes, outer, holes))
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        return AnnotatedShape(category, None, box_of(float(x0), float(y0), float(x1), float(y1)))
    return AnnotatedShape(category, None)


def _draw_with_holes(outer: Draw, holes: list[Draw], size_hw: tuple[int, int]) -> BoolArray:
    mask_HW = outer(size_hw)
    for hole in holes:
        mask_HW &= ~hole(size_hw)
    return mask_HW


def _draw_bitmap(text: str, x: int, y: int, size_hw: tuple[int, int]) -> BoolArray:
    """A packed PNG as base64 and its corner -> mask_HW; of a PNG with four channels the last one is the mask."""
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_BITMAP_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InputError(f"its bitmap can't be unpacked ({error})") from None
    part = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if part is None:
        raise InputError("its bitmap is no PNG")
    part_HW = part if part.ndim == 2 else part[..., -1]
    if min(x, y) < 0 or y + part_HW.shape[0] > size_hw[0] or x + part_HW.shape[1] > size_hw[1]:
        raise InputError("a bitmap reaches beyond the image")
    mask_HW = np.zeros(size_hw, np.bool_)
    mask_HW[y : y + part_HW.shape[0], x : x + part_HW.shape[1]] = part_HW > 0
    return mask_HW


SET = KnownSet(name=NAME, recognise=recognise, read=read)
