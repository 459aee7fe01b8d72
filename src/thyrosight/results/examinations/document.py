"""Examination -> its report as HTML, one file with the diagram and pictures inside; HTML -> PDF."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thyrosight.examination.records import ThyroidExam, View, ViewImage
from thyrosight.results.examinations.content import ReportContent, report_content
from thyrosight.results.examinations.diagram import gland_diagram
from thyrosight.results.layout import read_picture
from thyrosight.results.pages import page_template, pdf_of
from thyrosight.types import UInt8Array

MAX_PICTURES = 24
PICTURE_WIDTH_PX = 520


@dataclass(frozen=True)
class ReportPicture:
    """A picture of the report: a data: URL and what it shows."""

    url: str
    caption: str


def examination_html(
    examination: ThyroidExam,
    earlier: ThyroidExam | None = None,
    *,
    home: Path | None = None,
    earlier_home: Path | None = None,
) -> str:
    """Examination, an earlier one -> HTML text.

    home, earlier_home: the folders of the two examinations; the paths of pictures are relative to them. Without a
    folder there are no pictures. Pictures show the images with a nodule, at most MAX_PICTURES per examination; those of
    today come first.
    """
    content = report_content(examination, earlier)
    pictures = [*_pictures(examination, home, "")]
    if earlier is not None:
        pictures += _pictures(earlier, earlier_home, f"earlier, {earlier.date or 'date not stated'}: ")
    return render_html(content, examination, pictures)


def render_html(content: ReportContent, examination: ThyroidExam, pictures: list[ReportPicture]) -> str:
    """Content, its examination for the diagram, pictures -> HTML text."""
    return page_template("examination.html").render(
        content=content, diagram=gland_diagram(examination), pictures=pictures
    )


def report_pdf(html: str) -> bytes:
    """HTML of a report -> PDF. MissingExtraError where WeasyPrint or Pango is missing."""
    return pdf_of(html)


def report_picture(
    examination: ThyroidExam, image: ViewImage, picture_HW3: UInt8Array, lead: str = ""
) -> ReportPicture:
    """An image of the examination, its overlay -> a reduced JPEG with its caption."""
    import cv2

    height, width = picture_HW3.shape[:2]
    reduced: cv2.typing.MatLike = picture_HW3
    if width > PICTURE_WIDTH_PX:
        size = (PICTURE_WIDTH_PX, max(1, round(height * PICTURE_WIDTH_PX / width)))
        reduced = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", reduced[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return ReportPicture(
        "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode(), lead + _caption(image, examination)
    )


def _pictures(examination: ThyroidExam, home: Path | None, lead: str) -> Iterator[ReportPicture]:
    used = {section.image for nodule in examination.nodules for section in nodule.sections}
    shown = [image for image in examination.images if image.key in used and image.picture is not None]
    for image in shown[:MAX_PICTURES]:
        path = None if home is None or image.picture is None else home / image.picture
        picture_HW3 = None if path is None else read_picture(path)
        if picture_HW3 is not None:
            yield report_picture(examination, image, picture_HW3, lead)


def _caption(image: ViewImage, examination: ThyroidExam) -> str:
    """-> key, view, place and nodules of the image.

    In the overlay nodules have the numbers of the image's own result.
    """
    views: dict[View, str] = {"transverse": "transverse", "longitudinal": "longitudinal"}
    parts = [image.key, views[image.view] if image.view else "view not stated", image.side, image.pole]
    for nodule in examination.nodules:
        for section in nodule.sections:
            if section.image == image.key:
                marked = section.nodule.number
                same = marked == nodule.number
                parts.append(f"nodule {nodule.number}" + ("" if same else f" (marked {marked} in the picture)"))
    return ", ".join(part for part in parts if part)
