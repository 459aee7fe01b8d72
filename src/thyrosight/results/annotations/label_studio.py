"""OutlinedImages -> tasks of Label Studio (JSON): a reader's outlines as annotations, the network's as predictions.

Format: labelstud.io/guide/tasks. A polygon's points are percentages of width and height, from the upper left corner of
the first pixel. The project needs `<PolygonLabels name="label" toName="image">` with the label `nodule`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from thyrosight.results.annotations.outlined_images import LABEL, OutlinedImage, OutlinedNodule

PIXEL_CENTRE = 0.5


def label_studio_json(images: Sequence[OutlinedImage], root: str = "") -> str:
    """Images, address of their folder in Label Studio, such as `/data/local-files/?d=images/` -> JSON text."""
    return json.dumps([_task(image, root) for image in images], ensure_ascii=False) + "\n"


def _task(image: OutlinedImage, root: str) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {"image": root + image.name}}
    by_person = [nodule for nodule in image.nodules if nodule.outlined_by != "AUTOMATIC"]
    by_network = [nodule for nodule in image.nodules if nodule.outlined_by == "AUTOMATIC"]
    if by_person or not by_network:
        task["annotations"] = [{"result": [_polygon(image, one, k) for k, one in enumerate(by_person, 1)]}]
    if by_network:
        result = [_polygon(image, one, k) for k, one in enumerate(by_network, 1 + len(by_person))]
        score = min(one.probability for one in by_network)
        task["predictions"] = [{"model_version": image.model, "score": round(score, 6), "result": result}]
    return task


def _polygon(image: OutlinedImage, nodule: OutlinedNodule, number: int) -> dict[str, Any]:
    points = [
        [(x + PIXEL_CENTRE) / image.width_px * 100, (y + PIXEL_CENTRE) / image.height_px * 100]
        for x, y in nodule.outline_xy
    ]
    return {
        "id": f"nodule{number}",
        "type": "polygonlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": image.width_px,
        "original_height": image.height_px,
        "image_rotation": 0,
        "value": {"points": points, "closed": True, "polygonlabels": [LABEL]},
        "meta": {"text": [f"{name}: {text}" for name, text in nodule.attributes]},
    }
