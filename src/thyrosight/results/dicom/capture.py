"""Source, picture -> DICOM Secondary Capture: the overlay as a picture that any viewer shows.

The overlay shows only the ultrasound field, and text in the field is filled in. No person checks this, and the field
may be too large, so the picture may still hold text. Therefore Burned In Annotation is left out. The picture has its
own pixel grid; SEG has the pixel grid of the source.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from thyrosight.results.dicom.source import LOSSY, Source, new_instance
from thyrosight.types import UInt8Array

SERIES_NUMBER = 9903


def capture(source: Source, picture_HW3: UInt8Array, *, frame_index: int = 0) -> Dataset:
    """Source, RGB picture of one of its frames -> Secondary Capture, one instance per frame, in a series of its own."""
    dataset = new_instance(
        source,
        sop_class=SecondaryCaptureImageStorage,
        modality="US",
        series_number=SERIES_NUMBER,
        description="Thyroid nodules, picture",
    )
    dataset.ConversionType = "WSD"
    dataset.InstanceNumber = frame_index + 1
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None
    dataset.RecognizableVisualFeatures = "NO"
    for name in LOSSY:
        if source.header.get(name) is not None:
            dataset[name] = source.header[name]
    image = Dataset()
    image.ReferencedSOPClassUID = source.header.SOPClassUID
    image.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    if source.is_multiframe:
        image.ReferencedFrameNumber = frame_index + 1
    dataset.SourceImageSequence = [image]
    _set_pixels(dataset, picture_HW3)
    return dataset


def _set_pixels(dataset: Dataset, picture_HW3: UInt8Array) -> None:
    dataset.Rows, dataset.Columns = picture_HW3.shape[:2]
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = picture_HW3.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
