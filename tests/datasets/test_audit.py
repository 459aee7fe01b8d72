"""Every fault that can be planted in a small set is found, graded and named; a sound set is valid."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from parts import part_path
from thyrosight.commands.datasets import print_audit
from thyrosight.datasets.audit import audit
from thyrosight.datasets.audits.audit_folder import refuse_other_audit, write_audit
from thyrosight.datasets.audits.records import AuditReport, Finding
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.errors import InputError
from thyrosight.types import Box, Case

SHAPE = (200, 260)
FIELD = Box(40, 40, 220, 180)


def screen(seed: int) -> np.ndarray:
    """A screen: black margin, a smooth random picture in the field."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (7, 9)).astype(np.float32)
    image = np.zeros(SHAPE, np.uint8)
    image[FIELD.slices] = cv2.resize(coarse, (FIELD.width, FIELD.height), interpolation=cv2.INTER_CUBIC).clip(20, 220)
    return image


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> list[Case]:
    """Eight cases, groups of two, folds 0 and 1, both classes in both."""
    cases = []
    for index in range(8):
        mask = np.zeros(SHAPE, np.uint8)
        mask[80:120, 100 + index : 150] = 255
        image = save(tmp_path / f"c{index}.png", screen(index))
        outline = save(tmp_path / f"c{index}_mask.png", mask)
        group = index // 2
        cases.append(
            Case(
                f"c{index}", image, outline, group % 2, f"g{group}", "mine", fold=group // 2, fov=FIELD, panels=(FIELD,)
            )
        )
    return cases


def audited(cases: list[Case]) -> AuditReport:
    path = cases[0].image.parent / "cases.csv"
    write_cases(cases, path)
    return audit(path)


def found(report: AuditReport, kind: str) -> Finding:
    (finding,) = (finding for finding in report.findings if finding.kind == kind)
    return finding


def replaced(cases: list[Case], index: int, **changes: object) -> list[Case]:
    return [*cases[:index], replace(cases[index], **changes), *cases[index + 1 :]]  # type: ignore[arg-type]


def test_a_sound_set_is_valid_and_has_nothing_to_tell(sound: list[Case]) -> None:
    report = audited(sound)
    assert report.is_valid
    assert report.findings == ()
    assert (report.num_cases, report.num_groups) == (8, 4)


@pytest.mark.parametrize(
    ("content", "kind"), [(None, "missing image"), (b"", "unreadable image"), (b"no image", "unreadable image")]
)
def test_missing_and_unreadable_images_are_errors(sound: list[Case], content: bytes | None, kind: str) -> None:
    sound[3].image.unlink()
    if content is not None:
        sound[3].image.write_bytes(content)
    report = audited(sound)
    assert not report.is_valid
    assert found(report, kind).severity == "error"
    assert found(report, kind).case_ids == ("c3",)
    assert "c3.png" in found(report, kind).message


@pytest.mark.parametrize("kind", ["missing mask", "unreadable mask", "wrong size"])
def test_mask_faults_are_errors(sound: list[Case], kind: str) -> None:
    path = sound[2].mask
    assert path is not None
    path.unlink()
    if kind == "unreadable mask":
        path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    if kind == "wrong size":
        save(path, np.zeros((50, 60), np.uint8))
    report = audited(sound)
    finding = found(report, "missing mask" if kind == "missing mask" else "unreadable mask")
    assert finding.severity == "error"
    assert finding.case_ids == ("c2",)
    assert not report.is_valid


