"""SECURITY.md: every promise names a test, and that test is there."""

from __future__ import annotations

import re

from checkout import ROOT


def test_every_promise_names_a_test_that_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert len(rows) > 20
    for row in rows:
        found = re.search(r"`([\w/]+\.py)::(test_\w+)` \|$", row)
        assert found, f"names no test: {row}"
        source = (ROOT / "tests" / found[1]).read_text(encoding="utf-8")
        assert re.search(rf"^def {found[2]}\(", source, re.MULTILINE), f"{found[1]} has no {found[2]}"
