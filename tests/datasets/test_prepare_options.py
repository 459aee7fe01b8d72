"""prepare opens what it counts, chooses labels of masks, replaces nothing of others, and notices a changed image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import CONTACT_SHEET, PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError

SHAPE = (96, 120)
NO_FOLDS = PrepareOptions(folds=0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV of four images with masks, one patient each."""
    folder = tmp_path / "set"
    folder.mkdir()
    rng = np.random.default_rng(1)
    rows = ["image,mask,label,patient"]
    for number in range(4):
        Image.fromarray(rng.integers(20, 200, SHAPE).astype(np.uint8)).save(folder / f"i{number}.png")
        mask_HW = np.zeros(SHAPE, np.uint8)
        mask_HW[20:80, 20:100] = 1
        mask_HW[30 : 40 + number, 30:50] = 2
        Image.fromarray(mask_HW).save(folder / f"gland{number}.png")
        Image.fromarray((mask_HW == 2).astype(np.uint8) * 255).save(folder / f"m{number}.png")
        rows.append(f"i{number}.png,m{number}.png,{number % 2},p{number}")
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    return folder / "t.csv"


def test_masks_that_are_not_there_are_not_counted(tmp_path: Path, table: Path) -> None:
    (table.parent / "m2.png").unlink()
    summary = prepare(table, tmp_path / "out", NO_FOLDS)
    assert (summary.num_images, summary.num_outlined) == (3, 3)
    assert summary.left_out == {
        "image whose mask can't be used, e.g. m2.png: no such mask file; correct its name": 1,
    }
    table.write_text(table.read_text().replace(".png,m", ".png,x"))
    with pytest.raises(InputError, match=r"none of the 4 images can be used; the first: .*x0.png: no such mask file"):
        prepare(table, tmp_path / "none", NO_FOLDS)


def test_the_label_of_nodules_is_chosen(tmp_path: Path, table: Path) -> None:
    table.write_text(table.read_text().replace(".png,m", ".png,gland"))
    with pytest.raises(InputError, match="--mask-label nodule=2"):
        prepare(table, tmp_path / "out", NO_FOLDS)
    prepare(table, tmp_path / "out", PrepareOptions(folds=0, nodule_labels=("2",)))
    sizes = [int(load_mask(case, SHAPE).sum()) for case in read_cases(tmp_path / "out")]
    assert sizes == [200, 220, 240, 260]


def test_a_table_of_the_users_is_not_replaced(table: Path) -> None:
    own = table.rename(table.parent / "cases.csv")
    before = own.read_text()
    with pytest.raises(InputError, match="was not written by prepare; choose another folder"):
        prepare(own.parent, own.parent, NO_FOLDS)
    assert own.read_text() == before


def test_its_own_table_is_written_anew(tmp_path: Path, table: Path) -> None:
    for _ in range(2):
        assert prepare(table, tmp_path / "out", NO_FOLDS).num_images == 4


def test_an_image_that_was_exported_anew_is_noticed(tmp_path: Path, table: Path) -> None:
    prepare(table, tmp_path / "out", NO_FOLDS)
    first = read_cases(tmp_path / "out")[0]
    assert load_image(first).size_hw == SHAPE
    Image.fromarray(np.full(SHAPE, 9, np.uint8)).save(first.image)
    with pytest.raises(InputError, match=r"changed since `thyrosight prepare` read it .*run prepare again"):
        load_image(first)


def test_a_contact_sheet_shows_the_outlines(tmp_path: Path, table: Path) -> None:
    prepare(table, tmp_path / "out", NO_FOLDS)
    with Image.open(tmp_path / "out" / CONTACT_SHEET) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    is_green = (pixels[..., 1] > 150) & (pixels[..., 0] < 120) & (pixels[..., 2] < 120)
    assert is_green[:, : 4 * 220].sum() > 200
    assert not is_green[:, 4 * 220 :].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (PrepareOptions(columns={"patient": "PatID"}), "--column has no effect on the layout cases"),
        (PrepareOptions(malignant="tirads>=4b"), "--malignant has no effect on the layout cases"),
        (PrepareOptions(official_split=True), "--official-split has no effect on the layout cases"),
    ],
)
def test_a_choice_without_effect_is_refused(options: PrepareOptions, words: str, tmp_path: Path, table: Path) -> None:
    """It was passed over: the labels in cases.csv were not those that the command line asked for."""
    prepare(table, tmp_path / "cases", NO_FOLDS)
    with pytest.raises(InputError, match=words):
        prepare(tmp_path / "cases", tmp_path / "again", options)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed=-1: give a whole number, 0 or more"),
        ({"folds": "5"}, "folds='5': give a whole number"),
        ({"hold_out": 20}, "hold_out=20: give a share of the images, 0 to 0.9"),
        ({"hold_out": float("nan")}, "hold_out=nan"),
    ],
)
def test_options_that_can_not_be_are_refused_when_they_are_made(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PrepareOptions(**given)  # type: ignore[arg-type]
