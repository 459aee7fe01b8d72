"""A result and the DICOM file that it is of -> SEG, SR and Secondary Capture: the command dicom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thyrosight.commands.show import print_json, remark
from thyrosight.errors import InputError

if TYPE_CHECKING:
    from thyrosight.prediction import Prediction
    from thyrosight.types import UInt8Array

CLIP_NAME = "clip.json"
"""The predictions of all frames of a clip, beside the one that stands for it."""


def dicom(
    result: Annotated[
        Path, typer.Argument(help="A results folder, or one case's folder in it.", exists=True, file_okay=False)
    ],
    source: Annotated[Path, typer.Option("--source", help="The DICOM file that was predicted.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the DICOM files.")],
    seg: Annotated[bool, typer.Option("--seg", help="Write seg.dcm.")] = False,
    sr: Annotated[bool, typer.Option("--sr", help="Write sr.dcm.")] = False,
    capture: Annotated[bool, typer.Option("--capture", help="Write capture.dcm, the overlay picture.")] = False,
    identity: Annotated[
        Literal["keep", "none"],
        typer.Option("--identity", help="keep: patient and study as in the source, for a PACS; none: without."),
    ] = "none",
    uid_key: Annotated[
        str | None,
        typer.Option("--uid-key", envvar="THYROSIGHT_UID_KEY", help="Secret: same key, same replaced UIDs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")] = False,
) -> None:
    """A result -> DICOM SEG, SR, picture.

    Writes all three where none of --seg, --sr, --capture is given. Of a results folder those cases are taken that are
    of the source, and of a clip every frame that was predicted. Where no nodule was outlined there is no SEG; the SR
    says that none was found.
    """
    from thyrosight.dicom_out.case import SEG_NAME, Wanted, case_dicom_files
    from thyrosight.files import write_atomic

    is_all = not (seg or sr or capture)
    predictions, pictures = _results(result, source, with_pictures=capture or is_all)
    files = case_dicom_files(
        source,
        predictions,
        pictures=pictures,
        wanted=Wanted(seg=seg or is_all, sr=sr or is_all, identity=identity, uid_key=uid_key),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be a folder ({error.strerror}); choose another") from error
    for name, content in files.items():
        write_atomic(out / name, content)
    if (seg or is_all) and SEG_NAME not in files:
        remark("no nodule was outlined: there is no SEG to write")
    if as_json:
        print_json({"files": [out / name for name in files], "frames": len(predictions), "identity": identity})
        return
    for name in files:
        typer.echo(out / name)


def _results(folder: Path, source: Path, *, with_pictures: bool) -> tuple[list[Prediction], dict[int, UInt8Array]]:
    """Case or results folder, source file -> (its predictions, overlay pictures by frame index)."""
    from thyrosight.files import sha256_of
    from thyrosight.report import OVERLAY_NAME, RESULT_NAME, case_folders, read_result

    is_case = (folder / RESULT_NAME).is_file()
    cases = [folder] if is_case else [folder / name for name in case_folders(folder)]
    sha256 = sha256_of(source) if source.is_file() else ""
    predictions, pictures = [], {}
    for case in cases:
        prediction = read_result(case)
        if prediction is None:
            raise InputError(f"{case / RESULT_NAME}: damaged or of another version; predict again with --overwrite")
        if not is_case and prediction.image.sha256 != sha256:
            continue
        predictions += _clip(case / CLIP_NAME) or [prediction]
        if with_pictures and (case / OVERLAY_NAME).is_file():
            pictures[prediction.image.frame_index] = _picture(case / OVERLAY_NAME)
    if not predictions:
        raise InputError(f"{folder}: holds no result of {source}; predict that file into it first")
    return predictions, pictures


def _clip(path: Path) -> list[Prediction]:
    """clip.json -> the predictions of its frames; none where there is no such file."""
    from thyrosight.prediction import Prediction

    if not path.is_file():
        return []
    try:
        return [Prediction.model_validate(frame) for frame in json.loads(path.read_bytes())["frames"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged or of another version; predict again with --overwrite") from error


def _picture(path: Path) -> UInt8Array:
    """PNG -> RGB picture _HW3."""
    import cv2
    import numpy as np

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path}: is no picture; predict again with --overwrite")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8)
