"""Sources and predictions for the tests of DICOM objects, and the faults that dciodvfy finds in an object."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from parts import part_path
from thyrosight.inference.predictor import _identity
from thyrosight.measurement.outlines import outlines
from thyrosight.measurement.size import measure
from thyrosight.prediction import Flag, ModelIdentity, Nodule, OperatingPointResult, PixelBox, Prediction
from thyrosight.results.dicom.files import DicomOptions
from thyrosight.types import BoolArray, Frame, Spacing

WRITTEN = datetime(2025, 3, 4, 5, 6, 7)
KEEP = DicomOptions(identity="keep", written=WRITTEN)
NONE = DicomOptions(written=WRITTEN)
IDENTITY = {"PatientName": "Müller^Anna", "PatientID": "4711", "PatientBirthDate": "19700102", "PatientSex": "F"}
STUDY = {"StudyDate": "20240506", "StudyTime": "070809", "AccessionNumber": "A123", "StudyID": "S9"}
UIDS = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.5", "SOPInstanceUID": "1.2.3.4.5.6"}


def write_source(folder: Path, size_hw: tuple[int, int], num_frames: int | None = None, **changes: Any) -> Path:
    """-> a little ultrasound file of an empty image, with a patient."""
    dataset = Dataset()
    is_clip = num_frames is not None
    dataset.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{'3.1' if is_clip else '6.1'}"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    for name, value in (IDENTITY | STUDY | UIDS).items():
        setattr(dataset, name, value)
    dataset.ReferringPhysicianName, dataset.InstitutionName = "House^Gregory", "Plainsboro"
    dataset.StudyDescription = "Neck of Anna"
    dataset.Rows, dataset.Columns = size_hw
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    if num_frames is not None:
        dataset.NumberOfFrames = num_frames
    for name, value in changes.items():
        setattr(dataset, name, value)
    num_bytes = size_hw[0] * size_hw[1] * (num_frames or 1)
    dataset.PixelData = bytes(num_bytes + num_bytes % 2)
    dataset["PixelData"].VR = "OB"
    path = folder / "source.dcm"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def disc(size_hw: tuple[int, int], x: float, y: float, radius: float, stretch: float = 1.5) -> BoolArray:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.asarray(((columns - x) / stretch) ** 2 + (rows - y) ** 2 < radius**2)


def predicted(
    path: Path, masks: Sequence[BoolArray], frame_index: int = 0, spacing: Spacing | None = None, **changes: Any
) -> Prediction:
    """A file and the nodules' masks on one frame -> a prediction with these nodules."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    height, width = int(header.Rows), int(header.Columns)
    frame = Frame(
        path=path,
        image_HW=np.zeros((height, width), np.uint8),
        rgb_HW3=None,
        spacing=spacing,
        spacing_reason=None if spacing else "no region says it",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        frame_index=frame_index,
        num_frames=int(header.get("NumberOfFrames", 1)),
    )
    nodules = []
    for number, mask_HW in enumerate(masks, start=1):
        outline_xy = tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0])
        nodules.append(
            Nodule(
                number=number,
                panel_index=0,
                outline_xy=outline_xy,
                size=measure(mask_HW, spacing, frame.spacing_reason).rounded(),
                mean_probability=0.875,
                risk=0.25,
                risk_interval=(0.125, 0.5),
                risk_interval_reason="of the calibration",
            )
        )
    whole = PixelBox(x0=0, y0=0, x1=width, y1=height)
    values: dict[str, Any] = {
        "image": _identity(frame),
        "field_of_view": whole,
        "panels": (whole,),
        "nodules": tuple(nodules),
        "risk": 0.25,
        "risk_meaning": "what a reading said – not pathology",
        "risk_reason": None,
        "operating_points": (OperatingPointResult(name="balanced", threshold=0.5, is_above=False, meaning="half"),),
        "flags": (Flag(code="unlike_training", message="does not measure like the training frames"),),
        "model": ModelIdentity(
            name="a network with a name that is longer than what DICOM's long strings can hold", id="0a1b2c"
        ),
        "with_tta": False,
        "software_version": "thyrosight 0.1.0",
        "seconds": 0.1,
    }
    return Prediction(**(values | changes))


def clip(folder: Path, num_frames: int = 30, size_hw: tuple[int, int] = (37, 53)) -> tuple[Path, list[Prediction]]:
    """-> a clip in which one nodule wanders and another is seen from frame 10 to 19."""
    path = write_source(folder, size_hw, num_frames)
    predictions = []
    for index in range(num_frames):
        masks = [disc(size_hw, 14 + index * 0.4, 18, 8)]
        masks += [disc(size_hw, 43, 30, 4)] if 10 <= index < 20 else []
        predictions.append(predicted(path, masks, index))
    return path, predictions


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def items(dataset: Dataset) -> list[Dataset]:
    """An SR -> all its content items, depth first."""
    found = []
    for item in dataset.get("ContentSequence", []):
        found += [item, *items(item)]
    return found


def meaning(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""


def groups_of(dataset: Dataset) -> list[Dataset]:
    return [item for item in items(dataset) if meaning(item) == "Measurement Group"]


def answers(group: Dataset) -> list[tuple[str, str]]:
    coded = [item for item in group.ContentSequence if item.ValueType == "CODE"]
    return [(meaning(item), str(item.ConceptCodeSequence[0].CodeMeaning)) for item in coded]


def validator_errors(content: bytes, folder: Path) -> list[str]:
    """DICOM file -> what dciodvfy calls an error."""
    path = folder / "checked.dcm"
    path.write_bytes(content)
    done = subprocess.run([part_path("dciodvfy"), "-new", path], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line in ("Segmentation", "ComprehensiveSR", "SCImage", "EncapsulatedPDF") for line in lines), lines
    return [line for line in lines if line.startswith("Error")]
