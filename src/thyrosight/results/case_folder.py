"""One case of a results folder -> its files: mask.png, overlay.png, result.json, and clip.json for a clip.

result.json is written last: a case is done when this file is there. Every file appears whole or not at all, so a run
can be stopped at any moment and continued.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.files import is_whole_file, sha256_of, write_files_atomic
from thyrosight.files.leftovers import remove_leftovers
from thyrosight.frames.find_images import is_results_folder
from thyrosight.inference.predict_file import CaseResult
from thyrosight.results.case_ids import Task
from thyrosight.results.layout import CLIP_NAME, MASK_NAME, OVERLAY_NAME, RESULT_NAME, read_result
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import mask_png, picture_png
from thyrosight.types import UInt8Array

CASE_FILES = frozenset({MASK_NAME, OVERLAY_NAME, RESULT_NAME})


def is_done(folder: Path, task: Task, frame_index: int | None) -> bool:
    """Case folder, its image, the chosen frame -> whether the folder holds the whole result of this image and frame.

    InputError where it holds the result of another image.
    """
    result = read_result(folder)
    if result is None or not all(is_whole_file(folder / name) for name in CASE_FILES) or not task.path.is_file():
        return False
    is_clip = frame_index is None and (folder / CLIP_NAME).is_file()  # any of its frames may represent a clip
    is_same_frame = is_clip or result.image.frame_index == (frame_index or 0)
    if is_same_frame and result.image.sha256 == sha256_of(task.path):
        return True
    raise InputError(
        f"{task.path}: {folder.name} holds the result of another image; choose another folder or pass --overwrite"
    )


def check_case_folder(folder: Path) -> None:
    """InputError where the case folder is a link or a file, or holds files that are no results."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; move it away or choose another results folder")
    strangers = {name for name in os.listdir(folder) if not name.startswith(".")} - CASE_FILES - {CLIP_NAME}
    if strangers:
        raise InputError(f"{folder}: holds {min(strangers)}, which is no result; choose another results folder")


def files_of_others(out: Path, case_ids: Iterable[str]) -> dict[str, str]:
    """Results folder, case ids -> {case id: the error for the user}, for case folders with files of another program.

    Such a folder holds a file like mask.png, but no result of ours. Empty where `out` is a results folder of ours.
    """
    if is_results_folder(out, os.listdir(out) if out.is_dir() else ()):
        return {}
    found = {}
    for case_id in case_ids:
        folder = out / case_id
        names = set(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else set()
        # Where there are other files too, check_case_folder names them.
        if names and names <= CASE_FILES and read_result(folder) is None:
            found[case_id] = f"{folder}: holds {min(names)}, which predict did not write; choose another results folder"
    return found


def case_files(result: CaseResult) -> tuple[dict[str, bytes], UInt8Array]:
    """CaseResult -> ({name: content} of its case folder, in the order of writing; the overlay _HW3)."""
    examination = result.examination
    overlay_HW3 = draw_overlay(examination.frame, examination.prediction, examination.text)
    files = {MASK_NAME: mask_png(examination.mask_HW), OVERLAY_NAME: picture_png(overlay_HW3)}
    if result.clip_json is not None:
        files[CLIP_NAME] = result.clip_json.encode()
    return files | {RESULT_NAME: examination.prediction.to_json().encode()}, overlay_HW3


def write_case(folder: Path, files: dict[str, bytes]) -> None:
    """Removes an older result, then writes the files in their order. InputError where the disk fails."""
    try:
        folder.mkdir(exist_ok=True)
        for name in (RESULT_NAME, CLIP_NAME):
            (folder / name).unlink(missing_ok=True)
        remove_leftovers(folder)
    except OSError as error:
        raise InputError(f"{folder}: can't be written ({error.strerror}); check its permissions") from error
    write_files_atomic(folder, files)
