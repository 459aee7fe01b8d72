"""A real Orthanc: an image sent in comes back as SEG and SR of the same study, over DICOM and over DICOMweb."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE
from typer.testing import CliRunner

from checkout import ROOT
from orthanc_server import PASSWORD, USER, Orthanc, orthanc
from pacs_peers import file_bytes, send, us_dataset, wait_until
from ports import HeldPort
from thyrosight.cli import app
from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.dicomweb_client import ServerAccess, WebArchive
from thyrosight.pacs.entities import AllowedCallers, Destination
from thyrosight.pacs.listener import ListenerSettings
from thyrosight.pacs.sender import SenderSettings
from thyrosight.pacs.service import PacsService
from thyrosight.pacs.spool import Spool
from tiny_bundle import make_tiny_bundle

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"


pytestmark = pytest.mark.part("orthanc")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[tuple[Orthanc, PacsService]]:
    """An Orthanc and a listener that know each other."""
    with both(tmp_path_factory.mktemp("orthanc"), bundle) as pair:
        yield pair


@contextmanager
def both(folder: Path, bundle: Path, lua: str = "") -> Iterator[tuple[Orthanc, PacsService]]:
    with HeldPort() as listener, orthanc(folder, listener.number, lua) as server:
        door = ListenerSettings(port=listener.release(), callers=AllowedCallers(("ORTHANC", "SCANNER")))
        route = SenderSettings(Destination("ORTHANC", "127.0.0.1", server.dicom_port), first_seconds=0.5)
        service = PacsService(Predictor.load(bundle), Spool(folder / "spool"), door, route, lambda _: None)
        service.start()
        try:
            yield server, service
        finally:
            service.stop()


def is_idle(service: PacsService) -> bool:
    counts = service.spool.counts()
    return counts["waiting"] == counts["to send"] == 0


def modalities(server: Orthanc, study: str) -> list[str]:
    """What the study holds, each instance by its series' modality."""
    found = []
    for instance in server.found(study):
        series = server.rest.get(f"/instances/{instance['ID']}/series").raise_for_status().json()
        found.append(series["MainDicomTags"]["Modality"])
    return sorted(found)


def find_by_dicom(server: Orthanc, study: str) -> list[str]:
    """C-FIND at series level -> the modalities of the study's series."""
    ae = AE(ae_title="THYROSIGHT")
    ae.add_requested_context(FIND)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="ORTHANC")
    assert association.is_established
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID, query.SeriesInstanceUID, query.Modality = "SERIES", study, "", ""
    found = [row.Modality for status, row in association.send_c_find(query, FIND) if status.Status in (0xFF00, 0xFF01)]
    association.release()
    return sorted(found)


def test_image_sent_by_orthanc_comes_back_as_seg_and_sr(pacs: tuple[Orthanc, PacsService]) -> None:
    server, service = pacs
    source = us_dataset(10)
    instance = server.upload(file_bytes(source))
    assert server.rest.post("/modalities/thyrosight/echo", json={}).status_code == 200
    answer = server.rest.post("/modalities/thyrosight/store", json={"Resources": [instance], "Synchronous": True})
    assert answer.json()["FailedInstancesCount"] == 0
    study = source.StudyInstanceUID
    assert wait_until(lambda: len(server.found(study)) == 3 and is_idle(service))
    assert modalities(server, study) == ["SEG", "SR", "US"]
    assert find_by_dicom(server, study) == ["SEG", "SR", "US"]
    for found in server.found(study):
        stored = pydicom.dcmread(BytesIO(server.rest.get(f"/instances/{found['ID']}/file").content))
        assert (stored.PatientID, str(stored.PatientName)) == ("W4711", "Roentgen^Wilhelm")
        if stored.Modality == "SEG":
            referenced = stored.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
            assert referenced.ReferencedSOPInstanceUID == source.SOPInstanceUID
            assert stored.pixel_array.any()
    assert service.spool.counts()["failed"] == 0


def test_real_image_compressed_as_it_is(pacs: tuple[Orthanc, PacsService]) -> None:
    """pydicom's own ultrasound in JPEG 2000: Orthanc sends it on as it has it."""
    path = Path(str(get_testdata_file("examples_jpeg2k.dcm", download=False)))
    server, service = pacs
    source = pydicom.dcmread(path)
    instance = server.upload(path.read_bytes())
    order = {"Resources": [instance], "Synchronous": True}
    assert server.rest.post("/modalities/thyrosight/store", json=order).json()["FailedInstancesCount"] == 0
    assert wait_until(lambda: "SR" in modalities(server, source.StudyInstanceUID) and is_idle(service))
    assert service.spool.counts()["failed"] == 0


def test_clip_sent_by_a_scanner_lands_in_its_study(pacs: tuple[Orthanc, PacsService]) -> None:
    server, service = pacs
    clip = us_dataset(11, num_frames=3)
    server.upload(file_bytes(clip))
    assert send(service.listener.port, [clip]) == [0]
    assert wait_until(lambda: len(server.found(clip.StudyInstanceUID)) == 3)
    assert modalities(server, clip.StudyInstanceUID) == ["SEG", "SR", "US"]


