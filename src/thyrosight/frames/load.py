"""Image file -> Frame: PNG, JPEG, TIFF, BMP, GIF and WebP here; DICOM and video by a child process (dicom.py).

The content decides the format. Size and cost are checked before decoding. A bad file is one InputError.
A frame has eight bits. EXIF orientation is applied, transparent pixels are black, colour profiles are ignored. An image
whose transparency is a mask is refused (alpha.py).
Gray is ITU-R BT.601 luma (Pillow's "L"). Deep gray and deep colour have more than 8 bits per channel. None of these
formats reliably states how many millimetres a pixel has: PNG pHYs and JPEG or TIFF resolution describe a printed page.
So `spacing` is None. Where these differ across and down, pixels are not square, and the image is refused.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thyrosight.errors import InputError
from thyrosight.files import mend_of, named
from thyrosight.files.plain_text import printable
from thyrosight.frames.alpha import AlphaMaskError, has_alpha, refuse_alpha_mask, refuse_alpha_mask_of, to_rgba
from thyrosight.frames.dicom import HEAD_BYTES, kind_of, open_decoded
from thyrosight.frames.gray import gray_and_rgb
from thyrosight.frames.headers import Claim, HeaderError, read_claim
from thyrosight.frames.libtiff import complaints_raised
from thyrosight.frames.spacing import check_square
from thyrosight.types import Frame, UInt8Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""An 8K screen has 33 million. Decoding takes up to 20 bytes per pixel, so 0.8 GB at this size."""
MAX_WEBP_PIXELS = 28_000_000
"""A lossless WebP takes 29 bytes per pixel."""
MAX_DECODED_PIXELS = 2_000_000_000
"""Pixels that one load may decode; frames before the chosen one (GIF, WebP) and scans of a progressive JPEG count
too."""
MIN_SIDE_PX = 32
"""A smaller image is an icon or a mistake; it could not show a nodule."""

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
    | {".dcm", ".dicom", ".mp4", ".m4v", ".mov", ".avi"}
)
"""File names that count as images in a folder; a file that the user names is always read, whatever its suffix."""

NO_SPACING = "the file format does not say how many millimetres a pixel is (resolution tags describe print, not tissue)"

_PLUGINS = {"TIFF": "PIL.TiffImagePlugin", "WEBP": "PIL.WebPImagePlugin"}  # Pillow registers the others itself
_ANIMATED = frozenset({"GIF", "WEBP"})
_OWN_WORDS = {"UnidentifiedImageError": "of an unknown kind", "DecompressionBombError": "claims too many pixels"}
_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_BLOCK_ROWS = 64
_INTEGER_BITS = (8, 10, 12, 14, 16, 24, 32)
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


class FrameFile(Protocol):
    """An open file of frames. is_clip: a DICOM or video of several frames; `predict` reads all unless one is chosen."""

    num_frames: int
    frame_ms: float | None

    @property
    def is_clip(self) -> bool: ...

    def frame(self, index: int) -> Frame:
        """Index in 0..num_frames-1 -> Frame."""
        ...


