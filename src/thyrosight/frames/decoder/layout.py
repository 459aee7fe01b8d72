"""The image pixel module of a DICOM header (PS3.3 C.7.6.3) as one record, checked against itself; runs in the child."""

from __future__ import annotations

from dataclasses import dataclass

from thyrosight.frames.headers import HeaderError
from thyrosight.frames.transfer_syntaxes import NATIVE

GRAY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
OTHER_COLOURS = ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")
"""Colour spaces of the standard that can't be read here. An error names only these: any other word may be free text."""


@dataclass(frozen=True)
class Layout:
    """The values of the header's image pixel module that decoding needs."""

    transfer_syntax: str
    is_little: bool
    vr: str | None
    rows: int
    columns: int
    num_frames: int
    channels: int
    photometric: str
    is_planar: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame; 4:2:2 stores two of three samples (PS3.3 C.7.6.3.1.2)."""
        channels = 2 if self.photometric == "YBR_FULL_422" and self.transfer_syntax in NATIVE else self.channels
        return self.rows * self.columns * channels * self.bits_allocated // 8

    def check(self) -> None:
        """HeaderError where these values contradict each other or are not supported."""
        if self.photometric not in (*GRAY, PALETTE, *COLOURS):
            named = self.photometric if self.photometric in OTHER_COLOURS else "that its header names"
            raise HeaderError(f"colours of the kind {named} can't be read", "export it as RGB or MONOCHROME2")
        wanted = 3 if self.photometric in COLOURS else 1
        if self.channels != wanted:
            raise HeaderError(f"damaged: its header states {self.photometric} with {self.channels} samples per pixel")
        if self.bits_allocated not in (8, 16):
            raise HeaderError(f"{self.bits_allocated} bits per sample can't be read", "export it with 8 or 16 bits")
        if not (1 <= self.bits_stored <= self.bits_allocated and self.bits_stored - 1 <= self.high_bit):
            raise HeaderError("damaged: its header's bits allocated, stored and high bit contradict each other")
        if self.high_bit >= self.bits_allocated:
            raise HeaderError("damaged: its header's high bit is outside the sample")
        if self.photometric == "YBR_FULL_422" and self.transfer_syntax in NATIVE and self.columns % 2:
            raise HeaderError("damaged: its header states 4:2:2 colour with an odd number of columns")
