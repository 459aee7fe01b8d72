"""Test images -> the files of the TN-SCUI2020 challenge: one mask per image, and a table `ID,CATE`.

OUT/mask/NAME            0 / 255, with the size and the file name of the image
OUT/submission.csv       ID,CATE               CATE 1 malignant, 0 benign
OUT/probability.csv      ID,CATE,probability   with the risk, which CATE does not show
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import natural_key, open_atomic, raise_shortage, write_atomic
from thyrosight.folders.masks_of_images import masks_of_images
from thyrosight.frames.find_images import find_images
from thyrosight.inference.predictor import Predictor
from thyrosight.results.layout import FailedFile
from thyrosight.results.png import mask_png

DECISION_RISK = 0.5
"""CATE is 1 at and above this risk. With an identity calibration this chooses the class with the larger logit, as in
the networks of the challenge."""

TABLES = {"submission.csv": ("ID", "CATE"), "probability.csv": ("ID", "CATE", "probability")}


@dataclass(frozen=True)
class SubmissionSummary:
    """The result of a submission; it is complete if `failures` is empty."""

    out: Path
    num_done: int
    num_failed: int
    failures: tuple[FailedFile, ...]
    masks: tuple[str, ...] = ()
    """Masks of the images, which were not predicted."""


def write_submission(predictor: Predictor, images: Iterable[Path | str], out: Path | str) -> SubmissionSummary:
    """Images and folders -> masks and tables in `out`; a file that fails is left out and becomes a FailedFile.

    The mask of an image that is not a PNG gets `.png` at the end of its name. InputError where two images have one
    name, because the challenge could not distinguish them; also where the model has no outlines or no risk.
    """
    if not (predictor.info.has_mask and predictor.info.has_malignancy):
        raise InputError(f"model {predictor.info.name}: a submission needs outlines and a risk; use a multi-task model")
    out = Path(out)
    sources = list(map(Path, images))
    found = find_images(sources).images
    masks = masks_of_images(sources, found)
    paths = sorted(set(found) - set(masks), key=lambda path: natural_key(path.name))
    _refuse_twins(paths)
    _refuse_files_of_others(out, paths)
    try:
        (out / "mask").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: can't be made a folder ({error.strerror}); choose another path") from error
    rows: list[tuple[str, int, float]] = []
    failures: list[FailedFile] = []
    for path in paths:
        try:
            examination = predictor.examine(path)
        except ThyrosightError as error:
            raise_shortage(error)
            failures.append(FailedFile(path.name, str(error).replace(str(path), path.name)))
            continue
        risk = examination.prediction.risk
        assert risk is not None
        write_atomic(out / "mask" / mask_name(path), mask_png(examination.mask_HW))
        rows.append((path.name, int(risk >= DECISION_RISK), risk))
    _write_table(out / "submission.csv", TABLES["submission.csv"], [row[:2] for row in rows])
    _write_table(out / "probability.csv", TABLES["probability.csv"], rows)
    return SubmissionSummary(out, len(rows), len(failures), tuple(failures), tuple(path.name for path in masks))


def mask_name(path: Path) -> str:
    """Image -> file name of its mask: the image's own, with `.png` at the end where the image is no PNG."""
    return path.name if path.suffix.lower() == ".png" else f"{path.name}.png"


def _refuse_twins(paths: Iterable[Path]) -> None:
    counts = Counter(mask_name(path).casefold() for path in paths)
    if not counts:
        raise InputError("no image found; pass the challenge's test images or their folder")
    name, count = counts.most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{count} images are named {name}; a submission needs different names, so pass one test folder"
        )


def _refuse_files_of_others(out: Path, paths: Iterable[Path]) -> None:
    """InputError where OUT holds tables or masks that no submission has written; an older submission is replaced."""
    heads = {out / name: ",".join(columns) for name, columns in TABLES.items() if (out / name).exists()}
    strangers = [path for path, head in heads.items() if not path.read_bytes().startswith(f"{head}\n".encode())]
    if not heads:
        strangers = [path for path in (out / "mask" / mask_name(image) for image in paths) if path.exists()]
    if strangers:
        raise InputError(f"{strangers[0]}: is there already, and no submission wrote it; choose another folder with -o")


def _write_table(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with open_atomic(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
