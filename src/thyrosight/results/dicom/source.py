"""DICOM file -> Source: what SEG, SR and capture need to know of it, with its identity or without; and new instances.

Identity "keep" copies the patient's and the study's attributes, so that a PACS files what is written beside its source.
Identity "none" leaves them empty, but for a pseudonym that keeps patients apart, and replaces every UID of the source
by another that is the same wherever it appears: what the Basic Application Level Confidentiality Profile asks of them
(DICOM PS3.15 annex E, actions Z, X and U). The date of writing is our own and stays.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from thyrosight.environment import software_version
from thyrosight.errors import InputError
from thyrosight.files import sha256_of

Identity = Literal["keep", "none"]

PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
KEPT_IF_THERE = ("IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription")
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
REFERENCE = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
GEOMETRY = ("Rows", "Columns", "NumberOfFrames", "FrameOfReferenceUID", "PositionReferenceIndicator")
FREE_TEXT = ("PositionReferenceIndicator",)
"""Of the geometry: what anybody may have typed."""
MAPPED_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")

IDENTITY_REMOVED = "Patient pseudonymous, study empty, UIDs replaced consistently"
MANUFACTURER = "Thyrosight"
_METHOD = re.compile(r"[A-Z]{2,5}(_\d{1,6}){1,2}")
"""`ISO_10918_1` and its like (PS3.3 C.7.6.1.1.5.1)."""
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class Source:
    """One DICOM image that results were made of.

    header: patient, study and references as the outputs may show them, text in UTF-8; no pixels. is_multiframe: the
    source counts its frames, so that references name them. written: when the outputs say that they were made.
    """

    header: Dataset
    rows: int
    columns: int
    num_frames: int
    is_multiframe: bool
    sha256: str
    identity: Identity
    written: datetime

    def uid(self, *parts: str) -> str:
        """What it is for -> a UID that is the same whenever the same is asked of the same source."""
        return _uid_of(hashlib.sha256("\0".join((self.header.SOPInstanceUID, *parts)).encode()).digest())


def read_source(
    path: Path, *, identity: Identity = "none", uid_key: str | None = None, written: datetime | None = None
) -> Source:
    """DICOM file -> Source. Pixels are not read.

    The UIDs and the patient's ID that stand in for the source's under identity "none" follow from them by a keyed hash.
    Without uid_key the key is the file's own hash: who has the file finds them again, nobody else can. With one secret
    for several files, a study's images stay one study. Raises InputError where the file is no DICOM image.
    """
    path = Path(path)
    header = _header(path)
    sha256 = sha256_of(path)
    rows, columns, num_frames = _checked_geometry(path, header)
    if identity == "none":
        _remove_identity(header, (uid_key or sha256).encode())
    for name in (*PATIENT, *STUDY):
        if name not in header:
            setattr(header, name, None)
    return Source(
        header=header,
        rows=rows,
        columns=columns,
        num_frames=num_frames,
        is_multiframe="NumberOfFrames" in header,
        sha256=sha256,
        identity=identity,
        written=written or datetime.now(),
    )


def new_instance(source: Source, *, sop_class: str, modality: str, series_number: int, description: str) -> Dataset:
    """Source -> a new instance beside it: patient and study as they may be shown, a series of its own, no content."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = source.uid(sop_class)
    dataset.Modality, dataset.BodyPartExamined = modality, "THYROID"
    dataset.SeriesNumber = series_number
    dataset.SeriesDescription = description
    dataset.InstanceNumber = 1
    set_origin(dataset, source)
    return dataset


def set_origin(dataset: Dataset, source: Source) -> None:
    """An instance -> the same with whom and which study it is of, where, when and by what it was made."""
    written = source.written
    for name in (*PATIENT, *STUDY, *KEPT_IF_THERE, "PatientIdentityRemoved", "DeidentificationMethod"):
        if name in source.header:
            dataset[name] = source.header[name]
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SeriesInstanceUID = source.uid("series", dataset.SOPClassUID, written.isoformat())
    for name in ("InstanceCreation", "Content"):
        setattr(dataset, f"{name}Date", written.strftime("%Y%m%d"))
        setattr(dataset, f"{name}Time", written.strftime("%H%M%S.%f"))
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = software_version()


