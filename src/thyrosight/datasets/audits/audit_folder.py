"""Cases, their audit -> OUT/audit.json, OUT/pairs.csv (every pair of one picture) and OUT/pairs.png (to look at)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from thyrosight.datasets.audits.pairs import PicturePair
from thyrosight.datasets.audits.sheet import pairs_sheet
from thyrosight.files import write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers
from thyrosight.types import Case

if TYPE_CHECKING:
    from thyrosight.datasets.audits.records import AuditReport

JSON_NAME, TABLE_NAME, SHEET_NAME = "audit.json", "pairs.csv", "pairs.png"


def refuse_other_audit(out: Path, cases_csv: Path) -> None:
    """InputError where `out` holds the audit of another table, or files of these names that are not an audit's."""
    was = json_table(out / JSON_NAME)
    if not ({"cases_csv", "findings", "pairs"} <= was.keys() and was["cases_csv"] == str(cases_csv)):
        names = (JSON_NAME, TABLE_NAME, SHEET_NAME)
        refuse_strangers([out / name for name in names], lambda path: False, f"the audit of {cases_csv}")


def write_audit(report: AuditReport, cases: Sequence[Case], out: Path) -> list[Path]:
    """-> the files that were written; the folder is made."""
    out.mkdir(parents=True, exist_ok=True)
    files = [out / JSON_NAME, out / TABLE_NAME]
    write_atomic(files[0], report.to_json() + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(PicturePair)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(pair) for pair in report.pairs)
    write_atomic(files[1], text.getvalue())
    sheet = pairs_sheet(cases, report)
    if sheet is not None:
        files.append(out / SHEET_NAME)
        write_atomic(files[2], sheet)
    return files
