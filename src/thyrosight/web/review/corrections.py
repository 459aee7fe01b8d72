"""A person's reading of a frame -> a new version in its history; the network's result and older versions stay."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.prediction import Nodule, Prediction
from thyrosight.tirads.reading import descriptors_of
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import Store
from thyrosight.web.review.kept_reading import item_numbers, kept_reading, server_time
from thyrosight.web.review.nodule_identity import check_apart, findings_in
from thyrosight.web.review.old_corrections import adopt_old_correction
from thyrosight.web.review.outlines import measured_nodules
from thyrosight.web.review.reading_files import (
    VersionFile,
    add_version,
    entry_of,
    etag_of,
    present_in,
    read_version,
    reader_hash,
    versions_in,
    write_numbers,
)
from thyrosight.web.schemas import Correction, CorrectionIn, FindingIn, ReadingVersion

NO_CORRECTION = "nobody has corrected this frame"

_writing = threading.Lock()
"""Lock that is held while a version is compared and written: of two simultaneous requests, the second sees the version
of the first."""


def frame_versions(store: Store, item: ItemRow, frame_index: int) -> list[VersionFile]:
    """-> all versions of the frame's readings, oldest first.

    A correction by an earlier version of this program is the first.
    """
    folder = store.readings_folder(item) / str(frame_index)
    versions = versions_in(folder)
    if versions:
        return versions
    with _writing:
        adopt_old_correction(store, item, frame_index, folder)
    return versions_in(folder)


def present_readings(store: Store, item: ItemRow, frame_index: int) -> list[Correction]:
    """-> the present reading of each reader, the newest first."""
    files = present_in(frame_versions(store, item, frame_index))
    return [found for file in files if (found := read_version(file)) is not None]


def read_correction(store: Store, item: ItemRow, frame_index: int, who: str | None = None) -> Correction | None:
    """-> the reading of the frame by `who` (None: the newest reading of anybody); None without a reading."""
    files = present_in(frame_versions(store, item, frame_index))
    wanted = [file for file in files if who is None or file.reader == reader_hash(who)]
    return next((found for file in wanted if (found := read_version(file)) is not None), None)


def history_of(store: Store, item: ItemRow, frame_index: int) -> list[ReadingVersion]:
    """-> every version of every reader, oldest first."""
    return [entry for file in frame_versions(store, item, frame_index) if (entry := entry_of(file)) is not None]


def write_correction(
    store: Store, examiner: Examiner, item: ItemRow, frame_index: int, given: CorrectionIn, if_match: str | None
) -> Correction:
    """What a reader sent -> the reading, now the newest version.

    ApiError 422 where it is not valid, 428 where it would replace a reading without If-Match, 409 where another version
    or another result was written in between, 404 where the item was deleted meanwhile, 503 as `Examiner.turn`.
    """
    prediction = store.prediction(item, frame_index)
    if prediction is None:
        raise ApiError(409, "damaged", f"{item.name}: the result of frame {frame_index + 1} can't be read")
    earlier = read_correction(store, item, frame_index, given.who)
    known = [*([finding.nodule for finding in earlier.findings] if earlier else []), *prediction.nodules]
    size_hw = prediction.image.height_px, prediction.image.width_px
    findings = findings_in(given, known, size_hw)
    check_descriptors(findings)
    check_calipers(given, prediction)
    nodules: list[Nodule] = []
    if findings:
        with examiner.turn():
            predictor, examination = examiner.examination(item, frame_index)
            rings = [finding.outline_xy for finding in findings]
            nodules = measured_nodules(predictor, examination, rings, others_xy=())
        check_apart(findings, item_numbers(store, item, prediction), size_hw)
    with _writing, _not_found_where_deleted(store, item):
        files = versions_in(store.readings_folder(item) / str(frame_index))
        version = (files[-1].version if files else 0) + 1
        kept, numbers = kept_reading(store, prediction, item, given, findings, nodules, earlier)
        correction = kept.model_copy(update={"version": version, "etag": etag_of(version)})
        check_version(files, given.who, if_match, correction)
        if store.item_folder(item).is_dir() and store.prediction(item, frame_index) != prediction:
            raise ApiError(409, "not_ready", f"{item.name}: was measured again meanwhile; save once more")
        write_numbers(store.readings_folder(item), numbers)
        _add(store, item, frame_index, version, given.who, correction)
    return correction


def measure_again(store: Store, item: ItemRow, predictor: Predictor, examination: Examination) -> None:
    """After a change of spacing or model: each reader's present reading is measured anew, as a new version."""
    for reading in present_readings(store, item, examination.frame.frame_index):
        while not _is_measured_again(store, item, predictor, examination, reading.who):
            pass  # the reader has saved meanwhile: what they said last is measured


