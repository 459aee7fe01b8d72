"""Images that cost more than they may, or that break what comes after the decoder: bounded, refused, and in turn."""

from __future__ import annotations

import io
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import InputError
from thyrosight.frames.load import MAX_WEBP_PIXELS, frames_of
from thyrosight.inference.predictor import Predictor
from thyrosight.views.field import field_of_view, find_panels
from tiny_bundle import make_tiny_bundle
from web_server import frame_png

SEED = 20261128


def animated(num_frames: int, side_px: int, image_format: str) -> bytes:
    """-> an animation of plain frames with a square that moves: small in the file, large when decoded."""
    frames = []
    for number in range(num_frames):
        frame = np.zeros((side_px, side_px), np.uint8)
        frame[number % (side_px - 8) :, :8] = 200
        frames.append(Image.fromarray(frame).convert("RGB"))
    stream = io.BytesIO()
    options = {"lossless": True} if image_format == "WEBP" else {}
    frames[0].save(stream, image_format, save_all=True, append_images=frames[1:], duration=40, **options)
    return stream.getvalue()


@pytest.mark.parametrize("image_format", ["WEBP", "GIF"])
def test_frames_of_an_animation_are_each_decoded_once(image_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each frame decoded all before it: the last of 900 took 3.6 s, and the whole half an hour."""
    data = animated(60, 64, image_format)
    with frames_of(data) as file:
        assert file.num_frames == 60
        forward = [file.frame(index).image_HW.copy() for index in range(60)]
    kind = type(Image.open(io.BytesIO(data)))
    steps = []
    name = "_get_next" if image_format == "WEBP" else "_seek"
    real = getattr(kind, name)

    def counted(self: object, *given: object, **options: object) -> object:
        steps.append(given)
        return real(self, *given, **options)

    monkeypatch.setattr(kind, name, counted)
    with frames_of(data) as file:
        for index in range(60):
            file.frame(index)
    assert len(steps) <= 3 * 60
    with frames_of(data) as file:  # and in any order they are the same
        for index in np.random.default_rng(SEED).permutation(60)[:12]:
            assert np.array_equal(file.frame(int(index)).image_HW, forward[int(index)])


def test_a_webp_that_would_take_a_gigabyte_is_refused_by_its_header() -> None:
    width = 8_000
    height = MAX_WEBP_PIXELS // width + 1
    bits = (width - 1) | (height - 1) << 14
    data = b"RIFF" + (100).to_bytes(4, "little") + b"WEBPVP8L" + (80).to_bytes(4, "little") + b"\x2f"
    data += bits.to_bytes(4, "little") + bytes(80)
    with pytest.raises(InputError, match="takes too much memory"), frames_of(data) as file:
        file.frame(0)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_tiff_that_its_own_library_calls_damaged_is_refused(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(SEED)
    is_fax = compression.startswith("group")
    image = Image.fromarray(cv2.blur(rng.integers(0, 256, (96, 200), np.uint8), (9, 9)))
    stream = io.BytesIO()
    (image.point(lambda level: 255 * (level > 127)).convert("1") if is_fax else image).save(
        stream, "TIFF", compression=compression
    )
    with frames_of(stream.getvalue()) as file:
        assert file.frame(0).size_hw == (96, 200)
    num_refused = 0
    for _ in range(30):
        damaged = bytearray(stream.getvalue())
        for at in rng.integers(8, len(damaged) - 200, 6):
            damaged[at] ^= int(rng.integers(1, 256))
        try:
            with frames_of(bytes(damaged)) as file:
                file.frame(0)
        except InputError:
            num_refused += 1
    assert num_refused >= {"group3": 5, "group4": 20}.get(compression, 0), "a code that is none is no pixel"
    assert "Decode" not in capfd.readouterr().err


def test_a_ribbon_has_a_field_and_no_seam() -> None:
    """Once cv2.error at 96 x 50,001: the picture in which seams are looked for had no row left."""
    rng = np.random.default_rng(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for height, width in ((96, 50_001), (50_001, 96), (32, 60_000), (33, 33), (200, 9_000), (64, 32), (1_200, 40)):
            for image_HW in (
                np.full((height, width), 90, np.uint8),
                rng.integers(0, 256, (height, width), np.uint8),
                np.repeat(rng.integers(0, 256, (height, 1), np.uint8), width, axis=1),
                np.tile(
                    np.repeat(rng.integers(0, 256, (1, -(-width // 7)), np.uint8), 7, axis=1)[:, :width], (height, 1)
                ),
                cv2.resize(
                    rng.integers(0, 256, (max(1, height // 16), max(1, width // 16)), np.uint8), (width, height)
                ),
            ):
                field = field_of_view(image_HW, None)
                panels = find_panels(image_HW, field)
                assert all(0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in panels)


def test_a_ribbon_is_predicted(tmp_path: Path) -> None:
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny"), threads=1)
    rng = np.random.default_rng(SEED)
    for shape in ((96, 50_001), (20_000, 40)):
        assert predictor.predict(cv2.blur(rng.integers(0, 256, shape, np.uint8), (5, 5))).image.width_px == shape[1]


def test_a_long_clip_lets_those_that_wait_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an animated WebP of 45 KB held the queue for half an hour."""
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from thyrosight.web.app import create_app
    from thyrosight.web.jobs import worker
    from thyrosight.web.security import rules_for
    from thyrosight.web.service import Service
    from web_server import ADDRESS, post, wait_for

    monkeypatch.setattr(worker, "TURN_SECONDS", 0.2)
    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny"), threads=1)
    app = create_app(Service(predictor, tmp_path / "data"), rules_for("127.0.0.1", None, ()))
    with TestClient(app, base_url=ADDRESS) as client:
        long = post(client, ("long.webp", animated(150, 400, "WEBP"))).json()["id"]
        while client.get(f"/api/v1/jobs/{long}").json()["items"][0]["frames_done"] < 1:
            time.sleep(0.01)
        honest = post(client, ("a.png", frame_png(0))).json()["id"]
        assert wait_for(client, honest)["state"] == "done"
        assert client.get(f"/api/v1/jobs/{long}").json()["state"] == "running"
        assert wait_for(client, long)["state"] == "done"
