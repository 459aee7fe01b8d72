"""Numbers are given once; outlines without a UID become the nodules that they overlap most."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

from thyrosight.web.review.nodule_identity import numbered
from thyrosight.web.schemas import CorrectionIn, clean_name


def test_a_number_is_given_once() -> None:
    assert numbered(["a", "b"], {}) == {"a": 1, "b": 2}
    assert numbered(["c", "a"], {"a": 1, "b": 7}) == {"a": 1, "b": 7, "c": 8}


def test_one_person_is_one_reader() -> None:
    assert clean_name("  Dr.\tÄnn \u0000 \x1f Bee\n") == "Dr. Änn Bee"
    assert clean_name("A\u0308nn") == "\u00c4nn", "composed and decomposed"
    assert CorrectionIn(findings=[], who=" Ann ").who == "Ann"
