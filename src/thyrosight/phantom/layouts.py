"""Phantoms -> small folders with the layouts of public sets, and with the faults of these sets.

Tests of `prepare` use them where a set is not available. File names, numbers and tables follow the published sets; the
images are phantoms.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np

from thyrosight.errors import InputError
from thyrosight.files.earlier_files import write_new
from thyrosight.phantom.cohort import make_folder, phantom_case, write_image
from thyrosight.phantom.draw import DEFAULT
from thyrosight.phantom.records import Phantom, PhantomSettings
from thyrosight.types import UInt8Array

BARE = replace(DEFAULT, screen=0.0, no_nodule=0.0, burned_label=0.0, calipers=0.0, text_in_field=0.0, label_noise=0.0)
SCREEN = replace(DEFAULT, screen=1.0, no_nodule=0.0, label_noise=0.0)
SVG_LIMIT = 2500
"""The outline texts of DDTI were cut off after this many characters."""


def write_layout(name: str, out: Path, num: int = 8, seed: int = 0) -> Path:
    """A name of LAYOUTS -> the folder `out` with about num images in that set's layout. InputError for num below 4."""
    if name not in LAYOUTS:
        raise InputError(f"unknown layout '{name}'; known: {', '.join(LAYOUTS)}")
    if num < 4:
        raise InputError(f"{num} images asked for; a layout with all its parts needs 4 or more")
    out = make_folder(Path(out))
    LAYOUTS[name](out, num, seed)
    return out


