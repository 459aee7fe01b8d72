"""Images and folders -> a results folder: one model load, what is done is skipped, a bad file is one line.

A case is done when its result.json is there: it is written last, and every file appears whole or not at all, so a run
that is stopped anywhere goes on from there. Nothing outside the results folder is written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thyrosight.environment import NOT_INSTALLED, library_versions, software_version, utc_now
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import sha256_of, write_atomic
from thyrosight.frames.load import find_images
from thyrosight.inference.predict_file import CaseResult, Choice, examine_file
from thyrosight.inference.predictor import Predictor
from thyrosight.results.case_ids import Task, assign_case_ids
from thyrosight.results.layout import (
    CLIP_NAME,
    CSV_NAME,
    MASK_NAME,
    OVERLAY_NAME,
    REPORT_NAME,
    RESULT_NAME,
    RUN_NAME,
    Failure,
    read_result,
)
from thyrosight.results.overlay import draw_overlay, mask_png, picture_png
from thyrosight.results.report import write_results
from thyrosight.types import Spacing

RUN_KIND = "thyrosight results"
MAX_FAILED_WRITES = 3
"""In a row: after that the disk is at fault, not the images, and the run stops."""
CASE_FILES = frozenset({MASK_NAME, OVERLAY_NAME, RESULT_NAME})
RUN_FILES = frozenset({CSV_NAME, REPORT_NAME, RUN_NAME})

Progress = Callable[[int, int, str, str | None], None]
"""Called after each image: (images finished, images in all, its name, the line about its failure or None)."""


@dataclass(frozen=True)
class RunSummary:
    """What a folder run did."""

    out: Path
    report: Path
    num_done: int
    num_skipped: int
    num_failed: int
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 some file gave no result."""
        return 1 if self.num_failed else 0


@dataclass
class Tally:
    """A run's counts while it goes on."""

    num_done: int = 0
    num_skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
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
    bundle: Path | Predictor | None = None,
    tta: bool = False,
    overwrite: bool = False,
    threads: int | None = None,
    frame_index: int | None = None,
    every: int | None = None,
    spacing: Spacing | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Images and folders -> OUT/case_id/{mask.png, overlay.png, result.json}, results.csv, report.html, run.json.

    A clip (DICOM or video of several frames) has clip.json too, and the other three are of the frame that stands for
    it; with a frame_index it is that frame alone. every: each n-th frame of a clip. spacing: instead of what files say.
    bundle: None for the shipped model; a Predictor brings its own tta and threads. mask.png is 0 / 255 in the source's
    own pixels as decoded (EXIF orientation applied). progress None: a bar and the failures' lines on stderr. Results of
    another model or setting in OUT are refused unless `overwrite`. After Ctrl-C what is done stays, tables and all.
    """
    started = time.perf_counter()
    given = [sources] if isinstance(sources, Path | str) else sources
    out = Path(out)
    tasks = _tasks([Path(source) for source in given], out, frame_index)
    predictor = bundle if isinstance(bundle, Predictor) else Predictor.load(bundle, threads=threads, tta=tta)
    choice = Choice(frame_index, every, spacing)
    settings: dict[str, Any] = {"overwrite": overwrite, "threads": threads, "frame": frame_index, "every": every}
    settings["mm_per_pixel"] = list(spacing) if spacing else None
    run = _open_run(out, predictor, len(tasks), settings)
    tally, status = Tally(), "stopped"
    try:
        with _shown(progress, len(tasks)) as show:
            for task in tasks:
                fault = _predict_one(predictor, task, out, tally, choice, overwrite=overwrite)
                show(tally.num_finished, len(tasks), task.name, fault)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        report = write_results(out, tally.failures)
        seconds = round(time.perf_counter() - started, 3)
        _write_run(out, run | tally.to_json() | {"status": status, "seconds": seconds})
    return RunSummary(
        out, report, tally.num_done, tally.num_skipped, len(tally.failures), tuple(tally.failures), seconds
    )


def _tasks(sources: Sequence[Path], out: Path, frame_index: int | None) -> list[Task]:
    """-> the images to do. Refuses a results folder that holds a source: results would be taken for images."""
    for source in sources:
        if source.resolve().is_relative_to(out.resolve()):
            raise InputError(
                f"{out}: holds {source.name or source}, which is to be read; give the results a folder of their own"
            )
    images = find_images(sources)
    if not images:
        names = ", ".join(str(source) for source in sources)
        raise InputError(
            f"{names or 'no source'}: no image found; pass DICOM, PNG, JPEG, TIFF, BMP or WebP files, or folders"
        )
    suffix = f"_frame{frame_index}" if frame_index else ""
    return assign_case_ids(sources, images, suffix=suffix, reserved=RUN_FILES)


def _open_run(out: Path, predictor: Predictor, num_images: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Make or check the results folder -> what run.json says from the start."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be made a folder ({error.strerror}); choose another path") from error
    run = {
        "kind": RUN_KIND,
        "format_version": 1,
        "model": predictor.model.model_dump(),
        "settings": {"tta": predictor.with_tta} | settings,
        "versions": _versions(),
        "started": utc_now(),
        "num_images": num_images,
    }
    earlier = _earlier_run(out)
    if earlier is not None and not settings["overwrite"]:
        for what, was, now in (
            ("model", earlier["model"], run["model"]),
            ("tta", earlier["settings"]["tta"], predictor.with_tta),
            *((name, earlier["settings"].get(name), settings[name]) for name in ("frame", "every", "mm_per_pixel")),
        ):
            if was != now:
                raise InputError(
                    f"{out}: holds results of {what} {was}, not {now}; choose another folder or pass --overwrite"
                )
    _write_run(out, run | {"status": "running"})
    return run


def _versions() -> dict[str, str]:
    """-> this program, Python, the system and the libraries that a result depends on, for run.json."""
    libraries = {"numpy": "numpy", "onnxruntime": "onnxruntime", "opencv": "opencv-python-headless", "pillow": "pillow"}
    found = library_versions(["python", *libraries.values()])
    versions = {"software": software_version(), "python": found["python"]}
    versions |= {name: found.get(library, NOT_INSTALLED) for name, library in libraries.items()}
    return versions | {"system": sys.platform}


def _earlier_run(out: Path) -> dict[str, Any] | None:
    """-> run.json of a folder that was used before; refuses files of the same names that are not ours."""
    present = sorted(name for name in RUN_FILES if os.path.lexists(out / name))
    if not present:
        return None
    try:
        run = json.loads((out / RUN_NAME).read_text(encoding="utf-8"))
        if (
            run["kind"] == RUN_KIND
            and {"model", "settings"} <= run.keys()
            and {"tta", "frame"} <= run["settings"].keys()
        ):
            return dict(run)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{out}: has {', '.join(present)} that this version did not write; choose another folder")


def _predict_one(
    predictor: Predictor, task: Task, out: Path, tally: Tally, choice: Choice, *, overwrite: bool
) -> str | None:
    """One image -> its case folder; counts it, and returns the line about its failure, None where there is none."""
    folder = out / task.case_id
    try:
        if not overwrite and _is_done(folder, task, choice.frame_index):
            tally.num_skipped += 1
            return None
        _check_case_folder(folder)
        files = case_files(examine_file(predictor, task.path, choice))
    except ThyrosightError as error:
        return _failed(tally, task, str(error))
    except Exception as error:  # a fault of ours in one file must not cost the others
        return _failed(tally, task, f"{task.path}: internal error ({type(error).__name__}: {error}); please report it")
    try:
        _write_case(folder, files)
    except InputError as error:
        tally.num_failed_writes += 1
        if tally.num_failed_writes >= MAX_FAILED_WRITES:
            raise
        return _failed(tally, task, str(error))
    tally.num_failed_writes = 0
    tally.num_done += 1
    return None


def _failed(tally: Tally, task: Task, message: str) -> str:
    """Note a failure; its line names the file within the run, without the folders above."""
    line = " ".join(message.replace(str(task.path), task.name).split())
    tally.failures.append(Failure(task.name, line))
    return line


def _is_done(folder: Path, task: Task, frame_index: int | None) -> bool:
    """Whether the case folder holds the whole result of this very image; another image's result there is refused."""
    result = read_result(folder)
    if result is None or not all((folder / name).is_file() for name in CASE_FILES):
        return False
    if not task.path.is_file():
        return False
    is_chosen = result.image.frame_index == (frame_index or 0)
    if frame_index is None and (folder / CLIP_NAME).is_file():
        is_chosen = True  # any frame may stand for a clip
    if is_chosen and result.image.sha256 == sha256_of(task.path):
        return True
    raise InputError(
        f"{task.path}: {folder.name} holds the result of another image; choose another folder or pass --overwrite"
    )