def test_orthanc_sending_the_results_on_is_refused(pacs: tuple[Orthanc, PacsService]) -> None:
    server, service = pacs
    source = us_dataset(18)
    server.upload(file_bytes(source))
    assert send(service.listener.port, [source]) == [0]
    assert wait_until(lambda: len(server.found(source.StudyInstanceUID)) == 3 and is_idle(service))
    for found in server.found(source.StudyInstanceUID):
        tags = server.rest.get(f"/instances/{found['ID']}/simplified-tags").json()
        order = {"Resources": [found["ID"]], "Synchronous": True}
        answer = server.rest.post("/modalities/thyrosight/store", json=order)
        is_refused = answer.status_code != 200 or answer.json()["FailedInstancesCount"] == 1
        assert is_refused == (tags["Modality"] != "US")
    assert service.spool.counts() == {"waiting": 0, "to send": 0, "failed": 0}
    assert len(server.found(source.StudyInstanceUID)) == 3


def test_script_of_the_manual_sends_on_what_comes_in(bundle: Path, tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "pacs.md").read_text()
    (lua,) = re.findall(r"```lua\n(.*?)```", manual, re.DOTALL)
    source = us_dataset(19)
    with both(tmp_path, bundle, lua) as (server, service):
        server.upload(file_bytes(source))
        assert wait_until(lambda: len(server.found(source.StudyInstanceUID)) == 3 and is_idle(service))
        assert modalities(server, source.StudyInstanceUID) == ["SEG", "SR", "US"]
        assert service.spool.counts()["failed"] == 0


@pytest.fixture
def web(pacs: tuple[Orthanc, PacsService]) -> Orthanc:
    return pacs[0]


@pytest.mark.part("orthanc-dicomweb")
def test_dicomweb_finds_fetches_predicts_and_stores(web: Orthanc, bundle: Path, tmp_path: Path) -> None:
    source, clip = us_dataset(12), us_dataset(13, num_frames=2, StudyInstanceUID=us_dataset(12).StudyInstanceUID)
    for dataset in (source, clip):
        web.upload(file_bytes(dataset))
    study = source.StudyInstanceUID
    archive = WebArchive(ServerAccess(web.dicomweb_url, USER, PASSWORD))
    found = {image.instance: image for image in archive.find(study=study)}
    assert found.keys() == {source.SOPInstanceUID, clip.SOPInstanceUID}
    for dataset in (source, clip):
        archive.fetch(found[dataset.SOPInstanceUID], tmp_path / "fetched.dcm")
        fetched = pydicom.dcmread(tmp_path / "fetched.dcm")
        np.testing.assert_array_equal(fetched.pixel_array, dataset.pixel_array)

    done = run(web, "--study", study, "-o", tmp_path / "out", "--store", "--bundle", bundle)
    assert done.exit_code == 0, done.output
    assert modalities(web, study) == ["SEG", "SEG", "SR", "SR", "US", "US"]
    assert (tmp_path / "out" / source.SOPInstanceUID / "result.json").is_file()
    assert "Roentgen" not in "".join(path.read_text("latin1") for path in (tmp_path / "out").rglob("*.json"))
    assert len(archive.find(study=study)) == 2, "our own SEG and SR are no ultrasound"

    again = run(web, "--study", study, "-o", tmp_path / "out", "--store", "--bundle", bundle)
    assert again.exit_code == 0, again.output
    assert len(web.found(study)) == 6, "stored again: the same instances"


@pytest.mark.part("orthanc-dicomweb")
def test_dicomweb_finds_by_patient_series_and_instance(web: Orthanc) -> None:
    one, other = us_dataset(14, PatientID="P-14"), us_dataset(15, PatientID="P-14")
    ct = us_dataset(16, PatientID="P-14", Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    for dataset in (one, other, ct):
        web.upload(file_bytes(dataset))
    archive = WebArchive(ServerAccess(web.dicomweb_url, USER, PASSWORD))
    by_patient = archive.find(study=None, patient="P-14")
    assert {image.instance for image in by_patient} == {one.SOPInstanceUID, other.SOPInstanceUID}
    assert archive.find(study=one.StudyInstanceUID, series="1.2.3") == []
    assert archive.find(study=one.StudyInstanceUID, instance="1.2.3") == []
    assert len(archive.find(study=one.StudyInstanceUID, series=one.SeriesInstanceUID)) == 1
    listed = run(web, "--patient", "P-14")
    assert listed.exit_code == 0, listed.output
    assert one.SOPInstanceUID in listed.stdout


@pytest.mark.part("orthanc-dicomweb")
def test_dicomweb_says_what_is_wrong(web: Orthanc, tmp_path: Path) -> None:
    study = us_dataset(17).StudyInstanceUID
    web.upload(file_bytes(us_dataset(17, size_hw=(700, 900))))
    wrong = run(web, "--study", study, secret="wrong")
    assert wrong.exit_code == 1
    assert "refused (401)" in wrong.output
    nothing = run(web, "--study", "1.2.3.4", "-o", tmp_path / "out")
    assert nothing.exit_code == 1
    assert "no ultrasound image found" in nothing.output
    archive = WebArchive(ServerAccess(web.dicomweb_url, USER, PASSWORD, max_bytes=100_000))
    with pytest.raises(Exception, match="more than 0 MB; pass a larger --max-mb"):
        archive.fetch(archive.find(study=study)[0], tmp_path / "large.dcm")
    assert not (tmp_path / "large.dcm").exists()


def run(server: Orthanc, *options: Any, secret: str = PASSWORD) -> Any:
    arguments = ["dicomweb", server.dicomweb_url, "--user", USER, *map(str, options)]
    return CliRunner().invoke(app, arguments, env={"THYROSIGHT_DICOMWEB_SECRET": secret})
