"""A canary in every attribute of DICOM's own list (PS3.15, table E.1-1): none comes out of a command, page or listener.

It is planted at the top, in each sequence, in private groups, curves, overlays, the preamble, the file's name and the
pixels. What goes back into the patient's own study (`listen`, `--identity keep`) bears that identity by its purpose;
`predict` names its results after the files, as it is told to.
"""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
pytest.importorskip("fastapi")
pytest.importorskip("pynetdicom")

from PIL import Image
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from command_line import runner
from pacs_peers import archive, send, us_dataset, wait_until
from thyrosight.cli import app
from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.entities import Destination
from thyrosight.pacs.listener import ListenerSettings
from thyrosight.pacs.sender import SenderSettings
from thyrosight.pacs.service import PacsService
from thyrosight.pacs.spool import Spool, SpoolLimits
from tiny_bundle import make_tiny_bundle
from web_server import post, serving, wait_for

PROFILE = Path(__file__).parents[1] / "support" / "ps3_15_profile.txt"
CANARY = "QCANARYQ"
VALUES: dict[str, Any] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"), CANARY),
    **dict.fromkeys(("OB", "UN", "OW"), CANARY.encode()),
    "PN": f"{CANARY}^{CANARY}",
    "UI": "1.2.7263548190.1",
    "DA": "19310506",
    "TM": "073159.123987",
    "DT": "19310506073159.123987",
    "AS": "093Y",
    "DS": "7263548.19",
    "IS": "72635481",
}
SIGNS = (CANARY, "7263548190", "19310506", "1931-05-06", "073159", "07:31:59", "093Y", "7263548.19", "72635481")
STRUCTURE = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"}
"""They must be whole UIDs here; they hold canaries of their own."""


def profile() -> list[tuple[int, str]]:
    """-> (tag, name) of the table's attributes."""
    lines = [line for line in PROFILE.read_text().splitlines() if not line.startswith("#")]
    return [(int(line[:4] + line[5:9], 16), line[10:]) for line in lines]


def filled(with_sequences: bool) -> tuple[Dataset, int]:
    """-> (a data set with a canary in each attribute, how many)."""
    dataset, number = Dataset(), 0
    for tag, _ in profile():
        if tag >> 16 in (0x0000, 0x0002, 0x0004) or tag >> 16 > 0x7FDF:
            continue
        # The table is younger than this dictionary: text, where it does not know an attribute.
        vr = dictionary_VR(tag).split(" ")[0] if dictionary_has_tag(tag) else "LO"
        if vr == "SQ" and with_sequences:
            dataset.add_new(tag, "SQ", Sequence([filled(False)[0]]))
        elif vr in VALUES:
            dataset.add_new(tag, vr, VALUES[vr])
        else:
            continue
        number += 1
    return dataset, number


