"""Video stream -> its frames, one at a time, in order; runs in the decoding child (worker.py).

OpenCV's FFmpeg reads MP4, QuickTime and AVI from the open stream. It gets no path, so a video that refers to other
files finds none.
"""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO

import numpy as np

from thyrosight.frames.headers import MAX_FRAMES, HeaderError
from thyrosight.types import UInt8Array

MAX_PIXELS = 20_000_000
MIN_SIDE_PX = 32


class VideoFrames:
    """An open video. Frames are decoded in order up to the chosen one.

    For an earlier frame, decoding starts again at the first.
    """

    def __init__(self, stream: BinaryIO, facts: dict[str, Any] | None = None) -> None:
        self._stream = stream
        self._capture, self._next = self._open(), 0
        import cv2

        width, height = (int(self._capture.get(name)) for name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise HeaderError(f"a video of {width:,} x {height:,} pixels, too large to read", "export it smaller")
        if min(width, height) < MIN_SIDE_PX:
            raise HeaderError(f"a video of {width} x {height} pixels, too small to hold a nodule")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        num_frames = self._count()
        self.header = (facts or {}) | {"rows": height, "columns": width, "num_frames": num_frames}
        if self.header.get("pixel_ratio") is None:
            across, down = (self._capture.get(name) for name in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
            self.header["pixel_ratio"] = down / across if across > 0 and down > 0 else None
        if self.header.get("frame_ms") is None:
            self.header["frame_ms"] = 1000 / rate if math.isfinite(rate) and rate > 0 else None

    def frame(self, index: int) -> UInt8Array:
        """Index -> uint8 _HW3 RGB."""
        import cv2

        if index < self._next:
            self._capture, self._next = self._open(), 0
        while self._next <= index:
            if not self._capture.grab():
                raise HeaderError("damaged: the video ends before the chosen frame")
            self._next += 1
        is_read, bgr_HW3 = self._capture.retrieve()
        if not is_read or bgr_HW3.ndim != 3:
            raise HeaderError("damaged: a frame of the video can't be decoded")
        return np.ascontiguousarray(cv2.cvtColor(bgr_HW3, cv2.COLOR_BGR2RGB))

    def _open(self) -> Any:
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "threads;1|protocol_whitelist;none")
        import cv2

        cv2.setNumThreads(1)
        self._stream.seek(0)
        capture = cv2.VideoCapture(self._stream, cv2.CAP_FFMPEG, [])  # type: ignore[call-overload]
        if not capture.isOpened():
            raise HeaderError("a video that can't be decoded", "convert it to MP4 (H.264) or export frames as PNG")
        return capture

    def _count(self) -> int:
        """-> number of frames that can be decoded; the number in a video's header is an estimate."""
        count = 0
        while count <= MAX_FRAMES and self._capture.grab():
            count += 1
        if count > MAX_FRAMES:
            raise HeaderError(f"holds more than {MAX_FRAMES:,} frames", "cut the part that you need")
        if not count:
            raise HeaderError("a video without a frame")
        self._capture, self._next = self._open(), 0
        return count
