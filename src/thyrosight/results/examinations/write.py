"""Examination's JSON or results folder -> Loaded; Loaded -> the files of its report, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from thyrosight.errors import InputError
from thyrosight.examination.records import ThyroidExam
from thyrosight.files import write_atomic
from thyrosight.files.earlier_files import is_other
from thyrosight.results.examinations.content import report_content
from thyrosight.results.examinations.document import examination_html, report_pdf
from thyrosight.results.examinations.plain_text import report_text

EXAMINATION_NAME = "examination.json"
HTML_NAME, TEXT_NAME, PDF_NAME = "report.html", "report.txt", "report.pdf"
MAX_BYTES = 200_000_000


@dataclass(frozen=True)
class Loaded:
    """An examination and its folder; the paths of its pictures and files are relative to this folder."""

    examination: ThyroidExam
    home: Path


def read_examination(path: Path) -> Loaded:
    """JSON of an examination -> Loaded. InputError that names the first field at fault."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB; an examination is not")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give the JSON of an examination") from error
    try:
        return Loaded(ThyroidExam.model_validate_json(content), path.parent)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path}: no examination: {where}: {first['msg']}; docs/examinations.md has the fields"
        ) from None


def report_files(
    loaded: Loaded, earlier: Loaded | None = None, *, with_pdf: bool = False, with_json: bool = False
) -> dict[str, bytes]:
    """Examination, an earlier one -> {file name: content} of the report: HTML and text; PDF and JSON where asked.

    MissingExtraError as `report_pdf`.
    """
    other = None if earlier is None else earlier.examination
    html = examination_html(
        loaded.examination, other, home=loaded.home, earlier_home=None if earlier is None else earlier.home
    )
    files = {HTML_NAME: html.encode(), TEXT_NAME: report_text(report_content(loaded.examination, other)).encode()}
    if with_pdf:
        files[PDF_NAME] = report_pdf(html)
    if with_json:
        files[EXAMINATION_NAME] = loaded.examination.to_json().encode()
    return files


def write_report_files(out: Path, files: dict[str, bytes], *, overwrite: bool = False) -> list[Path]:
    """Folder, files -> their paths. InputError where another file is there and `overwrite` is not set.

    An examination's JSON is never replaced by another, because a reader may have completed it.
    """
    there = [out / name for name, content in files.items() if is_other(out / name, content)]
    if kept := [path for path in there if path.name == EXAMINATION_NAME]:
        raise InputError(f"{kept[0]}: is there already and is never replaced; pass it itself, or choose another folder")
    if there and not overwrite:
        raise InputError(f"{there[0]}: is there already; choose another folder, or pass --overwrite")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be a folder ({error.strerror}); choose another") from error
    for name, content in files.items():
        if not (out / name).exists() or is_other(out / name, content):
            write_atomic(out / name, content)
    return [out / name for name in files]
