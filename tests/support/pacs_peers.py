"""Ultrasound for the tiny network as DICOM files, and peers for the tests of the PACS side: an archive, a sender."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, SegmentationStorage
from pynetdicom import AE, evt

from web_server import noisy_frame

US, US_CLIP, US_RETIRED, SC, CT = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("6.1", "3.1", "6", "7", "2"))
ECHO = "1.2.840.10008.1.1"
PATIENT_WORDS = ("Roentgen", "W4711", "19700102")


def us_dataset(
    seed: int = 0, num_frames: int | None = None, size_hw: tuple[int, int] = (96, 128), **changes: Any
) -> Dataset:
    """Seed -> an ultrasound image, or a clip of equal frames, with one dark ellipse, a patient and a study."""
    dataset = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": US if num_frames is None else US_CLIP,
        "SOPInstanceUID": f"1.2.826.0.1.{seed + 1}.3",
        "StudyInstanceUID": f"1.2.826.0.1.{seed + 1}.1",
        "SeriesInstanceUID": f"1.2.826.0.1.{seed + 1}.2",
        "PatientName": "Roentgen^Wilhelm",
        "PatientID": "W4711",
        "PatientBirthDate": "19700102",
        "PatientSex": "M",
        "StudyDate": "20240506",
        "StudyTime": "070809",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": "",
        "StudyID": "S1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "Modality": "US",
        "Manufacturer": "Maker",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": size_hw[0],
        "Columns": size_hw[1],
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    if num_frames is not None:
        values |= {"NumberOfFrames": num_frames, "FrameTime": 40}
    for name, value in (values | changes).items():
        setattr(dataset, name, value)
    frames = [noisy_frame(seed, size_hw)] * (num_frames or 1)
    dataset.PixelData = np.stack(frames).tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def file_bytes(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def send(
    port: int, datasets: Sequence[Dataset | Path], *, calling: str = "SCANNER", uids: Sequence[str] | None = None
) -> list[int | None]:
    """Port of a listener, instances -> the status of each, None for one that it can't take; [] where it refuses us.

    uids: SOP Instance UIDs to send them under, whatever they say themselves.
    """
    ae = AE(ae_title=calling)
    found = [dcmread(item) if isinstance(item, Path) else item for item in datasets]
    for dataset in found:
        ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", port, ae_title="THYROSIGHT")
    if not association.is_established:
        return []
    statuses: list[int | None] = []
    for index, dataset in enumerate(found):
        if uids is not None:
            dataset.SOPInstanceUID = uids[index]
        try:
            statuses.append(getattr(association.send_c_store(dataset), "Status", None))
        except (ValueError, RuntimeError):
            statuses.append(None)
    association.release()
    return statuses


def echo(port: int, calling: str = "SCANNER") -> int | None:
    """Port -> the status of a C-ECHO; None where the association is refused, or ended without an answer."""
    ae = AE(ae_title=calling)
    ae.add_requested_context(ECHO)
    association = ae.associate("127.0.0.1", port)
    if not association.is_established:
        return None
    status: int | None = association.send_c_echo().get("Status")
    if association.is_established:
        association.release()
    return status


class Archive:
    """A destination in this process: keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.received: list[Dataset] = []
        self.status = 0x0000
        self.lock = threading.Lock()

    def store(self, event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        with self.lock:
            if self.status == 0:
                self.received.append(dataset)
            return self.status

    @property
    def kinds(self) -> list[str]:
        with self.lock:
            return sorted(str(dataset.Modality) for dataset in self.received)


@contextmanager
def archive(port: int = 0, found: Archive | None = None, classes: Sequence[str] = ()) -> Iterator[tuple[Archive, int]]:
    """-> (an archive that listens, its port); it takes SEG and SR, or the classes given."""
    kept = found or Archive()
    ae = AE(ae_title="ARCHIVE")
    for sop_class in classes or (SegmentationStorage, ComprehensiveSRStorage):
        ae.add_supported_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    ae.add_supported_context(ECHO)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, kept.store)])
    try:
        yield kept, int(server.server_address[1])
    finally:
        server.shutdown()


def wait_until(is_so: Callable[[], bool], seconds: float = 150.0) -> bool:
    """-> whether it became so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()
