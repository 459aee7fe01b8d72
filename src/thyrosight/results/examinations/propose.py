"""Results folder of one patient and day -> a proposed Examination, for a reader to complete and sign.

View, side and pole are taken from the file's name or its DICOM header, and marked as stated by the file. Everything
else is left open. results/dicom/view_words.py reads the texts of headers.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.examination.pairing import Seen, propose_nodules
from thyrosight.examination.records import MAX_IMAGES, MAX_NODULES, OutlinedBy, ThyroidExam, ViewImage
from thyrosight.examination.view_labels import labels_in
from thyrosight.results.layout import CLIP_NAME, OVERLAY_NAME, case_folders, read_result
from thyrosight.tirads.assessment import SystemName
from thyrosight.tirads.reading import read_reading

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def propose_examination(
    results: Path,
    *,
    home: Path | None = None,
    words: Mapping[str, tuple[str, ...]] | None = None,
    files: Mapping[str, Path] | None = None,
    date: str | None = None,
    system: SystemName = "acr",
) -> ThyroidExam:
    """Results folder, {SHA-256: texts of the file}, {SHA-256: source file} -> Examination with proposed nodules.

    home: the folder for the examination's JSON; pictures and files are named relative to it. The uids are computed from
    the images, so that the same folder gives the same uids. InputError where a result is damaged, or the folder holds
    more than one examination can.
    """
    names = case_folders(results)
    if not names:
        raise InputError(f"{results}: holds no result; give a results folder of `predict`, or an examination's JSON")
    images: list[ViewImage] = []
    seen: list[Seen] = []
    for name in names:
        folder = results / name
        prediction = read_result(folder)
        if prediction is None:
            raise InputError(f"{folder}: its result is damaged or of another version; predict again with --overwrite")
        texts = (words or {}).get(prediction.image.sha256, ())
        labels = labels_in(*texts, name)
        source = (files or {}).get(prediction.image.sha256)
        picture = folder / OVERLAY_NAME
        is_clip = (folder / CLIP_NAME).is_file()
        images.append(
            ViewImage(
                key=name if not is_clip else f"{name}, frame {prediction.image.frame_index + 1}",
                prediction=prediction,
                view=labels.view,
                side=labels.side,
                pole=labels.pole,
                said_by=None if labels.is_empty else "file",
                said_in=" ".join(labels.words),
                file=_relative(source, home),
                picture=_relative(picture if picture.is_file() else None, home),
            )
        )
        by: OutlinedBy = "AUTOMATIC" if read_reading(folder) is None else "MANUAL"
        seen += [Seen(images[-1], nodule, by) for nodule in prediction.nodules]
    if len(images) > MAX_IMAGES or len(seen) > MAX_NODULES:
        raise InputError(
            f"{results}: {len(images)} images with {len(seen)} outlines; an examination has at most {MAX_IMAGES} and "
            f"{MAX_NODULES}. Predict the images of one patient and day into a folder of their own"
        )
    uids = [_nodule_uid(one) for one in seen]
    return ThyroidExam(
        uid=derived_uid("examination", *sorted(image.prediction.image.sha256 for image in images)),
        date=date,
        images=tuple(images),
        nodules=propose_nodules(seen, uids),
        system=system,
    )


def derived_uid(*parts: str) -> str:
    """Text parts -> a DICOM UID that begins with 2.25; the same parts give the same UID."""
    digest = hashlib.sha256("\0".join(("thyrosight", *parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _nodule_uid(one: Seen) -> str:
    """-> the UID that the result gives the nodule; without one, a UID computed from image and number."""
    if one.nodule.uid and _UID.fullmatch(one.nodule.uid):
        return one.nodule.uid
    return derived_uid("nodule", one.image.prediction.image.sha256, str(one.nodule.number))


def _relative(path: Path | None, home: Path | None) -> str | None:
    """-> the path from `home`, the folder of the JSON, with forward slashes; None where one of the two is None."""
    if path is None or home is None:
        return None
    return Path(os.path.relpath(path, home)).as_posix()
