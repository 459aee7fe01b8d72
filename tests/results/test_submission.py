"""The TN-SCUI challenge's files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scans import scan, write_scans
from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.results.submission import write_submission

# The challenge's files.


def test_a_submission_has_a_binary_mask_an_image_and_the_two_tables(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path / "test", "test_10.PNG", "test_2.PNG")
    bright_HW = np.full((100, 100), 220, np.uint8)
    bright_HW[40:60, 40:60] = 20
    Image.fromarray(bright_HW).save(tmp_path / "test" / "photo.jpg")
    Image.fromarray(scan(3, size_hw=(70, 110)) // 3).save(tmp_path / "test" / "test_1.PNG")
    (tmp_path / "test" / "test_3.PNG").write_bytes(b"")
    summary = write_submission(tiny, [tmp_path / "test"], tmp_path / "out")
    assert (summary.num_done, summary.num_failed) == (4, 1)
    assert summary.failures[0].message.startswith("test_3.PNG: the file is empty")
    names = ["photo.jpg.png", "test_1.PNG", "test_10.PNG", "test_2.PNG"]
    assert sorted(path.name for path in (tmp_path / "out" / "mask").iterdir()) == names
    with Image.open(tmp_path / "out" / "mask" / "test_1.PNG") as mask:
        assert (mask.size, mask.mode) == ((110, 70), "L")
    for path in (tmp_path / "out" / "mask").iterdir():
        with Image.open(path) as mask:
            assert set(np.unique(np.array(mask))) == {0, 255} or path.name == "test_1.PNG"
    table = (tmp_path / "out" / "submission.csv").read_text().splitlines()
    assert table[0] == "ID,CATE"
    assert [line.split(",")[0] for line in table[1:]] == ["photo.jpg", "test_1.PNG", "test_2.PNG", "test_10.PNG"]
    with open(tmp_path / "out" / "probability.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["ID", "CATE", "probability"]
    assert [f"{row['ID']},{row['CATE']}" for row in rows] == table[1:]
    assert {row["CATE"] for row in rows} == {"0", "1"}
    for row in rows:
        assert int(row["CATE"]) == (float(row["probability"]) >= 0.5)
        assert float(row["probability"]) == tiny.predict(tmp_path / "test" / row["ID"]).risk


def test_a_submission_of_two_images_of_one_name_is_refused(tiny: Predictor, tmp_path: Path) -> None:
    write_scans(tmp_path, "a/1.PNG", "b/1.png")
    with pytest.raises(InputError, match="2 images are named"):
        write_submission(tiny, [tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
