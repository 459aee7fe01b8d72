"""The report as HTML and PDF: whole, self-contained, safe with hostile text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from examinations import examined, full_examination
from thyrosight.results.examinations.content import report_content
from thyrosight.results.examinations.document import examination_html, report_pdf, report_picture
from thyrosight.results.examinations.plain_text import report_text


class Texts(HTMLParser):
    """Collects the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(html: str) -> str:
    parser = Texts()
    parser.feed(html)
    return re.sub(r"\s+", " ", " ".join(parser.text))


def test_html_and_text_say_the_same() -> None:
    earlier = examined([(14, 9, 9)], places=[("right", "upper")])
    one = full_examination()
    content, page = report_content(one, earlier), text_of(examination_html(one, earlier))
    plain = re.sub(r"\s+", " ", report_text(content))
    for row in content.nodules:
        sizes = (row.diameters, row.volume, row.level_and_points)
        for told in (row.place, *sizes, row.growth, row.growth_in_short, row.advice, *row.network):
            assert told in page, told
            assert told in plain, told
    for told in (*content.impression, content.strictest, content.signature, *content.footer, *content.risk_sentences):
        assert told in page, told
        assert told in plain, told


def test_no_line_of_the_impression_is_counted() -> None:
    """`2. Nodule 3 ...` would give one nodule two numbers."""
    one = examined([(9, 8, 7), (6, 5, 4), (20, 12, 14)], places=[("right", "upper"), ("left", None), (None, None)])
    assert report_content(one).impression[0].startswith("Nodule 3")
    assert "<ol" not in examination_html(one)


def test_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>"
    one = full_examination(patient=evil, remarks=evil, lymph_nodes=evil, indication=evil, reader=evil)
    nodule = one.nodules[0].model_copy(update={"note": evil, "place_note": evil})
    html = examination_html(one.model_copy(update={"nodules": (nodule,)}))
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") >= 6


def test_nothing_is_fetched_from_outside() -> None:
    html = examination_html(full_examination())
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "default-src 'none'" in html


def test_pdf_is_written() -> None:
    pytest.importorskip("weasyprint", reason="the extra pdf is not installed")
    assert report_pdf(examination_html(full_examination())).startswith(b"%PDF-")


def test_a_caption_names_the_nodule_that_the_picture_marks_otherwise() -> None:
    one = examined([(14, 9, 9), (20, 12, 8)])
    picture_HW3 = np.zeros((30, 40, 3), np.uint8)
    captions = [report_picture(one, image, picture_HW3).caption for image in one.images]
    assert captions[0].endswith(", nodule 1")
    assert captions[2].endswith(", nodule 2 (marked 1 in the picture)")


def test_a_prior_examination_is_one_sentence() -> None:
    one = full_examination(comparison="Ultrasound of 2025-10-02.")
    told = dict(report_content(one, examined([(14, 9, 9)])).header)["Prior examination"]
    assert told == "Ultrasound of 2025-10-02; compared with the ultrasound of 2026-01-01"


def test_a_draft_names_its_reader_as_not_signed() -> None:
    one = full_examination(reader="Dr. A", signed="")
    assert dict(report_content(one).header)["Reader"] == "Dr. A (not signed)"
    assert "Reader" not in dict(report_content(full_examination(reader="Dr. A", signed="2026-01-02")).header)