def _is_measured_again(store: Store, item: ItemRow, predictor: Predictor, examination: Examination, who: str) -> bool:
    """Measures the reader's present reading anew -> False where a newer reading came in between.

    Nothing is then written.
    """
    frame_index = examination.frame.frame_index
    measured = _present_file(frame_versions(store, item, frame_index), who)
    old = None if measured is None else read_version(measured)
    if old is not None:
        rings = [finding.outline_xy for finding in old.findings]
        nodules = measured_nodules(predictor, examination, rings, others_xy=()) if rings else []
        findings = [FindingIn(**finding.model_dump(include=set(FindingIn.model_fields))) for finding in old.findings]
        given = CorrectionIn(
            findings=findings,
            system=old.system,
            calipers_xy=old.calipers_xy,
            note=old.note,
            who=old.who,
            when=old.when,
        )
        with _writing:
            files = versions_in(store.readings_folder(item) / str(frame_index))
            if _present_file(files, who) != measured:
                return False
            version = files[-1].version + 1
            kept, _ = kept_reading(store, examination.prediction, item, given, findings, nodules, old)
            changes = {"version": version, "etag": etag_of(version)}
            if kept.findings != old.findings or kept.model != old.model:
                _add(store, item, frame_index, version, old.who, kept.model_copy(update=changes))
    return True


def keep_as_it_is(store: Store, item: ItemRow, prediction: Prediction, who: str) -> None:
    """The network's result of a frame, with which a reader agrees -> a reading of this reader, unless they have one."""
    frame_index = prediction.image.frame_index
    findings = [FindingIn(uid=nodule.uid, outline_xy=list(nodule.outline_xy)) for nodule in prediction.nodules]
    with _writing:
        files = versions_in(store.readings_folder(item) / str(frame_index))
        if _present_file(files, who) is not None:
            return
        version = (files[-1].version if files else 0) + 1
        given = CorrectionIn(findings=findings, system="acr", note="", who=who, when="")
        kept, numbers = kept_reading(store, prediction, item, given, findings, prediction.nodules)
        write_numbers(store.readings_folder(item), numbers)
        changes = {"version": version, "etag": etag_of(version)}
        _add(store, item, frame_index, version, who, kept.model_copy(update=changes))


def remove_correction(store: Store, item: ItemRow, frame_index: int, who: str | None, if_match: str | None) -> bool:
    """Withdraws a reader's reading -> whether there was one. The history keeps it.

    With who=None it is the newest reading of anybody. ApiError 428 or 409 as `check_version`.
    """
    present = read_correction(store, item, frame_index, who)
    if present is None:
        return False
    with _writing, _not_found_where_deleted(store, item):
        files = versions_in(store.readings_folder(item) / str(frame_index))
        check_version(files, present.who, if_match, None)
        _add(store, item, frame_index, files[-1].version + 1, present.who, None)
    return True


def check_version(files: Sequence[VersionFile], who: str, if_match: str | None, yours: Correction | None) -> None:
    """ApiError 428 or 409, with both readings, where the reader's present version is not the one in If-Match."""
    present = _present_file(files, who)
    seen = None if if_match is None else {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if present is None:
        if seen is not None:
            raise _conflict(
                409,
                "conflict",
                "this reader has no reading of the frame, or none any more; save without If-Match",
                None,
                yours,
            )
        return
    theirs = read_version(present)
    if seen is None:
        message = "this reader has a reading of the frame already; get it, and send its ETag as If-Match"
        raise _conflict(428, "no_version", message, theirs, yours)
    if "*" not in seen and etag_of(present.version) not in seen:
        message = "the reading was changed meanwhile; nothing was replaced: look at both, then save again"
        raise _conflict(409, "conflict", message, theirs, yours)


def check_calipers(given: CorrectionIn, prediction: Prediction) -> None:
    """ApiError 422 where an end of a caliper is outside the image."""
    width, height = prediction.image.width_px, prediction.image.height_px
    for number, ends_xy in enumerate(given.calipers_xy, 1):
        if not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y in ends_xy):
            where = f"reaches outside the image ({width} x {height} pixels)"
            raise ApiError(422, "outside_image", f"caliper {number}: {where}")


def check_descriptors(findings: Sequence[FindingIn]) -> None:
    """ApiError 422 where a word is not in the lexicon."""
    for number, finding in enumerate(findings, 1):
        try:
            descriptors_of(finding.descriptors or {})
        except ValueError as error:
            lines = str(error).splitlines()
            reason = next((line.strip() for line in lines if "Value error" in line), lines[0])
            raise ApiError(422, "invalid_request", f"outline {number}: {reason}") from error


def _present_file(files: Sequence[VersionFile], who: str) -> VersionFile | None:
    return next((file for file in present_in(files) if file.reader == reader_hash(who)), None)


@contextmanager
def _not_found_where_deleted(store: Store, item: ItemRow) -> Iterator[None]:
    """In the block, a fault of the disk becomes ApiError 404 if the job was deleted meanwhile."""
    try:
        yield
    except (InputError, FileNotFoundError) as error:
        if not store.item_folder(item).is_dir():
            raise not_found("item") from error
        raise


def _add(store: Store, item: ItemRow, frame_index: int, version: int, who: str, correction: Correction | None) -> None:
    saved_at = correction.saved_at if correction else server_time()
    add_version(store.readings_folder(item) / str(frame_index), version, who, saved_at, correction)


def _conflict(status: int, code: str, message: str, theirs: Correction | None, yours: Correction | None) -> ApiError:
    """-> the refusal, which shows the stored version and the version that was not saved."""
    shown = [("theirs", "is kept", theirs), ("yours", "was not kept", yours)]
    detail = [
        {"where": where, "fault": fault, "reading": None if one is None else one.model_dump(mode="json")}
        for where, fault, one in shown
    ]
    return ApiError(status, code, message, detail=detail)