def part10(dataset: Dataset, source: Source) -> bytes:
    """A finished instance -> a DICOM file's bytes; its SOP Instance UID follows from what it says."""
    dataset.SOPInstanceUID = source.uid(dataset.SOPClassUID)
    content = hashlib.sha256(_file_bytes(dataset)).hexdigest()
    dataset.SOPInstanceUID = source.uid(dataset.SOPClassUID, content)
    return _file_bytes(dataset)


def _file_bytes(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_uid_of(hashlib.sha256(b"thyrosight").digest()))
    meta.ImplementationVersionName = software_version().upper().replace(" ", "_")[:16]
    dataset.file_meta = meta
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _uid_of(digest: bytes) -> str:
    """128 bits of a digest -> a UID below 2.25, as one is made of a UUID (ITU-T X.667)."""
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _header(path: Path) -> Dataset:
    """DICOM file -> the few attributes that matter, as text and numbers of our own; nothing else of it is kept."""
    wanted = (*PATIENT, *STUDY, *KEPT_IF_THERE, *LOSSY, *REFERENCE, *GEOMETRY)
    header = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old files break rules that don't matter here; what matters is checked below
        try:
            if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                raise InputError(f"{path}: deflated as a whole, which may hide any size; save it uncompressed first")
            read = dcmread(path, stop_before_pixels=True, specific_tags=list(wanted))
            for name in (name for name in dict.fromkeys(wanted) if name in read):
                value = _plain(name, read[name].VR, read[name].value)
                if value is not None or name not in KEPT_IF_THERE:
                    setattr(header, name, value)
        except InputError:
            raise
        except InvalidDicomError as error:
            raise InputError(f"{path}: not a DICOM file; give the DICOM image that the result is of") from error
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror or type(error).__name__})") from error
        except Exception as error:  # a damaged header can fail anywhere inside the reader
            raise InputError(f"{path}: damaged DICOM header ({type(error).__name__}); export it again") from error
    return header


def _plain(name: str, vr: str, value: Any) -> Any:
    """An attribute -> its value, valid in today's DICOM, or None where nothing valid is left of it."""
    if value is None or value == "":
        return None
    if vr in ("DA", "TM"):  # ACR-NEMA wrote 1997.04.24 and 14:04:38
        text = re.sub(r"[.:]", "", str(value)) if vr == "DA" else str(value).replace(":", "")
        return text if re.fullmatch(r"\d{8}" if vr == "DA" else r"\d{2,6}(\.\d{1,6})?", text) else None
    if name == "LossyImageCompressionMethod":
        texts = [str(item) for item in (value if isinstance(value, list | tuple | MultiValue) else [value])]
        return texts if all(_METHOD.fullmatch(text) for text in texts) else None
    if name == "LossyImageCompression":
        return value if value in ("00", "01") else None
    if name == "PatientSex":
        return value if value in ("M", "F", "O") else None
    if vr in ("PN", "LO", "SH", "UI", "CS", "AS"):
        return str(value) if not isinstance(value, list | tuple) else [str(item) for item in value]
    return value


def _checked_geometry(path: Path, header: Dataset) -> tuple[int, int, int]:
    """A header -> (rows, columns, frames), once it is sure that it is an image that can be referred to."""
    for name in REFERENCE:
        if not _UID.fullmatch(str(header.get(name) or "")):
            raise InputError(f"{path}: its {name} is missing or no UID, so nothing could refer to it; export it again")
    rows, columns, num_frames = header.get("Rows"), header.get("Columns"), header.get("NumberOfFrames", 1)
    if not all(isinstance(number, int) and number > 0 for number in (rows, columns, num_frames)):
        raise InputError(f"{path}: a DICOM file without an image; give the one that the result is of")
    return int(rows), int(columns), int(num_frames)


def _remove_identity(header: Dataset, key: bytes) -> None:
    """A header -> the same without identity: UIDs by keyed hash, a pseudonym, nothing else of patient and study."""
    patient = str(header.get("PatientID") or header.StudyInstanceUID)
    for name in MAPPED_UIDS:
        if name in header:
            setattr(header, name, _uid_of(hmac.digest(key, str(header[name].value).encode(), "sha256")))
    for name in (*PATIENT, *STUDY, *KEPT_IF_THERE):
        if name in header and name != "StudyInstanceUID":
            del header[name]
    for name in FREE_TEXT:
        if name in header:
            setattr(header, name, None)
    header.PatientID = f"ANON-{hmac.digest(key, patient.encode(), 'sha256').hex()[:16]}"
    header.PatientName = f"Anonymous^{header.PatientID}"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = IDENTITY_REMOVED
