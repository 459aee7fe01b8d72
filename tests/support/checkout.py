"""Paths of the parts of this checkout, and of folders that may be next to it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "thyrosight"
SHIPPED_BUNDLE = PACKAGE / "models" / "default"
SUPPORT = ROOT / "tests" / "support"
GOLDEN = ROOT / "tests" / "golden"
REAL_DATA = Path(os.environ.get("THYROSIGHT_DATA") or ROOT.parent / "shared" / "data")
"""Folder of the public data sets (busi, ddti, tg3k ...)."""
ORACLE = Path(os.environ.get("THYROSIGHT_ORACLE") or ROOT.parent / "shared" / "oracle")
"""Folder of the numbers that the original V-Net computed."""
