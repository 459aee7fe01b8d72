"""A disk that refuses to delete what was sent: the destination does not get it again at once, others are sent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom")

from thyrosight.pacs import sender as sender_module
from thyrosight.pacs.entities import Destination
from thyrosight.pacs.sender import IDLE_SECONDS, Sender, SenderSettings
from thyrosight.pacs.spool import Spool, SpoolLimits


class _Taking:
    """An association whose destination takes everything."""

    sent: list[str]

    def __init__(self, _: SenderSettings) -> None:
        pass

    def __enter__(self) -> _Taking:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def store(self, path: Path) -> None:
        self.sent.append(path.parent.name)


def test_what_can_not_be_deleted_is_not_sent_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool", SpoolLimits(spare_bytes=0))
    items = []
    for at in range(2):
        (tmp_path / "received.dcm").write_bytes(b"image %d" % at)
        items.append(spool.accept(tmp_path / "received.dcm", f"1.2.{at}")[0])
        spool.keep_results(items[-1], {"seg.dcm": b"results"})
    _Taking.sent = []
    monkeypatch.setattr(sender_module, "Association", _Taking)
    real_unlink = Path.unlink

    def unlink(path: Path, *arguments: Any, **options: Any) -> None:
        if path.parent == items[0].folder and path.suffix == ".dcm":
            raise OSError(30, "Read-only file system")
        real_unlink(path, *arguments, **options)

    lines: list[str] = []
    sender = Sender(SenderSettings(Destination("ARCHIVE", "127.0.0.1", 104)), spool, lines.append)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        assert [sender.step() for _ in range(3)] == [IDLE_SECONDS, 0, IDLE_SECONDS]
    assert _Taking.sent == [items[0].key, items[1].key]
    assert "Read-only file system" in lines[0]
    assert not spool.due(time.monotonic(), 9)
    items[0].due = 0.0
    assert sender.step() == 0
    assert not sum(spool.counts().values())
