"""A risk at another share of malignant nodules, by hand and by what must hold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thyrosight.errors import ConfigError
from thyrosight.inference.prevalence import at_share, likelihood_ratio, odds, share_in_words

SHARES = st.floats(0.01, 0.99)
RISKS = st.floats(0.0, 1.0)


def test_by_hand() -> None:
    # odds 4 at prior odds 1; at a share of 0.2 the prior odds are 1/4, so the odds are 1
    assert at_share(0.8, 0.5, 0.2) == pytest.approx(0.5)
    assert likelihood_ratio(0.8, 0.5) == pytest.approx(4.0)
    assert likelihood_ratio(0.715, 0.715) == pytest.approx(1.0), "a risk that equals the share says nothing"
    assert at_share(0.715, 0.715, 0.1) == pytest.approx(0.1)
    assert odds(1.0) == math.inf


@given(RISKS, SHARES, SHARES)
def test_there_and_back_is_where_it_was(risk: float, share: float, wanted: float) -> None:
    assert at_share(at_share(risk, share, wanted), wanted, share) == pytest.approx(risk, abs=1e-9)


@given(RISKS, RISKS, SHARES, SHARES)
def test_the_order_of_nodules_never_changes(one: float, other: float, share: float, wanted: float) -> None:
    low, high = sorted((one, other))
    assert at_share(low, share, wanted) <= at_share(high, share, wanted) + 1e-12


@given(st.floats(0.001, 0.999), SHARES, SHARES)
def test_the_likelihood_ratio_does_not_know_the_share(risk: float, share: float, wanted: float) -> None:
    restated = at_share(risk, share, wanted)
    assert likelihood_ratio(restated, wanted) == pytest.approx(likelihood_ratio(risk, share), rel=1e-6)


def test_certainty_stays_and_a_share_of_all_or_none_is_refused() -> None:
    assert (at_share(0.0, 0.7, 0.1), at_share(1.0, 0.7, 0.1)) == (0.0, 1.0)
    for share in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            at_share(0.5, 0.5, share)


def test_the_sentence_says_both_shares() -> None:
    assert "is not known" in share_in_words(None)
    assert share_in_words(0.715) == "This risk assumes that 71.5 % of the nodules are malignant."
    assert "restated from the 71.5 %" in share_in_words(0.1, 0.715)
