"""Name of a template in templates/ -> the Jinja template; report.html -> report.pdf."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thyrosight.errors import MissingExtraError
from thyrosight.files import write_atomic

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(name: str) -> Template:
    """`report.html` or another file of templates/ -> its Template, with the filter `percent`.

    The template escapes every text, and raises an error for a name without a value.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("thyrosight", "results/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,  # a template is compiled once per process: to optimize it takes longer than it saves
    )
    environment.filters["percent"] = lambda value: f"{value:.0%}"
    return environment.get_template(name)


PDF_NAME = "report.pdf"
NEEDED = (
    'a PDF needs WeasyPrint and the Pango library; run: pip install "thyrosight[pdf]" (Pango comes with the system)'
)


def pdf_writer() -> Any:
    """-> WeasyPrint.

    MissingExtraError where WeasyPrint or Pango is missing; call this before the work, not after it.
    """
    try:
        weasyprint = importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:  # OSError: Pango is missing
        raise MissingExtraError(NEEDED) from error
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint allows them to the whole process
    return weasyprint


def write_pdf(report: Path) -> Path:
    """report.html -> path of report.pdf next to it, written whole or not at all."""
    content = pdf_of(report.read_text(encoding="utf-8"))
    path = report.parent / PDF_NAME
    write_atomic(path, content)
    return path


def pdf_of(html: str) -> bytes:
    """HTML that refers to no other file -> PDF; nothing is fetched. MissingExtraError as `pdf_writer`."""
    weasyprint = pdf_writer()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    return bytes(weasyprint.HTML(string=html, url_fetcher=fetcher).write_pdf())
