"""nnU-Net raw data (dataset.json, imagesTr, labelsTr) -> cases; label names choose the nodule and give its class."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from thyrosight.datasets.formats.annotation_files import json_of, starts_as_json
from thyrosight.datasets.formats.shapes import Annotated, AnnotatedShape, data_set_of_shapes
from thyrosight.datasets.formats.volumes import as_png, refuse_turned_mask
from thyrosight.datasets.sets.layout import CONVERTED, DataSet, KnownSet, Request, first_folder
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault, raise_shortage
from thyrosight.folders.tree import images_below, is_volume, stem_without_ending
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.types import BoolArray

NAME = "nnunet"


def recognise(folder: Path) -> bool:
    """Whether the folder, or its only sub-folder, holds imagesTr and a dataset.json with labels."""
    return _home(folder) is not None


def read(request: Request) -> DataSet:
    """nnU-Net folder -> one case per image of channel 0; imagesTs is the test split."""
    home = _home(request.folder)
    if home is None:
        raise InputError(f"{request.folder}: no dataset.json with imagesTr and labelsTr")
    names = _label_names(home)
    found, left_out, faults, channels = [], Counter[str](), list[str](), 0
    for part, split in (("Tr", ""), ("Ts", "test")):
        folder, label_folder = first_folder(home, [f"images{part}"]), first_folder(home, [f"labels{part}"])
        labels = {stem_without_ending(path): path for path in images_below(label_folder)} if label_folder else {}
        for path in images_below(folder) if folder else []:
            stem = stem_without_ending(path)
            case, separator, channel = stem.rpartition("_")
            if not (separator and channel.isdecimal() and len(channel) == 4):
                case, channel = stem, "0000"
            if channel != "0000":
                channels += 1
                continue
            label: Path | None = labels.pop(case, None)
            try:
                found.append(_annotated(path, case, label, names, split, request))
            except InputError as error:
                raise_shortage(error)
                faults.append(str(error).replace(str(home) + "/", ""))
        if labels:
            left_out[f"label of labels{part} without its image"] = len(labels)
    if faults:
        left_out[f"image that can't be used, e.g. {faults[0]}"] = len(faults)
    notes = [f"{channels} files of further channels were passed over: channel 0 is read"] if channels else []
    return data_set_of_shapes(replace(request, folder=home), NAME, found, dict(left_out), notes)


def _annotated(
    path: Path, case: str, label: Path | None, names: dict[int, str], split: str, request: Request
) -> Annotated:
    converted = request.masks.with_name(CONVERTED)
    image = as_png(path, converted / f"{case}.png", is_mask=False)
    if label is None:
        return Annotated(image, (), split=split)
    refuse_turned_mask(path, label)
    labels = as_png(label, converted / f"{case}_labels.png", is_mask=True) if is_volume(label) else label
    values = _values(labels)
    if strange := [value for value in values if value not in names]:
        raise InputError(f"{label}: holds label {strange[0]}, which dataset.json does not name")
    shapes = [AnnotatedShape(names[value], partial(_draw, labels, value)) for value in values]
    return Annotated(image, tuple(shapes), split=split, is_empty=not values)


def _values(path: Path) -> list[int]:
    """Label image -> its values except 0."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            return [int(value) for value in np.unique(np.asarray(opened)) if value]
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not a readable label image ({error}); export it again") from None


def _draw(path: Path, value: int, size_hw: tuple[int, int]) -> BoolArray:
    return read_mask_image(path, size_hw, frozenset((str(value),))).mask_HW


def _label_names(home: Path) -> dict[int, str]:
    """dataset.json -> {value: name}. Version 2 writes name: value, version 1 writes value: name.

    Regions are lists of values (thyroid: [1, 2], nodule: 2): a value has the name of the smallest region that holds it.
    """
    labels = json_of(home / "dataset.json").get("labels")
    regions: list[tuple[str, list[str]]] = []
    for key, value in labels.items() if isinstance(labels, dict) else ():
        name, numbers = (value, key) if str(key).isdecimal() else (key, value)
        regions.append((str(name), [str(one) for one in (numbers if isinstance(numbers, list) else [numbers])]))
    found: dict[int, str] = {}
    for name, values in sorted(regions, key=lambda region: -len(region[1])):
        if name.casefold() != "ignore":
            found.update({int(value): name for value in values if value.isdecimal() and int(value) > 0})
    if not found:
        raise InputError(f'{home / "dataset.json"}: names no label; write "labels": {{"background": 0, "nodule": 1}}')
    return found


def _home(folder: Path) -> Path | None:
    if not folder.is_dir():
        return None
    inside = [path for path in folder.iterdir() if path.is_dir()]
    for place in [folder, *inside] if len(inside) == 1 else [folder]:
        if starts_as_json(place / "dataset.json", ("labels",)) and first_folder(place, ["imagesTr"]):
            return place
    return None


SET = KnownSet(name=NAME, recognise=recognise, read=read)
