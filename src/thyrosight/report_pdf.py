"""report.html -> report.pdf on A4, by the optional WeasyPrint; nothing outside the page itself is loaded."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from thyrosight.errors import MissingExtraError
from thyrosight.files import write_atomic

PDF_NAME = "report.pdf"
NEEDED = (
    'a PDF needs WeasyPrint and the Pango library; run: pip install "thyrosight[pdf]" (Pango comes with the system)'
)


def pdf_writer() -> Any:
    """-> WeasyPrint. MissingExtraError where it, or Pango, is not there: ask before the work, not after it."""
    try:
        return importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:  # OSError: Pango is missing
        raise MissingExtraError(NEEDED) from error


def write_pdf(report: Path) -> Path:
    """report.html -> report.pdf beside it, whole or not at all; its path."""
    weasyprint = pdf_writer()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    content = weasyprint.HTML(string=report.read_text(encoding="utf-8"), url_fetcher=fetcher).write_pdf()
    path = report.parent / PDF_NAME
    write_atomic(path, content)
    return path
