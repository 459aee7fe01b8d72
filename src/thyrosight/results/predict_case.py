"""One image -> its case folder, or an error line. predict_folder.py runs this module as a child process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from thyrosight.children import Json, serve
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import disk_fault_of
from thyrosight.frames.spacing import checked_spacing
from thyrosight.inference.onnx_runtime import CPU
from thyrosight.inference.predict_file import ReadOptions, examine_file
from thyrosight.inference.predictor import Predictor
from thyrosight.results.case_folder import case_files, check_case_folder, is_done, write_case
from thyrosight.results.case_ids import Task
from thyrosight.results.overlay import strip_height, thumbnail
from thyrosight.types import Spacing, whole_given


@dataclass(frozen=True)
class FolderOptions:
    """How a folder is predicted.

    tta, threads, prevalence and device are settings for Predictor.load. Where a Predictor is passed, its own threads
    are used, and a tta, prevalence or device that it does not have is refused. prevalence: the share of malignant
    nodules to which risks are adjusted. overwrite: predict images again that have results, also results of another
    model or other settings. frame_index: the frame that is predicted of a file with several frames. every: n, to
    predict every n-th frame of a clip. spacing: replaces the spacing of the files. masks_too: predict masks of the
    images, and drawings over them, as if they were images.
    """

    tta: bool = False
    threads: int | None = None
    overwrite: bool = False
    frame_index: int | None = None
    every: int | None = None
    spacing: Spacing | None = None
    prevalence: float | None = None
    device: str = CPU
    masks_too: bool = False

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("frame_index", 0), ("every", 1)):
            value = getattr(self, name)
            if value is not None:
                whole_given(name, value, least)
        if self.spacing is not None:
            object.__setattr__(self, "spacing", _spacing_of(self.spacing))

    @property
    def reading(self) -> ReadOptions:
        return ReadOptions(self.frame_index, self.every, self.spacing)

    def to_json(self) -> dict[str, Any]:
        """-> the settings for run.json, except those of the model (tta, prevalence, device), which `open_run` adds."""
        return {
            "overwrite": self.overwrite,
            "threads": self.threads,
            "frame": self.frame_index,
            "every": self.every,
            "mm_per_pixel": list(self.spacing) if self.spacing else None,
        }


def _spacing_of(given: object) -> Spacing:
    """Spacing or a pair (row, column) of millimetres -> Spacing; InputError for anything else."""
    try:
        row_mm, column_mm = (float(value) for value in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(f"spacing={given!r}: give Spacing(row_mm, column_mm), e.g. Spacing(0.06, 0.06)") from None
    spacing, reason = checked_spacing(row_mm, column_mm, f"spacing={given!r}")
    if spacing is None:
        raise InputError(f"{reason}; give millimetres, e.g. Spacing(0.06, 0.06)")
    return spacing


class Outcome(NamedTuple):
    """The outcome for one image. message: the error line where the image has no result, else empty.

    thumbnail: its picture for the report, where one was asked for; else empty.
    """

    kind: Literal["done", "skipped", "failed", "not_written"]
    message: str = ""
    thumbnail: str = ""


def predict_case(
    predictor: Predictor, task: Task, out: Path, options: FolderOptions, *, with_thumbnail: bool = False
) -> Outcome:
    """One image -> its files in OUT/case_id, unless they are there already. An error becomes the Outcome's message."""
    folder = out / task.case_id
    try:
        if not options.overwrite and is_done(folder, task, options.frame_index):
            return Outcome("skipped")
        check_case_folder(folder)
        result = examine_file(predictor, task.path, options.reading)
        files, overlay_HW3 = case_files(result)
        strip_px = strip_height(result.examination.prediction)
        picture = thumbnail(overlay_HW3, strip_px) if with_thumbnail else ""
    except ThyrosightError as error:
        return Outcome("failed", str(error))
    except Exception as error:  # a fault of ours in one file must not cost the others
        refused = disk_fault_of(error)
        why = f"internal error ({type(error).__name__}: {error}); please report it"
        if refused is not None:
            why = f"the system refused to read or write it ({refused.strerror}); run the same command again"
        return Outcome("failed", f"{task.path}: {why}")
    try:
        write_case(folder, files)
    except InputError as error:
        return Outcome("not_written", str(error))
    return Outcome("done", thumbnail=picture)


class CaseSettings(NamedTuple):
    """The settings that a child process needs for all its images."""

    out: Path
    bundle: Path | None
    options: FolderOptions
    with_thumbnails: bool = False

    def to_json(self) -> Json:
        named = vars(self.options) | {"spacing": list(self.options.spacing) if self.options.spacing else None}
        bundle = str(self.bundle) if self.bundle else None
        return {"out": str(self.out), "bundle": bundle, "options": named, "with_thumbnails": self.with_thumbnails}

    @classmethod
    def of_json(cls, content: Json) -> CaseSettings:
        named: dict[str, Any] = dict(content["options"])
        named["spacing"] = Spacing(*named["spacing"]) if named["spacing"] else None
        bundle = Path(content["bundle"]) if content["bundle"] else None
        return cls(Path(content["out"]), bundle, FolderOptions(**named), content["with_thumbnails"])


def task_json(task: Task) -> Json:
    """-> the request for one image."""
    return {"path": str(task.path), "name": task.name, "case_id": task.case_id}


def main() -> None:
    """The child process. Its network has one thread, because there is one child per core."""

    def load(content: Json) -> Any:
        out, bundle, options, with_thumbnails = CaseSettings.of_json(content)
        predictor = Predictor.load(
            bundle, threads=1, tta=options.tta, prevalence=options.prevalence, device=options.device
        )

        def answer(request: Json) -> Json:
            task = Task(Path(request["path"]), request["name"], request["case_id"])
            return predict_case(predictor, task, out, options, with_thumbnail=with_thumbnails)._asdict()

        return answer

    serve(load)


if __name__ == "__main__":
    main()
