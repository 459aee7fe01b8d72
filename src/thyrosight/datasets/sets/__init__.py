"""A labelled set as its authors publish it -> its cases: one file per set, and the table of them."""

from __future__ import annotations

from thyrosight.datasets.sets import busbra, busi, ddti, own_csv, phantom, tg3k, tn3k, tn5000, tn_scui
from thyrosight.datasets.sets.layout import KnownSet

SETS: dict[str, KnownSet] = {
    known.name: known
    for known in (
        phantom.SET,
        ddti.SET,
        busi.SET,
        tn_scui.SET,
        tn3k.SET,
        tg3k.SET,
        tn5000.SET,
        busbra.SET,
        own_csv.SET,
    )
}
"""Name -> set, in the order in which `prepare` tries them on a folder."""

BY_SOURCE: dict[str, KnownSet] = {known.source or known.name: known for known in SETS.values()}
"""The value of the column `source` in cases.csv -> set."""


def risk_meaning(source: str) -> str:
    """The value of the column `source` -> the meaning of the risk in a model that learned its labels, in words."""
    known = BY_SOURCE.get(source)
    return (known and known.risk_meaning) or f"probability of the label 1 of {source}"
