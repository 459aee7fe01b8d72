"""TG3K (Gong et al., ISBI 2021): gland masks of video frames -> cases with target "gland", grouped by video."""

from __future__ import annotations

from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, first_folder, images_in
from thyrosight.errors import InputError
from thyrosight.types import Case

NAME = "tg3k"
LABEL_MEANING = "none: the set outlines the gland and has no labels"
ORIGIN = Origin(
    citation="Gong et al., Multi-task learning for thyroid nodule segmentation with thyroid region prior, ISBI 2021",
    population="frames of 16 ultrasound videos",
    outlines_by="the thyroid gland, for the publication",
    labels_by="none",
    eligibility="frames in which the gland covers more than 6 % of the image",
)


def recognise(folder: Path) -> bool:
    """`image`, `mask` and `videos.csv`; or the published `thyroid-image` and `thyroid-mask`."""
    ours = first_folder(folder, ["image"]) and first_folder(folder, ["mask"]) and (folder / "videos.csv").is_file()
    return bool(ours or (first_folder(folder, ["thyroid-image"]) and first_folder(folder, ["thyroid-mask"])))


def read(request: Request) -> DataSet:
    """TG3K folder -> one case per frame; where there is a videos.csv, only the frames that it lists."""
    folder = request.folder
    image_folder, mask_folder = (
        first_folder(folder, ["thyroid-image", "image"]),
        first_folder(folder, ["thyroid-mask", "mask"]),
    )
    if image_folder is None or mask_folder is None:
        raise InputError(f"{folder}: no image and mask folders; TG3K holds image/F.jpg and mask/F.png")
    images, masks, videos = images_in(image_folder), images_in(mask_folder), _videos(folder)
    cases, left_out = [], {"not in videos.csv": 0, "frame without a mask": 0}
    for stem, image in images.items():
        if videos and stem not in videos:
            left_out["not in videos.csv"] += 1
        elif stem not in masks:
            left_out["frame without a mask"] += 1
        else:
            group = f"video{videos[stem]}" if videos else ""
            cases.append(Case(stem, image, masks[stem], None, group, NAME, target="gland"))
    note = (
        f"{len(set(videos.values()))} videos, each one group" if videos else "no videos.csv: grouped by near-duplicates"
    )
    return DataSet(
        NAME, tuple(cases), LABEL_MEANING, {why: number for why, number in left_out.items() if number}, (note,)
    )


def _videos(folder: Path) -> dict[str, str]:
    path = folder / "videos.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path)
    if not {"frame", "video"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns frame and video")
    return {row["frame"]: row["video"] for row in rows}


SET = KnownSet(name=NAME, recognise=recognise, read=read, origin=ORIGIN)
