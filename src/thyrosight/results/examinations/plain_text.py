"""ReportContent -> plain text to paste into another system: sections in capitals, one line per statement."""

from __future__ import annotations

from collections.abc import Iterator

from thyrosight.results.examinations.content import NoduleRow, ReportContent


def report_text(content: ReportContent) -> str:
    """Content -> text with \\n line ends; it holds everything of the HTML except the diagram and the pictures."""
    return "\n".join(_lines(content)).rstrip() + "\n"


def _lines(content: ReportContent) -> Iterator[str]:
    yield content.title.upper()
    if content.status:
        yield content.status
    yield ""
    for name, text in content.header:
        yield f"{name}: {text}"
    yield from ("", "THYROID GLAND")
    for name, text in content.gland:
        yield f"{name}: {text}"
    yield from ("", "NODULES")
    if not content.nodules:
        yield "No nodule is outlined."
    for row in content.nodules:
        yield from _nodule(row)
    if content.nodules:
        yield f"Rated by: {content.system}"
    yield from content.risk_sentences
    yield from ("", "LYMPH NODES", content.lymph_nodes)
    if content.comparison:
        yield from ("", "COMPARISON", *content.comparison)
    if content.remarks:
        yield from ("", "REMARKS", content.remarks)
    yield from ("", "IMPRESSION", *content.impression, f"Strictest advice: {content.strictest}")
    yield from ("", f"Signed: {content.signature}" if content.signature else content.status, "", *content.footer)


def _nodule(row: NoduleRow) -> Iterator[str]:
    yield f"Nodule {row.number}: {row.place}"
    yield f"  Size: {row.diameters}" + (f"; 95 % intervals: {row.intervals}" if row.intervals else "")
    yield f"  Volume: {row.volume}"
    if row.read:
        yield "  Read by the reader: " + "; ".join(f"{name} {word}" for name, word in row.read)
    if row.proposed:
        yield "  Proposed by measures, not read: " + "; ".join(f"{name} {word}" for name, word in row.proposed)
    if row.missing:
        yield f"  Not described: {', '.join(row.missing)}"
    yield f"  {row.level_and_points}{' (rests on proposals)' if row.is_proposed else ''}"
    yield f"  Growth: {row.growth_in_short}"
    if row.growth != row.growth_in_short:
        yield f"    {row.growth}"
    yield f"  Advice: {row.advice}"
    for warning in row.warnings:
        yield f"  Note: {warning}"
    if row.note:
        yield "  Reader's note: " + row.note.replace("\n", "\n    ")
    yield f"  Measured on: {'; '.join(row.measured)}" if row.measured else "  Measured on: nothing"
    for line in row.network:
        yield f"  Network, {line}"
