"""Several `predict` in one folder at a time: none disturbs another, and each ends well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from thyrosight.phantom.cohort import write_phantoms
from thyrosight.results.layout import read_result
from tiny_bundle import make_tiny_bundle

NUM_PROCESSES, NUM_CASES = 4, 8


def test_predictions_of_one_folder_at_a_time(tmp_path: Path) -> None:
    """Once each removed what the others were writing: 13 of 16 ended with failures that were none."""
    images = write_phantoms(NUM_CASES, tmp_path / "cases", 1).parent / "image"
    bundle = make_tiny_bundle(tmp_path / "bundle")
    command = [sys.executable, "-m", "thyrosight", "predict", str(images), "-o", str(tmp_path / "out")]
    command += ["--bundle", str(bundle), "--threads", "1", "--overwrite"]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(NUM_PROCESSES)
    ]
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * NUM_PROCESSES, said
    folders = sorted(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) == NUM_CASES
    assert all(read_result(folder) is not None for folder in folders)
    assert not list((tmp_path / "out").rglob(".thyrosight-*"))


def test_an_empty_or_cut_picture_is_made_again(tmp_path: Path) -> None:
    from thyrosight.inference.predictor import Predictor
    from thyrosight.results.predict_folder import predict_folder

    images = write_phantoms(1, tmp_path / "cases", 1).parent / "image"
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "bundle"), threads=1)

    def run() -> tuple[int, int]:
        summary = predict_folder(images, tmp_path / "out", bundle=predictor, progress=lambda *_: None)
        return summary.num_done, summary.num_skipped

    assert run() == (1, 0)
    assert run() == (0, 1)
    mask = next((tmp_path / "out").glob("*/mask.png"))
    whole = mask.read_bytes()
    for damaged in (b"", whole[:-5]):
        mask.write_bytes(damaged)
        assert run() == (1, 0)
        assert mask.read_bytes() == whole
