"""Images and folders -> a results folder.

The model is loaded once, a bad file stops nothing. The same call goes on after a stop: `predict_case` skips each case
that is finished.

Nothing outside the results folder is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from thyrosight.bundle.store import bundle_path, load_bundle
from thyrosight.children import replies
from thyrosight.errors import InputError
from thyrosight.folders.masks_of_images import masks_of_images
from thyrosight.folders.tree import without
from thyrosight.frames.find_images import FoundImages, find_images
from thyrosight.inference.onnx_runtime import CPU, default_threads
from thyrosight.inference.predictor import Predictor
from thyrosight.results import predict_case as case_process
from thyrosight.results.case_folder import files_of_others
from thyrosight.results.case_ids import Task, assign_case_ids, names_within, suffix_of_frame
from thyrosight.results.layout import FailedFile
from thyrosight.results.predict_case import CaseSettings, FolderOptions, Outcome, predict_case, task_json
from thyrosight.results.report import GALLERY_LIMIT, write_results
from thyrosight.results.run_file import RUN_FILES, UsedModel, earlier_failures, open_run, write_run

MAX_FAILED_WRITES = 3
"""After this many failed writes in a row the run stops, because then the disk is at fault and not the images."""

MAX_THUMBNAILS = 2 * GALLERY_LIMIT
"""A run of up to this many images makes the report's small picture of each overlay when it draws the overlay. The
report shows few images of a larger run, so their small pictures are made at its end, from the overlay files."""

IMAGES_PER_PROCESS = 8
"""One process is started per this many images. With fewer images, loading its network would cost more than it saves
(an estimate)."""
PROCESS_DIED = "the process that predicted it ended twice ({how}); predict it alone, or copy or export the image again"

FileProgress = Callable[[int, int, str, str | None], None]
"""Called after each image: (images finished, images in all, its name, its error line or None)."""


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
    masks: tuple[str, ...] = ()
    """Masks of the images, and drawings over them, that were not predicted: their names within the run."""

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 some file has no result."""
        return 1 if self.num_failed else 0


