"""VGG Image Annotator (VIA): one JSON with the regions of all images -> cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.formats.annotation_files import json_below, json_of, starts_as_json
from thyrosight.datasets.formats.shapes import Annotated, AnnotatedShape, Images, data_set_of_shapes, ellipse, polygon
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.folders.names import malignancy_in
from thyrosight.types import Json

NAME = "via"
KEYS = ("filename", "regions", "shape_attributes")


def recognise(folder: Path) -> bool:
    """A folder with a JSON file of regions with shape_attributes: a project, or its exported annotations."""
    return folder.is_dir() and any(starts_as_json(path, KEYS) for path in json_below(folder))


def read(request: Request) -> DataSet:
    """VIA folder -> one case per image that the JSON lists; attributes may say nodule, benign or malignant."""
    images, found, num_missing = Images(request.folder), [], 0
    seen: set[Path] = set()
    for path in json_below(request.folder):
        if not starts_as_json(path, KEYS):
            continue
        content = json_of(path)
        listed = content.get("_via_img_metadata", content)
        if not isinstance(listed, dict):
            raise InputError(f"{path}: not whole as VIA (no images); export the annotations again as JSON")
        for one in listed.values():
            if not isinstance(one, dict) or "filename" not in one:
                continue
            image = images.find(str(one["filename"]), path.parent)
            if image is None:
                num_missing += 1
            elif image in seen:
                raise InputError(f"{path}: {image.name} is listed twice; keep one of the files or entries")
            else:
                seen.add(image)
                found.append(_annotated(image, one, path))
    left_out = {"entry of the JSON without its image": num_missing} if num_missing else {}
    others = len(set(images.all) - seen)
    notes = [f"{others} images that no JSON lists were passed over"] if others else []
    return data_set_of_shapes(request, NAME, found, left_out, [*notes, *images.notes()])


def _annotated(image: Path, one: Json, path: Path) -> Annotated:
    try:
        regions = one.get("regions") or []
        # Version 1 writes {"0": region}, version 2 a list.
        shapes = tuple(_shape(region) for region in (regions.values() if isinstance(regions, dict) else regions))
        texts = [text for text in _texts(one.get("file_attributes")) if malignancy_in(text) is not None]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"not whole as VIA ({type(error).__name__} {error})"
        raise InputError(f"{path}: {image.name}: {fault}; export it again") from None
    return Annotated(image, shapes, tuple(texts))


def _shape(region: Json) -> AnnotatedShape:
    form, category = region["shape_attributes"], ", ".join(_texts(region.get("region_attributes"))) or "region"
    kind = form["name"]
    if kind == "polygon":
        return AnnotatedShape(category, polygon(list(zip(form["all_points_x"], form["all_points_y"], strict=True))))
    if kind in ("circle", "ellipse"):
        a, b = (float(form[name]) for name in (("r", "r") if kind == "circle" else ("rx", "ry")))
        drawn = ellipse(float(form["cx"]), float(form["cy"]), a, b, float(form.get("theta") or 0))
        return AnnotatedShape(category, drawn)
    if kind == "rect":
        x, y, width, height = (float(form[name]) for name in ("x", "y", "width", "height"))
        return AnnotatedShape(category, None, box_of(x, y, x + width, y + height))
    return AnnotatedShape(category, None)


def _texts(attributes: Any) -> list[str]:
    """{attribute: text, or {choice: True}} -> all texts, and all choices that are made."""
    found: list[str] = []
    for value in (attributes or {}).values():
        chosen = [name for name, is_set in value.items() if is_set] if isinstance(value, dict) else [value]
        found += [str(text).strip() for text in chosen if str(text).strip()]
    return found


SET = KnownSet(name=NAME, recognise=recognise, read=read)
