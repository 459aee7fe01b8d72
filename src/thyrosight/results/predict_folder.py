"""Images and folders -> a results folder. The model is loaded once; finished cases are skipped; a bad file is one line.

Nothing outside the results folder is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError, ThyrosightError
from thyrosight.frames.find_images import FoundImages, find_images
from thyrosight.inference.predict_file import ReadOptions, examine_file
from thyrosight.inference.predictor import Predictor
from thyrosight.results.case_folder import case_files, check_case_folder, files_of_others, is_done, write_case
from thyrosight.results.case_ids import Task, assign_case_ids
from thyrosight.results.layout import FailedFile
from thyrosight.results.report import write_results
from thyrosight.results.run_file import RUN_FILES, open_run, write_run
from thyrosight.types import Spacing

MAX_FAILED_WRITES = 3
"""In a row: after that the disk is at fault, not the images, and the run stops."""

FileProgress = Callable[[int, int, str, str | None], None]
"""Called after each image: (images finished, images in all, its name, the line about its failure or None)."""


@dataclass(frozen=True)
class FolderOptions:
    """How a folder is predicted.

    tta, threads, prevalence: for the model that is loaded; a Predictor has its own. prevalence: the share of malignant
    nodules for which risks are restated.
    overwrite: predict again what is there already, also by another model or with other settings.
    frame_index: this frame of files with several. every: each n-th frame of a clip. spacing: instead of the files'.
    """

    tta: bool = False
    threads: int | None = None
    overwrite: bool = False
    frame_index: int | None = None
    every: int | None = None
    spacing: Spacing | None = None
    prevalence: float | None = None

    @property
    def reading(self) -> ReadOptions:
        return ReadOptions(self.frame_index, self.every, self.spacing)

    def to_json(self) -> dict[str, Any]:
        """-> the settings as run.json records them, without tta."""
        return {
            "overwrite": self.overwrite,
            "threads": self.threads,
            "frame": self.frame_index,
            "every": self.every,
            "mm_per_pixel": list(self.spacing) if self.spacing else None,
        }


DEFAULT_OPTIONS = FolderOptions()


@dataclass(frozen=True)
class RunSummary:
    """The result of a run: where it is, and how many images were done, skipped and failed."""

    out: Path
    report: Path
    num_done: int
    num_skipped: int
    num_failed: int
    failures: tuple[FailedFile, ...]
    seconds: float
    passed_over: dict[str, int] = field(default_factory=dict)
    """Files in the folders that are no images: kind (".nii", "no suffix") -> number."""

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 some file has no result."""
        return 1 if self.num_failed else 0


@dataclass
class Tally:
    """The counts of a run that goes on."""

    num_done: int = 0
    num_skipped: int = 0
    failures: list[FailedFile] = field(default_factory=list)
    num_failed_writes: int = 0

    @property
    def num_finished(self) -> int:
        return self.num_done + self.num_skipped + len(self.failures)

    def to_json(self) -> dict[str, Any]:
        return {
            "num_done": self.num_done,
            "num_skipped": self.num_skipped,
            "num_failed": len(self.failures),
            "failures": [{"file": failure.file, "message": failure.message} for failure in self.failures],
        }


def predict_folder(
    sources: Iterable[Path | str] | Path | str,
    out: Path | str,
    *,
    bundle: Path | str | Predictor | None = None,
    options: FolderOptions = DEFAULT_OPTIONS,
    progress: FileProgress | None = None,
) -> RunSummary:
    """Images and folders -> OUT/case_id/{mask.png, overlay.png, result.json}, results.csv, report.html, run.json.

    bundle: "shipped" or None for the shipped model. mask.png is 0 / 255 in the source's own pixels as decoded (EXIF
    orientation applied). A clip (DICOM or video of several frames) has clip.json too; its other three files show one of
    its frames. A file that fails is one FailedFile of the summary and one call of `progress`. InputError where OUT
    holds results of another model or other settings, unless `overwrite`. After Ctrl-C everything that is done stays,
    tables included.
    """
    started = time.perf_counter()
    given = [sources] if isinstance(sources, Path | str) else sources
    out = Path(out)
    tasks, found = _tasks([Path(source) for source in given], out, options.frame_index)
    if isinstance(bundle, Predictor):
        predictor = bundle
    else:
        predictor = Predictor.load(bundle, threads=options.threads, tta=options.tta, prevalence=options.prevalence)
    taken = files_of_others(out, [task.case_id for task in tasks])
    run = open_run(out, predictor, len(tasks), options.to_json() | {"prevalence": predictor.share.asked_for})
    tally, status = Tally(), "stopped"
    try:
        for task in tasks:
            if task.case_id in taken:
                fault: str | None = _failed(tally, task, taken[task.case_id])
            else:
                fault = _predict_one(predictor, task, out, tally, options)
            if progress is not None:
                progress(tally.num_finished, len(tasks), task.name, fault)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        report = write_results(out, tally.failures)
        seconds = round(time.perf_counter() - started, 3)
        counts = tally.to_json() | {"passed_over": found.passed_over}
        write_run(out, run | counts | {"status": status, "seconds": seconds})
    return RunSummary(
        out,
        report,
        tally.num_done,
        tally.num_skipped,
        len(tally.failures),
        tuple(tally.failures),
        seconds,
        found.passed_over,
    )


def _tasks(sources: Sequence[Path], out: Path, frame_index: int | None) -> tuple[list[Task], FoundImages]:
    """-> (the images to predict, what was found). InputError where OUT holds a source: results are no images."""
    for source in sources:
        if source.resolve().is_relative_to(out.resolve()):
            raise InputError(
                f"{out}: holds {source.name or source}, which is a source; choose another folder for the results"
            )
    found = find_images(sources)
    if not found.images:
        names = ", ".join(str(source) for source in sources)
        raise InputError(
            f"{names or 'no source'}: no image found{_passed_over(found)}; pass DICOM, PNG, JPEG, TIFF, BMP or WebP "
            "files, or folders"
        )
    suffix = f"_frame{frame_index}" if frame_index else ""
    return assign_case_ids(sources, found.images, suffix=suffix, reserved=RUN_FILES), found


def _passed_over(found: FoundImages) -> str:
    return f" (passed over: {found.passed_over_in_words})" if found.passed_over else ""


def _predict_one(predictor: Predictor, task: Task, out: Path, tally: Tally, options: FolderOptions) -> str | None:
    """One image -> its case folder; counts it, and returns the line about its failure, None where it did not fail."""
    folder = out / task.case_id
    try:
        if not options.overwrite and is_done(folder, task, options.frame_index):
            tally.num_skipped += 1
            return None
        check_case_folder(folder)
        files = case_files(examine_file(predictor, task.path, options.reading))
    except ThyrosightError as error:
        return _failed(tally, task, str(error))
    except Exception as error:  # a fault of ours in one file must not cost the others
        return _failed(tally, task, f"{task.path}: internal error ({type(error).__name__}: {error}); please report it")
    try:
        write_case(folder, files)
    except InputError as error:
        tally.num_failed_writes += 1
        if tally.num_failed_writes >= MAX_FAILED_WRITES:
            raise
        return _failed(tally, task, str(error))
    tally.num_failed_writes = 0
    tally.num_done += 1
    return None


def _failed(tally: Tally, task: Task, message: str) -> str:
    """Counts a failure -> its line, which names the file within the run, without the folders above."""
    line = " ".join(message.replace(str(task.path), task.name).split())
    tally.failures.append(FailedFile(task.name, line))
    return line