@dataclass
class Tally:
    """The counts of a run while it works."""

    num_done: int = 0
    num_skipped: int = 0
    failures: list[FailedFile] = field(default_factory=list)
    num_failed_writes: int = 0
    thumbnails: dict[str, str] = field(default_factory=dict)

    @property
    def num_finished(self) -> int:
        return self.num_done + self.num_skipped + len(self.failures)

    def to_json(self, earlier: Sequence[FailedFile]) -> dict[str, Any]:
        """-> the counts of this run; `failures` also names the failures of earlier runs into this folder."""
        return {
            "num_done": self.num_done,
            "num_skipped": self.num_skipped,
            "num_failed": len(self.failures),
            "failures": [asdict(failure) for failure in (*earlier, *self.failures)],
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
    its frames. A file that fails is a FailedFile in the summary, and `progress` gets its error line. Masks of images
    are passed over, unless options.masks_too. InputError where no image is found, a source is inside OUT, or OUT holds
    results of another model or other settings (unless `overwrite`); also where the options contradict a Predictor, and
    after MAX_FAILED_WRITES failed writes in a row.
    After Ctrl-C all finished results stay, and the tables list them.
    """
    started = time.perf_counter()
    out = Path(out)
    tasks, found, masks = _tasks(_paths(sources), out, options)
    predictor, model = _model(bundle, options, len(tasks))
    options = replace(options, device=model.device)
    taken = files_of_others(out, [task.case_id for task in tasks])
    run = open_run(out, model, len(tasks), options.to_json())
    tally, status = Tally(), "stopped"
    try:
        free = [task for task in tasks if task.case_id not in taken]
        with closing(_outcomes(predictor, free, out, bundle, options)) as outcomes:
            for task in tasks:
                others = taken.get(task.case_id)
                fault = _counted(tally, task, Outcome("failed", others) if others else next(outcomes))
                if progress is not None:
                    progress(tally.num_finished, len(tasks), task.name, fault)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        earlier = earlier_failures(out, {task.name for task in tasks})
        report = write_results(out, [*earlier, *tally.failures], tally.thumbnails)
        seconds = round(time.perf_counter() - started, 3)
        counts = tally.to_json(earlier) | {"passed_over": found.passed_over, "masks": masks}
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
        tuple(masks),
    )


def _paths(sources: Iterable[Path | str] | Path | str) -> list[Path]:
    """Sources as a program gives them -> paths; InputError for an image in memory, or an empty path."""
    given = [sources] if isinstance(sources, str | os.PathLike) or not isinstance(sources, Iterable) else sources
    paths = []
    for source in given:
        if not isinstance(source, str | os.PathLike):
            raise InputError(
                f"{type(source).__name__} is no path; predict_folder takes files and folders, and Predictor.predict an "
                "image in memory"
            )
        if not os.fspath(source):
            raise InputError("an empty path; it would be the working folder, so give `.` where you mean that")
        paths.append(Path(os.fsdecode(source)))
    return paths


def _tasks(sources: Sequence[Path], out: Path, options: FolderOptions) -> tuple[list[Task], FoundImages, list[str]]:
    """-> (the images to predict, what was found, the names of masks and drawings over images, which are left out).

    InputError where a source is inside OUT, because results are no images.
    """
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
    masks = [] if options.masks_too else masks_of_images(sources, found.images)
    images = without(found.images, masks)
    tasks = assign_case_ids(sources, images, suffix=suffix_of_frame(options.frame_index), reserved=RUN_FILES)
    return tasks, found, names_within(sources, masks)


def _passed_over(found: FoundImages) -> str:
    return f" (passed over: {found.passed_over_in_words})" if found.passed_over else ""


def _model(
    bundle: Path | str | Predictor | None, options: FolderOptions, num_images: int
) -> tuple[Predictor | None, UsedModel]:
    """-> (the loaded model, or None where child processes load it; what the run records of the model).

    A device other than the CPU is tested here: a missing device ends the command before it writes anything.
    """
    if isinstance(bundle, Predictor):
        _refuse_settings_of_another(bundle, options)
        return bundle, UsedModel.of(bundle)
    number = num_processes(num_images, options.threads)
    if options.device == CPU and number > 1:
        return None, UsedModel.of_bundle(load_bundle(bundle), options.tta, options.prevalence)
    predictor = Predictor.load(
        bundle, threads=options.threads, tta=options.tta, prevalence=options.prevalence, device=options.device
    )
    return predictor if number == 1 else None, UsedModel.of(predictor)


def _refuse_settings_of_another(predictor: Predictor, options: FolderOptions) -> None:
    """InputError where the options ask for a setting that changes results, and that the Predictor does not have."""
    asked = {
        "tta": options.tta and not predictor.with_tta,
        "prevalence": options.prevalence not in (None, predictor.share.asked_for),
        "device": options.device not in (CPU, predictor.device),
    }
    for name in (name for name, is_other in asked.items() if is_other):
        value = getattr(options, name)
        raise InputError(
            f"FolderOptions({name}={value!r}): the Predictor has {name} of its own; pass {name}={value!r} to "
            "Predictor.load, or pass the path of the bundle"
        )


def num_processes(num_images: int, threads: int | None) -> int:
    """Number of images, cores that may be used (None: all) -> number of processes; 1: this process alone."""
    return max(1, min(threads or default_threads(), num_images // IMAGES_PER_PROCESS))


def _outcomes(
    predictor: Predictor | None,
    tasks: Sequence[Task],
    out: Path,
    bundle: Path | str | Predictor | None,
    options: FolderOptions,
) -> Generator[Outcome, None, None]:
    """-> the outcome of each image, in order.

    Predicted by this process if it has loaded the model, else by children.
    """
    with_thumbnails = len(tasks) <= MAX_THUMBNAILS
    if predictor is not None:
        for task in tasks:
            yield predict_case(predictor, task, out, options, with_thumbnail=with_thumbnails)
        return
    assert not isinstance(bundle, Predictor)  # it would be the one above
    number = num_processes(len(tasks), options.threads)
    settings = CaseSettings(out, bundle_path(bundle), options, with_thumbnails).to_json()
    requests = (task_json(task) for task in tasks)
    with closing(replies(case_process, settings, requests, number)) as answers:
        for task, reply in zip(tasks, answers, strict=True):
            if "died" in reply:
                yield Outcome("failed", f"{task.path}: {PROCESS_DIED.format(how=reply['died'])}")
            else:
                yield Outcome(**reply)


def _counted(tally: Tally, task: Task, outcome: Outcome) -> str | None:
    """Counts an outcome -> the line of its error, in which the image's name replaces its path; None without an error.

    InputError after MAX_FAILED_WRITES failed writes in a row.
    """
    if outcome.kind == "done":
        tally.num_failed_writes = 0
        tally.num_done += 1
        tally.thumbnails |= {task.case_id: outcome.thumbnail} if outcome.thumbnail else {}
    elif outcome.kind == "skipped":
        tally.num_skipped += 1
    elif outcome.kind == "not_written":
        tally.num_failed_writes += 1
        if tally.num_failed_writes >= MAX_FAILED_WRITES:
            raise InputError(outcome.message)
    if not outcome.message:
        return None
    line = " ".join(outcome.message.replace(str(task.path), task.name).split())
    tally.failures.append(FailedFile(task.name, line))
    return line
