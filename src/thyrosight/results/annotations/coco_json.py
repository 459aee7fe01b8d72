"""OutlinedImages -> COCO JSON (images, annotations, categories) with masks as run lengths, exact to the pixel.

Format: cocodataset.org/#format-data. Run lengths go down the columns and start with pixels outside, as in
pycocotools. `outlined_by`, `attributes` and `score` are additional keys; programs that don't know them ignore them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from thyrosight.measurement.outlines import bounding_box
from thyrosight.results.annotations.outlined_images import LABEL, OutlinedImage
from thyrosight.types import BoolArray


def coco_json(images: Sequence[OutlinedImage]) -> str:
    """Images -> JSON text; ids count from 1."""
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, start=1):
        for nodule in image.nodules:
            mask_HW = image.mask_HW(nodule)
            box = bounding_box(mask_HW)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "segmentation": {
                        "size": [image.height_px, image.width_px],
                        "counts": runs_by_column(mask_HW),
                    },
                    "area": int(np.count_nonzero(mask_HW)),
                    "bbox": [box.x0, box.y0, box.width, box.height],
                    "iscrowd": 0,
                    "score": round(nodule.probability, 6),
                    "outlined_by": nodule.outlined_by.lower(),
                    "attributes": dict(nodule.attributes),
                }
            )
    content = {
        "images": [
            {"id": image_id, "file_name": image.name, "width": image.width_px, "height": image.height_px}
            for image_id, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": LABEL, "supercategory": "thyroid"}],
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def runs_by_column(mask_HW: BoolArray) -> list[int]:
    """Mask -> run lengths down the columns, the first of pixels outside (0 where the first pixel is inside)."""
    return run_lengths_of(mask_HW.ravel(order="F"))


def run_lengths_of(flags_N: BoolArray) -> list[int]:
    """Flags -> lengths of their runs; the first run is of False."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags_N, [not flags_N[-1]]]).astype(np.int8)))
    return [int(length) for length in np.diff(np.concatenate([[0], edges]))]
