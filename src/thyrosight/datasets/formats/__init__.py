"""A labelled set in a format that tools write -> its cases: one file per format, and the table of them."""

from __future__ import annotations

from thyrosight.datasets.formats import coco, cvat, folders, nnunet, voc, yolo
from thyrosight.datasets.formats.annotators import labelme, supervisely, via
from thyrosight.datasets.sets.layout import KnownSet

FORMATS: dict[str, KnownSet] = {
    known.name: known
    for known in (
        nnunet.SET,
        coco.SET,
        cvat.SET,
        via.SET,
        supervisely.SET,
        labelme.SET,
        yolo.SET,
        folders.SET,
        voc.SET,
    )
}
"""Name -> format, in the order in which `prepare` tries them on a folder. Masks in folders come before boxes."""
