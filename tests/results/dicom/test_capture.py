"""Overlay pictures -> Secondary Capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from result_objects import (
    KEEP,
    NONE,
    clip,
    predicted,
    read,
    validator_errors,
    write_source,
)
from thyrosight.results.dicom.files import case_dicom_files

# Secondary Capture.


@pytest.mark.part("dciodvfy")
def test_capture_holds_the_picture(tmp_path: Path) -> None:
    path = write_source(tmp_path, (40, 40))
    picture_HW3 = np.random.default_rng(4).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    content = case_dicom_files(path, [predicted(path, [])], pictures={0: picture_HW3}, options=NONE)["capture.dcm"]
    capture = read(content)
    assert (capture.pixel_array == picture_HW3).all()
    assert capture.PhotometricInterpretation == "RGB"
    assert "BurnedInAnnotation" not in capture, "nobody has looked whether text is left"
    assert not validator_errors(content, tmp_path)


def test_captures_of_a_clip_name_their_frames(tmp_path: Path) -> None:
    path, predictions = clip(tmp_path, num_frames=5)
    picture_HW3 = np.zeros((8, 9, 3), np.uint8)
    files = case_dicom_files(path, predictions, pictures={0: picture_HW3, 4: picture_HW3}, options=KEEP)
    captures = {name: read(content) for name, content in files.items() if name.startswith("capture")}
    assert list(captures) == ["capture_0001.dcm", "capture_0005.dcm"]
    last = captures["capture_0005.dcm"]
    assert last.SourceImageSequence[0].ReferencedFrameNumber == 5
    assert len({capture.SOPInstanceUID for capture in captures.values()}) == 2
    assert len({capture.SeriesInstanceUID for capture in captures.values()}) == 1
