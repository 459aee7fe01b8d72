"""Eleven kinds of leak, planted in phantoms and in real images: each is refused, or named by what it is.

in one set       audit names the pair, or refuses the set; train refuses what audit refuses
against a bundle evaluate leaves the image out and names it, whatever the name of set, file and row
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from parts import part_path
from planted_leaks import DISGUISES, fields_of
from thyrosight.bundle.records import TrainingSet
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import load_bundle, write_bundle
from thyrosight.cli import app
from thyrosight.datasets.audit import audit
from thyrosight.datasets.audits.records import AuditReport
from thyrosight.datasets.pictures.seen_rows import images_of, refuse_start, rows_seen_by
from thyrosight.datasets.prepare import prepare
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.export.set_audit import audit_notes, check_set
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.types import Case, UInt8Array
from tiny_bundle import make_tiny_bundle

NUM_IMAGES = 12


@pytest.fixture(scope="module", params=["phantoms", pytest.param("ddti", marks=pytest.mark.part("ddti"))])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Twelve images in folds 0 to 3, each its own group, both labels in each fold; nothing is wrong with them."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "phantoms":
        cases = read_cases(write_phantoms(40, folder / "set", 3))
    else:
        prepare(part_path("ddti"), folder / "set", workers=1)
        cases = read_cases(folder / "set")
    by_label = {label: [case for case in cases if case.malignancy == label and case.mask] for label in (0, 1)}
    chosen = [case for pair in zip(by_label[0], by_label[1], strict=False) for case in pair][:NUM_IMAGES]
    (folder / "own").mkdir()
    drawn = []
    for index, (case, field_HW) in enumerate(zip(chosen, fields_of(chosen), strict=True)):
        mask_HW = np.asarray(cv2.imread(str(case.mask), cv2.IMREAD_GRAYSCALE))
        mask_HW = np.ascontiguousarray(mask_HW[case.fov.slices] if case.fov else mask_HW)
        drawn.append(planted(folder / "own", f"case{index}", field_HW, mask_HW, index // 3, case.malignancy))
    return drawn


def planted(
    folder: Path, name: str, image_HW: UInt8Array, mask_HW: UInt8Array, fold: int, malignancy: int | None
) -> Case:
    """-> a row of its own group, with its image and its mask in the folder."""
    image, mask = folder / f"{name}.png", folder / f"{name}_mask.png"
    cv2.imwrite(str(image), image_HW)
    size = image_HW.shape[::-1]
    fitted_HW = mask_HW if mask_HW.shape == image_HW.shape else cv2.resize(mask_HW, size, interpolation=0)
    cv2.imwrite(str(mask), ((fitted_HW > 0) * 255).astype(np.uint8))
    return Case(name, image, mask, malignancy, name, "own", "train", fold)


def with_leak(sound: list[Case], folder: Path, disguise: str, **changes: object) -> list[Case]:
    """-> the set and one more row: its first image in disguise, in another fold, under another name and group."""
    image_HW = np.asarray(cv2.imread(str(sound[0].image), cv2.IMREAD_GRAYSCALE))
    mask_HW = np.asarray(cv2.imread(str(sound[0].mask), cv2.IMREAD_GRAYSCALE))
    leak = planted(folder, "another_name", DISGUISES[disguise](image_HW), mask_HW, 2, sound[0].malignancy)
    return [*sound, replace(leak, **changes)]  # type: ignore[arg-type]


def audited(cases: list[Case], folder: Path) -> AuditReport:
    write_cases(cases, folder / "cases.csv")
    return audit(folder / "cases.csv", workers=1)


def kinds(report: AuditReport) -> dict[str, str]:
    return {finding.kind: finding.severity for finding in report.findings}


def test_a_sound_set_names_no_pair(sound: list[Case], tmp_path: Path) -> None:
    report = audited(sound, tmp_path)
    assert report.pairs == ()
    assert report.is_valid


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_picture_in_two_folds_is_named(sound: list[Case], tmp_path: Path, disguise: str) -> None:
    report = audited(with_leak(sound, tmp_path, disguise), tmp_path)
    assert [(pair.first, pair.second, pair.is_apart) for pair in report.pairs] == [("case0", "another_name", True)]
    is_certain = disguise in ("same image", "mirrored")
    assert report.is_valid is not is_certain
    wanted = ("duplicates apart", "error") if is_certain else ("near-duplicates apart", "warning")
    assert wanted in kinds(report).items()


@pytest.mark.parametrize("disguise", ["same image", "mirrored"])
def test_training_refuses_it(sound: list[Case], tmp_path: Path, disguise: str) -> None:
    write_cases(with_leak(sound, tmp_path, disguise), tmp_path / "cases.csv")
    with pytest.raises(InputError, match="not valid for training: 1 pair of identical pictures"):
        check_set([tmp_path], tmp_path / "run", (), even_if_invalid=False)
    assert not (tmp_path / "run").exists()
    check_set([tmp_path], tmp_path / "run", (), even_if_invalid=True)
    assert audit_notes(tmp_path / "run").startswith("Trained although the audit calls the set invalid: 1 pair of")


@pytest.mark.parametrize("disguise", ["JPEG", "calipers"])
def test_the_card_names_what_training_accepts(sound: list[Case], tmp_path: Path, disguise: str) -> None:
    write_cases(with_leak(sound, tmp_path, disguise), tmp_path / "cases.csv")
    check_set([tmp_path], tmp_path / "run", (), even_if_invalid=False)
    assert "case0 and another_name" in audit_notes(tmp_path / "run")


def test_a_patient_in_two_folds_is_refused(sound: list[Case], tmp_path: Path) -> None:
    cases = [replace(sound[0], group="patient"), *sound[1:-1], replace(sound[-1], group="patient")]
    report = audited(cases, tmp_path)
    assert kinds(report)["group in two folds"] == "error"
    with pytest.raises(InputError, match="group in two folds"):
        check_set([tmp_path], tmp_path / "run", (), even_if_invalid=False)


def test_a_test_row_that_is_trained_on_is_refused(sound: list[Case], tmp_path: Path) -> None:
    """Also where it comes in by another table, which has no fold and another source."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    leak = with_leak(sound, tmp_path / "two", "same image", split="", fold=None, source="theirs", case_id="x")[-1]
    write_cases([replace(sound[0], split="test", fold=None), *sound[1:]], tmp_path / "one" / "cases.csv")
    write_cases([leak], tmp_path / "two" / "cases.csv")
    with pytest.raises(InputError, match="identical pictures"):
        check_set([tmp_path / "one", tmp_path / "two"], tmp_path / "run", (), even_if_invalid=False)
    check_set([tmp_path / "one", tmp_path / "two"], tmp_path / "run", ("theirs",), even_if_invalid=False)


