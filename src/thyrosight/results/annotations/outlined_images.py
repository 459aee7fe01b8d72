"""Examination, results folder, or predictions -> OutlinedImage: the content of an annotation file for one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thyrosight.errors import InputError
from thyrosight.examination.records import OutlinedBy, ThyroidExam
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Nodule, Prediction
from thyrosight.results.layout import case_folders, read_result
from thyrosight.tirads.reading import read_reading
from thyrosight.types import BoolArray

LABEL = "nodule"


@dataclass(frozen=True)
class OutlinedNodule:
    """One outline in whole pixels. attributes: further facts, as text."""

    outline_xy: tuple[tuple[int, int], ...]
    outlined_by: OutlinedBy
    probability: float
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class OutlinedImage:
    """One image: its file's name, its size, its outlines, and the network of the prediction."""

    name: str
    width_px: int
    height_px: int
    nodules: tuple[OutlinedNodule, ...]
    model: str

    def mask_HW(self, nodule: OutlinedNodule) -> BoolArray:
        """-> the filled outline, border included."""
        return fill_outlines([np.asarray(nodule.outline_xy)], (self.height_px, self.width_px))


def images_of_examination(examination: ThyroidExam) -> list[OutlinedImage]:
    """Examination -> all of its images, with the outlines of its nodules."""
    found = []
    for image in examination.images:
        nodules = []
        for nodule in examination.nodules:
            place = [("number", str(nodule.number)), ("uid", nodule.uid)]
            place += [(name, str(value)) for name in ("side", "pole") if (value := getattr(nodule, name))]
            for section in nodule.sections:
                if section.image == image.key:
                    nodules.append(_outlined(section.nodule, section.outlined_by, place))
        found.append(_image(image.prediction, image.key, nodules))
    return found


def images_of_predictions(predictions: Iterable[Prediction]) -> list[OutlinedImage]:
    """Predictions -> their images with the network's outlines."""
    return [
        _image(one, one.image.sha256, [_outlined(nodule, "AUTOMATIC", ()) for nodule in one.nodules])
        for one in predictions
    ]


def images_of_results(folder: Path) -> list[OutlinedImage]:
    """Results folder -> its images. Where a person has corrected a case, the outlines are those of this person.

    InputError where the folder holds no result, or a damaged one.
    """
    found = []
    for name in case_folders(folder):
        prediction = read_result(folder / name)
        if prediction is None:
            raise InputError(f"{folder / name}: its result is damaged or of another version; predict it again")
        by: OutlinedBy = "AUTOMATIC" if read_reading(folder / name) is None else "MANUAL"
        nodules = [_outlined(nodule, by, ()) for nodule in prediction.nodules]
        found.append(_image(prediction, name, nodules))
    if not found:
        raise InputError(f"{folder}: holds no result; give a results folder of `predict`, or an examination's JSON")
    return found


def _outlined(nodule: Nodule, by: OutlinedBy, attributes: Sequence[tuple[str, str]]) -> OutlinedNodule:
    return OutlinedNodule(nodule.outline_xy, by, nodule.mean_probability, tuple(attributes))


def _image(prediction: Prediction, key: str, nodules: Sequence[OutlinedNodule]) -> OutlinedImage:
    image, model = prediction.image, prediction.model
    return OutlinedImage(
        image.name or key, image.width_px, image.height_px, tuple(nodules), f"{model.name} ({model.id})"
    )
