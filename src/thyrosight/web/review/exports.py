"""A finished item, a kind of file -> that file. Every result is marked as the network's or a person's."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from thyrosight.files import write_atomic
from thyrosight.inference.predict_file import clip_text
from thyrosight.measurement.cine import summarise_clip
from thyrosight.prediction import Prediction
from thyrosight.results.layout import CLIP_NAME, MASK_NAME, OVERLAY_NAME, REPORT_NAME, RESULT_NAME
from thyrosight.results.report import write_results
from thyrosight.results.results_csv import CSV_COLUMNS, csv_cell, csv_row
from thyrosight.tirads.reading import assess_nodule, level_words, write_reading
from thyrosight.web.errors import ApiError
from thyrosight.web.jobs.clip_summary import clip_summary
from thyrosight.web.jobs.store import IMAGE_NAME, MAP_NAME
from thyrosight.web.review.dicom_exports import export_seg, export_sr
from thyrosight.web.review.export_item import Download, ExportItem
from thyrosight.web.review.readings import reading_of
from thyrosight.web.schemas import Correction

NODULE_COLUMNS = (
    *("made_by", "reader", "nodule_number", "nodule_uid", "outline_by", "tirads_level", "is_level_proposed", "note"),
    "reading_note",
)
"""Additional columns in the CSV of one item, after CSV_COLUMNS. In this CSV, CSV_COLUMNS hold the values of the row's
nodule. note: on the nodule; reading_note: on the frame, the same in each of its rows."""


def export_json(exported: ExportItem) -> Download:
    """-> JSON: every frame's prediction, the clip's summary, the corrections."""
    predictions = list(exported.predictions())
    content = {
        "name": exported.item.name,
        "network": [prediction.model_dump(mode="json") for prediction in predictions],
        "clip": clip_summary(predictions).model_dump(mode="json") if len(predictions) > 1 else None,
        "person": [correction.model_dump(mode="json") for correction in exported.corrections().values()],
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return Download(f"{exported.stem}.json", "application/json", text.encode())


def export_csv(exported: ExportItem) -> Download:
    """-> CSV: one row per nodule (one for a frame without a nodule).

    In each frame, the network's nodules come first, then the person's.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *NODULE_COLUMNS])
    corrections = exported.corrections()
    for prediction in exported.predictions():
        writer.writerows(_rows(exported.stem, prediction, None))
        correction = corrections.get(prediction.image.frame_index)
        if correction is not None:
            writer.writerows(_rows(exported.stem, exported.by_person_marked(correction), correction))
    return Download(f"{exported.stem}.csv", "text/csv; charset=utf-8", text.getvalue().encode())


def _rows(stem: str, prediction: Prediction, correction: Correction | None) -> Iterator[list[Any]]:
    """-> a row per nodule in the order of their numbers; one row without a nodule's values where there is none."""
    made_by = ["network", ""] if correction is None else ["person", csv_cell(correction.who)]
    reading_note = csv_cell(correction.note) if correction else ""
    findings = {finding.uid: finding for finding in correction.findings} if correction else {}
    for nodule in sorted(prediction.nodules, key=lambda nodule: nodule.number):
        finding = findings.get(nodule.uid or "")
        if finding is None:
            level, is_proposed, note, origin = level_words(assess_nodule(nodule)), True, "", "network"
        else:
            level, is_proposed, note, origin = finding.level, finding.is_level_proposed, finding.note, finding.origin
        one = prediction.model_copy(update={"nodules": (nodule,)})
        row = [*csv_row(stem, one, len(prediction.nodules)), *made_by, nodule.number, nodule.uid, origin]
        yield [*row, level, int(is_proposed), csv_cell(note), reading_note]
    if not prediction.nodules:
        empty = [None] * (len(NODULE_COLUMNS) - len(made_by) - 1)
        yield [*csv_row(stem, prediction), *made_by, *empty, reading_note]


