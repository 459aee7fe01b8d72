"""report.html: one file that loads nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from scans import rows_of, run, scan, write_scans
from thyrosight.inference.predictor import Predictor
from thyrosight.results import report
from thyrosight.results.layout import read_result

# The page.


class Page(HTMLParser):
    """Collects what the page would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.cases: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.cases += [value or "" for name, value in attrs if name == "data-case"]
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(out: Path) -> Page:
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_one_file_that_loads_nothing_and_escapes_names(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", '"><script>alert(1)<x>.png', "broken.png")
    (tmp_path / "in" / "<img src=x>.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n<img src=x>")
    run(tmp_path / "in", tmp_path / "out", tiny)
    page = page_of(tmp_path / "out")
    assert page.tags.count("img") == 2
    assert page.tags.count("article") == 2
    assert page.tags.count("script") == 1
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert "http" not in re.sub(r"base64,[^\"]+|http-equiv", "", (tmp_path / "out" / "report.html").read_text())
    assert "not a medical device" in page.text
    assert "broken.png: " in page.text
    assert str(tmp_path) not in page.text
    shown = read_result(tmp_path / "out" / "a")
    assert shown is not None
    assert shown.risk is not None
    assert f"image risk {shown.risk:.0%}" in page.text
    size = shown.nodules[0].size
    assert f"{size.longest_px:.0f} × {size.perpendicular_px:.0f} px" in page.text


def test_a_large_run_shows_those_of_highest_risk_and_says_so(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scans(tmp_path / "in", *(f"{number}.png" for number in range(5)))
    Image.fromarray(scan(8, gray=0, size_hw=(96, 128)) // 2).save(tmp_path / "in" / "dark.png")
    monkeypatch.setattr(report, "GALLERY_LIMIT", 2)
    run(tmp_path / "in", tmp_path / "out", tiny)
    page = page_of(tmp_path / "out")
    assert page.tags.count("article") == 2
    assert "The 2 cases of highest risk, of 6" in " ".join(page.text.split())
    assert page.cases[0] == "dark dark.png"
    assert len(rows_of(tmp_path / "out")) == 6


def test_a_run_in_which_all_fails_still_has_its_page(tiny: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.png").write_bytes(b"")
    summary = run(tmp_path / "in", tmp_path / "out", tiny)
    assert summary.exit_code == 1
    page = page_of(tmp_path / "out")
    assert "0 images" in page.text
    assert "empty.png: the file is empty" in page.text


def test_a_result_of_another_version_is_named_and_left_out(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png", "b.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    path = tmp_path / "out" / "a" / "result.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    report.write_results(tmp_path / "out")
    assert [row["case_id"] for row in rows_of(tmp_path / "out")] == ["b"]
    assert "a: result.json is damaged or of another version" in page_of(tmp_path / "out").text


def test_pictures_that_a_run_made_are_those_of_its_files(tiny: Predictor, tmp_path: Path) -> None:
    def pictures() -> list[str]:
        page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        return re.findall(r"data:image/jpeg;base64,[\w+/=]+", page)

    write_scans(tmp_path / "in", "a.png", "b.png")
    run(tmp_path / "in", tmp_path / "out", tiny)
    at_hand = pictures()
    report.write_results(tmp_path / "out")
    assert len(set(at_hand)) == 2
    assert pictures() == at_hand
