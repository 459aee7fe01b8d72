"""The records of an audit: a finding with its severity and cases, and the report of all of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from thyrosight.datasets.audits.pairs import PicturePair

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One kind of fault: its severity, what it is and how to fix it in words, and the cases that have it."""

    severity: Severity
    kind: str
    message: str
    case_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """The findings in one cases.csv. is_valid: no finding is an error, so the set can be used for training."""

    cases_csv: str
    is_valid: bool
    num_cases: int
    num_groups: int
    num_with_text_before_crop: int
    """Images with burned-in text outside the field, which the crop removes."""
    num_with_text_in_crop: int
    """Images with text inside the field, which is filled in before a network sees it."""
    num_with_text_after_crop: int
    """Images that still have text after the crop and after text was filled in."""
    findings: tuple[Finding, ...]
    pairs: tuple[PicturePair, ...] = ()
    """Every pair of rows that shows one picture; those that are apart first."""

    def to_json(self) -> str:
        """-> JSON text; its keys are the names of these fields."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)
