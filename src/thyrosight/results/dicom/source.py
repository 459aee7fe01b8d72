"""DICOM file -> Source: the header values for SEG, SR and capture, with or without identity; Source -> new instances.

Identity "keep" copies the attributes of patient and study, so that a PACS files the outputs next to their source.
Identity "none" removes them (deidentify.py). The date of writing is the date of our outputs, so it is kept.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydicom import dcmread, dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from thyrosight.environment import software_version
from thyrosight.errors import InputError
from thyrosight.files import sha256_of
from thyrosight.results.dicom.deidentify import KEPT_IF_THERE, PATIENT, STUDY, remove_identity, uid_of_digest
from thyrosight.results.dicom.source_text import TEXT_VRS, text_of

Identity = Literal["keep", "none"]

LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
REFERENCE = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
GEOMETRY = ("Rows", "Columns", "NumberOfFrames", "FrameOfReferenceUID", "PositionReferenceIndicator")

MANUFACTURER = "Thyrosight"
NO_CHARACTER_SET = "its characters are not those of the character set that the header of the image states"
_METHOD = re.compile(r"[A-Z]{2,5}(_\d{1,6}){1,2}")
"""The form of names of compression methods, such as `ISO_10918_1` (PS3.3 C.7.6.1.1.5.1)."""
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class Source:
    """The DICOM image of the predictions.

    header: patient, study and references as the outputs may state them, text in UTF-8, without pixels.
    is_multiframe: whether the source has numbered frames; references then name the frame. written: date of the outputs.
    remarks: sentences about what could not be carried over.
    """

    header: Dataset
    rows: int
    columns: int
    num_frames: int
    is_multiframe: bool
    sha256: str
    identity: Identity
    written: datetime
    remarks: tuple[str, ...] = ()

    def uid(self, *parts: str) -> str:
        """Purpose -> a UID, always the same for this purpose and source."""
        return uid_of_digest(hashlib.sha256("\0".join((self.header.SOPInstanceUID, *parts)).encode()).digest())


def read_source(
    path: Path, *, identity: Identity = "none", uid_key: str | None = None, written: datetime | None = None
) -> Source:
    """DICOM file -> Source. Pixels are not read. InputError where the file is no DICOM image.

    Under identity "none" the new UIDs and the pseudonym are keyed hashes of the old ones. Without uid_key the key of
    these hashes is the hash of the file, so only somebody who has the file can compute them again. With the same
    uid_key for several files, the images of a study stay one study.
    """
    path = Path(path)
    header, unreadable = _header(path)
    sha256 = sha256_of(path)
    rows, columns, num_frames = _checked_geometry(path, header)
    if identity == "none":
        remove_identity(header, (uid_key or sha256).encode())
        unreadable = []
    for name in (*PATIENT, *STUDY):
        if name not in header or name in unreadable:
            setattr(header, name, None)
    for name in KEPT_IF_THERE:
        if name in unreadable:
            del header[name]
    return Source(
        header=header,
        rows=rows,
        columns=columns,
        num_frames=num_frames,
        is_multiframe="NumberOfFrames" in header,
        sha256=sha256,
        identity=identity,
        written=written or datetime.now(),
        remarks=tuple(f"{name} is left out: {NO_CHARACTER_SET}" for name in unreadable),
    )


def new_instance(source: Source, *, sop_class: str, modality: str, series_number: int, description: str) -> Dataset:
    """Source -> a new instance without content: patient and study from the header, in a new series."""
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
    """Adds to an instance: patient, study, institution, date, and the software that wrote it."""
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
    """Finished instance -> bytes of a DICOM file; its SOP Instance UID is derived from its content."""
    dataset.SOPInstanceUID = source.uid(dataset.SOPClassUID)
    content = hashlib.sha256(_file_bytes(dataset)).hexdigest()
    dataset.SOPInstanceUID = source.uid(dataset.SOPClassUID, content)
    return _file_bytes(dataset)


def _file_bytes(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid_of_digest(hashlib.sha256(b"thyrosight").digest()))
    meta.ImplementationVersionName = software_version().upper().replace(" ", "_")[:16]
    dataset.file_meta = meta
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _header(path: Path) -> tuple[Dataset, list[str]]:
    """DICOM file -> (the few attributes that the outputs need, as new text and numbers; the names of unreadable texts).

    An unreadable text is in the header as something that differs with its bytes, for the pseudonym.
    """
    wanted = (*PATIENT, *STUDY, *KEPT_IF_THERE, *LOSSY, *REFERENCE, *GEOMETRY)
    header, unreadable = Dataset(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old files break many rules; those that matter are checked below
        try:
            if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                raise InputError(f"{path}: deflated as a whole, so its size is unknown; save it uncompressed first")
            read = dcmread(path, stop_before_pixels=True, specific_tags=list(wanted))
            for name in (name for name in dict.fromkeys(wanted) if name in read):
                stored, vr = read.get_item(name), dictionary_VR(name)
                if vr in TEXT_VRS and isinstance(stored.value, bytes) and stored.value:
                    value: Any = text_of(stored.value, read.get("SpecificCharacterSet"))
                    if value is None:
                        unreadable.append(name)
                        value = stored.value.decode("latin-1")
                else:
                    value = _plain(name, read[name].VR, read[name].value)
                if value is not None or name not in KEPT_IF_THERE:
                    setattr(header, name, value)
        except InputError:
            raise
        except InvalidDicomError as error:
            raise InputError(f"{path}: not a DICOM file; give the DICOM image that was predicted") from error
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror or type(error).__name__}); check its path"
            ) from error
        except Exception as error:  # a damaged header can fail anywhere inside the reader
            raise InputError(f"{path}: damaged DICOM header ({type(error).__name__}); export it again") from error
    return header, unreadable


def _plain(name: str, vr: str, value: Any) -> Any:
    """Attribute -> its value in the form of today's DICOM, or None where it is not valid."""
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
        return str(value) if not isinstance(value, list | tuple | MultiValue) else [str(item) for item in value]
    return value


def _checked_geometry(path: Path, header: Dataset) -> tuple[int, int, int]:
    """Header -> (rows, columns, frames). InputError where the file is no image, or has no UIDs to refer to."""
    for name in REFERENCE:
        if not _UID.fullmatch(str(header.get(name) or "")):
            raise InputError(f"{path}: its {name} is missing or no UID, so nothing could refer to it; export it again")
    rows, columns, num_frames = header.get("Rows"), header.get("Columns"), header.get("NumberOfFrames", 1)
    if not all(isinstance(number, int) and number > 0 for number in (rows, columns, num_frames)):
        raise InputError(f"{path}: a DICOM file without an image; give the one that was predicted")
    return int(rows), int(columns), int(num_frames)
