"""Tables of a run -> nothing, or InputError: training refuses a set in which `audit` finds an error.

The result is kept in RUN/set_audit.json, and the model card quotes it. Where tables and files are unchanged, the
earlier result in the folder of the run or its cross-validation is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thyrosight.datasets.audit import audit_cases
from thyrosight.datasets.table import read_cases, table_path
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault, sha256_of, write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers
from thyrosight.types import Case

AUDIT_NAME, KIND = "set_audit.json", "thyrosight audit of a run"
IN_THE_CARD = ("near-duplicates apart", "conflicting labels", "one mask twice", "one picture with two labels")
"""Warnings that a reader of the scores has to know."""


def check_set(tables: Sequence[Path], out: Path, reference_sources: Sequence[str], even_if_invalid: bool) -> None:
    """cases.csv of a run, its folder -> OUT/set_audit.json; InputError where the audit finds an error.

    Rows of reference_sources are left out, because the network does not learn from them. even_if_invalid: no error is
    raised; the model card lists what the audit found.
    """
    tables = [table_path(path) for path in tables]
    cases = [case for path in tables for case in read_cases(path) if case.source not in reference_sources]
    key = _key(tables, cases)
    record = next((found for place in (out, out.parent) if (found := _earlier(place, key))), None)
    record = record or _audited(tables, cases, key)
    if record["errors"] and not even_if_invalid:
        more = f" (and {len(record['errors']) - 1} errors more)" if len(record["errors"]) > 1 else ""
        raise InputError(
            f"{', '.join(map(str, tables))}: not valid for training: {record['errors'][0]}{more}; `thyrosight audit` "
            "lists all errors; correct the set, or pass --even-if-invalid, and the model card states it"
        )
    path = out / AUDIT_NAME
    refuse_strangers([path], lambda there: json_table(there).get("kind") == KIND, "the audit of a run")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def audit_notes(run: Path) -> str:
    """Run -> sentences about its tables for the model card.

    Empty where there is nothing to state, or there was no audit.
    """
    record = json_table(run / AUDIT_NAME)
    errors, warnings = (list(map(str, record.get(name) or ())) for name in ("errors", "warnings"))
    parts = [f"Trained although the audit calls the set invalid: {'; '.join(errors)}."] if errors else []
    parts += [f"The audit warns: {'; '.join(warnings)}."] if warnings else []
    return " ".join(parts)


def _audited(tables: Sequence[Path], cases: Sequence[Case], key: str) -> dict[str, Any]:
    report = audit_cases(cases, ", ".join(map(str, tables)), with_text=False)
    return {
        "kind": KIND,
        "key": key,
        "errors": [finding.message for finding in report.findings if finding.severity == "error"],
        "warnings": [finding.message for finding in report.findings if finding.kind in IN_THE_CARD],
    }


def _earlier(folder: Path, key: str) -> dict[str, Any] | None:
    """-> the audit of the same tables and files that an earlier command left in the folder."""
    record = json_table(folder / AUDIT_NAME)
    return record if record.get("key") == key and isinstance(record.get("errors"), list) else None


def _key(tables: Sequence[Path], cases: Sequence[Case]) -> str:
    """-> a hash of the tables' contents and of the sizes and times of their files.

    The hash changes when one of these changes.
    """
    digest = hashlib.sha256("".join(map(sha256_of, tables)).encode())
    for case in cases:
        for path in (case.image, case.mask):
            try:
                status = path.stat() if path is not None else None
            except OSError as error:
                raise_disk_fault(error, path)
                status = None
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode() if status else b"none\n")
    return digest.hexdigest()
