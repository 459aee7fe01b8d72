"""DICOM files and numbers as people of the field bring them, a second round: shown and measured right, or refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from typer.testing import CliRunner

import dicom_files as files
from dicom_files import colour_picture, gray_picture, native, region, with_regions
from thyrosight.cli import app
from thyrosight.errors import InputError
from thyrosight.frames.load import decode_frame, frames_of
from thyrosight.types import Spacing

GRAY_HW = gray_picture()
WIDE_HW = np.tile(gray_picture(), (8, 10))
"""384 rows of 640 pixels: a whole screen."""


def changed(data: bytes, **elements: Any) -> bytes:
    """A file with other elements than its pixels were written with."""
    dataset, stream = dcmread(io.BytesIO(data), force=True), io.BytesIO()
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dcmwrite(stream, dataset, enforce_file_format=False)
    return stream.getvalue()


def clip() -> bytes:
    return native(np.stack([GRAY_HW] * 3), SOPClassUID=files.US_MULTI, NumberOfFrames=3)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "RGB in the header, gray in the data": (
        lambda: changed(native(GRAY_HW), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0),
        "holds 0 of these frames",
    ),
    "gray in the header, RGB in the data": (
        lambda: changed(native(colour_picture(), "RGB"), SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2"),
        "3 times as long.*correct its header",
    ),
    "gray in the header, RGB in the data, 1 frame": (
        lambda: changed(
            native(colour_picture(), "RGB"),
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=1,
        ),
        "pixel data holds 3; correct its header",
    ),
    "8 bits in the header, 16 in the data": (
        lambda: changed(native(gray_picture(4096)), BitsAllocated=8, BitsStored=8, HighBit=7),
        "2 times as long.*correct its header",
    ),
    "16 bits in the header, 8 in the data": (
        lambda: changed(native(GRAY_HW), BitsAllocated=16, BitsStored=16, HighBit=15),
        "holds 0 of these frames",
    ),
    "5 frames in the header, 3 in the data": (
        lambda: changed(
            native(np.stack([GRAY_HW] * 3), SOPClassUID=files.US_MULTI, NumberOfFrames=3), NumberOfFrames=5
        ),
        "claims 5 x .* holds 3 of these frames",
    ),
    "one row more than there is": (lambda: changed(native(GRAY_HW), Rows=49), "holds 0 of these frames"),
    "no pixel data": (lambda: changed(native(GRAY_HW), PixelData=None), "holds no pixel data"),
    "CT": (lambda: native(GRAY_HW, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT"), "not ultrasound"),
    "endoscopy": (
        lambda: native(GRAY_HW, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.1", Modality="ES"),
        "not ultrasound",
    ),
    "a mammogram under ultrasound's neighbour": (
        lambda: native(GRAY_HW, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2", Modality="MG"),
        "not ultrasound",
    ),
    "a segmentation": (
        lambda: native(GRAY_HW, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"),
        "not ultrasound",
    ),
    "pixels half as tall as wide": (
        lambda: native(GRAY_HW, PixelAspectRatio=["1", "2"]),
        "export it with square pixels",
    ),
    "a window beyond all values": (
        lambda: native(GRAY_HW, WindowCenter=5000, WindowWidth=10),
        "window.*one level of gray",
    ),
    "a window below all values": (lambda: native(GRAY_HW, WindowCenter=-900, WindowWidth=10), "one level of gray"),
    "32 bits": (lambda: changed(native(GRAY_HW), BitsAllocated=32), "32 bits"),
    "CMYK": (lambda: changed(native(GRAY_HW), PhotometricInterpretation="CMYK"), "CMYK can't be read"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_line(kind: str) -> None:
    make, words = REFUSED[kind]
    with pytest.raises(InputError, match=words) as caught, frames_of(make()) as file:
        file.frame(0)
    assert "\n" not in str(caught.value)


SHOWN: dict[str, tuple[Callable[[], bytes], np.ndarray]] = {
    "white is zero": (lambda: native(255 - GRAY_HW, "MONOCHROME1"), GRAY_HW),
    "a plane per colour": (lambda: native(colour_picture(), "RGB", PlanarConfiguration=1), colour_picture()),
    "the frames of a clip that nothing counts": (
        lambda: changed(clip(), NumberOfFrames=None),
        GRAY_HW,
    ),
    "a slope of 2 and a window that undoes it": (
        lambda: native(GRAY_HW, RescaleSlope=2, RescaleIntercept=0, WindowCenter=256, WindowWidth=511),
        GRAY_HW,
    ),
    "a slope of 0": (lambda: native(GRAY_HW, RescaleSlope=0, RescaleIntercept=0), GRAY_HW),
    "a window of no width": (lambda: native(GRAY_HW, WindowCenter=0, WindowWidth=0), GRAY_HW),
    "an aspect of 1 to 1": (lambda: native(GRAY_HW, PixelAspectRatio=["1", "1"]), GRAY_HW),
    "an aspect of half a pair": (lambda: native(GRAY_HW, PixelAspectRatio="2"), GRAY_HW),
    "no modality": (lambda: changed(native(GRAY_HW, SOPClassUID=files.SC), Modality=None), GRAY_HW),
    "a name in bytes of no character set": (
        lambda: native(GRAY_HW).replace(b"Secret^Name", "Müller^Jür".encode("latin-1") + b" "),
        GRAY_HW,
    ),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_shown_as_it_is_meant(kind: str) -> None:
    make, expected = SHOWN[kind]
    with frames_of(make()) as file:
        frame = file.frame(file.num_frames - 1)
    found = frame.image_HW if frame.rgb_HW3 is None else frame.rgb_HW3
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


NONE_BECAUSE: dict[str, tuple[Callable[[], bytes], str]] = {
    "millimetres called centimetres": (
        lambda: with_regions(
            region(RegionLocationMaxX1=639, RegionLocationMaxY1=383, PhysicalDeltaX=0.06, PhysicalDeltaY=0.06),
            image=WIDE_HW,
        ),
        "makes the view 382",
    ),
    "metres called centimetres": (
        lambda: with_regions(
            region(RegionLocationMaxX1=639, RegionLocationMaxY1=383, PhysicalDeltaX=6e-5, PhysicalDeltaY=6e-5),
            image=WIDE_HW,
        ),
        "outside|makes the view",
    ),
    "minus across alone": (lambda: with_regions(region(PhysicalDeltaX=-0.005)), "not above zero"),
    "centimetres across, seconds down": (lambda: with_regions(region(PhysicalUnitsYDirection=4)), "centimetres"),
    "no units": (lambda: with_regions(region(PhysicalUnitsXDirection=None)), "centimetres"),
    "not a number": (lambda: with_regions(region(PhysicalDeltaX=float("nan"))), "no pixel size"),
    "without end": (lambda: with_regions(region(PhysicalDeltaX=float("inf"))), "no pixel size"),
    "a comma in PixelSpacing": (
        lambda: native(GRAY_HW, PixelSpacing=["0.07", "0.07"]).replace(b"0.07\\0.07", b"0,07\\0,07"),
        "no pixel size",
    ),
    "one number in PixelSpacing": (lambda: native(GRAY_HW, PixelSpacing="0.07"), "no pixel size"),
    "three numbers in PixelSpacing": (lambda: native(GRAY_HW, PixelSpacing=[0.07, 0.07, 1.0]), "no pixel size"),
    "a pixel without a size": (lambda: native(GRAY_HW, PixelSpacing=["1", "1"]), "converters write"),
    "a view of 560 mm": (lambda: native(WIDE_HW, PixelSpacing=[0.875, 0.875]), "560 mm wide"),
    "dots of a screen": (lambda: native(WIDE_HW, PixelSpacing=["0.264583", "0.264583"]), "screen or printer"),
    "a view of 6 mm": (lambda: native(WIDE_HW, PixelSpacing=[0.01, 0.01]), "makes the view 6.4 mm"),
    "two tissues of two scales": (
        lambda: with_regions(region(RegionLocationMaxX1=30), region(RegionLocationMinX0=31, PhysicalDeltaX=0.009)),
        "different scales",
    ),
}


@pytest.mark.parametrize("kind", NONE_BECAUSE)
def test_no_millimetres_and_the_reason(kind: str) -> None:
    make, words = NONE_BECAUSE[kind]
    frame = decode_frame(make())
    assert frame.spacing is None
    assert frame.spacing_reason is not None
    assert words.split("|")[0] in frame.spacing_reason or words.split("|")[-1] in frame.spacing_reason


def test_the_tissue_beside_an_m_mode_keeps_its_scale() -> None:
    m_mode = region(RegionLocationMinX0=34, PhysicalUnitsXDirection=4, RegionSpatialFormat=2)
    assert decode_frame(with_regions(region(RegionLocationMaxX1=30), m_mode)).spacing == pytest.approx(
        Spacing(0.06, 0.05)
    )


# Numbers on the command line.


@pytest.mark.parametrize("size", ["1.4", "0", "-14", "nan", "inf", "1400", "0.014"])
def test_a_size_that_no_nodule_has_is_asked_about(size: str) -> None:
    done = CliRunner().invoke(app, ["tirads", "--composition", "solid", "--longest-mm", size])
    assert done.exit_code != 0
    assert "mm" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", ["0,06", "60", "-0.06", "0", "nan", "0.06mm", "0.06,0.9", "0.06,0.05,1"])
def test_millimetres_per_pixel_that_can_not_be(tmp_path: Any, number: str) -> None:
    from PIL import Image

    Image.fromarray(GRAY_HW).save(tmp_path / "a.png")
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--mm-per-pixel", number]
    )
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "0.06" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["10", "0", "1", "-0.1", "nan"])
def test_a_share_that_is_none(tmp_path: Any, share: str) -> None:
    from PIL import Image

    Image.fromarray(GRAY_HW).save(tmp_path / "a.png")
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--prevalence", share]
    )
    assert done.exit_code == 2
    assert "share" in done.stderr.casefold()
    assert not (tmp_path / "out").exists()
