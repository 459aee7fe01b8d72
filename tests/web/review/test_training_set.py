"""Corrections as a training set: what prepare, audit and training read, with masks that are the readers' outlines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from reader_desk import Desk, as_findings
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.sets.phantom import GUESSED_GROUPS
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.web.review.training_set import SOURCE, write_training_set
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(make_tiny_bundle(tmp_path / "tiny"), tmp_path / "data")
    yield found
    found.close()


def test_readings_become_a_set_that_training_takes(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody has read"):
        write_training_set(desk.folder, tmp_path / "none")
    corrected, agreed, empty, unread = (desk.send(f"{name}.dcm") for name in "abcd")
    first, _ = as_findings(desk.nodules(corrected))
    foci = ["punctate echogenic foci", "macrocalcifications"]
    words = {"composition": "solid or almost completely solid", "foci": foci}
    ring = [[70, 5], [85, 5], [85, 20], [70, 20]]
    given = {"findings": [{**first, "descriptors": words}, {"outline_xy": ring}], "who": "Ann"}
    assert desk.save(corrected, given).status_code == 200
    assert desk.save(empty, {"findings": [], "who": "Bob"}).status_code == 200
    verdict = {"who": "Bob", "verdict": "agreed"}
    assert desk.client.put(f"/api/v1/items/{agreed}/verdict", json=verdict).status_code == 200

    made = write_training_set(desk.folder, tmp_path / "set")  # the server runs meanwhile
    assert (made.num_images, made.num_corrected, made.num_agreed, made.num_unread) == (3, 2, 1, 0)
    assert made.num_alone == 3
    assert made.readers == ("Ann", "Bob")
    cases = {case.case_id: case for case in read_cases(tmp_path / "set")}
    assert set(cases) == {item[:16] for item in (corrected, agreed, empty)}
    assert len({case.group for case in cases.values()}) == 3
    assert SOURCE in GUESSED_GROUPS
    prepare(tmp_path / "set", tmp_path / "prepared", PrepareOptions(folds=0))
    assert len({case.group for case in read_cases(tmp_path / "prepared")}) == 1, "they show one and the same picture"
    case = cases[corrected[:16]]
    frame = load_image(case)
    outlines = [np.array(first["outline_xy"]), np.array(ring)]
    assert (load_mask(case, frame.size_hw) == fill_outlines(outlines, frame.size_hw)).all()
    assert case.descriptors["composition"] == words["composition"]
    assert case.descriptors["foci"] == "; ".join(foci)
    assert len(case.boxes) == 2
    assert not load_mask(cases[empty[:16]], frame.size_hw).any()
    by_network = fill_outlines([np.array(one["outline_xy"]) for one in desk.nodules(agreed)], frame.size_hw)
    assert (load_mask(cases[agreed[:16]], frame.size_hw) == by_network).all()

    whole = write_training_set(desk.folder, tmp_path / "all", "all")
    assert (whole.num_images, whole.num_unread) == (4, 1)
    with open(tmp_path / "all" / "cases.csv", newline="") as stream:
        labels = {row["case_id"]: row["labels"] for row in csv.DictReader(stream)}
    assert labels[unread[:16]] == "network"
    assert write_training_set(desk.folder, tmp_path / "ann", who="Ann").num_images == 1
    with pytest.raises(InputError, match="exists already"):
        write_training_set(desk.folder, tmp_path / "ann")
    with pytest.raises(InputError, match="no data folder"):
        write_training_set(tmp_path / "ann", tmp_path / "other")


def test_a_level_that_measures_helped_to_find_is_no_label(desk: Desk, tmp_path: Path) -> None:
    """`data.risk_of_category` learns from this column: a machine's proposal must not come back as a reader's word."""
    proposed, read = desk.send("a.dcm"), desk.send("b.dcm")
    words = {"composition": "solid or almost completely solid"}
    every = words | {"echogenicity": "hypoechoic", "shape": "taller-than-wide", "margin": "smooth"}
    every |= {"foci": ["none or large comet-tail artifacts"]}
    for item, said in ((proposed, words), (read, every)):
        first, second = as_findings(desk.nodules(item))
        findings = [{**first, "descriptors": said}, second]
        assert desk.save(item, {"findings": findings, "who": "Ann"}).status_code == 200
    write_training_set(desk.folder, tmp_path / "set")
    cases = {case.case_id: case.descriptors for case in read_cases(tmp_path / "set")}
    assert cases[proposed[:16]] == words
    assert cases[read[:16]]["tirads"] == "5"
