"""Tables and layouts as people of the field bring them, a second round: read right, or one line with the fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.types import Box, Case

SIZE = (72, 96)
NO_FOLDS = PrepareOptions(folds=0)


def picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(40, 200, SIZE).astype(np.uint8))


def mask(number: int) -> Image.Image:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return Image.fromarray((((rows - 36) ** 2 + (columns - 30 - 6 * number) ** 2) < 100).astype(np.uint8) * 255)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images i0.png to i3.png and their masks m0.png to m3.png."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(4):
        picture(number).save(folder / f"i{number}.png")
        mask(number).save(folder / f"m{number}.png")
    return folder


def read(folder: Path, content: str | bytes, options: PrepareOptions = NO_FOLDS) -> tuple[list[Case], PrepareSummary]:
    data = content.encode() if isinstance(content, str) else content
    (folder / "t.csv").write_bytes(data)
    summary = prepare(folder / "t.csv", folder.parent / "out", options, workers=1)
    return read_cases(summary.cases_csv), summary


ROWS = "i0.png,m0.png,1,a\ni1.png,m1.png,0,b\n"
PLAIN = "image,mask,label,patient\n" + ROWS
SEMICOLONS = PLAIN.replace(",", ";")

SAME_TABLE: dict[str, bytes] = {
    "byte-order mark and quotes": ("\ufeff" + PLAIN.replace("image", '"image"')).encode(),
    "UTF-16, as Excel saves Unicode text": PLAIN.replace(",", "\t").encode("utf-16"),
    "UTF-16 of the other order": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "semicolons": SEMICOLONS.encode(),
    "semicolons, and commas in a column's name": SEMICOLONS.replace("patient", 'patient;"note (a, b, c, d)"').encode(),
    "Excel's line sep=;": ("sep=;\r\n" + SEMICOLONS.replace("\n", "\r\n")).encode(),
    "pipes": PLAIN.replace(",", "|").encode(),
    "old Mac line ends": PLAIN.replace("\n", "\r").encode(),
    "blank lines and blank cells below": ("\n" + PLAIN + "\n,,,\n , , , \n").encode(),
    "names with blanks around": PLAIN.replace(",", " , ").encode(),
    "no-break blanks": PLAIN.replace("i0.png", "i0.png\u00a0").replace(",1,", ",1\u00a0,").encode(),
    "labels in words": PLAIN.replace(",1,", ",Malignant ,").replace(",0,", ",BENIGN,").encode(),
    "labels yes and no": PLAIN.replace(",1,", ",Yes,").replace(",0,", ",No,").encode(),
    "labels M and B": PLAIN.replace(",1,", ",M,").replace(",0,", ",B,").encode(),
    "labels 1.0 and 0,0": PLAIN.replace(",1,", ",1.0,").replace(",0,", ',"0,0",').encode(),
    "labels in Chinese": PLAIN.replace(",1,", ",恶性,").replace(",0,", ",良性,").encode(),
    "labels in German": PLAIN.replace(",1,", ",bösartig,").replace(",0,", ",gutartig,").encode(),
    "labels TRUE and FALSE": PLAIN.replace(",1,", ",TRUE,").replace(",0,", ",FALSE,").encode(),
    "upper case endings": PLAIN.replace(".png", ".PNG").encode(),
    "names without endings": PLAIN.replace(".png", "").encode(),
    "two byte-order marks": ("\ufeff\ufeff" + PLAIN).encode(),
    "signs of no width in the header": PLAIN.replace("image", "ima\u200bge").encode(),
    "an image column of any name": PLAIN.replace("image", "Foto").encode(),
    "labels yes and no in a column cancer": PLAIN.replace("label", "Cancer").replace(",1,", ",yes,").encode(),
    "masks in a column label": b"image,label,class,patient\ni0.png,m0.png,1,a\ni1.png,m1.png,0,b\n",
    "a column per class": b"image,mask,benign,malignant,patient\ni0.png,m0.png,0,1,a\ni1.png,m1.png,1,0,b\n",
    "the meaning in the column's name": (
        b'image,mask,"class (0=malignant, 1=benign)",patient\ni0.png,m0.png,0,a\ni1.png,m1.png,1,b\n'
    ),
    "the meaning of 1 and 2": (
        b"image,mask,Class 1: benign; 2: malignant,patient\ni0.png,m0.png,2,a\ni1.png,m1.png,1,b\n"
    ),
    "paths with ./ and a detour": PLAIN.replace("i0", "./i0").replace("m1", "../set/m1").encode(),
}


@pytest.mark.parametrize("kind", SAME_TABLE)
def test_the_same_table_in_another_dress(folder: Path, kind: str) -> None:
    cases, _ = read(folder, SAME_TABLE[kind])
    assert [(case.image.name, case.mask and case.mask.name) for case in cases] == [
        ("i0.png", "m0.png"),
        ("i1.png", "m1.png"),
    ]
    assert [case.malignancy for case in cases] == [1, 0]
    assert [case.group for case in cases] == ["a", "b"]


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a workbook that is called csv": (b"PK\x03\x04" + b"\0" * 40, "a spreadsheet, not a CSV.*save it as CSV"),
    "an xls that is called csv": (b"\xd0\xcf\x11\xe0" + b"\0" * 40, "a spreadsheet, not a CSV"),
    "Windows-1252": (PLAIN.replace("patient", "Bemerkung f\u00fcr").encode("cp1252"), "save it as UTF-8 CSV"),
    "a header alone": ("image,label\n", "no rows below the header"),
    "labels 1 and 2": (PLAIN.replace(",0,", ",2,"), r'label \'2\'.*--malignant "label=2"'),
    "a word for a tumour": (PLAIN.replace(",1,", ",papillary carcinoma,"), r'--malignant "label=papillary carcinoma"'),
    "a category as the label": (PLAIN.replace(",1,", ",TR4,"), r"--malignant \"label=tr4\""),
    "a probability as the label": (PLAIN.replace(",1,", ",0.7,"), "label '0.7'"),
    "patients in merged cells": (
        "image,label,patient\ni0.png,1,a\ni1.png,1,\ni2.png,0,b\ni3.png,0,\n",
        "merged cells do; fill them down",
    ),
    "the patient's number called ID": (
        "ID,image,label\np1,i0.png,1\np1,i1.png,1\n",
        r"both called 'p1'.*--column patient=COLUMN --column case_id=none",
    ),
    "micrometres": (
        PLAIN.replace("patient", "row_mm").replace(",a", ",65").replace(",b", ",65"),
        "spacing '65'.*0.005 to 2",
    ),
    "a negative spacing": (
        PLAIN.replace("patient", "row_mm").replace(",a", ",-0.1").replace(",b", ",0.1"),
        "spacing '-0.1'",
    ),
    "a title above the header": ("Table 1,,,\n" + PLAIN, "which column holds the image's file"),
    "a fold in words": (PLAIN.replace("patient", "fold").replace(",a", ",1 of 5"), "fold '1 of 5'"),
    "a row with a comma too many": (PLAIN.replace(",1,", ",1,seen twice,"), "5 values for 4 columns.*quotes"),
    "the patient in another language": (PLAIN.replace("patient", "Prontuário"), "is .Prontuário. the patient"),
    "the patient in another script": (
        PLAIN.replace("patient", "\u4f4f\u9662\u53f7"),
        '--column "patient=\u4f4f\u9662\u53f7"',
    ),
    "a study that repeats": (
        PLAIN.replace("patient", "StudyInstanceUID").replace(",b", ",a"),
        'is .StudyInstanceUID. the patient.*"patient=StudyInstanceUID".*patient=none',
    ),
    "patients as numbers cut off": (PLAIN.replace(",a", ",1.23E+12").replace(",b", ",1.23E+12"), "format the column"),
    "a label under another name": (
        "image,mask,type\ni0.png,m0.png,malignant\ni1.png,m1.png,benign\n",
        'is .type. the label.*"malignancy=type".*malignancy=none',
    ),
    "two columns of masks": ("image,mask1,mask2,label\ni0.png,m0.png,,1\n", 'is .mask1. the mask.*"mask=mask1"'),
    "a split under another name": (
        "image,mask,phase\ni0.png,m0.png,train\ni1.png,m1.png,test\n",
        'is .phase. the split.*"split=phase"',
    ),
    "a fold under another name": ("image,label,cv_fold\ni0.png,1,0\ni1.png,0,1\n", "is .cv_fold. the fold"),
    "a title of one cell above the header": ("Table 1\n" + PLAIN, "first line is no header.*remove the lines above"),
    "a formula's error as the patient": (PLAIN.replace(",a", ",#N/A"), "row 2: '#N/A' in column 'patient'.*empty the"),
    "a formula's error as the label": (PLAIN.replace(",1,", ",#VALUE!,"), "'#VALUE!' in column 'label'.*correct it"),
    "both classes in a row": ("image,benign,malignant\ni0.png,1,0\ni1.png,1,1\n", "row 3: both benign and malignant"),
    "labels -1 and 1": (PLAIN.replace(",0,", ",-1,"), r'holds -1 and 1 alone.*--malignant "label=1"'),
    "run lengths": ("image,label,EncodedPixels\ni0.png,1,1 5 9 2\n", "'EncodedPixels' holds outlines.*COCO"),
    "boxes in one cell": ('image,class,bbox\ni0.png,benign,"[1,2,30,40]"\n', "'bbox' holds.*four columns xmin, ymin"),
    "boxes in shares": (
        "image,class,cx,cy,w,h\ni0.png,benign,.5,.5,.1,.2\n",
        "row 2: a box in shares.*it in pixels",
    ),
    "a box beyond the image": (
        "image,class,x,y,w,h\ni0.png,benign,60,2,60,40\n",
        "row 2: a box that reaches 24 pixels beyond the image of 96 x 72; x, y, w, h were taken for the top left",
    ),
    "a box without an area": ("image,class,x1,y1,x2,y2\ni0.png,benign,9,9,9,40\n", "row 2: a box without an area"),
    "a box of three numbers": ("image,class,x1,y1,x2,y2\ni0.png,benign,1,2,30,\n", "row 2: a box of 1, 2, 30, .*four"),
    "polygons": ('image,label,polygon\ni0.png,1,"[[1,2],[9,9],[1,9]]"\n', "'polygon' holds.*mask=none"),
    "no header": (ROWS, "first line is no header, it names the file i0.png; add a line above"),
    "a flag for the test set": (
        "image,label,is_test\ni0.png,1,0\ni1.png,0,1\n",
        "is 'is_test' the split .train, val, test",
    ),
    "a line break in a name": (
        '"image\nfile","final\nresult"\ni0.png,1\n',
        "neither a mask.*there: image file, final result",
    ),
    "a second image per row": (
        "image,image2,label\ni0.png,i1.png,1\n",
        "'image2'.*a second mask or image is a row of its own",
    ),
    "benign as the only label": ("image,benign\ni0.png,1\n", "neither a mask nor a label column"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_the_table_and_the_fix(folder: Path, kind: str) -> None:
    content, words = REFUSED[kind]
    with pytest.raises(InputError, match=words) as caught:
        read(folder, content)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_name_with_two_endings_is_asked_about(folder: Path) -> None:
    picture(0).save(folder / "i0.jpg")
    with pytest.raises(InputError, match=r"'i0' of the table could be i0\.jpg or i0\.png; write the whole name"):
        read(folder, "image,label\ni0,1\n")


def test_numbers_that_a_spreadsheet_cut_find_their_files(folder: Path) -> None:
    (folder / "i0.png").rename(folder / "0007.png")
    (folder / "i1.png").rename(folder / "0010.png")
    cases, summary = read(folder, "image,label\n7,1\n10,0\n")
    assert [case.image.name for case in cases] == ["0007.png", "0010.png"]
    assert any("2 files were found under another ending or spelling" in note for note in summary.notes)


def test_accents_that_macos_takes_apart_are_the_same(folder: Path) -> None:
    composed = unicodedata.normalize("NFC", "Kn\u00f6tchen \u00e9.png")
    (folder / "i0.png").rename(folder / unicodedata.normalize("NFD", composed))
    cases, _ = read(folder, f"image,label\n{composed},1\n")
    assert len(cases) == 1


def test_a_line_end_of_unicode_in_a_cell_is_no_new_row(folder: Path) -> None:
    cases, _ = read(
        folder,
        PLAIN.replace("label", "label,remark").replace(",1,", ",1,seen\u2028twice\x0b,").replace(",0,", ',0,"a\nb",'),
    )
    assert [case.group for case in cases] == ["a", "b"]


def test_a_decimal_comma_is_a_point(folder: Path) -> None:
    table = "image;label;row_mm;column_mm\ni0.png;1;0,065;0,07\ni1.png;0;0.08;\n"
    cases, _ = read(folder, table)
    assert [(case.row_mm, case.column_mm) for case in cases] == [(0.065, 0.07), (0.08, None)]
    cut = PrepareOptions(folds=0, malignant="size>=1.5")
    cases, _ = read(folder, "image;size\ni0.png;1,5\ni1.png;1,49\n", cut)
    assert [case.malignancy for case in cases] == [1, 0]


@pytest.mark.parametrize(
    ("written", "label"),
    [("TR4", 0), ("4A", 0), ("4 b", 1), ("TI-RADS 4B", 1), ("ACR TI-RADS 5", 1), ("TIRADS: 3", 0), ("tr-4c", 1)],
)
def test_categories_as_reports_write_them(folder: Path, written: str, label: int) -> None:
    cases, _ = read(folder, f"image,tirads\ni0.png,{written}\n", PrepareOptions(folds=0, malignant="tirads>=4b"))
    assert cases[0].malignancy == label


def test_patients_that_differ_in_case_alone_are_one(folder: Path) -> None:
    cases, summary = read(folder, "image,label,patient\ni0.png,1,P1\ni1.png,1,p1\ni2.png,0,P2\n")
    assert [case.group for case in cases] == ["P1", "P1", "P2"]
    assert any("upper and lower case" in note for note in summary.notes)


def test_patients_whose_leading_zeros_a_spreadsheet_cut_are_one(folder: Path) -> None:
    cases, summary = read(folder, PLAIN.replace(",a", ",007").replace(",b", ",7"))
    assert [case.group for case in cases] == ["007", "007"]
    assert any("leading zeros alone are one: 7" in note for note in summary.notes)


def test_images_of_one_name_in_two_folders_are_named_with_the_folder(folder: Path) -> None:
    for number in range(2):
        (folder / f"p{number}").mkdir()
        picture(number).save(folder / f"p{number}" / "1.png")
    cases, _ = read(folder, "image,label\np0/1.png,1\np1/1.png,0\n")
    assert [(case.case_id, case.malignancy) for case in cases] == [("p0_1", 1), ("p1_1", 0)]


@pytest.mark.parametrize(
    ("written", "cut"),
    [
        ("Bethesda VI,II", "grade>=5"),
        ("VI,iv", "grade>=V"),
        ("Bethesda category V,Bethesda category III", "grade>=Bethesda V"),
        ("TR5 (highly suspicious),TR2 (not suspicious)", "grade>=4"),
    ],
)
def test_categories_are_cut(folder: Path, written: str, cut: str) -> None:
    high, low = written.split(",")
    table = f"image,grade\ni0.png,{high}\ni1.png,{low}\n"
    cases, _ = read(folder, table, PrepareOptions(folds=0, malignant=cut))
    assert [case.malignancy for case in cases] == [1, 0]


def test_rows_without_a_patient_are_counted(folder: Path) -> None:
    _, summary = read(folder, "image,label,patient\ni0.png,1,P1\ni1.png,1,P1\ni2.png,0,\n")
    assert any("1 rows have no patient" in note for note in summary.notes)


def test_neither_of_two_classes_is_no_label(folder: Path) -> None:
    cases, summary = read(folder, "image,normal,benign,malignant\ni0.png,1,0,0\ni1.png,0,1,0\ni2.png,0,0,1\n")
    assert [case.malignancy for case in cases] == [None, 0, 1]
    assert any("malignancy = malignant, benign = benign" in note for note in summary.notes)


@pytest.mark.parametrize("name", ["benign", "is_benign", "gutartig"])
def test_a_column_that_says_benign_is_never_the_label_as_it_is(folder: Path, name: str) -> None:
    table = f"image,{name}\ni0.png,0\ni1.png,1\n"
    with pytest.raises(InputError, match=f'says what is benign; write --malignant "{name}=0"'):
        read(folder, table, PrepareOptions(folds=0, columns={"malignancy": name}))
    cases, _ = read(folder, table, PrepareOptions(folds=0, malignant=f"{name}=0"))
    assert [case.malignancy for case in cases] == [1, 0]


@pytest.mark.parametrize("name", ["1-Mar", "02. Jan", "Mär 21", "3/4/2021", "1.23457E+14", "1,23E+09"])
def test_names_that_a_spreadsheet_made_dates_or_short_numbers(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"of the table is no file here; a spreadsheet makes this.*the column as text"):
        read(folder, f'image,label\n"{name}",1\n')


BOXES: dict[str, str] = {
    "corners": "image,label,xmin,ymin,xmax,ymax\ni0.png,1,10,20,40,50\n",
    "corners of another numbering": "image,label,bbox_x1,bbox_y1,bbox_x2,bbox_y2\ni0.png,1,10,20,40,50\n",
    "a corner and the size": "image,label,X,Y,W,H\ni0.png,1,10,20,30,30\n",
    "a centre and the size": "image,label,x_center,y_center,width,height\ni0.png,1,25,35,30,30\n",
    "decimal commas": "image;label;x0;y0;x1;y1\ni0.png;1;10,2;19,8;40,4;50,1\n",
    "the image's size beside": "image,width,height,class,xmin,ymin,xmax,ymax\ni0.png,96,72,malignant,10,20,40,50\n",
}


@pytest.mark.parametrize("kind", BOXES)
def test_boxes_in_a_table(folder: Path, kind: str) -> None:
    (case,), summary = read(folder, BOXES[kind])
    assert (case.boxes, case.malignancy, case.mask) == ((Box(10, 20, 40, 50),), 1, None)
    assert any(note.startswith("boxes: ") and "in pixels; they are no outlines" in note for note in summary.notes)


def test_boxes_of_one_image_in_several_rows(folder: Path) -> None:
    table = "image,class,xmin,ymin,xmax,ymax\ni0.png,benign,1,2,30,40\ni0.png,benign,50,2,70,40\ni1.png,malignant,,,,\n"
    first, second = read(folder, table)[0]
    assert (first.boxes, second.boxes) == ((Box(1, 2, 30, 40), Box(50, 2, 70, 40)), ())


def test_boxes_next_to_masks_are_not_used(folder: Path) -> None:
    (case,), summary = read(folder, "image,mask,label,xmin,ymin,xmax,ymax\ni0.png,m0.png,1,10,20,40,50\n")
    assert (case.boxes, case.mask is not None) == ((), True)
    assert "columns not used: xmin, ymin, xmax, ymax" in summary.notes


def test_boxes_need_no_label(folder: Path) -> None:
    (case,), _ = read(folder, "image,xmin,ymin,xmax,ymax\ni0.png,10,20,40,50\n")
    assert (case.boxes, case.malignancy) == ((Box(10, 20, 40, 50),), None)


def test_numbers_of_pandas_find_their_files(folder: Path) -> None:
    (folder / "i0.png").rename(folder / "0007.png")
    (folder / "i1.png").rename(folder / "10.png")
    cases, _ = read(folder, "image,label\n7.0,1\n10.0,0\n")
    assert [case.image.name for case in cases] == ["0007.png", "10.png"]


def test_run_lengths_beside_a_folder_of_images_are_not_passed_over(folder: Path) -> None:
    (folder / "images").mkdir()
    for number in range(2):
        (folder / f"i{number}.png").rename(folder / "images" / f"i{number}.png")
        (folder / f"m{number}.png").unlink()
    for path in folder.glob("*.png"):
        path.unlink()
    (folder / "train.csv").write_text("ImageId,EncodedPixels\ni0.png,1 5 9 2\ni1.png,1 3\n")
    with pytest.raises(InputError, match=r"train\.csv: 'EncodedPixels' holds outlines"):
        prepare(folder, folder.parent / "out", NO_FOLDS, workers=1)


# Layouts.


def put(folder: Path, names: str, make: Callable[[int], Image.Image], numbers: range = range(3)) -> None:
    for number in numbers:
        path = folder / names.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(number).save(path)


LAYOUTS: dict[str, tuple[str, str]] = {
    "capitals": ("Images/IMG_{}.PNG", "Masks/img_{}.png"),
    "other endings": ("images/{}.jpg", "masks/{}.bmp"),
    "blanks and brackets": ("images/case ({}).png", "masks/case ({}).png"),
    "_Mask beside": ("all/n{}.png", "all/n{}_Mask.png"),
    "(mask) beside": ("all/n{}.png", "all/n{} (mask).png"),
    "ground truth in words": ("US images/{}.png", "Ground Truth/{}.png"),
    "a folder per image": ("n{}/images/n{}.png", "n{}/masks/n{}.png"),
    "splits": ("train/images/{}.png", "train/masks/{}.png"),
    "dots in names": ("images/1.2.{}.png", "masks/1.2.{}.png"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_without_an_option(tmp_path: Path, kind: str) -> None:
    images, masks = (names.replace("{}", "{0}") for names in LAYOUTS[kind])
    put(tmp_path / "set", images, picture)
    put(tmp_path / "set", masks, mask)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "README.txt"):
        (tmp_path / "set" / name).write_bytes(b"x")
    summary = prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS, workers=1)
    assert (summary.num_images, summary.num_outlined, summary.num_empty_masks) == (3, 3, 0)
    for case in read_cases(summary.cases_csv):
        assert case.mask is not None
        number = int([part for part in case.image.stem if part.isdigit()][-1])
        assert Image.open(case.mask).tobytes() == mask(number).tobytes() or case.mask.suffix != ".png"


def test_a_mask_without_its_image_and_an_image_without_its_mask_are_named(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{}.png", picture, range(4))
    put(tmp_path / "set", "masks/{}.png", mask, range(1, 5))
    summary = prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS, workers=1)
    told = " ".join([*summary.left_out, *summary.notes])
    assert "0.png" in told
    assert "4.png" in told


def test_a_workbook_beside_the_folders_is_named(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{}.png", picture)
    put(tmp_path / "set", "masks/{}.png", mask)
    (tmp_path / "set" / "labels.xlsx").write_bytes(b"PK\x03\x04")
    summary = prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS, workers=1)
    assert any("xlsx" in note for note in summary.notes)


@pytest.mark.parametrize("name", ["set.xlsx", "set.zip", "set.mat", "set.h5"])
def test_a_file_that_is_no_set_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04" * 9)
    with pytest.raises(InputError, match="write a CSV") as caught:
        prepare(tmp_path / name, tmp_path / "out", NO_FOLDS)
    assert name in str(caught.value)


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    put(tmp_path / "set", "images/{}.png", picture)
    put(tmp_path / "set", "masks/{}.png", mask)
    (tmp_path / "set" / "images" / "again").symlink_to(tmp_path / "set", target_is_directory=True)
    assert prepare(tmp_path / "set", tmp_path / "out", NO_FOLDS, workers=1).num_images == 3
