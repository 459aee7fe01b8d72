"""DDTI (Pedraza et al., SPIE 9287, 2015): XML files that hold outlines as JSON -> cases with drawn masks.

The faults of the files: a mark may be empty; its JSON may be cut off, with whole outlines before the cut; some shapes
are arrows; words have several spellings; the TI-RADS category may be missing.

A mark that is cut off has lost at least a part of its last outline, often the nodule in the other view of a split
screen. The outlines that are whole are drawn into a file in `masks/partial`. The case has no mask, because a network
would learn the lost nodule as background.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, image_size_hw, images_in, write_mask
from thyrosight.errors import InputError
from thyrosight.files import natural_key, raise_shortage
from thyrosight.folders.words import to_lexicon
from thyrosight.types import BoolArray, Case

NAME = "ddti"
LOW, HIGH = ("2", "3", "4a"), ("4b", "4c", "5")
LABEL_MEANING = "TI-RADS reading, not pathology: 1 = 4b, 4c, 5; 0 = 2, 3, 4a"
RISK_MEANING = "probability that a radiologist reads the nodule as TI-RADS 4b, 4c or 5 (not that it is cancer)"
ORIGIN = Origin(
    citation="Pedraza et al., An open access thyroid ultrasound image database, Proc. SPIE 9287, 2015",
    place="Colombia (Universidad Nacional de Colombia; screens labelled in Spanish)",
    devices="TOSHIBA Nemio 30 and Nemio MX, 12 MHz",
    population="patients with thyroiditis, cystic nodules, adenomas or cancers; age and sex of a part are given",
    outlines_by="expert radiologists of the publication, as polygons in XML",
    labels_by="TI-RADS category read by the publication's radiologists; it says that malignant ones were confirmed "
    "by biopsy, but the files hold no pathology",
    eligibility="suspicious lesions with an annotation; how patients were chosen is not published",
)
DESCRIPTOR_TAGS = {
    "composition": "composition",
    "echogenicity": "echogenicity",
    "margins": "margin",
    "calcifications": "foci",
}
MAX_XML_BYTES = 4 << 20
MAX_NAMED = 5
"""A note names at most this many faulty cases."""
CUT = "images with a mark cut off in the file, outlines lost: mask left open (what is whole: masks/partial)"


@dataclass(frozen=True)
class Shapes:
    """The shapes of one mark. outlines: int32 `(N, 2)` points _xy, closed, in pixels of the whole image."""

    outlines: tuple[np.ndarray, ...]
    num_arrows: int
    num_degenerate: int
    is_cut: bool


def recognise(folder: Path) -> bool:
    """Whether the folder, or its `original`, holds a numbered XML file with `<mark>`, perhaps cut off."""
    return any(b"<mark>" in _head(xml) for xml in _xml_files(folder))


def read(request: Request) -> DataSet:
    """DDTI folder -> one case per image; masks are drawn from the outlines.

    Without a groups.csv the images of one case are one group, joined with the cases that hold a near-duplicate.
    """
    images = images_in(_set_folder(request.folder))
    given = _groups_csv(request.folder)
    counts: Counter[str] = Counter()
    cases, left_out, faults = [], Counter[str](), []
    for xml in _xml_files(request.folder):
        try:
            found = _cases_of(xml, images, given, request, counts)
        except InputError as error:
            raise_shortage(error)
            faults.append(str(error).replace(str(xml), xml.name))
            own = [stem for stem in images if stem.startswith(f"{xml.stem}_")]
            left_out["image of a case whose XML can't be used"] += len(own)
        else:
            own = [case_id for case_id, case in found.items() if case is not None]
            left_out["mark without its image file"] += len(found) - len(own)
            cases += [case for case in found.values() if case is not None]
        for stem in own:
            del images[stem]
    left_out["image without its case's XML"] = len(images)
    if faults and not cases:
        raise InputError(f"{request.folder}: none of the {len(faults)} XML files can be used; the first: {faults[0]}")
    notes = [f"{number} {what}" for what, number in sorted(counts.items())]
    if faults:
        more = f"; {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
        notes.append(f"{len(faults)} cases left out: {'; '.join(faults[:MAX_NAMED])}{more}")
    why = {reason: number for reason, number in left_out.items() if number}
    return DataSet(NAME, tuple(cases), LABEL_MEANING, why, tuple(notes), join_duplicates=not given)


def _cases_of(
    xml: Path,
    images: Mapping[str, Path],
    given: Mapping[str, tuple[str, int | None]],
    request: Request,
    counts: Counter[str],
) -> dict[str, Case | None]:
    """The XML of a case -> {case id: its case, or None if its image is missing}; InputError where the XML is faulty."""
    root, own_counts = _parse(xml), Counter[str]()
    found: dict[str, Case | None] = {}
    descriptors = _descriptors(root, own_counts)
    malignancy = _malignancy(descriptors.get("tirads"), xml)
    for index, svgs in sorted(_marks_of_images(root, xml, images).items()):
        case_id = f"{xml.stem}_{index}"
        found[case_id] = None
        if case_id not in images:
            continue
        shapes = [read_shapes(svg) for svg in svgs]
        _count_faults(shapes, svgs, own_counts)
        group, fold = given.get(case_id, (f"case{xml.stem}", None))
        found[case_id] = Case(
            case_id=case_id,
            image=images[case_id],
            mask=_mask_file(shapes, images[case_id], request),
            malignancy=malignancy,
            group=group,
            source=NAME,
            fold=fold,
            descriptors=descriptors,
        )
    counts.update(own_counts)
    return found


def read_shapes(svg: str) -> Shapes:
    """The JSON text of one mark, whole or cut off -> its shapes; arrows and shapes without an area are only counted."""
    items, is_cut = _whole_items(svg.strip())
    outlines, num_arrows, num_degenerate = [], 0, 0
    for item in items:
        if str(item.get("regionType", "")).lower() == "arrow":
            num_arrows += 1
            continue
        points = [_point(point) for point in item.get("points") or []]
        if len(points) < 3 or any(point is None for point in points):
            num_degenerate += 1
            continue
        outlines.append(np.array(points, dtype=np.int32))
    return Shapes(tuple(outlines), num_arrows, num_degenerate, is_cut)


def draw_outlines(outlines: tuple[np.ndarray, ...], shape_hw: tuple[int, int]) -> BoolArray:
    """Outlines _xy -> mask_HW: the union of the filled polygons, the pixels of the outlines included."""
    import cv2

    mask_HW = np.zeros(shape_hw, dtype=np.uint8)
    for outline_xy in outlines:
        # one call per outline: several in one call would cancel where they overlap (even-odd rule)
        cv2.fillPoly(mask_HW, [outline_xy.reshape(-1, 1, 2)], 1)
    return mask_HW.astype(np.bool_)


def _whole_items(text: str) -> tuple[list[dict[str, Any]], bool]:
    """JSON list, perhaps cut off -> (its whole objects, whether it was cut off)."""
    if not text:
        return [], False
    decoder = json.JSONDecoder()
    items: list[dict[str, Any]] = []
    position = text.find("[") + 1
    while position > 0 and (match := re.compile(r"[\s,]*").match(text, position)):
        position = match.end()
        if text[position : position + 1] == "]":
            return items, False
        try:
            item, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            break
        if isinstance(item, dict):
            items.append(item)
    return items, True


def _point(point: Any) -> tuple[int, int] | None:
    try:
        x, y = round(float(point["x"])), round(float(point["y"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (x, y) if max(abs(x), abs(y)) < 1 << 15 else None


def _count_faults(shapes: list[Shapes], svgs: list[str], counts: Counter[str]) -> None:
    """Adds to `counts` what the marks of one image hold; the counts become notes."""
    is_cut = any(mark.is_cut for mark in shapes)
    found = {
        "images with an empty mark or none: nothing was outlined, mask left open": not any(svg.strip() for svg in svgs),
        CUT: is_cut,
        "whole outlines recovered from marks that are cut off": sum(len(m.outlines) for m in shapes if m.is_cut),
        "arrows skipped (not outlines)": sum(mark.num_arrows for mark in shapes),
        "shapes of under three points skipped": sum(mark.num_degenerate for mark in shapes),
    }
    counts.update({what: int(number) for what, number in found.items() if number})


def _mask_file(shapes: list[Shapes], image: Path, request: Request) -> Path | None:
    """The marks of one image -> its mask file; None where there is no outline, or where some outlines are lost."""
    outlines = tuple(outline for mark in shapes for outline in mark.outlines)
    mask_HW = draw_outlines(outlines, image_size_hw(image))
    if not mask_HW.any():
        return None
    is_partial = any(mark.is_cut for mark in shapes) and not request.keep_partial
    path = (request.masks / "partial" if is_partial else request.masks) / f"{image.stem}.png"
    write_mask(path, mask_HW)
    return None if is_partial else path


def _descriptors(root: Any, counts: Counter[str]) -> dict[str, str]:
    found = {}
    for tag, name in DESCRIPTOR_TAGS.items():
        words = (root.findtext(tag) or "").strip()
        if not words:
            continue
        term = to_lexicon(name, words)
        if term is None:
            counts[f"cases with {name} '{words.lower()}', which is no one term of the TI-RADS lexicon: left empty"] += 1
        else:
            found[name] = term
    tirads = (root.findtext("tirads") or "").strip().lower()
    if tirads:
        found["tirads"] = tirads
    return found


def _malignancy(tirads: str | None, xml: Path) -> int | None:
    if tirads is None:
        return None
    if tirads in LOW:
        return 0
    if tirads in HIGH:
        return 1
    raise InputError(f"{xml}: tirads '{tirads}'; known: {', '.join(LOW + HIGH)}; correct it or leave it empty")


def _marks_of_images(root: Any, xml: Path, images: Mapping[str, Path]) -> dict[int, list[str]]:
    """The XML of a case, the images of the set -> {image number: the texts of its marks}.

    The list is empty where an image has no mark.
    """
    own = (stem.removeprefix(f"{xml.stem}_") for stem in images if stem.startswith(f"{xml.stem}_"))
    marks: dict[int, list[str]] = {int(index): [] for index in own if index.isdecimal()}
    for mark in root.iter("mark"):
        index = (mark.findtext("image") or "").strip()
        if not index.isdecimal():
            raise InputError(f"{xml}: a mark whose <image> is '{index}'; it must be the image's number")
        marks.setdefault(int(index), []).append(mark.findtext("svg") or "")
    return marks


def _parse(xml: Path) -> Any:
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    if xml.stat().st_size > MAX_XML_BYTES:
        raise InputError(f"{xml}: {xml.stat().st_size} bytes of XML, over {MAX_XML_BYTES}; not a DDTI case")
    try:
        return ElementTree.parse(xml).getroot()
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"{xml}: not readable as XML ({error}); copy the file again from the set") from None


def _head(xml: Path) -> bytes:
    with xml.open("rb") as file:
        return file.read(MAX_XML_BYTES)


def _set_folder(folder: Path) -> Path:
    return folder / "original" if (folder / "original").is_dir() else folder


def _xml_files(folder: Path) -> list[Path]:
    home = _set_folder(folder)
    found = [path for path in home.glob("*.xml") if path.stem.isdecimal()] if home.is_dir() else []
    return sorted(found, key=lambda path: natural_key(path.name))


def _groups_csv(folder: Path) -> dict[str, tuple[str, int | None]]:
    path = folder / "groups.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path)
    if not {"image_id", "group"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns image_id and group (and may have fold)")
    return {row["image_id"]: (row["group"], int(row["fold"]) if row.get("fold") else None) for row in rows}


SET = KnownSet(name=NAME, recognise=recognise, read=read, risk_meaning=RISK_MEANING, origin=ORIGIN)
