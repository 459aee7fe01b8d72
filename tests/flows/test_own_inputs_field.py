"""Folders and tables as they come from the field -> `prepare`: labels, patients and masks are right, or it asks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_images import LEFT, NUM_PX, RIGHT, SHAPE, TOP, picture, rectangle, save
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.types import Case


def prepared(folder: Path, **columns: str) -> tuple[list[Case], PrepareSummary]:
    summary = prepare(folder, folder.parent / "out", PrepareOptions(folds=0, columns=columns), workers=1)
    return read_cases(summary.cases_csv), summary


def areas(cases: list[Case]) -> list[int]:
    return [int(load_mask(case, SHAPE).sum()) for case in cases]


def put(folder: Path, images: str, masks: str, num: int = 4) -> None:
    for number in range(num):
        save(folder / images.format(n=number, half=number % 2), picture(number))
        if masks:
            save(folder / masks.format(n=number, half=number % 2), rectangle())


@pytest.mark.parametrize("folder", ["", "class_", "class", "category ", "train/", "images/"])
@pytest.mark.parametrize("with_masks", [True, False])
def test_class_folders_0_and_1_give_the_label(tmp_path: Path, folder: str, with_masks: bool) -> None:
    masks = f"{folder}{{half}}/{{n}}_mask.png"
    if folder == "images/":
        masks = "masks/{half}/{n}.png"
    put(tmp_path / "set", f"{folder}{{half}}/{{n}}.png", masks if with_masks else "")
    cases, summary = prepared(tmp_path / "set")
    assert {case.image.stem: case.malignancy for case in cases} == {"0": 0, "1": 1, "2": 0, "3": 1}
    assert any("are taken for benign" in note for note in summary.notes)
    assert summary.num_outlined == 4 * with_masks


def test_folders_0_and_1_may_be_images_and_masks(tmp_path: Path) -> None:
    put(tmp_path / "set", "0/{n}.png", "1/{n}.png")
    cases, summary = prepared(tmp_path / "set")
    assert (areas(cases), summary.num_unlabelled) == ([NUM_PX] * 4, 4)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("masks/{n}.png", "nodules/{n}.png"),
        ("masks/{n}.png", "segmentations/{n}.png"),
        ("masks/img/{n}.png", "masks/gt/{n}.png"),
        ("masks/{n}.png", "masks/{n}_mask.png"),
        ("masks/{n}.png", "images/{n}.png"),
    ],
)
def test_images_in_a_folder_that_is_called_masks(tmp_path: Path, images: str, masks: str) -> None:
    put(tmp_path / "set", images, masks)
    assert areas(prepared(tmp_path / "set")[0]) == [NUM_PX] * 4


def test_images_with_their_masks_in_a_folder_called_masks_and_in_another(tmp_path: Path) -> None:
    put(tmp_path / "set", "masks/a{n}.png", "masks/a{n}_seg.png")
    put(tmp_path / "set", "more/b{n}.png", "more/b{n}_seg.png")
    assert areas(prepared(tmp_path / "set")[0]) == [NUM_PX] * 8


@pytest.mark.parametrize("masks", ["masks/{}.png", "images/{}_mask.png"])
def test_names_that_differ_in_case_alone_are_images_of_their_own(tmp_path: Path, masks: str) -> None:
    for name in "AaBb":
        save(tmp_path / "set" / "images" / f"{name}.png", picture(ord(name)))
        mask = np.zeros(SHAPE, np.uint8)
        mask[TOP : TOP + ord(name) - 60, LEFT:RIGHT] = 255
        save(tmp_path / "set" / masks.format(name), mask)
    cases, _ = prepared(tmp_path / "set")
    assert len({case.case_id.casefold() for case in cases}) == 4
    assert areas(cases) == [(ord(case.image.stem) - 60) * (RIGHT - LEFT) for case in cases]


def test_names_that_differ_in_case_alone_in_a_table(tmp_path: Path) -> None:
    for name in "Aa":
        save(tmp_path / "set" / f"{name}.png", picture(ord(name)))
    table = tmp_path / "set" / "t.csv"
    table.write_text("image,label\nA.png,1\na.png,0\n")
    cases, _ = prepared(tmp_path / "set")
    assert [(case.image.name, case.malignancy) for case in cases] == [("A.png", 1), ("a.png", 0)]
    assert len({case.case_id.casefold() for case in cases}) == 2
    table.write_text("case_id,image,label\nX1,A.png,1\nx1,a.png,0\n")
    with pytest.raises(InputError, match="both called 'X1' in upper or lower case"):
        prepared(tmp_path / "set")


def test_case_ids_of_cases_csv_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("case_id,image,mask,malignancy,group,source\nA,a.png,,1,g,s\na,b.png,,0,h,s\n")
    with pytest.raises(InputError, match="already that of row 2"):
        read_cases(table)


@pytest.mark.parametrize("name", ["overlays/{}.png", "images/{}_overlay.png", "annotated/{}_marked.jpg", "vis/{}.png"])
def test_pictures_drawn_over_images_are_no_images(tmp_path: Path, name: str) -> None:
    put(tmp_path / "set", "images/{n}.png", "masks/{n}.png")
    for number in range(4):
        drawn = np.repeat(picture(number)[..., None], 3, 2)
        save(tmp_path / "set" / name.format(number), cv2.rectangle(drawn, (LEFT, TOP), (RIGHT, 60), (0, 255, 0), 1))
    cases, summary = prepared(tmp_path / "set")
    assert areas(cases) == [NUM_PX] * 4
    assert any("4 pictures drawn over other images were passed over" in note for note in summary.notes)


def test_masks_in_a_folder_called_annotated_stay_masks(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{n}.png", "annotated/{n}.png")
    assert areas(prepared(tmp_path / "set")[0]) == [NUM_PX] * 4


@pytest.mark.parametrize(("image", "mask"), [("jpg", "png"), ("png", "bmp"), ("jpg", "gif")])
@pytest.mark.parametrize("folder", ["", "benign/"])
def test_two_endings(tmp_path: Path, image: str, mask: str, folder: str) -> None:
    put(tmp_path / "set", f"{folder}{{n}}.{image}", f"{folder}{{n}}.{mask}")
    cases, _ = prepared(tmp_path / "set")
    assert areas(cases) == [NUM_PX] * 4
    assert {case.malignancy for case in cases} == ({0} if folder else {None})


def test_several_masks_of_some_images_are_told_by_a_number(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{n}.png", "masks/{n}.png")
    (tmp_path / "set" / "masks" / "1.png").rename(tmp_path / "set" / "masks" / "1_1.png")
    second = np.zeros(SHAPE, np.uint8)
    second[70:90, 10:40] = 255
    save(tmp_path / "set" / "masks" / "1_2.png", second)
    assert areas(prepared(tmp_path / "set")[0]) == [NUM_PX, NUM_PX + 600, NUM_PX, NUM_PX]


@pytest.mark.parametrize("names", ["P00{}_left,P00{}_right", "1{}L,1{}R", "case {} - rechts,case {} - links"])
def test_both_sides_of_one_patient_stay_together(tmp_path: Path, names: str) -> None:
    for number in range(12):
        folder = names.split(",")[number // 2 % 2].format(number // 4)
        save(tmp_path / "set" / folder / f"{number}.png", picture(number))
        save(tmp_path / "set" / folder / f"{number}_mask.png", rectangle())
    assert prepared(tmp_path / "set")[1].num_groups == 3


@pytest.mark.parametrize("name", ["TR{}", "TI-RADS {}", "class{}", "BIRADS_{}a", "grade {}"])
def test_categories_are_no_patients(tmp_path: Path, name: str) -> None:
    for number in range(8):
        folder = tmp_path / "set" / name.format(2 + number % 4)
        save(folder / f"{number}.png", picture(number))
        save(folder / f"{number}_mask.png", rectangle())
    _, summary = prepared(tmp_path / "set")
    assert summary.num_groups == 8
    assert any("are taken for categories: no patients" in note for note in summary.notes)


def test_a_dicomdir_is_no_image(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{n}.png", "masks/{n}.png")
    (tmp_path / "set" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    _, summary = prepared(tmp_path / "set")
    assert (summary.num_images, summary.left_out) == (4, {})


def test_a_table_beside_folders_finds_numbers_that_lost_their_zeros(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/000{n}.png", "masks/000{n}.png")
    (tmp_path / "set" / "l.csv").write_text(
        "name,label,patient\n" + "".join(f"{n},{n % 2},P{n // 2}\n" for n in range(4))
    )
    cases, summary = prepared(tmp_path / "set")
    assert ([case.malignancy for case in cases], summary.num_groups) == ([0, 1, 0, 1], 2)


def table(folder: Path, header: str, benign: str = "0", malignant: str = "1") -> Path:
    put(folder, "i{n}.png", "m{n}.png")
    rows = [f"i{n}.png,m{n}.png,{malignant if n % 2 else benign},P{n // 2}" for n in range(4)]
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


@pytest.mark.parametrize("name", ["Datei 2", "ROI", "contorno", "轮廓", "masque 2"])
def test_a_column_of_files_is_asked_about_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"is '{name}' the mask"):
        prepared(table(tmp_path / "set", f"image,{name},label,patient"))


@pytest.mark.parametrize("name", ["病理", "Dignität", "诊断", "диагноз"])
def test_words_of_a_known_label_column_that_are_not_known_are_asked_about(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"label '结节' in column '{name}'.*--malignant \"{name}=结节\""):
        prepared(table(tmp_path / "set", f"image,mask,{name},patient", "结节", "乳头状癌"))


@pytest.mark.parametrize(
    "name", ["病理类型", "Befund", "Dignitätsgrad", "resultado", "诊断意见", "esito", "диагноз врача"]
)
def test_a_label_in_another_language_is_asked_about(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"is '{name}' the label"):
        prepared(table(tmp_path / "set", f"image,mask,{name},patient", "结节", "乳头状癌"))


@pytest.mark.parametrize(
    "name", ["Fallnummer", "Prontuário", "患者代号", "病例号", "门诊号", "Dossier n°", "NHC", "caso"]
)
def test_a_patient_in_another_language_is_asked_about(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"is '{name}' the patient"):
        prepared(table(tmp_path / "set", f"image,mask,label,{name}"))


@pytest.mark.parametrize("name", ["benign", "Gutartig", "良性"])
def test_a_column_that_says_benign_is_never_taken_for_malignant(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f'--malignant "{name}=0"'):
        prepared(table(tmp_path / "set", f"image,mask,{name},patient"))
