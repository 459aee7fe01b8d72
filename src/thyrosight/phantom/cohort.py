"""Number, seed -> a folder of phantoms: images, masks, cases.csv, truth.json. Case i depends only on (seed, i)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.files.earlier_files import json_table, refuse_strangers, write_new
from thyrosight.phantom.draw import DEFAULT, draw_phantom
from thyrosight.phantom.records import Phantom, PhantomNodule, PhantomSettings
from thyrosight.types import Case, Json, Progress


def phantom_case(seed: int, index: int, settings: PhantomSettings = DEFAULT) -> Phantom:
    """(seed, index) -> the phantom of this index; it does not depend on other phantoms."""
    return draw_phantom(np.random.default_rng([seed, index]), settings)


def write_phantoms(
    num: int,
    out: Path,
    seed: int = 0,
    settings: PhantomSettings = DEFAULT,
    progress: Progress | None = None,
) -> Path:
    """-> out/cases.csv, next to it image/, mask/ (nodules), gland/ and truth.json.

    Every image has a mask; it is empty where there is no nodule. InputError where `out` can't be written to, or holds
    other files of these names: nothing is replaced. progress is called with (phantoms done, phantoms in all).
    """
    from thyrosight.datasets.table import cases_bytes

    if num < 1:
        raise InputError(f"{num} phantoms asked for; ask for 1 or more")
    out = Path(out)
    _refuse_another_cohort(out, num, seed)
    folders = {name: make_folder(out / name) for name in ("image", "mask", "gland")}
    cases: list[Case] = []
    truth: list[Json] = []
    for index in range(num):
        phantom = phantom_case(seed, index, settings)
        name = f"{index:04d}.png"
        write_image(folders["image"] / name, phantom.image_HW)
        write_image(folders["mask"] / name, phantom.mask_HW.astype(np.uint8) * 255)
        write_image(folders["gland"] / name, phantom.gland_HW.astype(np.uint8) * 255)
        cases.append(_case(phantom, f"phantom_{seed}_{index:04d}", out.resolve(), name))
        truth.append({"case_id": cases[-1].case_id, "image": f"image/{name}", **as_truth(phantom)})
        if progress is not None:
            progress(index + 1, num)
    write_new(out / "truth.json", _json({"seed": seed, "settings": asdict(settings), "phantoms": truth}))
    write_new(out / "cases.csv", cases_bytes(cases, out))
    return out / "cases.csv"


def _refuse_another_cohort(out: Path, num: int, seed: int) -> None:
    """InputError where the folder holds the cases.csv or truth.json of other phantoms."""

    def is_this(path: Path) -> bool:
        truth = json_table(out / "truth.json")
        return truth.get("seed") == seed and len(truth.get("phantoms") or ()) == num

    refuse_strangers([out / "truth.json", out / "cases.csv"], is_this, f"of {num} phantoms of seed {seed}")


def _case(phantom: Phantom, case_id: str, folder: Path, name: str) -> Case:
    worst = max(phantom.nodules, key=lambda nodule: nodule.points, default=None)
    return Case(
        case_id=case_id,
        image=folder / "image" / name,
        mask=folder / "mask" / name,
        malignancy=phantom.malignancy,
        group=case_id,
        source="phantom",
        row_mm=phantom.spacing.row_mm,
        column_mm=phantom.spacing.column_mm,
        fov=phantom.field,
        panels=phantom.panels,
        descriptors={} if worst is None else worst.descriptors.as_chart(worst.points),
    )


def as_truth(phantom: Phantom) -> Json:
    """Phantom -> its truth as JSON: boxes are [x0, y0, x1, y1] in pixels.

    An outline is [[x, y], …]: every fourth of its points, in pixels with three decimals.
    """
    return {
        "row_mm": phantom.spacing.row_mm,
        "column_mm": phantom.spacing.column_mm,
        "fov": list(phantom.field),
        "panels": [list(panel) for panel in phantom.panels],
        "views": list(phantom.views),
        "text": [list(box) for box in phantom.text],
        "malignancy": phantom.malignancy,
        "nodules": [_nodule_as_json(nodule) for nodule in phantom.nodules],
    }


def _nodule_as_json(nodule: PhantomNodule) -> Json:
    return {
        "panel": nodule.panel,
        **nodule.descriptors.as_dict(),
        "tirads_points": nodule.points,
        "tirads_level": nodule.level,
        "malignancy": nodule.malignancy,
        "area_mm2": nodule.area_mm2,
        "longest_mm": nodule.longest_mm,
        "perpendicular_mm": nodule.perpendicular_mm,
        "anteroposterior_mm": nodule.anteroposterior_mm,
        "transverse_mm": nodule.transverse_mm,
        "outline_xy": np.round(nodule.outline_xy[::4], 3).tolist(),
    }


def make_folder(path: Path) -> Path:
    """Make a folder and its parents -> its path. InputError where a file has that name, or writing is not allowed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: can't make this folder ({error.strerror}); choose another output folder") from None
    return path


def write_image(path: Path, pixels: NDArray[np.uint8], quality: int = 92) -> None:
    """uint8 pixels -> a new image file in the format of its ending: .png without loss, .jpg at `quality`."""
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 4]
    done, data = cv2.imencode(suffix, pixels, options)
    assert done, f"{path}: not encoded"
    write_new(path, data.tobytes())


def _json(value: Json) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