def _check_case_folder(folder: Path) -> None:
    """Refuse a case folder that is a link, a file, or holds what is not ours."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; move it away or choose another results folder")
    strangers = {name for name in os.listdir(folder) if not name.startswith(".")} - CASE_FILES - {CLIP_NAME}
    if strangers:
        raise InputError(f"{folder}: holds {min(strangers)}, which is no result; choose another results folder")


def case_files(result: CaseResult) -> dict[str, bytes]:
    """CaseResult -> the files of its case folder, in the order of writing: result.json last, as it says done."""
    examination = result.examination
    overlay_HW3 = draw_overlay(examination.frame, examination.prediction)
    files = {MASK_NAME: mask_png(examination.mask_HW), OVERLAY_NAME: picture_png(overlay_HW3)}
    if result.clip_json is not None:
        files[CLIP_NAME] = result.clip_json.encode()
    return files | {RESULT_NAME: examination.prediction.to_json().encode()}


def _write_case(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for name in (RESULT_NAME, CLIP_NAME):
            (folder / name).unlink(missing_ok=True)
        for leftover in folder.glob(".thyrosight-*.tmp"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be written ({error.strerror}); check its permissions") from error
    for name, content in files.items():
        write_atomic(folder / name, content)


def _write_run(out: Path, run: dict[str, Any]) -> None:
    write_atomic(out / RUN_NAME, json.dumps(run, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def _shown(progress: Progress | None, num_images: int) -> Iterator[Progress]:
    """-> what to call after each image: the caller's function, else lines on stderr, with a bar on a terminal."""
    if progress is not None:
        yield progress
    elif num_images == 1 or not sys.stderr.isatty():
        yield _print_fault
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True, highlight=False, markup=False)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Bar(*columns, console=console) as bar:
            row = bar.add_task("", total=num_images)

            def show(num_finished: int, total: int, name: str, fault: str | None) -> None:
                if fault is not None:
                    console.print(fault)
                bar.update(row, completed=num_finished, description=name[-40:])

            yield show


def _print_fault(num_finished: int, total: int, name: str, fault: str | None) -> None:
    if fault is not None:
        print(fault, file=sys.stderr)