def write_tn_scui2020(out: Path, num: int, seed: int) -> None:
    """TN-SCUI2020: image/N.PNG, mask/N.PNG, train.csv (ID,CATE; CATE 1 malignant), test/N.PNG without labels.

    As in the set, neighbouring numbers share a class: first a run of benign ones, then malignant, benign, malignant.
    """
    folders = {name: make_folder(out / name) for name in ("image", "mask", "test")}
    rows = []
    taken = {0: 0, 1: 0}
    for index in range(num):
        phantom = phantom_case(seed, index, _bare(seed, index, (260, 460)))
        label = phantom.malignancy
        count = taken[label]
        taken[label] += 1
        start = {(0, 0): 2, (1, 0): 1968, (0, 1): 5156, (1, 1): 7702}[(label, count % 2)]
        number = start + count // 2 * 3
        write_image(folders["image"] / f"{number}.PNG", phantom.image_HW)
        write_image(folders["mask"] / f"{number}.PNG", _mask(phantom))
        rows.append((number, label))
    table = [[f"{number}.PNG", label] for number, label in sorted(rows)]
    _write_csv(out / "train.csv", [["ID", "CATE"], *table])
    for index in range(max(2, num // 4)):
        phantom = phantom_case(seed, 10_000 + index, _bare(seed, index, (260, 460)))
        write_image(folders["test"] / f"{index + 1}.PNG", phantom.image_HW)


def write_tn3k(out: Path, num: int, seed: int) -> None:
    """TN3K: {trainval,test}-{image,mask}/0000.jpg, fold JSONs, label4trainval.csv, label4test.csv (name,0|1).

    Masks are JPEG as well, so their edges are not binary. The fold JSONs hold indices into the sorted trainval files.
    """
    num_test = max(2, num // 4)
    for part, count, offset in (("trainval", num, 0), ("test", num_test, 20_000)):
        images, masks = make_folder(out / f"{part}-image"), make_folder(out / f"{part}-mask")
        rows = []
        for index in range(count):
            phantom = phantom_case(seed, offset + index, _bare(seed, index, (280, 420)))
            name = f"{index:04d}.jpg"
            write_image(images / name, _rgb(phantom.image_HW))
            write_image(masks / name, _mask(phantom))
            rows.append([name, phantom.malignancy])
        _write_csv(out / f"label4{part}.csv", rows)
    order = np.random.default_rng([seed, 77]).permutation(num)
    for fold in range(5):
        val = sorted(int(i) for i in order[fold::5])
        train = sorted(set(range(num)) - set(val))
        write_new(out / f"tn3k-trainval-fold{fold}.json", json.dumps({"train": train, "val": val}).encode())


def write_ddti(out: Path, num: int, seed: int) -> None:
    """DDTI: original/N.xml, original/N_I.jpg and groups.csv; the set as published is only original/.

    Faults of the first cases: case 1 has an empty mark; the outline JSON of case 2 is cut off at 2500 characters, after
    a whole outline; case 3 has an arrow among its outlines; case 4 has no TI-RADS. Case 5 has two images. The last two
    cases share one image.
    """
    folder = make_folder(out / "original")
    rows: list[list[Any]] = [["image_id", "case", "group", "fold", "tirads_v1", "label_text_burned"]]
    for case in range(1, num + 1):
        source = case - 1 if case == num else case
        wanted = replace(SCREEN, suspicious=float(source % 2), split_screen=1.0 if case == 2 else 0.25)
        phantoms = [phantom_case(seed, 100 * source, wanted)]
        if case == 5:
            phantoms.append(phantom_case(seed, 100 * source + 1, wanted))
        tirads = "" if case == 4 else _ddti_tirads(phantoms[0], source)
        marks = []
        for image, phantom in enumerate(phantoms, start=1):
            write_image(folder / f"{case}_{image}.jpg", _rgb(phantom.image_HW))
            marks.append((image, "" if case == 1 else _ddti_svg(phantom, case)))
            group = source if case == num else case
            rows.append([f"{case}_{image}", case, group, group % 5, tirads, 0])
        write_new(folder / f"{case}.xml", _ddti_xml(case, phantoms[0], tirads, marks).encode())
    _write_csv(out / "groups.csv", rows)


def write_busi(out: Path, num: int, seed: int) -> None:
    """BUSI: Dataset_BUSI_with_GT/{benign,malignant,normal}/NAME (N).png, …_mask.png, …_mask_1.png for a second lesion.

    A normal image has an all-black mask.
    """
    root = out / "Dataset_BUSI_with_GT"
    folders = {name: make_folder(root / name) for name in ("benign", "malignant", "normal")}
    counts = dict.fromkeys(folders, 0)
    for index in range(num):
        bare = _bare(seed, index, (340, 500))
        num_lesions = (2, 1, 1, 0)[index % 4]
        bare = replace(bare, split_screen=0.0, no_nodule=float(num_lesions == 0), two_nodules=float(num_lesions == 2))
        draws = (phantom_case(seed, index + 1000 * attempt, bare) for attempt in range(100))
        phantom = next(drawn for drawn in draws if len(drawn.nodules) == num_lesions)
        label = "normal" if not phantom.nodules else ("malignant" if phantom.malignancy else "benign")
        counts[label] += 1
        stem = f"{label} ({counts[label]})"
        write_image(folders[label] / f"{stem}.png", phantom.image_HW)
        parts = [_filled(phantom, i) for i in range(len(phantom.nodules))] or [_mask(phantom)]
        for i, part_HW in enumerate(parts):
            write_image(folders[label] / f"{stem}_mask{'' if i == 0 else f'_{i}'}.png", part_HW)


def write_tg3k(out: Path, num: int, seed: int) -> None:
    """TG3K as people often keep it: image/F.jpg, mask/F.png (the gland), 256 x 256, and videos.csv (frame,video)."""
    images, masks = make_folder(out / "image"), make_folder(out / "mask")
    rows: list[list[Any]] = [["frame", "video"]]
    for index in range(num):
        phantom = phantom_case(seed, index, _gland_settings())
        write_image(images / f"{index * 7:04d}.jpg", _rgb(phantom.image_HW))
        write_image(masks / f"{index * 7:04d}.png", phantom.gland_HW.astype(np.uint8) * 255)
        rows.append([f"{index * 7:04d}", 1 + index // 4])
    _write_csv(out / "videos.csv", rows)


def write_tg3k_published(out: Path, num: int, seed: int) -> None:
    """TG3K as published: thyroid-image/F.jpg, thyroid-mask/F.jpg (JPEG masks), tg3k-trainval.json of indices."""
    images, masks = make_folder(out / "thyroid-image"), make_folder(out / "thyroid-mask")
    for index in range(num):
        phantom = phantom_case(seed, index, _gland_settings())
        write_image(images / f"{index:04d}.jpg", _rgb(phantom.image_HW))
        write_image(masks / f"{index:04d}.jpg", phantom.gland_HW.astype(np.uint8) * 255)
    cut = max(1, num * 9 // 10)
    split = {"train": list(range(cut)), "val": list(range(cut, num))}
    write_new(out / "tg3k-trainval.json", json.dumps(split).encode())


LAYOUTS: dict[str, Callable[[Path, int, int], None]] = {
    "tn_scui2020": write_tn_scui2020,
    "tn3k": write_tn3k,
    "ddti": write_ddti,
    "busi": write_busi,
    "tg3k": write_tg3k,
    "tg3k_published": write_tg3k_published,
}


def _bare(seed: int, index: int, side_px: tuple[int, int]) -> PhantomSettings:
    """-> settings of an image that shows no scanner's screen; its size is random. Malignant where `index` is odd.

    side_px: the range of the height.
    """
    rng = np.random.default_rng([seed, index, 5])
    height = int(rng.integers(*side_px))
    size_hw = (height, int(height * rng.uniform(1.1, 1.5)))
    return replace(BARE, size_hw=size_hw, split_screen=0.1, suspicious=float(index % 2))


def _gland_settings() -> PhantomSettings:
    return replace(BARE, size_hw=(256, 256), no_nodule=0.7, two_nodules=0.0, split_screen=0.0)


def _ddti_tirads(phantom: Phantom, case: int) -> str:
    """-> a category of DDTI's own scale: 4b, 4c or 5 where the phantom is malignant."""
    return ("4b", "4c", "5")[case % 3] if phantom.malignancy else ("2", "3", "4a")[case % 3]


def _ddti_svg(phantom: Phantom, case: int) -> str:
    """Outlines -> the JSON of the set: shapes with whole-pixel points; cut off in case 2, with an arrow in case 3."""
    shapes = []
    for nodule in phantom.nodules:
        points = np.rint(nodule.outline_xy[::12]).astype(int).tolist()
        shape = {"points": [{"x": x, "y": y} for x, y in points], "annotation": {}, "regionType": "freehand"}
        shapes.append(shape)
    if case == 3:
        x, y = np.rint(phantom.nodules[0].outline_xy[0]).astype(int).tolist()
        ends = [{"x": x + 40, "y": y + 60}, {"x": x, "y": y}]
        shapes.append({"points": ends, "annotation": {}, "regionType": "arrow"})
    text = json.dumps(shapes)
    return text[:SVG_LIMIT] if case == 2 else text


def _ddti_xml(case: int, phantom: Phantom, tirads: str, marks: list[tuple[int, str]]) -> str:
    """-> the XML of one case on one line, with the spellings of the set."""
    drawn = phantom.nodules[0].descriptors
    margins = {"smooth": "well defined smooth", "ill-defined": "ill- defined"}.get(drawn.margin, "spiculated")
    echo = {"anechoic": "", "very hypoechoic": "marked hypoechogenicity"}.get(
        drawn.echogenicity, drawn.echogenicity.replace("echoic", "echogenicity")
    )
    calcium = "non"
    if "punctate echogenic foci" in drawn.foci:
        calcium = "microcalcification" if case % 2 else "microcalcifications"
    elif "macrocalcifications" in drawn.foci:
        calcium = "macrocalcifications"
    fields = {
        "number": str(case),
        "age": str(30 + case * 7 % 45),
        "sex": "F" if case % 3 else "M",
        "composition": "predominantly solid" if drawn.composition.startswith("mixed") else drawn.composition,
        "echogenicity": echo,
        "margins": margins,
        "calcifications": calcium,
        "tirads": tirads,
        "reportbacaf": "",
        "reporteco": "",
    }
    head = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = "".join(f"<mark><image>{image}</image><svg>{escape(svg)}</svg></mark>" for image, svg in marks)
    return f"<case>{head}{body}</case>"


def _mask(phantom: Phantom) -> UInt8Array:
    return phantom.mask_HW.astype(np.uint8) * 255


def _filled(phantom: Phantom, index: int) -> UInt8Array:
    """-> the mask of one nodule: the part of the image's mask that is inside the nodule's outline."""
    mask_HW = np.zeros(phantom.mask_HW.shape, np.uint8)
    cv2.fillPoly(mask_HW, [np.rint(phantom.nodules[index].outline_xy).astype(np.int32)], 255)
    return np.asarray(np.where(phantom.mask_HW, mask_HW, 0), np.uint8)


def _rgb(image_HW: UInt8Array) -> UInt8Array:
    return np.repeat(image_HW[..., None], 3, axis=2)


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_new(path, text.getvalue().encode())
