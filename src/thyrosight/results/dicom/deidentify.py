"""Header of a DICOM source -> the same header without patient and study, with a pseudonym and new UIDs.

Patient and study stay empty, except for a pseudonym per patient. Every UID of the source is replaced by a new one;
equal UIDs get equal replacements. The Basic Application Level Confidentiality Profile requires this (DICOM PS3.15 annex
E, actions Z, X and U).
"""

from __future__ import annotations

import hmac

from pydicom.dataset import Dataset

PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
KEPT_IF_THERE = ("IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription")
FREE_TEXT = ("PositionReferenceIndicator",)
"""Attributes of the geometry that may hold free text."""
MAPPED_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")

IDENTITY_REMOVED = "Patient pseudonymous, study empty, UIDs replaced consistently"


def uid_of_digest(digest: bytes) -> str:
    """128 bits of a digest -> a UID that begins with 2.25, as ITU-T X.667 derives a UID from a UUID."""
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def remove_identity(header: Dataset, key: bytes) -> None:
    """Changes a header in place: UIDs become keyed hashes, and the patient's name and ID become a pseudonym.

    All other attributes of patient and study are removed, and free text is emptied.
    key: secret of the hashes; the same key gives the same UIDs and pseudonym.
    """
    patient = str(header.get("PatientID") or header.StudyInstanceUID)
    for name in MAPPED_UIDS:
        if name in header:
            setattr(header, name, uid_of_digest(hmac.digest(key, str(header[name].value).encode(), "sha256")))
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
