"""COCO JSON (images, annotations, categories) -> cases: polygons and run lengths are outlines, boxes are boxes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from thyrosight.datasets.boxes import Locate, box_of
from thyrosight.datasets.formats.annotation_files import json_below, json_of, starts_as_json
from thyrosight.datasets.formats.shapes import (
    Annotated,
    AnnotatedShape,
    Draw,
    Images,
    data_set_of_shapes,
    polygon,
    run_lengths,
    union,
)
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.files.plain_text import printable
from thyrosight.folders.names import words_of
from thyrosight.folders.words import SPLIT_WORDS
from thyrosight.types import BoolArray, Json

NAME = "coco"
KEYS = ("images", "annotations", "categories")


def recognise(folder: Path) -> bool:
    """A JSON file with images, annotations and categories, in the folder or below."""
    return any(starts_as_json(path, KEYS) for path in json_below(folder))


def read(request: Request) -> DataSet:
    """COCO files -> one case per image that they list; a file called train, val or test gives the split."""
    home = request.folder if request.folder.is_dir() else request.folder.parent
    files = [path for path in json_below(request.folder) if starts_as_json(path, KEYS)]
    if not files:
        raise InputError(f"{request.folder}: no JSON with {', '.join(KEYS)}")
    images, found, missing, num_orphans = Images(home), [], list[str](), 0
    seen: set[Path] = set()
    for path in files:
        entries, num_strays = _entries(path)
        num_orphans += num_strays
        for entry, shapes in entries:
            image = images.find(str(entry.get("file_name", "")), path.parent)
            if image is None:
                missing.append(str(entry.get("file_name", "")))
            elif image in seen:
                raise InputError(f"{path}: {image.name} is listed twice; keep one of the files or entries")
            else:
                seen.add(image)
                size_hw = _whole(entry.get("height")), _whole(entry.get("width"))
                found.append(Annotated(image, tuple(shapes), split=_split(path, home), size_hw=size_hw))
    left_out = (
        {f"entry of the JSON without its image, e.g. {printable(missing[0][:80])}": len(missing)} if missing else {}
    )
    if num_orphans:
        left_out["annotation of an image that its JSON does not list"] = num_orphans
    notes = [f"annotations: {', '.join(path.relative_to(home).as_posix() for path in files)}"]
    if others := len(set(images.all) - seen):
        notes.append(f"{others} images that no JSON lists were passed over")
    inside = replace(request, folder=home)
    return data_set_of_shapes(inside, NAME, found, left_out, [*notes, *images.notes()])


def _entries(path: Path) -> tuple[list[tuple[Json, list[AnnotatedShape]]], int]:
    """COCO file -> (its images with their shapes, number of annotations of images that it doesn't list).

    Numbers of images and categories are compared as text: some tools write 7, some "7".
    """
    content = json_of(path)
    try:
        names = {str(one["id"]): str(one["name"]) for one in content["categories"]}
        shapes: dict[str, list[AnnotatedShape]] = defaultdict(list)
        for one in content["annotations"]:
            category = names.get(str(one["category_id"]), str(one["category_id"]))
            shapes[str(one["image_id"])].append(
                AnnotatedShape(category, _draw(one.get("segmentation")), _box(one.get("bbox")))
            )
        numbers = Counter(str(image["id"]) for image in content["images"])
        twice = [number for number, times in numbers.items() if times > 1]
        if twice:
            raise InputError(
                f"{path}: {numbers[twice[0]]} images have the id {twice[0]}, so nothing says whose its outlines are; "
                "give each image an id of its own"
            )
        entries = [(image, shapes.pop(str(image["id"]), [])) for image in content["images"]]
        return entries, sum(map(len, shapes.values()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not whole as COCO ({type(error).__name__}: {error}); export it again") from None


def _box(bbox: Any) -> Locate | None:
    """[x, y, width, height] -> a function that gives the box; None where the annotation has no box."""
    if not bbox:
        return None
    x, y, width, height = (float(number) for number in bbox)
    return box_of(x, y, x + width, y + height)


def _draw(segmentation: Any) -> Draw | None:
    """Polygons (lists x, y, x, y ...) or run lengths (plain or packed) -> a function that draws them."""
    if isinstance(segmentation, dict):
        try:
            height, width = (int(n) for n in segmentation["size"])
            counts = segmentation["counts"]
        except (KeyError, TypeError, ValueError):
            return None
        return partial(_draw_runs, unpacked(counts) if isinstance(counts, str) else list(counts), height, width)
    rings = segmentation if isinstance(segmentation, list) else []
    if rings and not isinstance(rings[0], list):
        rings = [rings]
    draws = [polygon(list(zip(ring[::2], ring[1::2], strict=False))) for ring in rings]
    return union([draw for draw in draws if draw is not None])


def _draw_runs(counts: list[int], height: int, width: int, size_hw: tuple[int, int]) -> BoolArray:
    if (height, width) != size_hw:
        raise InputError(f"run lengths of {width} x {height} pixels, the image has {size_hw[1]} x {size_hw[0]}")
    return run_lengths(counts, height, width, by_column=True)


def unpacked(text: str) -> list[int]:
    """The packed run lengths of COCO -> numbers, at 5 bits per character.

    Each count is stored as its difference to the count two places before, as in rleFrString of the COCO API
    (pycocotools, maskApi.c).
    """
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, is_more = 0, 0, True
        while is_more and place < len(text):
            bits = ord(text[place]) - 48
            value |= (bits & 0x1F) << shift
            is_more, place, shift = bool(bits & 0x20), place + 1, shift + 5
            if not is_more and bits & 0x10:
                value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def _split(path: Path, home: Path) -> str:
    """instances_val.json, valid/_annotations.coco.json -> val."""
    for part in reversed(path.relative_to(home).with_suffix("").parts):
        found = [
            SPLIT_WORDS[word.rstrip("0123456789")]
            for word in words_of(part)
            if word.rstrip("0123456789") in SPLIT_WORDS
        ]
        if found:
            return found[0]
    return ""


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


SET = KnownSet(name=NAME, recognise=recognise, read=read)
