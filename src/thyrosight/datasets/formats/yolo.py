"""YOLO: one text file per image (`class x y w h`, or `class x1 y1 x2 y2 ...`, as shares of the size) -> cases."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.csv_file import whole_number
from thyrosight.datasets.formats.shapes import Annotated, AnnotatedShape, Images, data_set_of_files, polygon, read_each
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.errors import InputError
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.tree import by_name, images_below
from thyrosight.types import BoolArray

NAME = "yolo"
_LISTS = frozenset(("classes.txt", "obj.names", "labels.txt", "train.txt", "val.txt", "test.txt", "readme.txt"))
MAX_TRIED = 50
_FIVE_NUMBERS = re.compile(r"\d+([.,]0+)?([ \t]+-?\d*[.,]?\d+(e-?\d+)?){4,}[ \t]*(\r?\n|$)", re.IGNORECASE)
"""A line of at least five numbers. Whether they are in the range of YOLO is checked when the file is read."""


def recognise(folder: Path) -> bool:
    """Text files named as images; the first that is not empty begins with at least five numbers."""
    if not folder.is_dir():
        return False
    names = by_name(images_below(folder))
    for path in [path for path in _label_files(folder) if path.stem.casefold() in names][:MAX_TRIED]:
        if text := path.read_text(encoding="utf-8", errors="replace").strip():
            return bool(_FIVE_NUMBERS.match(text))
    return False


def read(request: Request) -> DataSet:
    """YOLO folder -> one case per image.

    An empty text file states that there is no nodule; without a text file nothing is known.
    """
    folder = request.folder
    images, names = Images(folder), _class_names(folder)

    def read_one(path: Path) -> Annotated | None:
        image = images.find(path.stem, path.parent)
        if image is None:
            return None
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        shapes = tuple(_shape(line, names) for line in lines if line.strip())
        return Annotated(image, shapes, is_empty=not shapes)

    files = read_each(_label_files(folder), read_one)
    notes = [] if names else ["no data.yaml or classes.txt names the classes: they are called by their numbers"]
    if empty := sum(one.is_empty for one in files.found):
        notes.append(f"{empty} empty label files: an empty mask, no nodule")
    return data_set_of_files(request, NAME, "label file", images, files, notes)


def _label_files(folder: Path) -> list[Path]:
    return [
        path for path in files_below(folder) if path.suffix.casefold() == ".txt" and path.name.casefold() not in _LISTS
    ]


def _numbers(line: str) -> tuple[int, list[float]]:
    try:
        first, *rest = line.split()
        number, values = int(whole_number(first)), [float(word) for word in rest]
    except ValueError:
        raise InputError(f"'{line[:40]}' is not a class and numbers") from None
    is_odd = len(values) % 2 == 1 and len(values) != 5
    if len(values) < 4 or is_odd or not all(-0.01 <= value <= 1.01 for value in values):
        raise InputError(f"'{line[:40]}' is not a class and shares of the image's size, 0 to 1")
    return number, values


def _shape(line: str, names: dict[int, str]) -> AnnotatedShape:
    """A line -> its shape. After the class, 4 values are a box (a 5th is its confidence), 6 and more are a polygon."""
    number, values = _numbers(line)
    if names and number not in names:
        raise InputError(f"class {number}, which data.yaml or classes.txt does not name")
    category = names.get(number, str(number))
    if len(values) <= 5:
        x, y, width, height = values[:4]
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return AnnotatedShape(category, None, box_of(*corners, are_shares=True))
    return AnnotatedShape(category, partial(_draw, tuple(zip(values[::2], values[1::2], strict=True))))


def _draw(shares_xy: tuple[tuple[float, float], ...], size_hw: tuple[int, int]) -> BoolArray:
    draw = polygon([(x * size_hw[1], y * size_hw[0]) for x, y in shares_xy])
    if draw is None:
        raise InputError("a polygon without an area")
    return draw(size_hw)


def _class_names(folder: Path) -> dict[int, str]:
    """data.yaml (names: [a, b], `0: a`, or `- a`) or classes.txt -> {class number: name}."""
    files = files_below(folder)
    for path in files:
        if path.suffix.casefold() in (".yaml", ".yml"):
            text = path.read_text(encoding="utf-8", errors="replace")
            if inline := re.search(r"^names:\s*[\[{](.*?)[\]}]", text, re.MULTILINE | re.DOTALL):
                return _numbered([word for word in inline[1].split(",") if word.strip()])
            if block := re.search(r"^names:\s*\n((?:[ \t-].*\n?)+)", text, re.MULTILINE):
                return _numbered([line.split("#")[0] for line in block[1].splitlines() if line.strip()])
    for path in files:
        if path.name.casefold() in ("classes.txt", "obj.names"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    return {}


def _numbered(entries: list[str]) -> dict[int, str]:
    """Entries of a list of classes -> {number: name}. `2: a` states its number; `- a` and `a` count from 0 by place."""
    found = {}
    for place, entry in enumerate(entries):
        match = re.match(r"^\s*(?:-\s*|(\d+)\s*:\s*)?(.*?)\s*$", entry)
        if match:
            found[int(match[1]) if match[1] else place] = match[2].strip("'\"")
    return found


SET = KnownSet(name=NAME, recognise=recognise, read=read)
