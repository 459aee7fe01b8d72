"""DDTI: outlines in damaged XML, marks, cases and their copies; the real set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts import part_path
from set_folders import (
    SHAPE,
    SQUARE,
    make_ddti,
    make_ddti_case,
    picture,
    save,
    svg,
)
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.sets import ddti
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.tirads.descriptors import LEXICON

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
