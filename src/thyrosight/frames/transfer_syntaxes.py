"""DICOM transfer syntaxes: how the pixels of a file are encoded, and which of them the decoding child reads.

Source: DICOM PS3.6 annex A; https://dicom.nema.org/medical/dicom/current/output/html/part06.html#chapter_A
"""

from __future__ import annotations

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG)
"""Uncompressed pixels."""
RLE = "1.2.840.10008.1.2.5"
JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55))
"""JPEG that libjpeg decodes at 8 bits: baseline, extended, and the retired spectral selection and progression."""
PLUGINS = {
    "1.2.840.10008.1.2.4.57": "gdcm",
    "1.2.840.10008.1.2.4.70": "gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    **{f"1.2.840.10008.1.2.4.{number}": "pylibjpeg" for number in (90, 91, 201, 202, 203)},
}
"""Transfer syntax -> the first decoder to try, by its name in pydicom."""
SYNTAXES = {
    "JPEG": ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57"),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"),
    "JPEG 2000": tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)),
}
"""Kind of a compressed frame (codestream.py) -> the syntaxes of PLUGINS that decode it."""
COMPRESSED = (RLE, *JPEG, *PLUGINS)
"""Compressed pixels, one stream per frame."""
VIDEO = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
"""MPEG-2, H.264 and H.265: one stream for all frames."""
RECEIVED = tuple(syntax for syntax in (*NATIVE, *COMPRESSED, *VIDEO) if syntax != DEFLATED)
"""The syntaxes that the listener accepts: all but the deflated one; a deflated file does not show its size."""
