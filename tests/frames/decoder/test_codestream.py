"""Compressed frames -> what they claim; RLE to the byte."""

from __future__ import annotations

import pytest

import dicom_files as files
from dicom_files import colour_picture
from thyrosight.frames.decoder.codestream import decode_rle, read_codestream
from thyrosight.frames.headers import HeaderError

# The pieces.


def test_codestreams_say_their_size() -> None:
    claim = read_codestream(files.jpeg(colour_picture()))
    assert (claim.kind, claim.rows, claim.columns, claim.channels, claim.bits, claim.colours) == (
        *("JPEG", 48, 64, 3, 8, "YBR"),
    )
    claim = read_codestream(files.j2k_claiming(4_000_000_000, 7, channels=3))
    assert (claim.kind, claim.rows, claim.columns, claim.channels, claim.bits) == ("JPEG 2000", 7, 4_000_000_000, 3, 8)
    for damaged in (b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51\0", b"\0\0\0\x0cjP  " + bytes(30)):
        with pytest.raises(HeaderError):
            read_codestream(damaged)


def test_rle_is_unpacked_to_the_byte() -> None:
    runs = bytes([254, 7]) + bytes([3, 1, 2, 3, 4]) + bytes([128]) + bytes([129, 9])
    expected = bytes([7] * 3 + [1, 2, 3, 4] + [9] * 128)
    assert decode_rle(files.rle_frame([runs]), 1, len(expected)) == [expected]
    for num_bytes in (len(expected) - 1, len(expected) + 1):
        with pytest.raises(HeaderError):
            decode_rle(files.rle_frame([runs]), 1, num_bytes)
