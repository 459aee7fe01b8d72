"""Too many open files, or an error of the disk, at an input: one error that names it; nothing is left out unsaid."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_files import gray_picture, native
from refused_files import refused
from score_rows import rows_of
from tables import bytes_in
from thyrosight.datasets.audit_case import check_case
from thyrosight.datasets.formats.annotation_files import json_of, starts_as_json, xml_below, xml_root
from thyrosight.datasets.formats.side_table import has_mask_column, image_column
from thyrosight.datasets.pictures.seen_rows import image_print
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.scan import scan_case
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import is_case_scores, read_case_scores, write_case_scores
from thyrosight.evaluation.evaluate import evaluate
from thyrosight.evaluation.summary import read_evaluation
from thyrosight.files import disk_fault_of, mend_of, raise_disk_fault
from thyrosight.folders.folder_files import files_below
from thyrosight.folders.tree import is_image
from thyrosight.frames.find_images import find_images
from thyrosight.inference.predictor import Predictor
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from thyrosight.types import Case
from tiny_bundle import make_tiny_bundle

SHORT = (errno.EMFILE, errno.ENFILE)
ALL = (*SHORT, errno.EIO)
IMAGE, MASK = "0001.png", "mask/0001.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """-> cases/ of three drawn cases, and one file of each kind that is asked what it is."""
    folder = tmp_path_factory.mktemp("refused")
    write_phantoms(3, folder / "cases", 1, settings=PhantomSettings(size_hw=(128, 160)))
    (folder / "sub").mkdir()
    (folder / "sub" / "IM0001").write_bytes(native(gray_picture()))
    (folder / "a.json").write_text('{"images": []}')
    (folder / "a.xml").write_text("<annotation/>")
    (folder / "t.csv").write_text("image,mask\n0001,0001\n")
    (folder / "evaluation.json").write_text('{"evaluated": {}, "scores": []}')
    write_case_scores(rows_of(), folder / "per_case.csv")
    return folder


def case_of(folder: Path) -> Case:
    return next(case for case in read_cases(folder / "cases") if case.image.name == IMAGE)


Ask = Callable[[Path], Any]
ASKED: dict[str, tuple[str, Ask, tuple[int, ...]]] = {
    "a folder of images": ("sub", lambda here: find_images([here]).images, ALL),
    "a folder of a set": ("sub", files_below, ALL),
    "an image without an ending": ("IM0001", lambda here: is_image(here / "sub" / "IM0001"), ALL),
    "whether JSON is of a kind": ("a.json", lambda here: starts_as_json(here / "a.json", ["images"]), ALL),
    "JSON": ("a.json", lambda here: json_of(here / "a.json"), ALL),
    "whether XML is of a kind": ("a.xml", lambda here: xml_below(here, b"annotation"), ALL),
    "XML": ("a.xml", lambda here: xml_root(here / "a.xml").tag, ALL),
    "whether a table has masks": ("t.csv", lambda here: has_mask_column(here / "t.csv"), ALL),
    "which column of a table": ("t.csv", lambda here: image_column(here / "t.csv", {"0001": [here]}), ALL),
    "the print of a seen image": (IMAGE, lambda here: image_print(case_of(here)) is None, ALL),
    "an image of a set": (f"image/{IMAGE}", lambda here: scan_case(case_of(here)).fault, SHORT),
    "a mask of a set": (MASK, lambda here: scan_case(case_of(here)).mask_fault, SHORT),
    "an image of an audit": (f"image/{IMAGE}", lambda here: check_case(case_of(here)).faults, SHORT),
    "a mask of an audit": (MASK, lambda here: check_case(case_of(here)).faults, SHORT),
    "whether a table has scores": ("per_case.csv", lambda here: is_case_scores(here / "per_case.csv"), ALL),
    "scores": ("per_case.csv", lambda here: len(read_case_scores(here / "per_case.csv")), ALL),
    "an evaluation": ("evaluation.json", lambda here: read_evaluation(here / "evaluation.json"), ALL),
}
"""What is asked -> (the file that is refused, the question, the refusals that are no answer)."""


@pytest.mark.parametrize("what", ASKED)
def test_a_refusal_is_no_answer(what: str, folder: Path) -> None:
    name, ask, codes = ASKED[what]
    answer = ask(folder)
    for code in codes:
        with refused(name, code), pytest.raises((InputError, OSError)) as found:
            ask(folder)
        assert disk_fault_of(found.value), "what asks next must see it, too"
        assert name in str(found.value)
    assert ask(folder) == answer


@pytest.mark.parametrize("code", ALL)
def test_a_file_of_a_folder_that_may_be_an_image_gets_its_own_line(code: int, folder: Path) -> None:
    with refused("IM0001", code):
        assert find_images([folder / "sub"]).images == [folder / "sub" / "IM0001"]


def test_an_image_on_a_bad_place_of_the_disk_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    with refused(f"image/{IMAGE}", errno.EIO):
        summary = prepare(folder / "cases", tmp_path / "out", PrepareOptions(folds=0), workers=1)
    assert summary.num_images == 2
    assert any(IMAGE in reason or "0001" in reason for reason in [*summary.left_out, *summary.notes])


def test_too_few_groups_after_an_image_was_left_out_name_the_image(folder: Path, tmp_path: Path) -> None:
    """Once the error was of groups and folds alone."""
    wanted = rf"2 groups can't fill 3 parts.*1 images were left out before, the first: .*{IMAGE}.*; check the disk"
    with refused(f"image/{IMAGE}", errno.EIO), pytest.raises(InputError, match=wanted):
        prepare(folder / "cases", tmp_path / "out", PrepareOptions(folds=3, refold=True), workers=1)


@pytest.mark.parametrize("name", [f"image/{IMAGE}", MASK, "cases.csv", "dataset.json"])
def test_no_set_is_prepared_without_what_could_not_be_opened(name: str, folder: Path, tmp_path: Path) -> None:
    with refused(name, errno.EMFILE), pytest.raises((InputError, OSError), match="Too many open files"):
        prepare(folder / "cases", tmp_path / "out", PrepareOptions(folds=0), workers=1)
    assert not (tmp_path / "out" / "cases.csv").exists()


def test_no_scores_without_an_image_that_could_not_be_opened(folder: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "bundle"), threads=1)
    with refused(f"image/{IMAGE}", errno.EMFILE), pytest.raises((InputError, OSError), match="Too many open files"):
        evaluate(predictor, folder / "cases", tmp_path / "out")
    assert not (tmp_path / "out" / "report.html").exists()


def test_no_shard_keeps_an_image_as_failed_that_could_not_be_opened(folder: Path, tmp_path: Path) -> None:
    """A shard that is done is never made again: the image would have stayed without a prediction."""
    pytest.importorskip("pyarrow")
    from thyrosight.archive.predict_archive import ArchiveOptions, predict_archive
    from thyrosight.archive.predict_rows import RowSettings

    settings = ArchiveOptions(RowSettings(make_tiny_bundle(tmp_path / "bundle")), threads=1, shard_rows=1)
    images = [str(folder / "cases" / "image")]
    predict_archive(images, str(tmp_path / "whole"), settings)
    with refused(f"image/{IMAGE}", errno.EMFILE), pytest.raises(InputError, match=f"{IMAGE}: .*run the same command"):
        predict_archive(images, str(tmp_path / "out"), settings)
    again = predict_archive(images, str(tmp_path / "out"), settings)
    assert (again.num_failed, again.num_there) == (0, 1)
    assert bytes_in(tmp_path / "out") == bytes_in(tmp_path / "whole")
    with refused(f"image/{IMAGE}", errno.EIO):
        bad = predict_archive(images, str(tmp_path / "bad"), settings)
    assert bad.num_failed == 1, "a bad place of the disk is the file's own fault: the others are done"


def test_the_mend_is_that_of_the_refusal(tmp_path: Path) -> None:
    texts = {code: mend_of(OSError(code, ""), "as ever") for code in (*ALL, errno.EROFS, errno.ENOSPC)}
    assert "close other programs" in texts[errno.EMFILE]
    assert texts[errno.ENOSPC] == "as ever"
    assert len(set(texts.values())) == 4
    with pytest.raises(OSError, match=r"a\.bin") as found:
        raise_disk_fault(OSError(errno.EIO, "Input/output error"), tmp_path / "a.bin")
    assert found.value.filename == str(tmp_path / "a.bin"), "where a read fails, the system names no file"
