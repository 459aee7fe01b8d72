"""The listener, its spool and what sends the results: by hand, with peers in this process, and as a program."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, SegmentationStorage
from typer.testing import CliRunner

from checkout import SOURCE
from pacs_peers import (
    CT,
    PATIENT_WORDS,
    SC,
    US_RETIRED,
    Archive,
    archive,
    echo,
    file_bytes,
    send,
    us_dataset,
    wait_until,
)
from ports import HeldPort
from thyrosight.cli import app
from thyrosight.errors import ConfigError, InputError
from thyrosight.frames.transfer_syntaxes import RECEIVED
from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.bounded_server import MAX_PDU_BYTES, Meter, client_context, server_context
from thyrosight.pacs.entities import Destination, callers_for, check_no_loop, read_destination
from thyrosight.pacs.listener import ListenerSettings
from thyrosight.pacs.log import internal_error_line, plain_line
from thyrosight.pacs.sender import SenderSettings
from thyrosight.pacs.service import PacsService
from thyrosight.pacs.spool import MAX_CRASHES, MAX_STARTS, RefusedError, Spool, SpoolLimits
from tiny_bundle import make_tiny_bundle

NO_SPARE = SpoolLimits(spare_bytes=0)
UID = "1.2.826.0.1.1.3"
NOTHING = {"waiting": 0, "to send": 0, "failed": 0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor.load(bundle)


@contextmanager
def listening(
    predictor: Predictor,
    folder: Path,
    port: int | None = None,
    *,
    limits: SpoolLimits = NO_SPARE,
    lines: list[str] | None = None,
    sending: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[PacsService]:
    """A service that sends to ARCHIVE at the port (None: where nobody listens); its log goes into `lines`."""
    log = lines if lines is not None else []
    nobody = HeldPort()
    pauses = {"first_seconds": 0.2, "longest_seconds": 0.2} | (sending or {})
    to = SenderSettings(Destination("ARCHIVE", "127.0.0.1", port or nobody.number), **pauses)
    service = PacsService(predictor, Spool(folder, limits), ListenerSettings(port=0, **settings), to, log.append)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        nobody.release()


def received(folder: Path, seed: int = 0) -> Path:
    """-> an ultrasound file as a listener would have received it."""
    path = folder / f"received{seed}.dcm"
    path.write_bytes(file_bytes(us_dataset(seed)))
    return path


# Who and where.


def test_destination_is_read() -> None:
    assert read_destination("ORTHANC@10.1.2.3:4242") == Destination("ORTHANC", "10.1.2.3", 4242)
    assert read_destination("MY PACS@pacs.example:104") == Destination("MY PACS", "pacs.example", 104)
    assert read_destination("A@[::1]:104") == Destination("A", "::1", 104)
    assert str(Destination("A", "::1", 104)) == "A@[::1]:104"


NO_DESTINATIONS = ["", "ORTHANC", "ORTHANC@host", "@host:104", "A@host:0", "A@host:65536", "A@ho st:1", "A\\B@h:1"]


@pytest.mark.parametrize("text", [*NO_DESTINATIONS, "A" * 17 + "@h:1"])
def test_destination_that_is_none_is_told_how(text: str) -> None:
    with pytest.raises(ConfigError, match=r"AETITLE@HOST:PORT|AE title"):
        read_destination(text)


def test_beyond_loopback_callers_have_to_be_named() -> None:
    assert callers_for("127.0.0.1", ()).ae_titles == ()
    assert callers_for("::1", ()).ae_titles == ()
    assert callers_for("0.0.0.0", ["ORTHANC"]).ae_titles == ("ORTHANC",)
    for host in ("0.0.0.0", "10.1.2.3", "pacs.example", "::"):
        with pytest.raises(ConfigError, match="DICOM has no token"):
            callers_for(host, ())
    with pytest.raises(ConfigError, match="AE title"):
        callers_for("0.0.0.0", [""])


def test_callers_by_address() -> None:
    callers = callers_for("0.0.0.0", ["A"], ["10.1.2.0/24", "::1", "192.168.0.7"])
    near = ("10.1.2.200", "::1", "192.168.0.7", "::ffff:10.1.2.3")
    assert [callers.may_connect(address) for address in near] == [True] * 4
    assert [callers.may_connect(address) for address in ("10.1.3.1", "192.168.0.8", "nonsense")] == [False] * 3
    with pytest.raises(ConfigError, match="--allow-from"):
        callers_for("0.0.0.0", ["A"], ["pacs.example"])


def test_own_address_is_no_destination() -> None:
    for host, destination in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("10.0.0.1", "10.0.0.1")):
        with pytest.raises(ConfigError, match="this program listens there"):
            check_no_loop(host, 104, Destination("A", destination, 104))
    check_no_loop("127.0.0.1", 104, Destination("A", "127.0.0.1", 105))
    check_no_loop("0.0.0.0", 104, Destination("A", "10.0.0.2", 104))


# The spool.


def test_accepted_instance_lies_on_the_disk_under_no_name_of_the_sender(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    path = received(tmp_path)
    item, is_new = spool.accept(path, UID)
    assert is_new
    assert (tmp_path / "spool" / "items" / item.key / "source.dcm").read_bytes() == path.read_bytes()
    assert UID not in "".join(str(found) for found in (tmp_path / "spool").rglob("*"))
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert spool.accept(path, UID) == (item, False), "the same again is the same item"
    _, is_other_new = spool.accept(received(tmp_path, 1), UID)
    assert is_other_new, "other content under the same UID is not the same"
    assert spool.counts() == {"waiting": 2, "to send": 0, "failed": 0}
    spool.close()


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/../3", "", "1" * 65, "1.2.\n3", "1.2\0"])
def test_hostile_uid_is_refused(tmp_path: Path, uid: str) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    before = sorted(tmp_path.rglob("*"))
    path = received(tmp_path)
    with pytest.raises(RefusedError) as refused:
        spool.accept(path, uid)
    assert refused.value.status == 0x0117
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])
    spool.close()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SpoolLimits(max_bytes=1000, spare_bytes=0), "the limit is"),
        (SpoolLimits(max_items=0, spare_bytes=0), "the queue is full"),
        (SpoolLimits(spare_bytes=1 << 60), "the disk is nearly full"),
    ],
)
def test_no_room_is_out_of_resources(tmp_path: Path, limits: SpoolLimits, reason: str) -> None:
    spool = Spool(tmp_path / "spool", limits)
    with pytest.raises(RefusedError, match=reason) as refused:
        spool.accept(received(tmp_path), UID)
    assert refused.value.status == 0xA700
    assert spool.counts() == NOTHING
    spool.close()


def test_disk_that_refuses_leaves_nothing_and_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    path = received(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fsync", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(RefusedError, match="No space left") as refused:
                spool.accept(path, UID)
        assert refused.value.status == 0xA700
    assert list((tmp_path / "spool" / "items").iterdir()) == list(spool.incoming.iterdir()) == []
    assert spool.accept(path, UID)[1], "room again: accepted"
    spool.close()


def test_restart_goes_on_from_what_lies_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    waiting, _ = spool.accept(received(tmp_path, 0), "1.2.3.0")
    predicted, _ = spool.accept(received(tmp_path, 1), "1.2.3.1")
    spool.keep_results(predicted, {"seg.dcm": b"seg", "sr.dcm": b"sr"})
    done, _ = spool.accept(received(tmp_path, 2), "1.2.3.2")
    kept = tmp_path / "kept"
    shutil.copytree(done.folder, kept)
    spool.finish(done)
    shutil.copytree(kept, done.folder)  # as though the process had ended before the folder went
    halfway, _ = spool.accept(received(tmp_path, 3), "1.2.3.3")
    (halfway.folder / "seg.dcm").write_bytes(b"of a prediction that was not finished")
    (spool.incoming / "tmp123.dcm").write_bytes(b"half an image")
    spool.delay(predicted, 3600)
    spool.close()

    spool = Spool(tmp_path / "spool", NO_SPARE)
    assert spool.counts() == {"waiting": 2, "to send": 1, "failed": 0}
    assert list(spool.incoming.iterdir()) == []
    assert spool.accept(received(tmp_path, 2), "1.2.3.2")[1] is False, "done is remembered"
    first = spool.next_to_predict()
    assert first is not None
    assert (first.key, first.uid) == (waiting.key, "1.2.3.0"), "the first received is the first served"
    (due,) = spool.due(time.monotonic(), 10)
    assert (due.key, due.num_tries, [path.name for path in due.results()]) == (
        predicted.key, 1, ["seg.dcm", "sr.dcm"],
    )  # fmt: skip
    spool.finish(first)
    again = spool.next_to_predict()
    assert again is not None
    spool.keep_results(again, {"sr.dcm": b"sr"})
    assert [path.name for path in again.results()] == ["sr.dcm"], "nothing of the unfinished prediction is left"
    spool.close()


def test_damaged_item_goes_to_a_person(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    item, _ = spool.accept(received(tmp_path), UID)
    spool.close()
    (item.folder / "item.json").write_text("{")
    spool = Spool(tmp_path / "spool", NO_SPARE)
    assert spool.counts() == {"waiting": 0, "to send": 0, "failed": 1}
    assert (spool.folder / "failed" / item.key / "source.dcm").is_file()
    spool.close()


def test_file_that_takes_the_service_down_does_so_a_few_times_only(tmp_path: Path) -> None:
    for expected in [True] * MAX_STARTS + [False]:
        spool = Spool(tmp_path / "spool", NO_SPARE)
        item, _ = spool.accept(received(tmp_path), UID)
        assert spool.start(item) is expected
        spool.close()  # as a crash would


def test_failed_is_kept_with_its_reason_and_tried_again_on_demand(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_SPARE)
    path = received(tmp_path)
    item, _ = spool.accept(path, UID)
    spool.fail(item, "no\nultrasound")
    assert (tmp_path / "spool" / "failed" / item.key / "reason.txt").read_text() == "no ultrasound\n"
    assert spool.counts() == {"waiting": 0, "to send": 0, "failed": 1}
    assert spool.retry_failed() == 1
    assert spool.counts() == {"waiting": 1, "to send": 0, "failed": 0}
    spool.fail(item, "no ultrasound")
    assert spool.accept(path, UID)[1], "sent again: it begins anew"
    assert spool.counts() == {"waiting": 1, "to send": 0, "failed": 0}
    spool.close()


def test_spool_has_one_owner(tmp_path: Path) -> None:
    spool = Spool(tmp_path, NO_SPARE)
    with pytest.raises(InputError, match="another listener uses this folder"):
        Spool(tmp_path, NO_SPARE)
    spool.close()
    Spool(tmp_path, NO_SPARE).close()


# Images in, results out.


def test_images_and_clip_come_back_as_seg_and_sr_of_their_study(predictor: Predictor, tmp_path: Path) -> None:
    lines: list[str] = []
    sources = [
        us_dataset(0),
        us_dataset(1, num_frames=3),
        us_dataset(2, SOPClassUID=US_RETIRED),
        us_dataset(3, SOPClassUID=SC),
    ]
    with archive() as (kept, port), listening(predictor, tmp_path / "spool", port, lines=lines) as service:
        assert echo(service.listener.port) == 0
        assert send(service.listener.port, sources) == [0] * 4
        assert wait_until(lambda: len(kept.received) == 8 and service.spool.counts() == NOTHING)
        assert send(service.listener.port, sources[:1]) == [0], "again: accepted, and nothing is made twice"
        time.sleep(0.2)
        assert kept.kinds == ["SEG"] * 4 + ["SR"] * 4
    for source in sources:
        own = [stored for stored in kept.received if stored.StudyInstanceUID == source.StudyInstanceUID]
        assert sorted(stored.Modality for stored in own) == ["SEG", "SR"]
        for stored in own:
            assert (stored.PatientID, str(stored.PatientName)) == ("W4711", "Roentgen^Wilhelm")
            classes = {(item.ReferencedSOPInstanceUID, item.ReferencedSOPClassUID) for item in references(stored)}
            assert (source.SOPInstanceUID, source.SOPClassUID) in classes
        (seg,) = (stored for stored in own if stored.Modality == "SEG")
        assert seg.pixel_array.any()
        assert int(seg.NumberOfFrames) == int(source.get("NumberOfFrames", 1))
    left = [path.name for path in (tmp_path / "spool").rglob("*") if path.is_file() and path.parent.name != "done"]
    assert left == ["spool.lock"], "no image and no result stays"
    told = "\n".join(lines)
    assert all(word not in told for word in PATIENT_WORDS)
    assert not any(source.SOPInstanceUID in told for source in sources)


def references(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for element in dataset.iterall():
        if element.VR == "SQ":
            yield from (item for item in element.value if "ReferencedSOPInstanceUID" in item)


def test_destination_that_is_away_gets_its_results_later(predictor: Predictor, tmp_path: Path) -> None:
    away, kept = HeldPort(), Archive()
    with listening(predictor, tmp_path, away.number) as service:
        assert send(service.listener.port, [us_dataset(0)]) == [0]
        assert wait_until(lambda: any(item.num_tries >= 2 for item in service.spool._items.values()))
        with archive(away.release(), kept):
            assert wait_until(lambda: len(kept.received) == 2 and service.spool.counts() == NOTHING)


def test_destination_that_refuses_is_asked_again_then_given_up(predictor: Predictor, tmp_path: Path) -> None:
    lines: list[str] = []
    with archive() as (kept, port):
        kept.status = 0xA700
        with listening(predictor, tmp_path, port, lines=lines, sending={"max_tries": 2}) as service:
            assert send(service.listener.port, [us_dataset(0)]) == [0]
            assert wait_until(lambda: service.spool.counts() == NOTHING | {"failed": 1})
            (failed,) = (tmp_path / "failed").iterdir()
            reason = (failed / "reason.txt").read_text()
            assert "in 2 tries: seg.dcm: refused with status 0xA700" in reason
            assert reason.count("\n") == 1
            kept.status = 0
            assert service.spool.retry_failed() == 1
            assert wait_until(lambda: kept.kinds == ["SEG", "SR"] and service.spool.counts() == NOTHING)
    assert any("refused with status 0xA700; next try in 0 s" in line for line in lines)


def test_destination_that_takes_no_seg_is_said(predictor: Predictor, tmp_path: Path) -> None:
    with (
        archive(classes=["1.2.840.10008.5.1.4.1.1.88.33"]) as (kept, port),
        listening(predictor, tmp_path, port, sending={"max_tries": 1}) as service,
    ):
        send(service.listener.port, [us_dataset(0)])
        assert wait_until(lambda: service.spool.counts()["failed"] == 1)
        assert "does not take objects of this class" in next(tmp_path.glob("failed/*/reason.txt")).read_text()
        assert kept.received == []


def test_results_of_an_earlier_run_are_sent_as_they_are(predictor: Predictor, tmp_path: Path) -> None:
    with listening(predictor, tmp_path / "spool", sending={"first_seconds": 60, "longest_seconds": 60}) as service:
        send(service.listener.port, [us_dataset(0)])
        assert wait_until(lambda: service.spool.counts()["to send"] == 1)
        assert wait_until(lambda: any(item.num_tries for item in service.spool._items.values()))
        uids = {pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "spool").glob("items/*/s*.dcm")}
    assert len(uids) == 2
    with archive() as (kept, port), listening(predictor, tmp_path / "spool", port) as service:
        assert wait_until(lambda: len(kept.received) == 2 and service.spool.counts() == NOTHING)
        assert {stored.SOPInstanceUID for stored in kept.received} == uids


def test_disk_that_is_full_for_a_while_costs_nothing(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thyrosight.pacs import spool, worker

    lines: list[str] = []
    write, refused = spool.write_atomic, []

    def full(path: Path, content: bytes | str) -> None:
        if path.name == "sr.dcm" and len(refused) < MAX_CRASHES + 1:
            refused.append(path)
            raise InputError(f"{path}: can't be written (No space left on device)")
        write(path, content)

    monkeypatch.setattr(spool, "write_atomic", full)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.01)
    with archive() as (kept, port), listening(predictor, tmp_path, port, lines=lines) as service:
        assert send(service.listener.port, [us_dataset(0)]) == [0]
        assert wait_until(lambda: kept.kinds == ["SEG", "SR"] and service.spool.counts() == NOTHING)
    assert len(refused) == MAX_CRASHES + 1
    assert sum("No space left" in line for line in lines) == MAX_CRASHES + 1


def test_pauses_double_up_to_the_longest() -> None:
    route = SenderSettings(Destination("A", "h", 1))
    assert [route.pause(n) for n in (0, 1, 2, 8, 9, 59)] == [5, 10, 20, 1280, 1800, 1800]
    assert 24 < sum(route.pause(n) for n in range(route.max_tries - 1)) / 3600 < 26, "over a day"


# What is refused.


def test_what_is_no_image_is_not_negotiated(predictor: Predictor, tmp_path: Path) -> None:
    seg = us_dataset(0, SOPClassUID=SegmentationStorage)
    deflated = us_dataset(1)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert DeflatedExplicitVRLittleEndian not in RECEIVED
    with listening(predictor, tmp_path) as service:
        assert send(service.listener.port, [seg, us_dataset(2, SOPClassUID=CT), us_dataset(3)]) == [None, None, 0]
        assert send(service.listener.port, [deflated]) == []


def test_own_overlay_sent_on_and_mislabelled_image_give_no_result(predictor: Predictor, tmp_path: Path) -> None:
    lines: list[str] = []
    overlay = us_dataset(0, SOPClassUID=SC, Manufacturer="Thyrosight")
    with archive() as (kept, port), listening(predictor, tmp_path, port, lines=lines) as service:
        assert send(service.listener.port, [overlay]) == [0]
        assert wait_until(lambda: service.spool.counts() == NOTHING and len(lines) == 2)
        assert "this program made it" in lines[1]
        assert send(service.listener.port, [us_dataset(1, Modality="CT", SOPClassUID=SC)]) == [0]
        assert wait_until(lambda: service.spool.counts()["failed"] == 1)
        assert "not ultrasound" in next(tmp_path.glob("failed/*/reason.txt")).read_text()
        assert kept.received == []


@pytest.mark.parametrize("uid", ["../../../tmp/x", "1.2.3/../4"])
def test_hostile_uid_over_the_wire(predictor: Predictor, tmp_path: Path, uid: str, monkeypatch: Any) -> None:
    from pynetdicom import dimse_primitives

    monkeypatch.setattr(dimse_primitives, "validate_uid", lambda _: (True, ""), raising=False)
    with listening(predictor, tmp_path / "spool") as service:
        (status,) = send(service.listener.port, [us_dataset(0)], uids=[uid]) or [None]
        assert status != 0
        assert echo(service.listener.port) == 0
    assert list((tmp_path / "spool" / "items").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spool"]


def test_unknown_caller_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    callers = callers_for("0.0.0.0", ["SCANNER"])
    with listening(predictor, tmp_path, callers=callers) as service:
        port = service.listener.port
        assert (echo(port, "SCANNER"), echo(port, "STRANGER")) == (0, None)
        assert send(port, [us_dataset(0)], calling="STRANGER") == []
    callers = callers_for("0.0.0.0", ["SCANNER"], ["10.0.0.0/8"])
    with listening(predictor, tmp_path, callers=callers) as service:
        assert echo(service.listener.port, "SCANNER") is None
    assert list((tmp_path / "items").iterdir()) == []


def test_one_association_too_many_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    from pynetdicom import AE

    with listening(predictor, tmp_path, max_associations=1) as service:
        port = service.listener.port
        ae = AE()
        ae.add_requested_context("1.2.840.10008.1.1")
        first = ae.associate("127.0.0.1", port)
        assert first.is_established
        assert echo(port) is None
        first.release()
        assert wait_until(lambda: echo(port) == 0)


def test_too_large_is_out_of_resources_and_far_too_large_is_cut(predictor: Predictor, tmp_path: Path) -> None:
    lines: list[str] = []
    limits = SpoolLimits(max_bytes=100_000, spare_bytes=0)
    with listening(predictor, tmp_path, limits=limits, lines=lines) as service:
        port = service.listener.port
        assert send(port, [us_dataset(0, size_hw=(400, 400)), us_dataset(1)]) == [0xA700, 0]
        assert send(port, [us_dataset(2, num_frames=20, size_hw=(400, 400))]) == [None]
        assert wait_until(lambda: list(service.spool.incoming.iterdir()) == [])
        assert echo(port) == 0
    assert any("0.2 MB, the limit is 0 MB" in line for line in lines)
    assert any("ended within an instance" in line for line in lines)


def test_full_queue_is_out_of_resources(predictor: Predictor, tmp_path: Path) -> None:
    limits = SpoolLimits(max_items=1, spare_bytes=0)
    with listening(predictor, tmp_path, limits=limits) as service:
        assert send(service.listener.port, [us_dataset(0), us_dataset(1)]) == [0, 0xA700]


def test_peer_that_claims_any_length_or_nonsense_is_cut_off(predictor: Predictor, tmp_path: Path) -> None:
    with listening(predictor, tmp_path, seconds=10.0) as service:
        port = service.listener.port
        for message in (struct.pack(">BBL", 1, 0, 0xFFFFFFF0) + bytes(1000), b"GET / HTTP/1.1\r\n\r\n", bytes(64)):
            with socket.create_connection(("127.0.0.1", port), timeout=120) as peer:
                peer.sendall(message)
                peer.settimeout(120)
                while peer.recv(4096):
                    pass
        assert echo(port) == 0


def test_meter_counts_and_forgets() -> None:
    taken: list[int] = []
    ended: list[bool] = []
    meter = Meter(taken.append, lambda: ended.append(True), 100)
    meter(60)
    meter.reset()
    meter(60)
    with pytest.raises(OSError, match="more bytes than the limit"):
        meter(60)
    with pytest.raises(OSError, match="more bytes than the limit"):
        Meter(taken.append, lambda: ended.append(True), 1 << 40)(MAX_PDU_BYTES + 1)
    assert (taken, ended) == ([60, 60], [True, True])


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost that is its own authority, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl not at hand")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def test_tls_asks_for_a_certificate_and_a_silent_peer_holds_nobody_up(
    predictor: Predictor, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynetdicom import AE

    from thyrosight.pacs import bounded_server

    cert, key = certificate
    context = server_context(cert, key, cert)

    def echo_by(tls: Any) -> bool:
        ae = AE()
        ae.add_requested_context("1.2.840.10008.1.1")
        association = ae.associate("127.0.0.1", service.listener.port, tls_args=(tls, "localhost") if tls else None)
        is_heard = association.is_established and association.send_c_echo().get("Status") == 0
        association.release() if association.is_established else None
        return bool(is_heard)

    monkeypatch.setattr(bounded_server, "HANDSHAKE_SECONDS", 600.0)
    with listening(predictor, tmp_path, tls=context, seconds=600.0) as service:
        with socket.create_connection(("127.0.0.1", service.listener.port)):
            started = time.monotonic()
            assert echo_by(client_context(cert, key, cert))
            assert time.monotonic() - started < 300, "it waited for the silent peer"
        assert not echo_by(client_context(None, None, cert)), "no certificate of ours"
        assert not echo_by(None), "no TLS"
        assert echo_by(client_context(cert, key, cert))


def test_tls_files_that_do_not_fit_are_named(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, _ = certificate
    with pytest.raises(ConfigError, match=r"--tls-key .*can't be read"):
        server_context(cert, tmp_path / "none.pem", None)
    (tmp_path / "text.pem").write_text("no key")
    with pytest.raises(ConfigError, match="belong together"):
        server_context(cert, tmp_path / "text.pem", None)


# The log.


def test_log_is_of_one_line_and_quotes_no_exception() -> None:
    assert plain_line("a\nb\x1b[31m" + "c" * 20, 10) == "a b [31mc…"
    with pytest.raises(KeyError) as caught:
        {}["Roentgen^Wilhelm"]
    assert "Roentgen" not in internal_error_line(caught.value)
    assert "KeyError at test_pacs.py:" in internal_error_line(caught.value)


# The program.


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["listen", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--send-to", "PACS@h:104", "--host", "0.0.0.0"], "DICOM has no token"),
        (["--send-to", "PACS"], "AETITLE@HOST:PORT"),
        (["--send-to", "P@127.0.0.1:104", "--port", "104"], "this program listens there"),
        (["--send-to", "P@h:104", "--tls-cert", "a.pem"], "give both or none"),
        (["--send-to", "P@h:104", "--ae-title", "A" * 17], "AE title"),
    ],
)
def test_settings_that_are_not_safe_are_refused(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_missing_extra_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    done = run("--send-to", "P@h:104")
    assert done.exit_code == 2
    assert 'pip install "thyrosight[pacs]"' in done.output


@contextmanager
def program(folder: Path, bundle: Path, destination_port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`thyrosight listen` in another process -> it, and the port that its line names."""
    command = [sys.executable, "-m", "thyrosight", "listen", "--send-to", f"ARCHIVE@127.0.0.1:{destination_port}"]
    command += ["--port", "0", "--spool", str(folder / "spool"), "--bundle", str(bundle)]
    with open(folder / "log.txt", "a") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE)}
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening as THYROSIGHT at 127.0.0.1:"), (folder / "log.txt").read_text()
            yield process, int(line.split(";")[0].rpartition(":")[2])
        finally:
            process.kill()
            process.wait()


def test_program_survives_sigkill_and_ends_well_on_sigterm(bundle: Path, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with HeldPort() as nobody, program(tmp_path, bundle, nobody.number) as (process, port):
        sources = [us_dataset(seed) for seed in range(4)]
        assert send(port, sources) == [0] * 4
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(spool.glob("items/*"))) == 4, "accepted is accepted"
    with archive() as (kept, archive_port), program(tmp_path, bundle, archive_port) as (process, _):
        assert wait_until(lambda: len(kept.received) == 8 and not list(spool.glob("items/*")))
        assert {stored.StudyInstanceUID for stored in kept.received} == {source.StudyInstanceUID for source in sources}
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 0
    log = (tmp_path / "log.txt").read_text()
    assert "4 waiting from before" in log or "to send from before" in log
    assert not any(word in log for word in PATIENT_WORDS)
    assert "Traceback" not in log