def export_png(exported: ExportItem) -> Download:
    """-> the overlay of the requested frame; without a request, of the clip's frame with the largest section."""
    index = exported.main_frame()
    prediction, reader = exported.chosen_prediction(index)
    suffix = f"-frame{index + 1}" if exported.num_frames > 1 else ""
    return Download(f"{exported.stem}{suffix}-{reader}.png", "image/png", exported.overlay(prediction))


def export_report(exported: ExportItem) -> Download:
    """-> the report as one HTML page."""
    scratch = exported.store.new_incoming()
    try:
        content = _report(exported, scratch)
    finally:
        exported.store.discard(scratch)
    return Download(f"{exported.stem}.html", "text/html; charset=utf-8", content)


def export_zip(exported: ExportItem) -> Download:
    """-> everything: predictions and pictures per frame, CSV, JSON, report; SEG and SR where the source is DICOM."""
    scratch = exported.store.new_incoming()
    path = scratch / "export.zip"
    try:
        _write_zip(exported, path)
    except BaseException:
        exported.store.discard(scratch)
        raise
    return Download(f"{exported.stem}.zip", "application/zip", path)


def _write_zip(exported: ExportItem, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for make in (export_json, export_csv, export_report, export_seg, export_sr):
            try:
                made = make(exported)
            except ApiError as error:
                if error.status_code != 409:
                    raise
                continue
            assert isinstance(made.content, bytes)
            archive.writestr(made.name, made.content)
        names = (RESULT_NAME, MASK_NAME, IMAGE_NAME, MAP_NAME)
        for index in range(exported.num_frames):
            for name in names:
                file = exported.store.frame_file(exported.item, index, name)
                if file.is_file():
                    archive.write(file, f"{exported.folder_in_zip(index)}/{name}")
        for index in exported.shown_frames():
            overlay = exported.overlay(exported.prediction(index))
            archive.writestr(f"{exported.folder_in_zip(index)}/{OVERLAY_NAME}", overlay)
        for index, correction in exported.corrections().items():
            folder = f"{exported.folder_in_zip(index)}/person"
            archive.writestr(f"{folder}/correction.json", correction.model_dump_json(indent=2))
            archive.writestr(f"{folder}/{OVERLAY_NAME}", exported.overlay(exported.by_person_marked(correction)))


def _report(exported: ExportItem, scratch: Path) -> bytes:
    """-> report.html of a results folder with one case per shown frame, and one more per corrected frame."""
    corrections = exported.corrections()
    predictions = list(exported.predictions())
    clip = summarise_clip(predictions) if exported.num_frames > 1 else None
    for index in exported.shown_frames():
        label = exported.stem if clip is None else f"{exported.stem}, frame {index + 1}"
        folder = _write_case(exported, scratch, label, predictions[index])
        if clip is not None and index == clip.representative_frame:
            write_atomic(folder / CLIP_NAME, clip_text(clip, predictions, every=1, frame_ms=None))
        if index in corrections:
            by_person = exported.by_person_marked(corrections[index])
            folder = _write_case(exported, scratch, f"{label}, corrected by a person", by_person)
            write_reading(folder, reading_of(corrections[index], by_person.image.spacing))
    write_results(scratch)
    return (scratch / REPORT_NAME).read_bytes()


def _write_case(exported: ExportItem, scratch: Path, label: str, prediction: Prediction) -> Path:
    """Writes a case folder -> its path."""
    folder = scratch / _folder_name(label)
    folder.mkdir(exist_ok=True)
    write_atomic(folder / OVERLAY_NAME, exported.overlay(prediction))
    write_atomic(folder / RESULT_NAME, prediction.to_json())
    return folder


def _folder_name(label: str) -> str:
    """A label -> a folder name that every file system accepts; the report shows it as the name of the case."""
    legal = "".join(mark if mark.isalnum() or mark in " -_.,()" else "_" for mark in label)
    return legal.encode()[-180:].decode("utf-8", "ignore").strip(" .") or "image"


EXPORTS: dict[str, Callable[[ExportItem], Download]] = {
    "json": export_json,
    "csv": export_csv,
    "png": export_png,
    "report": export_report,
    "zip": export_zip,
    "seg": export_seg,
    "sr": export_sr,
}
