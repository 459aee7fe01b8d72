"""What the readers of sets share: the size of an image by its header."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from thyrosight.datasets.sets.layout import image_size_hw
from thyrosight.errors import InputError


def test_the_size_of_an_image_is_that_of_its_header(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((3, 5), np.uint8))
    assert image_size_hw(tmp_path / "a.png") == (3, 5)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png: not a readable image .*copy the file again from the set"):
        image_size_hw(tmp_path / "b.png")