def test_a_copy_that_trains_in_every_fold_is_refused(sound: list[Case], tmp_path: Path) -> None:
    report = audited(with_leak(sound, tmp_path, "same image", fold=None), tmp_path)
    assert kinds(report)["duplicates apart"] == "error"


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_picture_with_two_labels_is_named(sound: list[Case], tmp_path: Path, disguise: str) -> None:
    other = 1 - (sound[0].malignancy or 0)
    cases = with_leak(sound, tmp_path, disguise, malignancy=other, fold=0, group="case0")
    report = audited(cases, tmp_path)
    assert kinds(report)["conflicting labels"] == "warning"
    assert report.pairs[0].labels_differ


# Against a bundle


@pytest.fixture(scope="module")
def bundle(sound: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that has learned from folds 1 to 3 of the set, as `export` writes it."""
    folder = tmp_path_factory.mktemp("bundle")
    learned = [case for case in sound if case.fold != 0]
    entry = TrainingSet(
        source="own",
        num_images=len(learned),
        sha256="0" * 64,
        split="folds other than 0, but validation",
        held_out_fold=0,
        is_recorded=True,
    )
    made = load_bundle(make_tiny_bundle(folder / "plain", training_sets=(entry,)))
    return write_bundle(
        folder / "bundle", made.info, made.onnx_bytes, made.weights_bytes, made.card, images_of(learned, workers=1)
    )


def evaluated(bundle: Path, cases: list[Case], folder: Path, *options: str) -> tuple[int, str, dict[str, object]]:
    """-> (exit code, output, what was evaluated)."""
    write_cases(cases, folder / "cases.csv")
    words = ["evaluate", str(bundle), "--cases", str(folder), "-o", str(folder / "out"), *options]
    result = CliRunner().invoke(app, words)
    record = folder / "out" / "evaluation.json"
    return result.exit_code, result.output, json.loads(record.read_text())["evaluated"] if record.exists() else {}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_evaluate_leaves_out_what_the_bundle_has_seen(
    sound: list[Case], bundle: Path, tmp_path: Path, disguise: str
) -> None:
    seen = next(case for case in sound if case.fold == 1)
    image_HW = np.asarray(cv2.imread(str(seen.image), cv2.IMREAD_GRAYSCALE))
    mask_HW = np.asarray(cv2.imread(str(seen.mask), cv2.IMREAD_GRAYSCALE))
    leak = planted(tmp_path, "new", DISGUISES[disguise](image_HW), mask_HW, 0, seen.malignancy)
    unseen = [case for case in sound if case.fold == 0]
    theirs = [replace(case, source="theirs") for case in (*unseen, leak)]
    exit_code, said, record = evaluated(bundle, theirs, tmp_path)
    assert exit_code == 0, said
    assert record["left_out_as_seen"] == ["new"]
    assert "new (" in said
    assert len((tmp_path / "out" / "per_case.csv").read_text().splitlines()) == 1 + len(unseen)


@pytest.mark.parametrize("change", [lambda path: path.read_bytes(), lambda path: path.read_bytes() + b"\0"])
def test_the_same_file_and_the_same_pixels_are_known(
    sound: list[Case], bundle: Path, tmp_path: Path, change: Callable[[Path], bytes]
) -> None:
    (tmp_path / "copy.png").write_bytes(change(sound[5].image))
    copy = replace(sound[5], case_id="copy", group="copy", source="x", image=tmp_path / "copy.png", mask=None)
    made = load_bundle(bundle)
    found = rows_seen_by(made.info, made.seen, [copy], workers=1)
    wanted = "the same file" if change(sound[5].image) == sound[5].image.read_bytes() else "the same pixels"
    assert found.reason(copy) == wanted


def test_another_image_of_a_patient_that_the_bundle_has_seen_is_left_out(
    sound: list[Case], bundle: Path, tmp_path: Path
) -> None:
    seen, other, third = sound[5], replace(sound[0], group=sound[5].group), sound[1]
    _, said, record = evaluated(bundle, [seen, other, third], tmp_path)
    assert record["left_out_as_seen"] == [seen.case_id, other.case_id]
    assert "another image of its group" in said


def test_a_bundle_that_has_seen_the_fold_is_refused(sound: list[Case], bundle: Path, tmp_path: Path) -> None:
    exit_code, said, _ = evaluated(bundle, sound, tmp_path, "--fold", "1")
    assert exit_code == 1
    assert "has seen all 3 chosen images in training" in said
    assert "--even-if-seen" in said
    exit_code, said, record = evaluated(bundle, sound, tmp_path, "--fold", "1", "--even-if-seen")
    assert exit_code == 0
    assert len(record["scored_although_seen"]) == 3  # type: ignore[arg-type]
    assert "scored all the same" in said
    assert "scored all the same" in (tmp_path / "out" / "report.html").read_text()


def test_training_does_not_start_from_a_bundle_that_has_seen_the_kept_rows(sound: list[Case], bundle: Path) -> None:
    made = load_bundle(bundle)
    refuse_start(made, [case for case in sound if case.fold == 0])
    renamed = [replace(case, source="theirs", case_id=f"new{case.case_id}") for case in sound]
    with pytest.raises(
        ConfigError, match=r"has learned from 9 of the 12 images that are kept out now \(the first: new"
    ):
        refuse_start(made, renamed)


def test_stress_leaves_it_out_too(sound: list[Case], bundle: Path, tmp_path: Path) -> None:
    write_cases(sound[:6], tmp_path / "cases.csv")
    words = ["stress", str(bundle), "--cases", str(tmp_path), "-o", str(tmp_path / "out"), "--perturbation", "gain"]
    result = CliRunner().invoke(app, [*words, "--strengths", "1"])
    assert result.exit_code == 0, result.output
    assert "3 of 6 images have been seen" in result.output
    assert len((tmp_path / "out" / "per_case" / "clean.csv").read_text().splitlines()) == 4


def test_an_old_bundle_is_asked_by_set_and_fold(sound: list[Case], tmp_path: Path) -> None:
    """As if the shipped one had recorded no images; it has learned from DDTI, and from phantoms of another seed."""
    made = load_bundle()
    none = SeenImages.from_bytes(b"")
    rows = [replace(sound[0], source=source, split=split) for source, split in (("ddti", ""), ("ddti", "test"))]
    found = rows_seen_by(made.info, none, [replace(rows[0], case_id="a"), replace(rows[1], case_id="b")])
    assert list(found.how) == ["ddti/a"]
    phantoms = rows_seen_by(made.info, none, [replace(sound[0], source="phantom")])
    assert phantoms.how == {}
    assert "set called phantom" in phantoms.doubts[0]
