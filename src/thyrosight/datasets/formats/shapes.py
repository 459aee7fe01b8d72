"""Shapes of an annotation tool (polygons, run lengths, boxes; a category each) -> masks or boxes, and labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np

from thyrosight.datasets.boxes import Locate
from thyrosight.datasets.formats.found import Found, case_names, data_set_of
from thyrosight.datasets.sets.cell_files import Moved, nearest
from thyrosight.datasets.sets.layout import DataSet, Request, write_mask
from thyrosight.errors import InputError
from thyrosight.files import raise_shortage
from thyrosight.folders.names import is_nodule_name
from thyrosight.folders.tree import by_name, images_below, may_be_a_file, stem_without_ending
from thyrosight.frames.load import load_frame
from thyrosight.measurement.outlines import bounding_box
from thyrosight.types import BoolArray, Box

Draw = Callable[[tuple[int, int]], BoolArray]
"""Size of the image `(H, W)` -> mask_HW."""
BACKGROUND = frozenset(("background", "_background_", "__ignore__", "ignore", "void"))
MAX_POINT = 1 << 15
MIN_INSIDE = 0.5
"""Share of an outline's area that must be inside its image."""
RECTANGLE_FILLS = 0.96
"""Share of the tightest turned box that a turned rectangle covers; an ellipse covers 0.79."""
MIN_OUTLINE_PX = 16
"""An outline of a smaller area was written in other units than pixels."""


@dataclass(frozen=True)
class AnnotatedShape:
    """One annotated thing. draw: None where the file gives only a box, or a shape without an area. box: its box."""

    category: str
    draw: Draw | None
    box: Locate | None = None


@dataclass(frozen=True)
class Annotated:
    """One image with its shapes. size_hw: as the file states it. is_empty: the file states that there is no nodule."""

    image: Path
    shapes: tuple[AnnotatedShape, ...]
    labels: tuple[str, ...] = ()
    split: str = ""
    size_hw: tuple[int, int] | None = None
    is_empty: bool = False


