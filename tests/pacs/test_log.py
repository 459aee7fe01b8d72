"""The log of the listener: one line per remark, at a time that is never ambiguous."""

from __future__ import annotations

import sys
import time
from datetime import datetime

import pytest

from thyrosight.pacs.log import log_line


@pytest.mark.skipif(sys.platform == "win32", reason="needs time.tzset")
def test_the_hour_that_comes_twice_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 2026-10-25 at 01:00 UTC summer time ends in Berlin: 02:30 was there twice."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        moments = [datetime.fromisoformat(f"2026-10-25T0{hour}:30:00+00:00").timestamp() for hour in (0, 1)]
        for moment in moments:
            patch.setattr("thyrosight.pacs.log.datetime", clock_at(moment))
            log_line("a remark")
    time.tzset()
    lines = capsys.readouterr().err.splitlines()
    assert [datetime.fromisoformat(line.removesuffix(" a remark")).timestamp() for line in lines] == moments


def clock_at(moment: float) -> type[datetime]:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(moment)

    return Stopped