def test_odd_masks_are_told_by_how_odd_they_are(sound: list[Case]) -> None:
    empty, full, many, outside, field = (np.zeros(SHAPE, np.uint8) for _ in range(5))
    full[:] = 255
    field[FIELD.slices] = 255
    many[80:120, 100:150] = 255
    many[80:90, 100:150] = 200
    outside[10:90, 100:120] = 255
    for index, pixels in enumerate((empty, empty, full, many, outside, field)):
        save(sound[index].mask, pixels)  # type: ignore[arg-type]
    report = audited(replaced(sound, 0, malignancy=None))
    by_kind = {(finding.severity, finding.kind): finding.case_ids for finding in report.findings}
    assert by_kind[("note", "empty mask")] == ("c0",), "no label: an image without a nodule"
    assert by_kind[("warning", "empty mask")] == ("c1",), "a labelled nodule has an outline"
    assert by_kind[("error", "unreadable mask")] == ("c2",), "it covers the whole picture"
    assert by_kind[("error", "background mask")] == ("c5",)
    assert by_kind[("note", "mask values")] == ("c3",)
    assert by_kind[("warning", "field cuts mask")] == ("c4",)
    assert not report.is_valid


def test_a_box_outside_its_image_is_an_error(sound: list[Case]) -> None:
    report = audited(replaced(sound, 1, panels=(Box(0, 0, 261, 20),)))
    assert found(report, "box outside").case_ids == ("c1",)
    assert not report.is_valid


def test_a_group_in_two_folds_or_splits_is_an_error(sound: list[Case]) -> None:
    report = audited(replaced(sound, 0, fold=1))
    assert found(report, "group in two folds").case_ids == ("c0", "c1")
    assert not report.is_valid
    report = audited(replaced(sound, 0, split="test", fold=None))
    assert found(report, "group in two splits").case_ids == ("c0", "c1")
    assert not report.is_valid
    train_val = [replace(case, split="val" if case.case_id == "c5" else "train", fold=None) for case in sound]
    assert found(audited(train_val), "group in two splits").case_ids == ("c4", "c5")


def test_an_unlabelled_test_image_may_share_a_group(sound: list[Case]) -> None:
    report = audited(replaced(sound, 0, split="test", fold=None, mask=None, malignancy=None))
    assert report.is_valid


def test_groups_of_one_name_in_two_sources_are_two_groups(sound: list[Case]) -> None:
    assert audited(replaced(sound, 7, source="other", group="g0")).is_valid
    assert not audited(replaced(sound, 7, group="g0")).is_valid


def test_identical_pictures_over_folds_are_an_error_even_where_the_margin_differs(sound: list[Case]) -> None:
    pixels = np.asarray(Image.open(sound[0].image)).copy()
    pixels[5:10, 5:10] = 255
    save(sound[6].image, pixels)
    report = audited(sound)
    assert found(report, "duplicates apart").case_ids == ("c0", "c6")
    assert not report.is_valid
    assert found(report, "conflicting labels").case_ids == ("c0", "c6"), "g0 is labelled 0, g3 is labelled 1"


def test_near_duplicates_over_folds_are_a_warning_and_within_a_fold_a_note(sound: list[Case]) -> None:
    pixels = np.asarray(Image.open(sound[0].image)).astype(np.float32)
    pixels[FIELD.slices] = pixels[FIELD.slices] * 0.9 + 8
    for index in (1, 4):  # of the first one's group and fold; of another fold
        save(sound[index].image, pixels.astype(np.uint8))
    report = audited(sound)
    near = found(report, "near-duplicates apart")
    assert near.severity == "warning"
    assert near.case_ids == ("c0", "c4")
    assert found(report, "duplicates apart").case_ids == ("c1", "c4"), "the two copies are identical"
    assert found(report, "duplicates within").case_ids == ("c0", "c1")


def test_one_class_is_a_warning_with_masks_and_an_error_without(sound: list[Case]) -> None:
    benign = [replace(case, malignancy=0) for case in sound]
    assert found(audited(benign), "one class").severity == "warning"
    report = audited([replace(case, mask=None) for case in benign])
    assert found(report, "one class").severity == "error"
    assert not report.is_valid


def test_nothing_to_learn_is_an_error_and_masks_alone_are_enough(sound: list[Case]) -> None:
    assert audited([replace(case, malignancy=None) for case in sound]).is_valid
    report = audited([replace(case, malignancy=None, mask=None) for case in sound])
    assert found(report, "nothing to learn").severity == "error"