class Images:
    """Names of images in annotation files -> the image files, wherever they are below the set's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all = images_below(folder)
        self._names = by_name(self.all)
        self._moved = Moved(folder)

    def find(self, written: str, near: Path) -> Path | None:
        """A name as an annotation file writes it, the folder of this file -> the image.

        None where there is no such image. InputError where several images have this name and the folders don't tell
        which is meant, or where two names lead to the same image.
        """
        name = written.replace("\\", "/")
        if not may_be_a_file(name):
            return None
        if "%" in name and name != unquote(name) and not self._names.get(_plain_stem(name)):
            return self.find(unquote(name), near)  # us%201.png, as a web address writes it
        for place in (near, self.folder, near / "images", self.folder / "images"):
            if name and (place / name).is_file() and self.folder.resolve() in (place / name).resolve().parents:
                return place / name
        found = self._names.get(_plain_stem(name), [])
        fitting = nearest(written, found)
        fitting = [path for path in fitting if _same_part(path, near, self.folder)] or fitting
        if len(fitting) > 1:
            raise InputError(
                f"{self.folder}: '{written}' could be {fitting[0]} or {fitting[1]}; give each its own name"
            )
        if fitting:
            self._moved.add(written, fitting[0])
        return fitting[0] if fitting else None

    def notes(self) -> list[str]:
        """-> a sentence on images in other folders than written; empty where there is none."""
        return self._moved.notes()


def _plain_stem(name: str) -> str:
    return stem_without_ending(Path(name)).casefold()


def _same_part(path: Path, near: Path, folder: Path) -> bool:
    """Image, folder of an annotation file, the set's folder -> whether both are in one part of the set.

    It is True if their folders have the same name (images/train/a.png, labels/train/a.txt), or if the image is below
    the annotation file's folder or its parent folder. The set's own folder does not count as a part.
    """
    return near != folder and (path.parent.name == near.name or near in path.parents or near.parent in path.parents)


def ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0) -> Draw | None:
    """Centre, half axes in pixels, clockwise turn of the first in radians -> a function that draws the ellipse."""
    cos, sin = math.cos(turn), math.sin(turn)
    angles = [2 * math.pi * k / 180 for k in range(180)]
    points = [(a * math.cos(angle), b * math.sin(angle)) for angle in angles]
    return polygon([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in points])


def polygon(points_xy: Sequence[Sequence[float]]) -> Draw | None:
    """Points _xy -> a function that draws the filled polygon; None where they enclose no area or are not numbers."""
    try:
        array = np.rint(np.asarray(points_xy, dtype=np.float64)).reshape(-1, 2)
    except (TypeError, ValueError):
        return None
    if len(array) < 3 or not np.isfinite(array).all() or np.abs(array).max() >= MAX_POINT:
        return None
    corners = array.astype(np.int32).reshape(-1, 1, 2)

    area_px = float(cv2.contourArea(corners))

    def draw(size_hw: tuple[int, int]) -> BoolArray:
        mask_HW = cv2.fillPoly(np.zeros(size_hw, np.uint8), [corners], 1).astype(np.bool_)
        if np.count_nonzero(mask_HW) < MIN_INSIDE * area_px:
            raise InputError("an outline reaches beyond the image; annotate the image at its own size")
        return mask_HW

    return draw


def union(draws: Sequence[Draw]) -> Draw | None:
    """Parts of one thing -> a function that draws all of them; None where there is no part."""
    return (lambda size_hw: np.logical_or.reduce([draw(size_hw) for draw in draws])) if draws else None


def run_lengths(counts: Sequence[int], height: int, width: int, *, by_column: bool) -> BoolArray:
    """Lengths of the runs of 0, 1, 0, 1 ... -> mask_HW. InputError where they don't fill the size."""
    lengths = np.asarray(counts, dtype=np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != height * width:
        raise InputError(f"run lengths fill {int(lengths.sum())} pixels, not {width} x {height}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T if by_column else flat.reshape(height, width)


@dataclass(frozen=True)
class FilesRead:
    """Content of annotation files that describe one image each. faults: {file that could not be read: why}."""

    found: list[Annotated] = field(default_factory=list)
    num_missing: int = 0
    """Number of files whose image is missing."""
    faults: dict[Path, str] = field(default_factory=dict)


def read_each(files: Sequence[Path], read_one: Callable[[Path], Annotated | None]) -> FilesRead:
    """Files of one image each -> their content.

    read_one: file -> its image with shapes; None where the image is missing. A file for which `read_one` raises
    InputError is left out.
    """
    found: list[Annotated] = []
    num_missing, faults = 0, {}
    for path in files:
        try:
            one = read_one(path)
        except InputError as error:
            raise_shortage(error)
            faults[path] = str(error).removeprefix(f"{path}: ")
            continue
        if one is None:
            num_missing += 1
        else:
            found.append(one)
    return FilesRead(found, num_missing, faults)


def data_set_of_files(
    request: Request, source: str, kind: str, images: Images, files: FilesRead, notes: Sequence[str] = ()
) -> DataSet:
    """Annotation files of one image each -> their DataSet.

    kind: the word for such a file in messages (`a.txt: no KIND`).
    """
    left_out = {f"{kind} without its image": files.num_missing} if files.num_missing else {}
    if files.faults:
        path, why = next(iter(files.faults.items()))
        left_out[f"{kind} that can't be read, e.g. {path.name}: {why}"] = len(files.faults)
    taken, faulty = {one.image for one in files.found}, {path.stem.casefold() for path in files.faults}
    others = [path for path in images.all if path not in taken and path.stem.casefold() not in faulty]
    if others:
        notes = [*notes, f"{len(others)} images that have no {kind} were passed over"]
    return data_set_of_shapes(request, source, files.found, left_out, [*notes, *images.notes()])


def data_set_of_shapes(
    request: Request, source: str, annotated: Sequence[Annotated], left_out: dict[str, int], notes: Sequence[str]
) -> DataSet:
    """Annotated images -> their DataSet: the shapes of nodules are drawn into masks, categories give labels."""
    if not annotated:
        why = "; ".join(f"{number} {reason}" for reason, number in left_out.items()) or "its annotations name none"
        raise InputError(
            f"{request.folder}: no image with annotations can be used: {why}; add the images, or correct these"
        )
    categories = Counter(shape.category for one in annotated for shape in one.shapes)
    nodules, lines = choose_nodules(categories, request)
    found, faults, num_boxes, num_open, num_mixed, num_rectangles = [], [], 0, 0, 0, 0
    partial = []
    names = case_names([Found(one.image) for one in annotated], request)
    for one, name in zip(annotated, names, strict=True):
        shapes = [shape for shape in one.shapes if shape.category in nodules]
        draws = [shape.draw for shape in shapes if shape.draw is not None]
        is_mixed = bool(draws) and any(shape.draw is None and shape.box is not None for shape in shapes)
        num_mixed += is_mixed
        if draws and any(shape.draw is None and shape.box is None for shape in shapes):
            partial.append(one.image.name)
        mask: Path | None = None
        boxes: tuple[Box, ...] = ()
        try:
            if is_mixed or (shapes and not draws):
                boxes = _boxes(one, shapes)
            if (draws and not is_mixed) or one.is_empty:
                mask = request.masks / f"{name}.png"
                num_rectangles += _draw_mask(one, draws, mask)
        except InputError as error:
            raise_shortage(error)
            faults.append(str(error))
            continue
        num_boxes += bool(boxes)
        num_open += mask is None and not boxes
        labels = (*one.labels, *(shape.category for shape in shapes))
        found.append(Found(one.image, mask, labels, one.split, boxes=boxes))
    if faults:
        left_out = {**left_out, f"image whose shapes can't be drawn, e.g. {faults[0]}": len(faults)}
    if num_boxes:
        lines.append(
            f"{num_boxes} images have boxes, which are no outlines: they are in the column boxes, teach by "
            "loss.box_weight, and detection is scored by them"
        )
    if num_rectangles:
        lines.append(f"{num_rectangles} outlines are plain rectangles: if these are boxes, they are no outlines")
    if num_mixed:
        lines.append(f"{num_mixed} images have outlines of some nodules and boxes of others: all count as boxes there")
    if partial:
        lines.append(
            f"{len(partial)} images have, next to outlines, things that are no area (a line, a point, a broken "
            f"outline), which their masks lack: e.g. {partial[0]}"
        )
    if num_open:
        lines.append(f"{num_open} images without an outline or a box of a nodule: mask left open")
    return data_set_of(request, source, found, left_out, [*notes, *lines])


def _boxes(one: Annotated, shapes: Sequence[AnnotatedShape]) -> tuple[Box, ...]:
    """Shapes of one image -> one box per shape; equal boxes count once.

    A shape without a box gets the one around its drawn pixels. Where one shape has neither, the image gets no box at
    all. InputError where a box is not inside the image.
    """
    size_hw = _checked_size(one)
    boxes = []
    for shape in shapes:
        try:
            if shape.box is not None:
                boxes.append(shape.box(size_hw))
            elif shape.draw is not None:
                boxes.append(bounding_box(shape.draw(size_hw)))
            else:
                return ()
        except (ValueError, InputError) as error:
            raise InputError(f"{one.image.name}: {error}") from None
    return tuple(dict.fromkeys(boxes))


def choose_nodules(categories: Counter[str], request: Request) -> tuple[set[str], list[str]]:
    """Categories of a set with their numbers -> (those that are nodules, a note on the choice).

    The caller's choice comes first, then the only category, then those whose name says nodule, lesion, benign or
    malignant. InputError where the set has none of the caller's categories, or several categories of which no name says
    what it is.
    """
    real = {name: number for name, number in categories.items() if name.casefold() not in BACKGROUND}
    listing = ", ".join(f"{name} ({number})" for name, number in sorted(real.items()))
    wanted = set(request.nodule_labels)
    if wanted:
        chosen = {name for name in real if name.casefold() in wanted}
        if not chosen:
            raise InputError(f"{request.folder}: no category {', '.join(sorted(wanted))}; there: {listing or 'none'}")
    elif len(real) <= 1:
        chosen = set(real)
    else:
        chosen = {name for name in real if is_nodule_name(name)}
        if not chosen:
            most = max(real, key=lambda name: real[name])
            raise InputError(
                f"{request.folder}: which categories are nodules? There: {listing}; best guess: "
                f'thyrosight prepare {request.folder} -o OUT --mask-label "nodule={most}"'
            )
    others = {name: number for name, number in real.items() if name not in chosen}
    notes = [f"nodules: {', '.join(f'{name} ({real[name]})' for name in sorted(chosen))}"] if chosen else []
    if others:
        notes.append(
            f"categories not used: {', '.join(f'{name} ({number})' for name, number in sorted(others.items()))}"
        )
    return chosen, notes


def _draw_mask(one: Annotated, draws: Sequence[Draw], path: Path) -> bool:
    """Shapes of one image -> its mask file; whether the mask is one plain rectangle.

    InputError where the file states another size than the image's, or the shapes don't fit the image.
    """
    size_hw = _checked_size(one)
    mask_HW = np.zeros(size_hw, np.bool_)
    for draw in draws:
        try:
            mask_HW |= draw(size_hw)
        except (ValueError, InputError) as error:
            raise InputError(f"{one.image.name}: {error}") from None
    num_px = int(np.count_nonzero(mask_HW))
    if draws and num_px < MIN_OUTLINE_PX:
        raise InputError(f"{one.image.name}: its outlines cover {num_px} pixels; write their points in pixels")
    write_mask(path, mask_HW)
    _, _, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    if not num_px:
        return False
    _, turned_wh, _ = cv2.minAreaRect(cv2.findNonZero(mask_HW.view(np.uint8)))
    return num_px == width * height or num_px >= RECTANGLE_FILLS * (turned_wh[0] + 1) * (turned_wh[1] + 1)


def _checked_size(one: Annotated) -> tuple[int, int]:
    """-> the size of the image. InputError where the annotation states another."""
    size_hw = load_frame(one.image).size_hw
    if one.size_hw is not None and 0 not in one.size_hw and one.size_hw != size_hw:
        stated, real = f"{one.size_hw[1]} x {one.size_hw[0]}", f"{size_hw[1]} x {size_hw[0]}"
        raise InputError(f"{one.image.name}: annotated at {stated} pixels, the image has {real}")
    return size_hw