class StillFile:
    """A file in one of Pillow's formats, whole in memory.

    A file of several frames is not a clip here: the user chooses one frame.
    """

    is_clip = False
    frame_ms: float | None = None

    def __init__(self, data: bytes, path: Path | None) -> None:
        self._data, self._path = data, path
        self._name = str(path) if path is not None else "image"
        try:
            self._claim = read_claim(data)
        except HeaderError as error:
            raise InputError(f"{self._name}: {error}") from None
        self.num_frames = self._claim.num_frames
        self._image: PillowImage | None = None

    def frame(self, index: int) -> Frame:
        """Index in 0..num_frames-1 -> Frame."""
        _check_cost(self._name, self._claim, index)
        try:
            image_HW, rgb_HW3 = self._decode(index)
        except MemoryError:
            raise InputError(f"{self._name}: not enough memory to decode it; export it smaller") from None
        except (AlphaMaskError, HeaderError) as error:
            raise InputError(f"{self._name}: {error}") from None
        except Exception as error:  # Pillow raises a dozen types on damaged files, which mean the same
            self._image = None
            kind = type(error).__name__
            reason = _OWN_WORDS.get(kind) or printable(" ".join(str(error).split())[:200]) or kind
            raise InputError(
                f"{self._name}: damaged {self._claim.format} ({reason}); copy or export the image again"
            ) from error
        check_size(self._name, image_HW.shape[1], image_HW.shape[0])
        sha256 = hashlib.sha256(self._data).hexdigest()
        return Frame(self._path, image_HW, rgb_HW3, None, NO_SPACING, sha256, index, self._claim.num_frames)

    def _decode(self, index: int) -> tuple[UInt8Array, UInt8Array | None]:
        """Index -> (gray `_HW`, RGB `_HW3` or None where all channels are equal). Raises what Pillow raises.

        An animation stays open between frames, because each frame is decoded from the one before it.
        """
        image_format = self._claim.format
        if image_format not in _ANIMATED or self.num_frames == 1:
            return _decode(self._data, image_format, index)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._image is None:
                self._image = _opened(self._data, image_format)
            return _arrays_at(self._image, image_format, index)


@contextmanager
def open_frames(path: Path | str) -> Iterator[FrameFile]:
    """Path -> the open file, of any format; its `frame` decodes one frame. InputError where the file can't be read."""
    path = Path(path)
    kind = kind_of(read_bounded(path, HEAD_BYTES))
    if kind is None:
        yield StillFile(read_bounded(path), path)
    else:
        with open_decoded(kind, path) as file:
            yield file


@contextmanager
def frames_of(data: bytes, path: Path | None = None) -> Iterator[FrameFile]:
    """As `open_frames`, from the bytes of a file; the path is recorded and named in errors, but not opened."""
    kind = kind_of(data[:HEAD_BYTES])
    if kind is None:
        yield StillFile(data, path)
    else:
        with open_decoded(kind, path, data) as file:
            yield file


def load_frame(path: Path | str, frame_index: int | None = None) -> Frame:
    """Path, index of the frame (None: the only one) -> Frame. Raises no error but InputError.

    A file of several frames needs a frame_index in 0..num_frames-1.
    """
    with open_frames(path) as file:
        return file.frame(chosen_frame(str(path), file.num_frames, frame_index))


def decode_frame(data: bytes, path: Path | None = None, frame_index: int | None = None) -> Frame:
    """As `load_frame`, from the bytes of a file; the path is recorded and named in errors, but not opened.

    For tests, which make files in memory.
    """
    with frames_of(data, path) as file:
        return file.frame(chosen_frame(str(path) if path is not None else "image", file.num_frames, frame_index))


def read_bounded(path: Path, head_bytes: int | None = None) -> bytes:
    """Path -> bytes of a regular file (no pipe, no device): all, at most MAX_FILE_BYTES, or the first head_bytes."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: not a regular file; copy it to one")
            if head_bytes is not None:
                return stream.read(head_bytes)
            if status.st_size > MAX_FILE_BYTES:
                raise InputError(_too_many_bytes(path, status.st_size))
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, where an image is needed; pass the images in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, OSError):
            named(error, path)
        mend = mend_of(error, "check the path and its permissions")
        raise InputError(f"{path}: can't be read ({reason}); {mend}") from error
    if len(data) > MAX_FILE_BYTES:  # it has grown since, or its size was unknown
        raise InputError(_too_many_bytes(path, len(data)))
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    """As os.open, but does not hang on a pipe without a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _too_many_bytes(path: Path, num_bytes: int) -> str:
    limit_mb = MAX_FILE_BYTES // 1024**2
    return f"{path}: {num_bytes / 1024**2:,.0f} MB, the limit is {limit_mb} MB; export the frames that you need"


