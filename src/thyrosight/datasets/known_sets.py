"""Every set and format that `prepare` reads, in the order in which `prepare` tries them on a folder."""

from __future__ import annotations

from thyrosight.datasets.formats import FORMATS
from thyrosight.datasets.sets import SETS, own_csv
from thyrosight.datasets.sets.layout import KnownSet

KNOWN_SETS: dict[str, KnownSet] = {
    **{name: known for name, known in SETS.items() if known is not own_csv.SET},
    **FORMATS,
    own_csv.SET.name: own_csv.SET,
}
"""Name -> set. A set by its authors' layout comes first, then the formats, then any CSV."""
