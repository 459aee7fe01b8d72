"""OutlinedImages -> `annotations.xml` of CVAT for images 1.1, with masks as run lengths, exact to the pixel.

Format: docs.cvat.ai, XML annotation format 1.1. A mask's run lengths go along the rows inside its box and start with
pixels outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from thyrosight.measurement.outlines import bounding_box
from thyrosight.results.annotations.coco_json import run_lengths_of
from thyrosight.results.annotations.outlined_images import LABEL, OutlinedImage, OutlinedNodule

SOURCES = {"AUTOMATIC": "auto", "SEMIAUTOMATIC": "semi-auto", "MANUAL": "manual"}
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def cvat_xml(images: Sequence[OutlinedImage]) -> str:
    """Images -> XML text. Characters that XML can't hold become a question mark."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    for number, image in enumerate(images):
        lines.append(
            f'  <image id="{number}" name={_quoted(image.name)} width="{image.width_px}" height="{image.height_px}">'
        )
        lines += [line for nodule in image.nodules for line in _mask(image, nodule)]
        lines.append("  </image>")
    return "\n".join([*lines, "</annotations>"]) + "\n"


def _mask(image: OutlinedImage, nodule: OutlinedNodule) -> list[str]:
    mask_HW = image.mask_HW(nodule)
    box = bounding_box(mask_HW)
    runs = ", ".join(str(length) for length in run_lengths_of(mask_HW[box.slices].ravel()))
    attributes = [
        f"      <attribute name={_quoted(name)}>{escape(_clean(text))}</attribute>" for name, text in nodule.attributes
    ]
    return [
        f'    <mask label="{LABEL}" source="{SOURCES[nodule.outlined_by]}" occluded="0" rle="{runs}" left="{box.x0}" '
        f'top="{box.y0}" width="{box.width}" height="{box.height}" z_order="0">',
        *attributes,
        "    </mask>",
    ]


def _quoted(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    return _NO_XML.sub("?", text)