def chosen_frame(name: str, num_frames: int, frame_index: int | None) -> int:
    """Number of frames, chosen frame (None: the only one) -> its index; InputError where there is no such frame."""
    if frame_index is None and num_frames == 1:
        return 0
    if frame_index is not None and 0 <= frame_index < num_frames:
        return frame_index
    if num_frames == 1:
        raise InputError(f"{name}: 1 frame, so there is no frame {frame_index}; leave --frame out")
    raise InputError(
        f"{name}: {num_frames} frames; pass --frame 0..{num_frames - 1} to choose one, or save each as a file"
    )


def _check_cost(name: str, claim: Claim, index: int) -> None:
    """InputError where decoding would take too much memory or time. The caller has allocated nothing for it yet."""
    check_size(name, claim.width, claim.height)
    if claim.format == "WEBP" and claim.width * claim.height > MAX_WEBP_PIXELS:
        size = f"{claim.width:,} x {claim.height:,}"
        raise InputError(f"{name}: a WebP of {size} pixels takes too much memory to decode; export it as PNG")
    num_passes = claim.num_scans if claim.format == "JPEG" else index + 1 if claim.format in ("GIF", "WEBP") else 1
    if num_passes * claim.width * claim.height > MAX_DECODED_PIXELS and num_passes > 16:
        raise InputError(f"{name}: would take {num_passes:,} decoding passes; export the frame as PNG")


def check_size(name: str, width: int, height: int) -> None:
    """InputError where an image of this size is too large to decode, or too small; the message begins with `name`."""
    size = f"{width:,} x {height:,} pixels"
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 1_000_000} million"
        raise InputError(f"{name}: its header claims {size}, the limit is {limit}; export it smaller")
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(f"{name}: {size}, too small to hold a nodule; pass at least {MIN_SIDE_PX} x {MIN_SIDE_PX}")


