"""LabelMe: one JSON per image with its shapes -> cases."""

from __future__ import annotations

import base64
import binascii
import math
from functools import partial
from pathlib import Path
from typing import Any

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
    ellipse,
    polygon,
    read_each,
)
from thyrosight.datasets.sets.layout import CONVERTED, DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.files import write_atomic
from thyrosight.folders.tree import by_name
from thyrosight.types import BoolArray

NAME = "labelme"
KEYS = ("shapes", "imagePath")
HEADS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}
"""The first bytes of an image -> its ending."""


def recognise(folder: Path) -> bool:
    """A folder that holds JSON files with shapes and imagePath."""
    return folder.is_dir() and any(starts_as_json(path, KEYS) for path in json_below(folder))


def read(request: Request) -> DataSet:
    """LabelMe folder -> one case per JSON whose image is there; flags such as `malignant` are labels of the image."""
    images = Images(request.folder)
    names = by_name(images.all)
    files = [path for path in json_below(request.folder) if starts_as_json(path, KEYS) or path.stem.casefold() in names]
    return data_set_of_files(request, NAME, "JSON", images, read_each(files, partial(_read_one, images, request)))


def _read_one(images: Images, request: Request, path: Path) -> Annotated | None:
    """JSON -> its image with the shapes. Where only the JSON holds the image, the image is written as a file.

    None where the image is not there, InputError where the JSON is not a whole LabelMe file.
    """
    content = json_of(path)
    try:
        shapes = tuple(_shape(one) for one in content["shapes"])
        flags = tuple(str(name) for name, is_set in (content.get("flags") or {}).items() if is_set)
        size_hw = int(content.get("imageHeight") or 0), int(content.get("imageWidth") or 0)
        image = images.find(path.with_suffix(Path(str(content["imagePath"])).suffix).name, path.parent)
        image = image or images.find(str(content["imagePath"]), path.parent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not whole as LabelMe ({type(error).__name__} {error})") from None
    if image is None and content.get("imageData"):
        image = _written(str(content["imageData"]), path, request)
    return None if image is None else Annotated(image, shapes, flags, size_hw=size_hw)


def _written(text: str, path: Path, request: Request) -> Path:
    """The image inside a JSON, as base64 -> its file, the same bytes, below the folder of converted images."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"its image file is not there, and its imageData is no base64 ({error})") from None
    endings = [ending for head, ending in HEADS.items() if data.startswith(head)]
    if not endings:
        raise InputError("its image file is not there, and its imageData is neither PNG, JPEG, BMP nor TIFF")
    place = path.relative_to(request.folder).parent if path.is_relative_to(request.folder) else Path()
    out = request.masks.with_name(CONVERTED) / place / f"{path.stem}{endings[0]}"
    if not (out.is_file() and out.read_bytes() == data):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, data)
    return out


def _shape(one: dict[str, Any]) -> AnnotatedShape:
    kind, points = one.get("shape_type") or "polygon", one["points"]
    draw: Draw | None = None
    if kind == "polygon":
        draw = polygon(points)
    elif kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        draw = ellipse(x, y, radius, radius)
    elif kind == "mask":
        draw = partial(_draw_part, str(one.get("mask")), float(points[0][0]), float(points[0][1]))
    box = None
    if kind == "rectangle" and len(points) >= 2:
        xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
        box = box_of(min(xs), min(ys), max(xs), max(ys))
    return AnnotatedShape(str(one["label"]), draw, box)


def _draw_part(text: str, left: float, top: float, size_hw: tuple[int, int]) -> BoolArray:
    """A PNG as base64 and its corner -> mask_HW."""
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"its mask is no base64 ({error})") from None
    part_HW = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if part_HW is None:
        raise InputError("its mask is no PNG")
    mask_HW = np.zeros(size_hw, np.bool_)
    y, x = max(0, round(top)), max(0, round(left))
    inside = mask_HW[y : y + part_HW.shape[0], x : x + part_HW.shape[1]]
    inside |= part_HW[: inside.shape[0], : inside.shape[1]] > 0
    return mask_HW


SET = KnownSet(name=NAME, recognise=recognise, read=read)