def test_a_fold_of_one_class_is_a_warning(sound: list[Case]) -> None:
    lopsided = [replace(case, malignancy=0) if case.fold == 1 else case for case in sound]
    assert "fold 1" in found(audited(lopsided), "one class in a part").message


def test_words_outside_the_lexicon_are_a_note(sound: list[Case]) -> None:
    good = {"foci": "macrocalcifications; punctate echogenic foci", "tirads": "4c"}
    assert audited(replaced(sound, 0, descriptors=good)).findings == ()
    report = audited(replaced(sound, 0, descriptors={"margin": "fuzzy"}))
    assert "margin 'fuzzy'" in found(report, "descriptors").message


def test_text_before_the_crop_is_counted_and_gone_after_it(sound: list[Case]) -> None:
    pixels = np.asarray(Image.open(sound[5].image)).copy()
    cv2.putText(pixels, "TIRADS 4C", (45, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    save(sound[5].image, pixels)
    report = audited(sound)
    assert (report.num_with_text_before_crop, report.num_with_text_after_crop) == (1, 0)
    finding = found(report, "text before the crop")
    assert finding.message.startswith("before the crop: burned-in text on 1 image, none after the crop")
    assert finding.case_ids == ("c5",)


def test_the_json_and_the_table_hold_what_was_found(sound: list[Case]) -> None:
    sound[3].image.unlink()
    report = audited(sound)
    content = json.loads(report.to_json())
    assert content["is_valid"] is False
    assert content["findings"][0]["kind"] == "missing image"
    assert content["findings"][0]["case_ids"] == ["c3"]
    out = io.StringIO()
    print_audit(report, Console(file=out, width=200))
    assert "error" in out.getvalue()
    assert "c3" in out.getvalue()
    assert "NOT valid for training" in out.getvalue()
    many = replace(report, findings=(Finding("note", "k", "a [bracketed] message", tuple("abcdefg")),), is_valid=True)
    out = io.StringIO()
    print_audit(many, Console(file=out, width=200))
    assert "a [bracketed] message" in out.getvalue()
    assert "a, b, c, d …" in out.getvalue()
    assert ": valid for training" in out.getvalue()


def test_errors_come_first(sound: list[Case]) -> None:
    sound[3].image.unlink()
    report = audited(replaced(sound, 0, descriptors={"margin": "fuzzy"}))
    assert [finding.severity for finding in report.findings] == ["error", "note"]


@pytest.mark.part("ddti")
def test_real_ddti_has_text_before_the_crop_and_none_after(tmp_path: Path) -> None:
    """Twelve images, among them some whose margin says the reading."""
    import csv

    with (part_path("ddti") / "groups.csv").open() as file:
        burned = [row["image_id"] for row in csv.DictReader(file) if row["label_text_burned"] == "1"][:12]
    cases = []
    for name in burned:
        from thyrosight.frames.load import load_frame
        from thyrosight.views.field import field_of_view

        path = part_path("ddti") / "original" / f"{name}.jpg"
        frame = load_frame(path)
        field = field_of_view(frame.image_HW, frame.rgb_HW3)
        cases.append(Case(name, path.resolve(), None, len(cases) % 2, name, "ddti", fov=field, panels=(field,)))
    write_cases(cases, tmp_path / "cases.csv")
    report = audit(tmp_path / "cases.csv")
    assert report.num_with_text_before_crop == 12
    assert report.num_with_text_after_crop == 0


def test_faults_of_boxes_are_told_and_sound_ones_are_a_note(sound: list[Case]) -> None:
    boxed = [replace(case, mask=None, boxes=(Box(60, 60, 100, 90),)) for case in sound]
    report = audited(boxed)
    assert report.is_valid
    assert {finding.kind for finding in report.findings} == {"boxes alone"}
    boxed[0] = replace(boxed[0], boxes=(Box(60, 60, 100, 90), Box(250, 150, 300, 199)))
    boxed[1] = replace(boxed[1], boxes=(Box(20, 60, 60, 90),))
    boxed[2] = replace(boxed[2], boxes=(Box(60, 60, 67, 90),))
    boxed[3] = replace(boxed[3], boxes=(Box(60, 60, 100, 90), Box(60, 61, 100, 90)))
    boxed[4] = replace(boxed[4], image=boxed[6].image)
    boxed[5] = replace(boxed[5], fov=None, boxes=(Box(200, 150, 261, 190),))
    found = {finding.kind: finding for finding in audited(boxed).findings}
    assert (found["nodule box outside"].severity, found["nodule box outside"].case_ids) == ("error", ("c0",))
    past = found["nodule box past the border"]
    assert (past.severity, past.case_ids) == ("note", ("c5",)), "one pixel of 61, as in one box of TN5000"
    assert found["field cuts a nodule box"].case_ids == ("c0", "c1")
    assert found["tiny nodule box"].case_ids == ("c2",)
    assert found["one nodule boxed twice"].case_ids == ("c3",)
    assert found["one picture with two labels"].case_ids == ("c4", "c6")


def test_blank_and_noisy_images_are_told(sound: list[Case]) -> None:
    black, noise = np.zeros(SHAPE, np.uint8), np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    save(sound[1].image, black)
    save(sound[4].image, noise)
    report = audited(sound)
    assert (found(report, "blank image").severity, found(report, "blank image").case_ids) == ("error", ("c1",))
    assert (found(report, "noise").severity, found(report, "noise").case_ids) == ("warning", ("c4",))
    assert report.pairs == ()


def test_two_black_images_are_no_pair_of_one_picture(sound: list[Case]) -> None:
    for index in (1, 5):
        save(sound[index].image, np.zeros(SHAPE, np.uint8))
    assert [pair.kind for pair in audited(sound).pairs] in ([], ["identical"])


def test_masks_of_a_few_pixels_inverted_ones_and_one_mask_for_two_images_are_told(sound: list[Case]) -> None:
    few, inverted = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    few[90:93, 100:104] = 255
    inverted[42:178, 42:218] = 255
    inverted[90:120, 100:140] = 0
    for index, pixels in enumerate((few, inverted)):
        save(sound[index].mask, pixels)  # type: ignore[arg-type]
    sound[6].mask.write_bytes(sound[3].mask.read_bytes())  # type: ignore[union-attr]
    report = audited(sound)
    told = {finding.kind: finding.case_ids for finding in report.findings}
    assert told == {"tiny mask": ("c0",), "large mask": ("c1",), "one mask twice": ("c3", "c6")}
    assert report.is_valid


def test_every_pair_is_listed_and_shown(sound: list[Case], tmp_path: Path) -> None:
    for copy, original in ((5, 0), (6, 0), (7, 4)):
        sound[copy].image.write_bytes(sound[original].image.read_bytes())
    report = audited(sound)
    assert {(pair.first, pair.second) for pair in report.pairs} == {
        ("c0", "c5"),
        ("c0", "c6"),
        ("c5", "c6"),
        ("c4", "c7"),
    }
    assert [pair.is_apart for pair in report.pairs] == [True, True, False, False]
    out = io.StringIO()
    print_audit(report, Console(file=out, width=200))
    assert "pair: c0 and c5: apart, identical" in out.getvalue()
    files = write_audit(report, read_cases(tmp_path), tmp_path / "audit")
    assert [path.name for path in files] == ["audit.json", "pairs.csv", "pairs.png"]
    assert len(files[1].read_text().splitlines()) == 5
    assert json.loads(files[0].read_text())["pairs"][0]["kind"] == "identical"
    sheet_HW3 = cv2.imread(str(files[2]))
    assert sheet_HW3 is not None
    red = (sheet_HW3[1] == (60, 60, 230)).all(axis=1).mean()
    assert 0.3 < red < 0.7, "two of the three pairs in the first row are apart"
    refuse_other_audit(tmp_path / "audit", tmp_path / "cases.csv")
    with pytest.raises(InputError, match=r"audit\.json: is there already"):
        refuse_other_audit(tmp_path / "audit", tmp_path / "others.csv")