def planted(seed: int = 0) -> tuple[Dataset, int]:
    """-> (an ultrasound image with canaries everywhere, how many attributes hold one)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, (more, number) = us_dataset(seed, size_hw=(192, 256)), filled(True)
        own = {name: f"1.2.7263548190.{seed + 1}.{at}" for at, name in enumerate(sorted(STRUCTURE), 1)}
        dataset.update(more)
        for name, uid in own.items():
            setattr(dataset, name, uid)
        dataset.file_meta.MediaStorageSOPInstanceUID = own["SOPInstanceUID"]
        for group in (0x0009, 0x0019, 0x0029, 0x4001):
            block = dataset.private_block(group, CANARY, create=True)
            for at, vr in enumerate(("LO", "UN", "OB", "PN", "UT")):
                block.add_new(at, vr, VALUES[vr])
            block.add_new(9, "SQ", Sequence([filled(False)[0]]))
        dataset.add_new(0x50000022, "LO", CANARY)
        dataset.add_new(0x60004000, "LT", CANARY)
        dataset.add_new(0x60000022, "LO", CANARY)
        dataset.preamble = (CANARY.encode() * 16)[:128]
        image_HW = np.frombuffer(dataset.PixelData, np.uint8).reshape(192, 256).copy()
        image_HW[:40] = 0
        cv2.putText(image_HW, CANARY, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 1)
        dataset.PixelData = image_HW.tobytes()
    return dataset, number


def leaks(content: bytes | str) -> list[str]:
    data = content.encode() if isinstance(content, str) else content
    folded = data.lower()
    return [sign for sign in SIGNS if sign.lower().encode() in folded or sign.encode("utf-16-le") in data]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def saved(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        planted()[0].save_as(path, enforce_file_format=True)
    return path


def test_the_list_is_the_standard_s() -> None:
    assert len(profile()) > 600
    _, number = planted()
    assert number > 550
    names = dict(profile())
    assert names[0x00100010] == "Patient's Name"


def test_a_planted_image_is_found(tmp_path: Path) -> None:
    """The test can fail: the source is full of them."""
    assert set(leaks(saved(tmp_path / "a.dcm").read_bytes())) >= {CANARY, "7263548190", "19310506", "073159", "093Y"}


def test_commands_tell_nothing(bundle: Path, tmp_path: Path) -> None:
    source, out = saved(tmp_path / "in" / "a.dcm"), tmp_path / "out"
    predicted = runner.invoke(app, ["predict", str(source), "-o", str(out), "--bundle", str(bundle), "--json"])
    assert predicted.exit_code == 0, predicted.output
    made = runner.invoke(
        app, ["dicom", str(out), "--source", str(source), "-o", str(tmp_path / "dicom"), "--identity", "none"]
    )
    assert made.exit_code == 0, made.output
    found = [path for place in (out, tmp_path / "dicom") for path in place.rglob("*") if path.is_file()]
    assert len(found) >= 9
    told = {path.name: leaks(path.read_bytes()) for path in found}
    told |= {"predict": leaks(predicted.output), "dicom": leaks(made.output)}
    assert {name: signs for name, signs in told.items() if signs} == {}


@pytest.mark.parametrize("damage", ["Rows", "PixelData", "PhotometricInterpretation", "cut", "BitsAllocated"])
def test_errors_tell_nothing(bundle: Path, tmp_path: Path, damage: str) -> None:
    source = saved(tmp_path / "in" / "a.dcm")
    if damage == "cut":
        source.write_bytes(source.read_bytes()[:-4000])
    else:
        dataset = pydicom.dcmread(source)
        if damage == "PhotometricInterpretation":
            dataset.PhotometricInterpretation = CANARY
        elif damage == "PixelData":
            del dataset.PixelData
        else:
            setattr(dataset, damage, 7)
        dataset.save_as(source)
    ended = runner.invoke(app, ["predict", str(source), "-o", str(tmp_path / "out"), "--bundle", str(bundle)])
    assert ended.exit_code == 1
    assert leaks(ended.output + ended.stderr) == []
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and leaks(path.read_bytes())]


def test_the_page_and_its_queue_tell_nothing(bundle: Path, tmp_path: Path) -> None:
    """Nor the name of the file beyond its label, nor the text in the picture."""
    source, data = saved(tmp_path / "in" / "a.dcm"), tmp_path / "data"
    with serving(data, bundle) as server, server.client() as client:
        job = post(client, ("scan.dcm", source.read_bytes())).json()["id"]
        assert wait_for(client, job)["state"] == "done"
        item = client.get(f"/api/v1/jobs/{job}").json()["items"][0]["id"]
        frame = f"/api/v1/items/{item}/frames/0"
        urls = [f"/api/v1/jobs/{job}", "/api/v1/jobs", f"{frame}/result", f"{frame}/image.png", "/metrics"]
        urls += [f"/api/v1/items/{item}/export/{kind}" for kind in ("report", "json")]
        answers = {url: client.get(url) for url in urls}
        picture = answers[f"{frame}/image.png"].content
        damaged = post(client, ("bad.dcm", source.read_bytes()[:-9000])).json()["id"]
        told = str(wait_for(client, damaged))
        server.process.terminate()
        _, log = server.process.communicate(timeout=60)
    assert leaks(log + told) == []
    assert {url: leaks(answer.content) for url, answer in answers.items() if leaks(answer.content)} == {}
    (tmp_path / "p.png").write_bytes(picture)
    image_HW = np.array(Image.open(tmp_path / "p.png").convert("L"))
    assert image_HW[:40].std() < 20, "the text in the picture is filled in"
    kept = [path for path in data.rglob("*") if path.is_file() and path.name != "source"]
    assert {path.name: leaks(path.read_bytes()) for path in kept if leaks(path.read_bytes())} == {}
    with sqlite3.connect(data / "queue.sqlite") as db:
        assert leaks(str(db.execute("SELECT * FROM items").fetchall())) == []


def test_the_listener_s_log_and_names_tell_nothing(bundle: Path, tmp_path: Path) -> None:
    """What is sent back bears the identity of its study, and is deleted once it has arrived."""
    lines: list[str] = []
    with archive() as (kept, port):
        spool = Spool(tmp_path / "spool", SpoolLimits(spare_bytes=0))
        to = SenderSettings(Destination("ARCHIVE", "127.0.0.1", port), first_seconds=0.2, longest_seconds=0.2)
        service = PacsService(Predictor.load(bundle, threads=1), spool, ListenerSettings(port=0), to, lines.append)
        service.start()
        try:
            sound, bad = planted(0)[0], planted(1)[0]
            del bad.PixelData
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert send(service.listener.port, [sound, bad]) == [0, 0]
            assert wait_until(lambda: len(kept.received) == 2 and service.spool.counts()["failed"] == 1)
        finally:
            service.stop()
    assert leaks("\n".join(lines)) == []
    lying = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    assert not [path for path in lying if leaks(str(path.relative_to(tmp_path)))]
    told = {path.name: leaks(path.read_bytes()) for path in lying if path.name not in ("source.dcm", "item.json")}
    assert {name: signs for name, signs in told.items() if signs} == {}
    for sent in kept.received:
        private = [element.tag for element in sent.iterall() if element.tag.is_private]
        assert private == []
        assert CANARY not in str(sent.get("InstitutionAddress", ""))