def _decode(data: bytes, image_format: str, index: int) -> tuple[UInt8Array, UInt8Array | None]:
    """Checked bytes -> (gray `_HW`, RGB `_HW3` or None where all channels are equal). Raises what Pillow raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not concern the user; faults in pixels raise
        with _opened(data, image_format) as image:
            return _arrays_at(image, image_format, index)


def _opened(data: bytes, image_format: str) -> PillowImage:
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # of the whole process; another library may have set it
    if image_format in _PLUGINS:
        importlib.import_module(_PLUGINS[image_format])
    return Image.open(io.BytesIO(data), formats=[image_format])


def _arrays_at(image: PillowImage, image_format: str, index: int) -> tuple[UInt8Array, UInt8Array | None]:
    """Open image, index of a frame -> (gray `_HW`, RGB `_HW3` or None). Raises what Pillow raises."""
    from PIL import ImageOps

    if index or image_format in _ANIMATED:
        image.seek(index)
    refuse_oblong_pixels(image)
    if image.width * image.height > MAX_PIXELS:  # where the decoder reads another size than we did
        raise ValueError(f"{image.width:,} x {image.height:,} pixels")
    if (deep := deep_colour(image)) is not None:
        return deep
    with complaints_raised() if image_format == "TIFF" else nullcontext():
        image.load()
    is_inverted = image_format == "TIFF" and is_white_zero(image)
    return to_arrays(ImageOps.exif_transpose(image), is_inverted)


def refuse_oblong_pixels(image: PillowImage) -> None:
    """HeaderError where the file states other numbers of pixels per inch across and down: its pixels are not square."""
    stated = (image.info.get(name) for name in ("dpi", "aspect", "jfif_density", "resolution"))
    try:
        across, down = (float(number) for number in next(filter(None, stated), (1, 1)))
    except (TypeError, ValueError):  # a program may put anything into the info of its image
        return
    if across > 0 and down > 0:
        check_square(across / down, "its resolution across and down")


def deep_colour(image: PillowImage) -> tuple[UInt8Array, UInt8Array | None] | None:
    """Image with 16 bits per colour channel -> (gray, RGB or None), scaled by `scale_to_uint8`; None for other images.

    Pillow keeps only the upper eight bits of such files, so a picture of 12 bits would become black.
    """
    stream = getattr(image, "fp", None)
    if not is_deep_colour(image) or stream is None:
        return None
    import cv2

    stream.seek(0)
    decoded: NDArray[Any] | None = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        return None
    colour_HW3: NDArray[Any] = decoded[..., 2::-1].astype(np.uint32)
    if decoded.shape[2] == 4:  # over black
        refuse_alpha_mask_of(decoded)
        colour_HW3 = colour_HW3 * decoded[..., 3:] // 65535
    height, width = colour_HW3.shape[:2]
    eight_HW3 = scale_to_uint8(colour_HW3.reshape(height, -1).astype(np.uint16)).reshape(height, width, 3)
    return gray_and_rgb(np.ascontiguousarray(eight_HW3))


def is_deep_colour(image: PillowImage) -> bool:
    """Whether an undecoded image has 16 bits per channel, and colour or gray with alpha."""
    is_deep = any(";16" in str(part) for tile in getattr(image, "tile", ()) for part in tile[3:])
    return is_deep and image.mode in ("RGB", "RGBA", "LA")


def is_white_zero(image: PillowImage) -> bool:
    """Whether a TIFF of more than 8 bits has 0 as white (PhotometricInterpretation 0).

    Pillow itself inverts TIFFs of up to 8 bits.
    """
    tags: Any = getattr(image, "tag_v2", {})
    return bool(tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO) and image.mode in _DEEP_MODES


def to_arrays(image: PillowImage, is_inverted: bool) -> tuple[UInt8Array, UInt8Array | None]:
    """Pillow image of any mode -> (gray, RGB or None), 8 bit. AlphaMaskError where its transparency is a mask."""
    refuse_alpha_mask(image)
    if image.mode in _DEEP_MODES:
        gray_HW = scale_to_uint8(np.asarray(image))
        return (255 - gray_HW if is_inverted else gray_HW), None
    image = on_black(image)
    if image.mode == "L":
        return np.array(image), None
    return gray_and_rgb(np.array(image if image.mode == "RGB" else image.convert("RGB")))


def on_black(image: PillowImage) -> PillowImage:
    """Image of any mode -> the same without transparency: on black, the background of ultrasound. Gray becomes "L"."""
    from PIL import Image

    is_gray = image.mode in ("1", "L", "LA", "La")
    if not has_alpha(image):
        return image.convert("L") if is_gray else image
    layered = to_rgba(image)
    flat = Image.new("RGB", image.size)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat.convert("L") if is_gray else flat


def scale_to_uint8(values_HW: NDArray[Any]) -> UInt8Array:
    """Deep gray (16 or 32 bit, float) -> 8 bit; black stays black. ValueError where a value is not finite.

    Integers: divided by the full range of the smallest of 8, 10, 12, 14, 16, 24, 32 bits that holds the largest value.
    So 8-bit values in a 16-bit file do not change, and 12-bit values become bright enough.
    Floats: times 255 if all are in 0..1, unchanged if all are in 0..255. Where values are negative or floats are
    larger, the image's own minimum..maximum becomes 0..255; a constant image has no such range and becomes 0.
    """
    if not np.isfinite(values_HW).all():
        raise ValueError("holds values that are not finite")
    low, high = float(values_HW.min()), float(values_HW.max())
    if low < 0:
        span = high - low
    elif values_HW.dtype.kind == "f":
        low, span = (0.0, 1.0) if high <= 1 else (0.0, 255.0) if high <= 255 else (low, high - low)
    else:
        low, span = 0.0, float(2 ** next(bits for bits in _INTEGER_BITS if high < 2**bits) - 1)
    if span == 0:
        return np.zeros(values_HW.shape, np.uint8)
    gray_HW = np.empty(values_HW.shape, np.uint8)
    for row in range(0, len(values_HW), _BLOCK_ROWS):  # in blocks: double precision takes 8 bytes per pixel
        rows = slice(row, row + _BLOCK_ROWS)
        gray_HW[rows] = np.rint((values_HW[rows].astype(np.float64) - low) * 255 / span)
    return gray_HW
