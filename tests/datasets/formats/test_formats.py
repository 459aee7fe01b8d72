"""Folders as people have them -> `prepare` without an option: number, outlines, labels and groups are right."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_files import native
from drawn_images import BOTTOM, LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.types import Case

HEIGHT, WIDTH = SHAPE
CORNERS = [(LEFT, TOP), (RIGHT - 1, TOP), (RIGHT - 1, BOTTOM - 1), (LEFT, BOTTOM - 1)]
"""Filled with its border, this polygon is the rectangle of `drawn_images`."""
FLAT = [float(number) for corner in CORNERS for number in corner]
NO_FOLDS = PrepareOptions(folds=0)


@dataclass(frozen=True)
class Expected:
    """What is right for a folder. groups: None where it gives no patients (then each image is its own)."""

    images: int
    outlined: int
    high: int = 0
    low: int = 0
    groups: int | None = None


def two_folders(folder: Path) -> Expected:
    for number in range(6):
        save(folder / "images" / f"us{number}.jpg", picture(number))
        save(folder / "masks" / f"us{number}_segmentation.png", rectangle())
    (folder / "labels.csv").write_text(
        "File,Diagnosis,Patient ID\n" + "".join(f"us{n}.png,{n % 2},p{n // 2}\n" for n in range(6))
    )
    return Expected(6, 6, high=3, low=3, groups=3)


def folders_of_any_name(folder: Path) -> Expected:
    for number in range(5):
        save(folder / "A" / f"{number}.bmp", picture(number))
        save(folder / "second_reader" / f"{number}.png", rectangle(1))
    return Expected(5, 5)


def flat_folder(folder: Path) -> Expected:
    for number in range(4):
        save(folder / f"x{number}.png", picture(number))
    for number in range(3):
        save(folder / f"x{number}_mask.png", rectangle())
    return Expected(4, 3)


def prefixes(folder: Path) -> Expected:
    """As BUS-BRA: bus_0001-l and mask_0001-l, a table without endings."""
    rows = ["ID,Patient,Histology,Pathology"]
    for number in range(4):
        save(folder / "Images" / f"bus_{number:04d}-l.png", picture(number))
        save(folder / "Masks" / f"mask_{number:04d}-l.png", rectangle())
        rows.append(f"bus_{number:04d}-l,{number // 2},Cyst,{'malignant' if number > 1 else 'benign'}")
    (folder / "data.csv").write_text("\n".join(rows))
    return Expected(4, 4, high=2, low=2, groups=2)


def classes_with_masks_beside(folder: Path) -> Expected:
    for number in range(3):
        for name in ("benign", "malignant"):
            save(folder / name / "images" / f"{number}.png", picture(number + 10 * len(name)))
            save(folder / name / "masks" / f"{number}.png", rectangle())
    return Expected(6, 6, high=3, low=3)


def classes_without_masks(folder: Path) -> Expected:
    for number in range(3):
        save(folder / "train" / "Benign" / f"{number}.jpg", picture(number))
        save(folder / "test" / "Malignant" / f"{number}.jpg", picture(number + 50))
    return Expected(6, 0, high=3, low=3)


def patient_folders(folder: Path) -> Expected:
    for patient in range(3):
        for number in range(2):
            save(folder / f"patient {patient:02d}" / f"view{number}.png", picture(10 * patient + number))
            save(folder / f"patient {patient:02d}" / f"view{number}-mask.png", rectangle())
    return Expected(6, 6, groups=3)


def nnunet_raw(folder: Path) -> Expected:
    labels = {"background": 0, "benign nodule": 1, "malignant nodule": 2}
    home = folder / "Dataset027_Thyroid"
    for number in range(4):
        save(home / "imagesTr" / f"thyroid_{number:03d}_0000.png", picture(number))
        save(home / "labelsTr" / f"thyroid_{number:03d}.png", rectangle(1 + number % 2))
    save(home / "imagesTs" / "thyroid_009_0000.png", picture(9))
    (home / "dataset.json").write_text(
        json.dumps({"channel_names": {"0": "US"}, "labels": labels, "numTraining": 4, "file_ending": ".png"})
    )
    return Expected(5, 4, high=2, low=2)


def coco(folder: Path) -> Expected:
    images, annotations = [], []
    runs = [LEFT * HEIGHT + TOP]
    for _ in range(RIGHT - LEFT - 1):
        runs += [BOTTOM - TOP, HEIGHT - (BOTTOM - TOP)]
    runs += [BOTTOM - TOP]
    runs.append(HEIGHT * WIDTH - sum(runs))
    shapes = [[FLAT], {"size": [HEIGHT, WIDTH], "counts": runs}, []]
    for number, shape in enumerate(shapes):
        save(folder / "train" / f"{number}.jpg", picture(number))
        images.append({"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH})
        box = {"bbox": [LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP], "image_id": number, "category_id": 1 + number % 2}
        annotations.append({"id": number, "segmentation": shape, "iscrowd": 0, **box})
        annotations.append({"id": 50 + number, "segmentation": [[1, 1, 9, 1, 9, 9]], **{**box, "category_id": 3}})
    categories = [{"id": 1, "name": "Benign"}, {"id": 2, "name": "Malignant"}, {"id": 3, "name": "carotid"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    return Expected(3, 2, high=1, low=2)


def labelme(folder: Path) -> Expected:
    data = io.BytesIO()
    Image.fromarray(np.ones((BOTTOM - TOP, RIGHT - LEFT), np.uint8)).save(data, "PNG")
    mask = {"shape_type": "mask", "mask": base64.b64encode(data.getvalue()).decode()}
    shapes = [{"points": CORNERS, "shape_type": "polygon"}, {"points": [CORNERS[0], CORNERS[2]], **mask}]
    for number, shape in enumerate(shapes):
        save(folder / f"{number}.png", picture(number))
        content = {
            "version": "5.4",
            "flags": {},
            "shapes": [{"label": "nodule", **shape}],
            "imagePath": f"..\\{number}.png",
        }
        size = {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / f"{number}.json").write_text(json.dumps({**content, **size}))
    save(folder / "2.png", picture(2))
    (folder / "2.json").write_text('{"shapes": [{"label": "nod", "imagePath": "2.p')
    return Expected(2, 2)


def voc(folder: Path) -> Expected:
    for number in range(4):
        save(folder / "JPEGImages" / f"{number:06d}.jpg", picture(number))
        box = f"<xmin>{LEFT}</xmin><ymin>{TOP}</ymin><xmax>{RIGHT}</xmax><ymax>{BOTTOM}</ymax>"
        name = ("benign", "malignant")[number % 2]
        thing = f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"
        text = f"<annotation><filename>x.jpg</filename>{thing}</annotation>"
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{number:06d}.xml").write_text(text)
    return Expected(4, 0, high=2, low=2)


def yolo_polygons(folder: Path) -> Expected:
    shares = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in CORNERS)
    for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
        for number in numbers:
            save(folder / "images" / split / f"{number}.jpg", picture(number))
            (folder / "labels" / split).mkdir(parents=True, exist_ok=True)
            (folder / "labels" / split / f"{number}.txt").write_text(f"{number % 2} {shares}\n")
    (folder / "data.yaml").write_text("train: images/train\nnc: 2\nnames:\n  0: benign\n  1: malignant\n")
    return Expected(4, 4, high=2, low=2)


def yolo_boxes(folder: Path) -> Expected:
    for number in range(3):
        save(folder / "train" / "images" / f"{number}.jpg", picture(number))
        (folder / "train" / "labels").mkdir(parents=True, exist_ok=True)
        (folder / "train" / "labels" / f"{number}.txt").write_text("" if number == 2 else f"{number} 0.5 0.5 0.3 0.2\n")
    (folder / "data.yaml").write_text("nc: 2\nnames: ['benign', 'malignant']\n")
    return Expected(3, 0, high=1, low=1)


def cvat(folder: Path) -> Expected:
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    runs = f"0,{(BOTTOM - TOP) * (RIGHT - LEFT)}"
    box = f'left="{LEFT}" top="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"'
    shapes = (f'<polygon label="nodule" points="{points}">', f'<mask label="nodule" rle="{runs}" {box}>')
    parts = []
    for number, shape in enumerate(shapes):
        save(folder / "images" / f"{number}.png", picture(number))
        said = f'<attribute name="pathology">{("benign", "malignant")[number]}</attribute>'
        closing = "</polygon>" if "polygon" in shape else "</mask>"
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        parts.append(f'<image id="{number}" name="{number}.png" {size}>{shape}{said}{closing}</image>')
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(parts)}</annotations>")
    return Expected(2, 2, high=1, low=1)


def dicom_and_masks(folder: Path) -> Expected:
    for number in range(3):
        path = folder / f"P{number}" / "1.2.840.113619.2"
        path.parent.mkdir(parents=True)
        path.write_bytes(native(picture(number)))
        save(folder / f"P{number}" / "1.2.840.113619.2_mask.png", rectangle())
    return Expected(3, 3, groups=3)


def nifti(folder: Path) -> Expected:
    nibabel = pytest.importorskip("nibabel")
    for number in range(2):
        for part, pixels in (("images", picture(number)), ("labels", rectangle(1))):
            (folder / part).mkdir(exist_ok=True)
            volume = nibabel.Nifti1Image(pixels.T[:, :, None], np.diag([-1, -1, 1, 1]))
            nibabel.save(volume, folder / part / f"{number}.nii.gz")
    return Expected(2, 2)


def nrrd_files(folder: Path) -> Expected:
    nrrd = pytest.importorskip("nrrd")
    for number in range(2):
        nrrd.write(str(folder / f"{number}.nrrd"), picture(number), index_order="C")
        nrrd.write(str(folder / f"{number}.seg.nrrd"), rectangle(1), index_order="C")
        (folder / f"{number}.seg.nrrd").rename(folder / f"{number}_seg.nrrd")
    return Expected(2, 2)


MAKERS = (
    two_folders, folders_of_any_name, flat_folder, prefixes, classes_with_masks_beside, classes_without_masks,
    patient_folders, nnunet_raw, coco, labelme, voc, yolo_polygons, yolo_boxes, cvat, dicom_and_masks, nifti,
    nrrd_files,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_folder_as_people_have_it_is_read(tmp_path: Path, make: Callable[[Path], Expected]) -> None:
    (tmp_path / "set").mkdir()
    expected = make(tmp_path / "set")
    summary = prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS)
    assert found_in(summary) == (expected.images, expected.outlined, expected.high, expected.low), summary
    cases = read_cases(tmp_path / "out")
    assert {mask_size(case) for case in cases if case.mask is not None} <= {NUM_PX, 0}
    assert len({case.case_id for case in cases}) == expected.images
    assert summary.num_groups == (expected.groups or expected.images)
    says_no_patient = any("nothing says the patient" in note for note in summary.notes)
    assert says_no_patient == (expected.groups is None), summary.notes
    again = prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS)
    assert found_in(again) == found_in(summary), "a second run reads the same"


def found_in(summary: PrepareSummary) -> tuple[int, int, int, int]:
    return summary.num_images, summary.num_outlined, summary.num_high, summary.num_low


def mask_size(case: Case) -> int:
    return int(load_mask(case, SHAPE).sum())
