"""2-D NIfTI, NRRD or DICOM mask -> PNG of the same pixels, which every later step reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.sets.layout import write_pixels
from thyrosight.errors import InputError, MissingExtraError
from thyrosight.folders.names import is_nodule_name
from thyrosight.folders.tree import ending_of, is_volume
from thyrosight.frames.load import MAX_PIXELS, load_frame

MAX_VOLUME_BYTES = 1 << 30
SAME_DIRECTION = 0.1
"""Two unit vectors point the same way where no component differs by more than this."""


def as_png(path: Path, out: Path, *, is_mask: bool, wanted: tuple[str, ...] = ()) -> Path:
    """NIfTI, NRRD, or a DICOM mask -> `out`, a PNG of it; any other image -> itself.

    Where the header of a mask names several segments (3D Slicer), those called nodule, lesion or the like are kept, or
    the values that the caller chose (wanted). InputError where no name says nodule, where the file holds several
    slices, or where a value does not fit into 16 bits unchanged.
    """
    if is_volume(path):
        values = _checked_plane(path, _nifti(path) if ".nii" in ending_of(path) else _nrrd(path))
        if is_mask and ending_of(path).endswith("nrrd") and not wanted:
            values = _nodule_segments(path, values)
    elif is_mask and (path.suffix.casefold() in (".dcm", ".dicom")):
        values = load_frame(path).image_HW
    else:
        return path
    write_pixels(out, values)
    return out


def _nodule_segments(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Labels of a segmentation -> the same without the segments to which its header gives names of other things."""
    import nrrd

    header = nrrd.read_header(str(path))
    places = [key.removesuffix("_Name") for key in header if key.startswith("Segment") and key.endswith("_Name")]
    name_of = {int(header.get(f"{place}_LabelValue", 0)): str(header[f"{place}_Name"]) for place in places}
    there = {value: name for value, name in name_of.items() if (values == value).any()}
    if len(there) < 2:
        return values
    kept = [value for value, name in there.items() if is_nodule_name(name)]
    if not kept:
        first, name = next(iter(there.items()))
        raise InputError(
            f"{path}: which segments are nodules? There: {', '.join(there.values())}; rename it nodule, or write "
            f"--mask-label nodule={first} for {name}"
        )
    return np.where(np.isin(values, kept), values, 0).astype(values.dtype)


def refuse_turned_mask(image: Path, mask: Path) -> None:
    """InputError where image and mask are of one format and state axes that point in different directions.

    The readers ignore these axes and keep the order in which the pixels are stored. So such a mask would be mirrored or
    turned against its image.
    """
    if not (is_volume(image) and is_volume(mask)) or (".nii" in ending_of(image)) != (".nii" in ending_of(mask)):
        return
    ours, theirs = _directions(image), _directions(mask)
    if ours is not None and theirs is not None and not np.allclose(ours, theirs, atol=SAME_DIRECTION):
        raise InputError(
            f"{mask}: its header's axes point another way than those of {image.name}, so nothing says which of its "
            "sides is which; save both with the same directions, or as PNG"
        )


def _directions(path: Path) -> NDArray[np.float64] | None:
    """Header -> unit vectors of the first two axes, (2, n); None where it states none. No pixels are read."""
    if ".nii" in ending_of(path):
        import nibabel

        header: Any = nibabel.load(path).header
        is_stated = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
        rows = np.asarray(header.get_best_affine())[:3, :2].T if is_stated else None
    else:
        import nrrd

        stated = nrrd.read_header(str(path)).get("space directions")
        rows = None if stated is None else np.asarray(stated, np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)][:2] if rows is not None and rows.ndim == 2 else None
    if rows is None or len(rows) < 2 or not np.isfinite(rows).all():
        return None
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths) if (lengths > 0).all() else None


def _nifti(path: Path) -> NDArray[Any]:
    """NIfTI -> array `(H, W)`, `(H, W, 3)`; its axes are columns, rows, slices."""
    try:
        import nibabel
    except ImportError:
        raise _missing(path, "nibabel") from None
    try:
        image: Any = nibabel.load(path)
        # Three slices are an axis of their own; colours are a structured type, or an axis after the slices.
        _check_claim(path, image.shape, has_colours=len(image.shape) > 3 and image.shape[-1] == 3)
        array = np.asarray(image.dataobj)
    except InputError:
        raise
    except Exception as error:  # nibabel raises a dozen types on damaged files
        raise InputError(f"{path}: not a readable NIfTI file ({error}); export it again, or as PNG") from None
    if array.dtype.fields:  # RGB
        array = np.stack([array[name] for name in list(array.dtype.fields)[:3]], axis=-1)
    is_rgb = array.ndim > 2 and array.shape[-1] == 3
    array = array.reshape([n for n in array.shape[: -1 if is_rgb else None] if n != 1] + [3] * is_rgb)
    return np.swapaxes(array, 0, 1) if array.ndim >= 2 else array


def _nrrd(path: Path) -> NDArray[Any]:
    """NRRD -> array `(H, W)`, `(H, W, 3)`; read with its slowest axis first."""
    try:
        import nrrd
    except ImportError:
        raise _missing(path, "pynrrd") from None
    try:
        sizes = [int(n) for n in nrrd.read_header(str(path))["sizes"]]
        _check_claim(path, sizes, has_colours=len(sizes) > 2 and sizes[0] == 3)
        array = np.asarray(nrrd.read(str(path), index_order="C")[0])
    except InputError:
        raise
    except Exception as error:  # pynrrd raises a dozen types on damaged files
        raise InputError(f"{path}: not a readable NRRD file ({error}); export it again, or as PNG") from None
    is_rgb = array.ndim > 2 and array.shape[-1] == 3
    return array.reshape([n for n in array.shape[: -1 if is_rgb else None] if n != 1] + [3] * is_rgb)


def _check_claim(path: Path, shape: Any, *, has_colours: bool) -> None:
    """Refuses a file that is too large or has several slices, before its pixels are read."""
    sizes = [int(n) for n in shape if int(n) != 1]
    if len(sizes) != 2 + has_colours:
        text = " x ".join(map(str, shape))
        raise InputError(f"{path}: {text} values, not one 2-D image; export each slice as an image of its own")
    if int(np.prod(sizes)) > 3 * MAX_PIXELS:
        raise InputError(f"{path}: {int(np.prod(sizes)):,} values are too many; export the image smaller")


def _checked_plane(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Values -> uint8 or uint16, the same numbers; fractions from 0 to 1 become 0 to 65535."""
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise InputError(f"{path}: holds values below 0 or not finite; export it as PNG")
    largest = float(values.max(initial=0))
    if (values == np.rint(values)).all() and largest <= 65535:
        return values.astype(np.uint8 if largest <= 255 else np.uint16)
    if largest <= 1:
        return np.asarray(np.rint(values * 65535), np.uint16)
    raise InputError(f"{path}: holds fractions up to {largest:g}, and states no scale; export it as PNG")


def _missing(path: Path, package: str) -> MissingExtraError:
    return MissingExtraError(f'{path}: needs {package}, which is not installed; pip install "thyrosight[formats]"')
