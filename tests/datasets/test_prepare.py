"""Layouts of the public sets, tiny and random -> cases.csv; the real sets where at hand; masks in every coding."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parts import part_path
from thyrosight.datasets.masks import load_mask, read_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare, recognise
from thyrosight.datasets.sets import SETS, ddti, tn_scui
from thyrosight.datasets.sets.lexicon import to_lexicon
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.errors import InputError
from thyrosight.files import natural_key
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.types import Box, Case

SHAPE = (96, 128)
SQUARE = [(40, 30), (80, 30), (80, 60), (40, 60)]
"""Corners _xy of the outline that the DDTI tests use: filled with its border it has 41 x 31 pixels."""


def picture(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A smooth random gray picture: two seeds never come out alike, one seed always the same."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 250, (7, 9)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC).clip(20, 255).astype(np.uint8)


def blob(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[30:61, 40:81] = 255
    return mask


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_tn_scui(root: Path, numbers: list[tuple[int, int]], num_test: int = 2) -> Path:
    rows = ["ID,CATE"]
    for number, cate in numbers:
        save(root / "image" / f"{number}.PNG", picture(number))
        save(root / "mask" / f"{number}.PNG", blob())
        rows.append(f"{number}.PNG,{cate}")
    for number in range(num_test):
        save(root / "test" / f"test_{number}.PNG", picture(9000 + number))
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def make_tn3k(root: Path, num: int = 10, num_folds: int = 5) -> Path:
    for part, offset, count in (("trainval", 0, num), ("test", 500, 4)):
        lines = []
        for index in range(count):
            save(root / f"{part}-image" / f"{index:04d}.jpg", picture(offset + index))
            save(root / f"{part}-mask" / f"{index:04d}.jpg", blob())
            lines.append(f"{index:04d}.jpg,{index % 2}")
        (root / f"label4{part}.csv").write_text("\n".join(lines))
    for fold in range(num_folds):
        val = list(range(fold, num, 5))
        content = {"train": [i for i in range(num) if i not in val], "val": val}
        (root / f"tn3k-trainval-fold{fold}.json").write_text(json.dumps(content))
    return root


def svg(*shapes: tuple[list[tuple[int, int]], str]) -> str:
    return json.dumps(
        [
            {"points": [{"x": x, "y": y} for x, y in points], "annotation": {}, "regionType": kind}
            for points, kind in shapes
        ]
    )


def make_ddti_case(folder: Path, number: int, svgs: list[str], **tags: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    marks = "".join(f"<mark><image>{i}</image><svg>{text}</svg></mark>" for i, text in enumerate(svgs, start=1))
    fields = "".join(f"<{name}>{text}</{name}>" for name, text in tags.items())
    (folder / f"{number}.xml").write_text(f"<case><number>{number}</number>{fields}{marks}</case>")
    for index in range(1, len(svgs) + 1):
        save(folder / f"{number}_{index}.jpg", picture(100 * number + index))


def make_ddti(folder: Path) -> Path:
    whole = svg((SQUARE, "freehand"))
    cut = svg((SQUARE, "freehand"), (SQUARE, "freehand"))[:-60]
    make_ddti_case(
        folder,
        1,
        [whole],
        tirads="4b",
        composition="solid",
        margins="ill- defined",
        calcifications="microcalcification",
    )
    make_ddti_case(folder, 2, [whole, ""], tirads="4a", margins="well defined", composition="dense")
    make_ddti_case(folder, 3, [cut], tirads="5")
    make_ddti_case(folder, 4, [svg((SQUARE, "freehand"), ([(1, 1), (100, 80)], "arrow"))], tirads="")
    make_ddti_case(folder, 5, [svg(([(1, 1), (100, 80), (50, 5)], "arrow"))])
    return folder


def make_busi(root: Path) -> Path:
    home = root / "Dataset_BUSI_with_GT"
    first, second = blob(), np.zeros(SHAPE, np.uint8)
    second[5:15, 5:15] = 255
    for seed, (name, number) in enumerate((("benign", 4), ("malignant", 3), ("normal", 2))):
        for index in range(1, number + 1):
            save(home / name / f"{name} ({index}).png", picture(100 * seed + index))
            save(home / name / f"{name} ({index})_mask.png", first if name != "normal" else np.zeros(SHAPE, np.uint8))
    save(home / "benign" / "benign (2)_mask_1.png", second)
    return root


def make_tg3k(root: Path) -> Path:
    rows = ["frame,video"]
    for frame in range(6):
        save(root / "image" / f"{frame:04d}.jpg", picture(frame))
        save(root / "mask" / f"{frame:04d}.png", blob())
        rows.append(f"{frame:04d},{frame // 2}")
    (root / "videos.csv").write_text("\n".join(rows))
    return root


def make_table(path: Path, header: str, rows: list[str]) -> Path:
    for index in range(len(rows)):
        save(path.parent / f"i{index}.png", picture(index))
        save(path.parent / f"m{index}.png", blob())
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def case_of(folder: Path, **changes: object) -> Case:
    base = Case("a", folder / "a.png", folder / "a_mask.png", 1, "g1", "mine", "train", 2, 0.05, 0.06)
    return replace(base, **changes)  # type: ignore[arg-type]


# cases.csv itself ---------------------------------------------------------------------------------------------------


def test_cases_come_back_as_they_were_written(tmp_path: Path) -> None:
    full = case_of(
        tmp_path.resolve(),
        fov=Box(1, 2, 30, 40),
        panels=(Box(1, 2, 15, 40), Box(15, 2, 30, 40)),
        target="lesion",
        descriptors={"margin": "smooth", "tirads": "4a"},
    )
    bare = Case("b, c", tmp_path.resolve() / "sub" / "b.png", None, None, "g2", "mine")
    write_cases([full, bare], tmp_path / "cases.csv")
    assert read_cases(tmp_path / "cases.csv") == [full, bare]
    assert read_cases(tmp_path) == [full, bare], "the folder stands for the file in it"
    text = (tmp_path / "cases.csv").read_text()
    assert str(tmp_path) not in text, "paths are relative"
    assert "sub/b.png" in text


@settings(max_examples=60, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(1, 500), st.integers(1, 500)),
        min_size=1,
        max_size=4,
    ),
    spacing=st.floats(1e-4, 10, allow_nan=False),
    malignancy=st.sampled_from([0, 1, None]),
    fold=st.one_of(st.none(), st.integers(0, 99)),
    text=st.text(
        st.characters(categories=("L", "N", "P", "Zs"), exclude_characters="/\\"), min_size=1, max_size=20
    ).map(str.strip),
)
def test_any_case_survives_the_table(
    tmp_path_factory: pytest.TempPathFactory,
    boxes: list[tuple[int, int, int, int]],
    spacing: float,
    malignancy: int | None,
    fold: int | None,
    text: str,
) -> None:
    folder = tmp_path_factory.mktemp("t").resolve()
    panels = tuple(Box(x, y, x + width, y + height) for x, y, width, height in boxes)
    case = Case(
        "id", folder / "i.png", None, malignancy, f"g{text}", f"s{text}", fold=fold, row_mm=spacing, column_mm=spacing
    )
    case = replace(case, fov=panels[0], panels=panels)
    write_cases([case], folder / "cases.csv")
    assert read_cases(folder / "cases.csv") == [case]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("malignancy", "2", "malignancy '2'; write one of: 0, 1"),
        ("malignancy", "benign", "malignancy 'benign'"),
        ("split", "training", "split 'training'; write one of: (empty), train, val, test"),
        ("fold", "-1", "fold '-1'"),
        ("fold", "1.5", "fold '1.5'"),
        ("row_mm", "0", "row_mm '0'"),
        ("row_mm", "inf", "row_mm 'inf'"),
        ("row_mm", "wide", "row_mm 'wide'"),
        ("fov", "1 2 3", "fov '1 2 3'; write four whole numbers"),
        ("fov", "5 5 5 9", "fov '5 5 5 9' is empty"),
        ("panels", "0 0 5 5;a b c d", "panels 'a b c d'"),
        ("target", "kidney", "target 'kidney'; write one of: nodule, lesion, gland"),
        ("group", "", "group is empty"),
        ("image", "", "image is empty"),
        ("case_id", "../up", "case_id '../up'"),
        ("case_id", "a/b", "case_id 'a/b'"),
    ],
)
def test_a_bad_value_is_told_with_file_and_row(tmp_path: Path, column: str, value: str, told: str) -> None:
    import csv

    good = case_of(tmp_path.resolve(), fov=Box(0, 0, 5, 5))
    path = tmp_path / "cases.csv"
    write_cases([good, replace(good, case_id="b")], path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1][column] = value
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError) as refused:
        read_cases(path)
    assert str(refused.value).startswith(f"{path} row 3: ")
    assert told in str(refused.value)


def test_a_table_without_its_columns_or_with_one_id_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("image,label\na.png,1\n")
    with pytest.raises(InputError, match=r"no column case_id, mask, .*columns there: image, label.*thyrosight prepare"):
        read_cases(path)
    write_cases([case_of(tmp_path), case_of(tmp_path)], path)
    with pytest.raises(InputError, match="row 3: case_id 'a' is already that of row 2"):
        read_cases(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"no rows|empty"):
        read_cases(path)
    with pytest.raises(InputError, match="no such file; make it with: thyrosight prepare"):
        read_cases(tmp_path / "none.csv")


def test_natural_order_counts() -> None:
    assert sorted(["10.png", "9.png", "a2", "a10", "1_2"], key=natural_key) == ["1_2", "9.png", "10.png", "a2", "a10"]


# masks in every coding ----------------------------------------------------------------------------------------------


def codings() -> dict[str, Image.Image]:
    """The same mask as people store it."""
    truth = blob() > 0
    zero = np.zeros(SHAPE, np.uint8)
    palette = Image.fromarray(truth.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    blank_palette = Image.fromarray(truth.astype(np.uint8), mode="P")
    blank_palette.putpalette([0, 0, 0] * 2)
    alpha = np.stack([zero + 255, zero + 255, zero + 255, blob()], axis=2)
    opaque = np.stack([blob(), blob(), blob(), zero + 255], axis=2)
    return {
        "0-255": Image.fromarray(blob()),
        "0-1": Image.fromarray(truth.astype(np.uint8)),
        "labels 0-2": Image.fromarray(np.where(np.arange(SHAPE[1])[None] > 60, 2, 1).astype(np.uint8) * truth),
        "one bit": Image.fromarray(truth),
        "rgb red": Image.fromarray(np.stack([blob(), zero, zero], axis=2)),
        "rgba opaque": Image.fromarray(opaque),
        "rgba alpha": Image.fromarray(alpha),
        "gray alpha": Image.fromarray(np.stack([blob(), zero + 255], axis=2)),
        "palette": palette,
        "palette without colours": blank_palette,
        "16 bit": Image.fromarray(truth.astype(np.uint16) * 65535),
        "soft edge": Image.fromarray(np.where(truth, 255, 40).astype(np.uint8)),
    }


@pytest.mark.parametrize("name", codings())
def test_every_coding_of_a_mask_is_the_same_mask(tmp_path: Path, name: str) -> None:
    codings()[name].save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", SHAPE), blob() > 0)


def test_jpeg_masks_lose_their_fringe_and_an_empty_one_stays_empty(tmp_path: Path) -> None:
    Image.fromarray(blob()).save(tmp_path / "m.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))) > 2, "the file does hold a fringe"
    assert np.array_equal(read_mask(tmp_path / "m.jpg", SHAPE), blob() > 0)
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "e.jpg")
    assert not read_mask(tmp_path / "e.jpg", SHAPE).any()


def test_a_mask_of_another_size_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", blob((50, 60)))
    with pytest.raises(InputError, match="mask is 60 x 50 pixels, its image 128 x 96"):
        read_mask(path, SHAPE)
    whole = save(tmp_path / "w.png", np.random.default_rng(0).integers(0, 2, SHAPE, dtype=np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    for name in ("cut.png", "text.png"):
        with pytest.raises(InputError, match=f"{name}: not a readable mask"):
            read_mask(tmp_path / name, SHAPE)
    with pytest.raises(InputError, match="no such mask file"):
        read_mask(tmp_path / "none.png", SHAPE)


def test_no_mask_is_all_background(tmp_path: Path) -> None:
    loaded = load_mask(case_of(tmp_path, mask=None), (4, 5))
    assert loaded.shape == (4, 5)
    assert loaded.dtype == np.bool_
    assert not loaded.any()


# the lexicon --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "term"),
    [
        ("margin", "ill- defined", "ill-defined"),
        ("margin", "Ill defined ", "ill-defined"),
        ("margin", "well defined smooth", "smooth"),
        ("margin", "well defined", None),
        ("margin", "spiculated", "lobulated or irregular"),
        ("foci", "microcalcification", "punctate echogenic foci"),
        ("foci", "microcalcifications", "punctate echogenic foci"),
        ("foci", "non", "none or large comet-tail artifacts"),
        ("composition", "predominantly cystic", "mixed cystic and solid"),
        ("composition", "dense", None),
        ("echogenicity", "marked hypoechogenicity", "very hypoechoic"),
        ("echogenicity", "hyperechogenicity", "hyperechoic or isoechoic"),
    ],
)
def test_words_of_the_sets_become_the_lexicons(name: str, words: str, term: str | None) -> None:
    assert to_lexicon(name, words) == term


def test_the_lexicons_own_terms_stay() -> None:
    assert all(to_lexicon(name, term) == term for name, terms in LEXICON.items() for term in terms)


# DDTI ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sub", ["original", ""])
def test_ddti_traps(tmp_path: Path, sub: str) -> None:
    make_ddti(tmp_path / "set" / sub)
    summary = prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=2))
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "ddti"
    assert set(cases) == {"1_1", "2_1", "2_2", "3_1", "4_1", "5_1"}
    assert {name for name, case in cases.items() if case.mask} == {"1_1", "2_1", "4_1"}
    assert (summary.num_images, summary.num_outlined, summary.num_empty_masks) == (6, 3, 0)
    assert [cases[name].malignancy for name in ("1_1", "2_1", "2_2", "3_1", "4_1", "5_1")] == [1, 0, 0, 1, None, None]
    for name in ("1_1", "4_1"):
        mask = load_mask(cases[name], SHAPE)
        assert mask.sum() == 41 * 31, "the outline's own pixels belong to it, and the arrow does not"
        assert mask[30:61, 40:81].all()
    assert cases["1_1"].descriptors == {
        "composition": "solid or almost completely solid",
        "margin": "ill-defined",
        "foci": "punctate echogenic foci",
        "tirads": "4b",
    }
    assert cases["2_1"].descriptors == {"tirads": "4a"}, "'well defined' and 'dense' are no terms of the lexicon"


def test_ddti_outlines_before_a_cut_are_drawn_but_make_no_mask_unless_asked(tmp_path: Path) -> None:
    make_ddti(tmp_path / "set")
    prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=2))
    assert read_mask(tmp_path / "out" / "masks" / "partial" / "3_1.png", SHAPE).sum() == 41 * 31
    summary = prepare(tmp_path / "set", tmp_path / "kept", PrepareOptions(folds=2, keep_partial=True))
    assert summary.num_outlined == 4
    (cut,) = (case for case in read_cases(tmp_path / "kept") if case.case_id == "3_1")
    assert load_mask(cut, SHAPE).sum() == 41 * 31


@settings(max_examples=80, deadline=None)
@given(cut=st.integers(0, 600))
def test_ddti_json_cut_anywhere_gives_the_whole_outlines_before_it(cut: int) -> None:
    first, second = SQUARE, [(5, 5), (20, 5), (20, 20)]
    text = svg((first, "freehand"), (second, "freehand"))
    end_of_first = len(svg((first, "freehand"))) - 1
    shapes = ddti.read_shapes(text[:cut])
    expected = 2 if cut >= len(text) - 1 else 1 if cut >= end_of_first else 0
    assert [outline.tolist() for outline in shapes.outlines] == [list(map(list, first)), list(map(list, second))][
        :expected
    ]
    assert shapes.is_cut == (0 < cut < len(text))


@pytest.mark.parametrize(
    ("text", "num_outlines", "num_degenerate"),
    [
        ("", 0, 0),
        ("  \n", 0, 0),
        ("[]", 0, 0),
        (svg(([(1, 1), (2, 2)], "freehand")), 0, 1),
        ('[{"points": null, "regionType": "freehand"}]', 0, 1),
        ('[{"points": [{"x": 1}, {"x": 2}, {"x": 3}], "regionType": "freehand"}]', 0, 1),
        ('[{"points": [{"x": 1e99, "y": 1}, {"x": 2, "y": 2}, {"x": 3, "y": 1}]}]', 0, 1),
        ('[{"points": [{"x": "7", "y": 1.4}, {"x": 2, "y": 2}, {"x": 3, "y": 1}]}]', 1, 0),
        ("not json at all", 0, 0),
        ("[" * 100_000, 0, 0),
    ],
)
def test_ddti_strange_marks(text: str, num_outlines: int, num_degenerate: int) -> None:
    shapes = ddti.read_shapes(text)
    assert (len(shapes.outlines), shapes.num_degenerate) == (num_outlines, num_degenerate)


def test_overlapping_outlines_are_united_not_cancelled() -> None:
    squares = [np.array([(2, 2), (12, 2), (12, 12), (2, 12)]), np.array([(8, 8), (18, 8), (18, 18), (8, 18)])]
    mask = ddti.draw_outlines(tuple(square.astype(np.int32) for square in squares), (30, 30))
    assert mask.sum() == 2 * 11 * 11 - 5 * 5
    assert mask[10, 10]


def test_ddti_hostile_xml_and_unknown_reading_are_refused(tmp_path: Path) -> None:
    make_ddti_case(tmp_path, 1, [svg((SQUARE, "freehand"))], tirads="6")
    with pytest.raises(InputError, match=r"1\.xml: tirads '6'; known: 2, 3, 4a"):
        prepare(tmp_path, tmp_path / "out")
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    (tmp_path / "1.xml").write_text(f"{entities}<case><mark><image>1</image><svg>&b;</svg></mark></case>")
    with pytest.raises(InputError, match="not readable as XML"):
        prepare(tmp_path, tmp_path / "out")


def test_ddti_groups_csv_gives_group_and_fold(tmp_path: Path) -> None:
    make_ddti(tmp_path / "set" / "original")
    rows = ["image_id,group,fold"] + [f"{name},{group},{fold}" for name, group, fold in GIVEN]
    (tmp_path / "set" / "groups.csv").write_text("\n".join(rows))
    prepare(tmp_path / "set", tmp_path / "out")
    got = [(case.case_id, case.group, case.fold) for case in read_cases(tmp_path / "out")]
    assert got == [(name, str(group), fold) for name, group, fold in GIVEN]


GIVEN = [("1_1", 7, 0), ("2_1", 8, 1), ("2_2", 8, 1), ("3_1", 7, 0), ("4_1", 9, 2), ("5_1", 10, 2)]


def test_ddti_without_groups_csv_keeps_a_case_and_its_copies_together(tmp_path: Path) -> None:
    make_ddti(tmp_path / "set")
    save(tmp_path / "set" / "5_1.jpg", picture(202))  # the picture of 2_2
    save(tmp_path / "set" / "1_2.jpg", picture(77))  # an image that no mark of its case names
    save(tmp_path / "set" / "9_1.jpg", picture(78))  # an image without a case
    summary = prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=2))
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    groups = [cases[name].group for name in ("1_1", "1_2", "2_1", "2_2", "3_1", "4_1", "5_1")]
    assert groups == ["case1", "case1", "case2", "case2", "case3", "case4", "case2"]
    assert cases["1_2"].mask is None
    assert cases["1_2"].malignancy == 1
    assert summary.left_out == {"image without its case's XML": 1}


def test_tn_scui_runs_are_joined_by_copies_without_a_test_folder_too(tmp_path: Path) -> None:
    root = make_tn_scui(tmp_path / "set", [(number, 0) for number in (1, 2, 500, 501, 900)], num_test=0)
    save(root / "image" / "500.PNG", picture(1))
    prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    groups = [case.group for case in read_cases(tmp_path / "out")]
    assert groups == ["run1"] * 4 + ["run900"]


def test_patients_given_in_a_csv_are_kept_though_their_images_are_alike(tmp_path: Path) -> None:
    table = make_table(tmp_path / "t.csv", "image,label,patient", ["i0.png,1,p1", "i1.png,0,p2"])
    save(tmp_path / "i1.png", picture(0))
    prepare(table, tmp_path / "out", PrepareOptions(folds=2))
    assert [case.group for case in read_cases(tmp_path / "out")] == ["p1", "p2"], "the audit tells of the likeness"
    with pytest.raises(InputError, match="1 groups can't fill 2 parts"):
        prepare(table, tmp_path / "out", PrepareOptions(folds=2, refold=True))


# the other layouts --------------------------------------------------------------------------------------------------


def test_tn_scui(tmp_path: Path) -> None:
    numbers = [(number, int(number >= 20)) for number in range(10, 30)]
    root = make_tn_scui(tmp_path / "set", numbers)
    summary = prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    cases = read_cases(tmp_path / "out")
    assert recognise(root) == "tn_scui"
    assert summary.splits == {"test": 2, "train": 20}
    assert [case.case_id for case in cases] == [str(n) for n, _ in numbers] + ["test_0", "test_1"]
    assert [case.malignancy for case in cases] == [cate for _, cate in numbers] + [None, None]
    assert all(case.mask is None and case.fold is None for case in cases if case.split == "test")
    assert len({case.group for case in cases if case.split == "train"}) == 2, "one run a class"
    assert {case.group for case in cases[:10]} == {"run10"}
    assert any("runs of one class" in note for note in summary.notes), "the output says so"


def test_runs_end_at_a_change_of_class_a_full_run_and_a_wide_gap() -> None:
    labelled = [("1", 0), ("2", 0), ("3", 0), ("4", 1), ("5", 1), ("90", 1), ("x", 1)]
    groups = tn_scui.runs(labelled, length=2)
    assert list(groups.values()) == ["run1", "run1", "run3", "run4", "run4", "run90", "runx"]
    assert tn_scui.runs([]) == {}


def test_tn_scui_wrong_cate_is_told(tmp_path: Path) -> None:
    root = make_tn_scui(tmp_path, [(1, 0), (2, 3)])
    with pytest.raises(InputError, match=r"train\.csv row 3: ID '2\.PNG', CATE '3'"):
        prepare(root, tmp_path / "out")


def test_tn3k_published_folds_and_test_split(tmp_path: Path) -> None:
    summary = prepare(make_tn3k(tmp_path / "set"), tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "tn3k"
    assert summary.folds == {"0": 2, "1": 2, "2": 2, "3": 2, "4": 2, "none": 4}
    assert {case.fold for name, case in cases.items() if name in ("trainval_0003", "trainval_0008")} == {3}
    assert cases["test_0003"].split == "test"
    assert cases["test_0003"].malignancy == 1
    assert load_mask(cases["trainval_0000"], SHAPE).sum() == 41 * 31, "JPEG masks, at half of full brightness"


def test_tn3k_a_single_json_is_a_train_val_split_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    root = make_tn3k(tmp_path / "set", num_folds=1)
    prepare(root, tmp_path / "out", PrepareOptions(folds=2))
    cases = read_cases(tmp_path / "out")
    assert Counter(case.split for case in cases) == {"train": 8, "val": 2, "test": 4}
    (root / "tn3k-trainval-fold0.json").write_text('{"train": [0, 99], "val": []}')
    with pytest.raises(InputError, match="'train' lists 99, which is no image"):
        prepare(root, tmp_path / "out")


def test_busi_masks_united_normals_empty_conflicts_left_out(tmp_path: Path) -> None:
    root = make_busi(tmp_path / "set")
    rows = ["file,label,group,fold,conflict"]
    for name, number in (("benign", 4), ("malignant", 3), ("normal", 2)):
        rows += [
            f"{name} ({i}).png,{name},{name}{i},{i % 2},{int(name == 'malignant' and i == 3)}"
            for i in range(1, number + 1)
        ]
    (root / "groups.csv").write_text("\n".join(rows))
    summary = prepare(root, tmp_path / "out")
    cases = {case.case_id: case for case in read_cases(tmp_path / "out")}
    assert summary.source == "busi"
    assert (summary.num_images, summary.num_low, summary.num_high, summary.num_unlabelled) == (8, 4, 2, 2)
    assert (summary.num_outlined, summary.num_empty_masks) == (6, 2)
    assert list(summary.left_out.values()) == [1]
    assert {case.target for case in cases.values()} == {"lesion"}
    assert load_mask(cases["benign_2"], SHAPE).sum() == 41 * 31 + 100, "two masks of one image united"
    assert cases["benign_1"].mask.name == "benign (1)_mask.png", "one mask: the set's own file"  # type: ignore[union-attr]
    assert not load_mask(cases["normal_1"], SHAPE).any()
    assert cases["normal_1"].mask is not None
    assert (cases["benign_3"].group, cases["benign_3"].fold) == ("benign3", 1)


def test_busi_without_groups_csv_and_without_the_masks_of_normals(tmp_path: Path) -> None:
    root = make_busi(tmp_path / "set")
    for path in root.glob("*/normal/*_mask.png"):
        path.unlink()
    summary = prepare(root / "Dataset_BUSI_with_GT", tmp_path / "out", PrepareOptions(folds=2))
    assert (summary.num_images, summary.num_empty_masks) == (9, 2)
    (root / "Dataset_BUSI_with_GT" / "benign" / "benign (1).png").unlink()
    with pytest.raises(InputError, match="a mask without its image"):
        prepare(root, tmp_path / "out")


def test_tg3k_is_the_gland_by_video(tmp_path: Path) -> None:
    summary = prepare(make_tg3k(tmp_path / "set"), tmp_path / "out", PrepareOptions(folds=3))
    cases = read_cases(tmp_path / "out")
    assert summary.source == "tg3k"
    assert {case.target for case in cases} == {"gland"}
    assert [case.group for case in cases] == ["video0", "video0", "video1", "video1", "video2", "video2"]
    assert all(case.malignancy is None for case in cases)
    assert Counter(case.fold for case in cases) == {0: 2, 1: 2, 2: 2}


def test_a_prepared_folder_is_taken_again_and_can_be_refolded(tmp_path: Path) -> None:
    prepare(make_tg3k(tmp_path / "set"), tmp_path / "one", PrepareOptions(folds=3))
    summary = prepare(tmp_path / "one", tmp_path / "two")
    assert summary.source == "tg3k"
    assert read_cases(tmp_path / "one") == read_cases(tmp_path / "two"), "folds as given"
    prepare(tmp_path / "one", tmp_path / "three", PrepareOptions(folds=2, refold=True))
    assert {case.fold for case in read_cases(tmp_path / "three")} == {0, 1}


def test_own_csv_columns_by_name_and_by_choice(tmp_path: Path) -> None:
    rows = ["i0.png;m0.png;Malignant;p1;0.08", "i1.png;;benign;p1;", "i2.png;m2.png;;p2;0.1"]
    table = make_table(tmp_path / "t.csv", "Image;Mask;Diagnosis;Patient_ID;row_mm", rows)
    for given_path in (table, tmp_path):
        prepare(given_path, tmp_path / "out", PrepareOptions(folds=2))
        cases = read_cases(tmp_path / "out")
        assert [case.malignancy for case in cases] == [1, 0, None]
        assert [case.group for case in cases] == ["p1", "p1", "p2"]
        assert [case.row_mm for case in cases] == [0.08, None, 0.1]
        assert [case.mask is None for case in cases] == [False, True, False]
    table.write_text("foto,befund\ni0.png,1\ni1.png,0\n")
    prepare(table, tmp_path / "out", PrepareOptions(folds=2, columns={"image": "foto", "label": "Befund"}))
    assert [case.malignancy for case in read_cases(tmp_path / "out")] == [1, 0]


@pytest.mark.parametrize(
    ("header", "row", "columns", "told"),
    [
        ("foto,befund", "i0.png,1", {}, "which column holds the image's file\\? .*columns there: foto, befund"),
        ("image,foo", "i0.png,1", {}, "neither a mask nor a label column.*columns there: image, foo"),
        (
            "image,label,cate",
            "i0.png,1,1",
            {},
            "malignancy could be label or cate; choose one, e.g. --column malignancy=label",
        ),
        ("image,label", "i0.png,1", {"mask": "seg"}, "no column 'seg' for mask; columns there: image, label"),
        ("image,label", "i0.png,1", {"colour": "label"}, "unknown column role 'colour'; known: image, mask"),
        ("image,label", "i0.png,maybe", {}, "row 2: label 'maybe' in column 'label'; known: 1"),
        ("image,label", ",1", {}, "row 2: no image file"),
        ("image,label,split", "i0.png,1,holdout", {}, "row 2: split 'holdout'"),
        ("image,label,fold", "i0.png,1,one", {}, "row 2: fold 'one'"),
        ("image,label", "i0.png,1,2,3", {}, "row 2: 4 values for 2 columns"),
    ],
)
def test_own_csv_unclear_is_told_with_the_columns_seen(
    tmp_path: Path, header: str, row: str, columns: dict[str, str], told: str
) -> None:
    table = make_table(tmp_path / "t.csv", header, [row])
    with pytest.raises(InputError, match=told):
        prepare(table, tmp_path / "out", PrepareOptions(columns=columns))


def test_own_csv_ids_are_safe_names_and_repeats_are_told(tmp_path: Path) -> None:
    table = make_table(tmp_path / "t.csv", "id,image,label", ["../a b,i0.png,1", "c/d,i1.png,0"])
    prepare(table, tmp_path / "out", PrepareOptions(folds=2))
    assert [case.case_id for case in read_cases(tmp_path / "out")] == ["a_b", "c_d"]


# prepare as a whole -------------------------------------------------------------------------------------------------


def test_layouts_don_t_claim_each_others_folders(tmp_path: Path) -> None:
    made = {
        "ddti": make_ddti(tmp_path / "ddti"),
        "busi": make_busi(tmp_path / "busi"),
        "tn_scui": make_tn_scui(tmp_path / "scui", [(1, 0), (2, 1)]),
        "tn3k": make_tn3k(tmp_path / "tn3k", num=2, num_folds=0),
        "tg3k": make_tg3k(tmp_path / "tg3k"),
    }
    for name, folder in made.items():
        claims = [name for name, known in SETS.items() if known.recognise(folder)]
        assert claims[0] == name, claims


def test_unknown_layout_source_and_folder_are_told(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", picture(1))
    with pytest.raises(InputError, match=r"not a layout that is known .*columns image, mask"):
        prepare(tmp_path / "set", tmp_path / "out")
    with pytest.raises(InputError, match="unknown source 'nn'; known: cases, ddti"):
        prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(source="nn"))
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is written where nothing was read"


def test_dataset_json_counts_and_names_the_files_wherever_they_lie(tmp_path: Path) -> None:
    prepare(make_busi(tmp_path / "a"), tmp_path / "out_a", PrepareOptions(folds=2))
    prepare(make_busi(tmp_path / "deep" / "er" / "b"), tmp_path / "out_b", PrepareOptions(folds=2))
    first, second = (json.loads((tmp_path / name / "dataset.json").read_text()) for name in ("out_a", "out_b"))
    assert first == second
    assert first["class_balance"] == {"1": 3, "0": 4, "none": 2}
    assert first["counts"]["outlined"] == 7
    assert first["sizes"]["most_common_width_x_height"] == {"128 x 96": 9}
    save(tmp_path / "a" / "Dataset_BUSI_with_GT" / "benign" / "benign (1).png", picture(77))
    prepare(tmp_path / "a", tmp_path / "out_a", PrepareOptions(folds=2))
    changed = json.loads((tmp_path / "out_a" / "dataset.json").read_text())
    assert changed["files"]["image"]["sha256"] != first["files"]["image"]["sha256"]
    assert changed["files"]["mask"]["sha256"] == first["files"]["mask"]["sha256"]


def test_an_unreadable_image_is_left_out_and_counted_and_progress_told(tmp_path: Path) -> None:
    root = make_tg3k(tmp_path / "set")
    (root / "image" / "0003.jpg").write_text("no image")
    seen: list[tuple[int, int]] = []
    options = PrepareOptions(folds=2)
    summary = prepare(root, tmp_path / "out", options, progress=lambda done, total: seen.append((done, total)))
    assert summary.num_images == 5
    (why,) = summary.left_out
    assert "unreadable image" in why
    assert "0003.jpg" in why
    assert seen == [(done, 6) for done in range(1, 7)]
    for name in ("cases.csv", "dataset.json"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text(), "nothing says where the set lies"


# the real sets ------------------------------------------------------------------------------------------------------


@pytest.mark.part("ddti")
def test_real_ddti_has_356_images_and_347_with_outlines(tmp_path: Path) -> None:
    from thyrosight.datasets.sets.layout import Request

    reading = ddti.read(Request(part_path("ddti"), tmp_path / "masks"))
    assert len(reading.cases) == 356
    outlined = [case for case in reading.cases if case.mask]
    assert len(outlined) == 347
    assert Counter(case.fold for case in outlined)[0] == 68
    assert Counter(case.malignancy for case in reading.cases) == {1: 143, 0: 119, None: 94}
    assert all(load_mask(case, (360, 560)).any() for case in outlined)
    assert len(list((tmp_path / "masks" / "partial").iterdir())) == 5
    assert {term for case in reading.cases for name, term in case.descriptors.items() if name != "tirads"} <= {
        term for terms in LEXICON.values() for term in terms
    }


@pytest.mark.part("busi", "tg3k")
def test_real_busi_and_tg3k_counts(tmp_path: Path) -> None:
    from thyrosight.datasets.sets import busi, tg3k
    from thyrosight.datasets.sets.layout import Request

    reading = busi.read(Request(part_path("busi"), tmp_path / "masks"))
    assert len(reading.cases) == 631 - 12
    assert sum(reading.left_out.values()) == 12
    assert all(case.mask for case in reading.cases)
    frames = tg3k.read(Request(part_path("tg3k"), tmp_path / "masks"))
    assert len(frames.cases) == 717
    assert len({case.group for case in frames.cases}) == 15
