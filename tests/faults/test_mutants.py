"""Files with some bytes changed: each is read or refused in one line, in bounded time and memory, and nobody dies.

Seeded. THYROSIGHT_FAULTS=all makes many (`make faults`), else a few hundred. Decoding runs in a forked child, so that a
death is counted and named by its seed.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from dicom_files import gray_picture, jpeg, native
from kills import ENDED, in_child
from mutations import mutant
from peak_memory import peak_megabytes
from thyrosight.config import load_config
from thyrosight.datasets.table import read_cases
from thyrosight.errors import BundleError, ThyrosightError
from thyrosight.export.run_folder import read_run
from thyrosight.frames.load import frames_of
from thyrosight.views.field import field_of_view, find_panels
from tiny_bundle import make_tiny_bundle

IS_ALL = os.environ.get("THYROSIGHT_FAULTS") == "all"
NUM_MUTANTS = 3_000 if IS_ALL else 60
"""Of each kind."""
MAX_CPU_SECONDS = 10.0
MAX_GROWTH_MB = 1_024
SEED = 20261128


def picture(image_format: str, mode: str = "L", **options: Any) -> bytes:
    rng = np.random.default_rng(SEED)
    image_HW = cv2.resize(rng.integers(0, 256, (16, 20), np.uint8), (160, 128), interpolation=cv2.INTER_CUBIC)
    stream = io.BytesIO()
    Image.fromarray(image_HW).convert(mode).save(stream, image_format, **options)
    return stream.getvalue()


def animation(image_format: str) -> bytes:
    frames = [Image.fromarray(gray_picture(seed=seed)).convert("P") for seed in range(4)]
    stream = io.BytesIO()
    frames[0].save(stream, image_format, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def video(code: str) -> bytes:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"thyrosight-mutants-{os.getpid()}.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 10, (160, 128))
    for seed in range(6):
        writer.write(cv2.resize(cv2.cvtColor(gray_picture(seed=seed), cv2.COLOR_GRAY2BGR), (160, 128)))
    writer.release()
    data = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    return data


def dicom_jpeg() -> bytes:
    from pydicom.uid import JPEGBaseline8Bit

    from dicom_files import compressed, dataset

    return compressed([jpeg(gray_picture())], JPEGBaseline8Bit, dataset())


KINDS: dict[str, Callable[[], bytes]] = {
    "png": lambda: picture("PNG"),
    "png palette": lambda: picture("PNG", "P"),
    "jpeg": lambda: picture("JPEG"),
    "jpeg progressive": lambda: picture("JPEG", "RGB", progressive=True),
    "tiff": lambda: picture("TIFF"),
    "tiff lzw": lambda: picture("TIFF", compression="tiff_lzw"),
    "tiff g4": lambda: picture("TIFF", "1", compression="group4"),
    "tiff jpeg": lambda: picture("TIFF", "RGB", compression="jpeg"),
    "bmp": lambda: picture("BMP"),
    "gif": lambda: animation("GIF"),
    "webp": lambda: picture("WEBP"),
    "webp lossless": lambda: picture("WEBP", "RGB", lossless=True),
    "webp animated": lambda: animation("WEBP"),
    "dicom": lambda: native(gray_picture()),
    "dicom jpeg": dicom_jpeg,
    "avi": lambda: video("MJPG"),
}


def looked_at(data: bytes) -> None:
    """What every command does with a file first."""
    with frames_of(data) as file:
        for index in range(min(3, file.num_frames)):
            frame = file.frame(index)
            find_panels(frame.image_HW, field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions))


@pytest.mark.parametrize("kind", KINDS)
def test_images(kind: str, tmp_path: Path) -> None:
    sound = KINDS[kind]()
    if not sound:
        pytest.skip("this OpenCV writes no such video")
    looked_at(sound)
    note = tmp_path / "seed"

    def work() -> None:
        before = peak_megabytes()
        slow_kinds = 10 if kind in ("avi", "dicom", "dicom jpeg") else 1
        for number in range(NUM_MUTANTS // slow_kinds):
            note.write_text(str(number))
            began = time.process_time()
            try:
                looked_at(mutant(sound, np.random.default_rng([SEED, number])))
            except ThyrosightError as error:
                if "\n" in str(error):
                    raise
            assert time.process_time() - began < MAX_CPU_SECONDS, number
        assert peak_megabytes() - before < MAX_GROWTH_MB

    status, _ = in_child(work)
    assert status == ENDED, f"mutant {note.read_text()} of {kind}"


CONFIG = b"""about = "x"
[network]
name = "unet"
dropout = 0.2
[data]
size_hw = [64, 64]
size_steps = [[0.5, 0.5]]
[data.repeat]
busi = 1.5
[optim]
epochs = 3
lr = 2e-3
[run]
keep = "best"
"""
CASES = b"case_id,image,mask,malignancy,group,source,fold,split\na,a.png,m.png,1,g,s,0,train\nb,b.png,,,h,s,1,train\n"


@pytest.mark.parametrize(
    ("name", "sound", "read"),
    [
        ("config.toml", CONFIG, load_config),
        ("cases.csv", CASES, read_cases),
        ("config.json", json.dumps({"config": {"optim": {"lr": 1}}, "fold": 0, "cases": []}).encode(), None),
    ],
)
def test_tables_and_settings(tmp_path: Path, name: str, sound: bytes, read: Callable[[Path], Any] | None) -> None:
    path = tmp_path / name
    reader = read or (lambda path: read_run(path.parent))
    for number in range(10 * NUM_MUTANTS):
        path.write_bytes(mutant(sound, np.random.default_rng([SEED, number])))
        with suppress(ThyrosightError):
            reader(path)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5_000,
        "[optim]\nlr = nan",
        "[optim]\nlr = 1" + "0" * 400,
        "[optim]\nepochs = 1" + "0" * 5_000,
        "optim = 5",
        "[data]\nsize_hw = [1e400, 3]",
        "[data]\nrepeat = [1]",
        "\x00",
        "[[optim]]",
    ],
)
def test_settings_beyond_reason(tmp_path: Path, text: str) -> None:
    from thyrosight.errors import ConfigError

    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_config(path)
    (tmp_path / "good.toml").write_text("")
    for override in ("optim=5", "optim.lr=nan", "optim.lr=" + "[" * 2_000, "optim=5.lr=3"):
        with pytest.raises(ConfigError):
            load_config(tmp_path / "good.toml", [override, "optim.lr=1"] if override == "optim=5" else [override])


def test_bundles(tmp_path: Path) -> None:
    """A mutant whose hashes are set right again, as an enemy would: it loads, or is refused."""
    from evil_bundles import write_bundle
    from thyrosight.bundle.store import load_bundle
    from tiny_bundle import tiny_onnx, tiny_weights

    make_tiny_bundle(tmp_path / "sound")
    for number in range(4 * NUM_MUTANTS):
        rng = np.random.default_rng([SEED, number])
        onnx, weights = tiny_onnx(), tiny_weights()
        parts = (mutant(onnx, rng), weights) if rng.random() < 0.7 else (onnx, mutant(weights, rng))
        path = write_bundle(tmp_path / f"b{number}", *parts)
        began = time.process_time()
        with suppress(BundleError):
            load_bundle(path)
        assert time.process_time() - began < MAX_CPU_SECONDS, number
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
