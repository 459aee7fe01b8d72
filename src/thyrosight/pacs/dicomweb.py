"""Images of a DICOMweb server -> a results folder; SEG and SR -> stored on the server, in the same study."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.files import sha256_of
from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.dicomweb_client import RemoteImage, WebArchive
from thyrosight.pacs.worker import is_own
from thyrosight.results.dicom.files import DicomOptions, case_dicom_files
from thyrosight.results.layout import RESULT_NAME, FailedFile, case_folders, read_result, results_of
from thyrosight.results.predict_folder import predict_folder


@dataclass(frozen=True)
class StudySummary:
    """Numbers of images found, predicted, and skipped as our own outputs; number of stored files; the failures."""

    out: Path
    num_found: int
    num_predicted: int
    num_own: int
    num_stored: int
    failures: tuple[FailedFile, ...]

    @property
    def exit_code(self) -> int:
        """0: all is well. 1: an image has no result, or a result was not stored."""
        return 1 if self.failures else 0


def predict_study(
    archive: WebArchive,
    images: Sequence[RemoteImage],
    out: Path,
    predictor: Predictor,
    *,
    is_stored: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> StudySummary:
    """Images that were found -> their results in `out`, as `predict` writes them; with is_stored also SEG and SR.

    The images are in a temporary folder that only this user can read, and are deleted at the end. Results do not hold
    the patient's identity. SEG and SR hold it, and they are stored only on the server where it comes from.
    """
    failures: list[FailedFile] = []
    num_own = num_stored = num_predicted = 0
    with tempfile.TemporaryDirectory(prefix="thyrosight-") as folder:
        sources: dict[str, Path] = {}
        for image in images:
            path = Path(folder) / f"{image.instance}.dcm"
            try:
                archive.fetch(image, path)
                if is_own(path, image.instance):
                    num_own += 1
                    path.unlink()
                    continue
                sources[image.instance] = path
            except InputError as error:
                failures.append(_failure(image, error, folder, log))
        if sources:
            summary = predict_folder(list(sources.values()), out, bundle=predictor)
            num_predicted = summary.num_done + summary.num_skipped
            for failure in summary.failures:
                failures.append(failure)
                log(f"{failure.file}: {failure.message}")
        failed = {failure.file.removesuffix(".dcm") for failure in failures}
        for image in images if is_stored else ():
            if image.instance not in sources or image.instance in failed:
                continue
            try:
                num_stored += _store(archive, image, sources[image.instance], out)
            except InputError as error:
                failures.append(_failure(image, error, folder, log))
    return StudySummary(out, len(images), num_predicted, num_own, num_stored, tuple(failures))


def _store(archive: WebArchive, image: RemoteImage, source: Path, out: Path) -> int:
    """Stores SEG and SR of a predicted image -> number of files. The same results get the same UIDs each time."""
    predictions, _ = results_of(out, source, with_pictures=False)
    options = DicomOptions(identity="keep", written=_written(out, source))
    files = case_dicom_files(source, predictions, options=options)
    archive.store(image.study, files)
    return len(files)


def _written(out: Path, source: Path) -> datetime:
    """-> when the results of a source were written.

    SEG and SR get this date, so that they are the same each time.
    """
    sha256 = sha256_of(source)
    for name in case_folders(out):
        result = read_result(out / name)
        if result is not None and result.image.sha256 == sha256:
            return datetime.fromtimestamp(int((out / name / RESULT_NAME).stat().st_mtime))
    raise InputError(f"{out}: holds no result of {source.name}; predict it again with an empty folder")


def _failure(image: RemoteImage, error: InputError, folder: str, log: Callable[[str], None]) -> FailedFile:
    line = str(error).replace(f"{folder}/", "")
    log(f"{image.instance}: {line}")
    return FailedFile(image.instance, line)
