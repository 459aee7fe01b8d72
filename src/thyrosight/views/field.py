"""Screen capture -> the box of the ultrasound field, and the boxes of the views of a split screen in it.

Legend: `_HW` arrays (rows, columns), `_px` pixels of the image. Every function takes time linear in the number of
pixels and returns a box inside the image for any input; where no field is found, the box is the whole image.

A screen capture shows the field on a flat background, with text, rulers, gray bars and logos around it. The field is
solid and wide. Text covers a fraction of its surroundings, and bars and rulers are thin. Where a DICOM header describes
ultrasound regions, the field is inside them.
"""

from __future__ import annotations

import cv2
import numpy as np

from thyrosight.types import BoolArray, Box, FloatArray, Region, UInt8Array

MIN_SIDE_PX = 24  # smaller images are returned whole: they have no space for screen text around a field
SIGNAL_LEVELS = 4  # difference from the background, in gray levels, that counts as signal; JPEG on flat ground has less
SOLID_FRACTION = 0.5  # of a window that must be signal; screen text covers about a quarter of its surroundings
BACKGROUND_SHARE = 0.3  # of the image's rim that must show one gray level for it to be the background
MIN_FIELD_SHARE = 0.02  # of the image; a smaller part is no field
MIN_PART_SHARE = 0.08  # of the largest part; smaller parts are logos, thumbnails, body marks
MIN_PART_HEIGHT_SHARE = 0.12  # of the largest part's height; parts of less height are menu bars
MIN_TEXTURE_LEVELS = 0.8  # mean change from pixel to pixel, along rows and along columns; bars and panels are smoother
MIN_ROUGH_SHARE = 0.2  # of the pixels that differ from the pixel before; in a bar with text a twentieth do
MIN_LINE_SHARE = 0.1  # of an outer row or column that must be signal; with less it is cut off
MIN_FAINT_SHARE = 0.3  # of a row below the box that must differ from the background for the box to grow
BAR_SHARE = 0.8  # of such a row that is signal in a bar at the foot of the screen; depths with few echoes have less
MAX_TEXT_SOLID_SHARE = 0.3  # of a band of rows; lines of text are not more solid than this
MIN_TEXT_SHARPNESS = 0.4  # mean change from pixel to pixel over the mean level, in text; echoes have 0.03 to 0.2

GAP_SHARE = 0.04  # a column in a gap between views has less signal than this
ROW_GAP_EDGE_SHARE = 0.5  # of the rows below a gap between rows that must be signal
MIN_VIEW_SHARE = 0.2  # of the field's width; nothing narrower is a view
SEAM_RATIO = 1.8  # change across a seam over the usual change between columns, in the middle of the field
SEAM_RATIO_ELSEWHERE = 2.4  # more, because split screens are usually split in halves
SEAM_MIDDLE_SHARE = 0.08  # of the width; the middle extends this far to each side
SEAM_BANDS = 10  # bands of rows
SEAM_PERCENTILE = 30  # of the bands: a seam must be strong in seven of ten
SEAM_LINE_PX = 5  # lines and strokes narrower than this are no seams
SEAM_REACH_PX = 12  # columns to each side that give the usual change
SEAM_WIDTH_PX = 512  # wider fields are reduced to about this width before the search
MIN_SEAM_CHANGE = 0.05  # in square roots of gray levels; below it, noise on a flat view would look like a seam


def field_of_view(image_HW: UInt8Array, rgb_HW3: UInt8Array | None = None, regions: tuple[Region, ...] = ()) -> Box:
    """Gray frame, its colours and its header's regions where there are any -> box of the ultrasound field.

    The box holds all views of a split screen. Colour flow counts as signal, even blue, which is almost black in gray.
    Where the regions hold 2-D tissue, the box is the part of the field inside these regions.
    """
    return _within(_field_seen(image_HW, rgb_HW3), [region.box for region in regions if _shows_tissue(region)])


def _shows_tissue(region: Region) -> bool:
    return region.is_two_d and region.kind in ("tissue", "colour flow")


def _within(field: Box, boxes: list[Box]) -> Box:
    """Field, boxes -> the part of the field inside the box around all boxes.

    Where this part is tiny, that box itself.
    """
    if not boxes:
        return field
    bound = _common(boxes)
    inside = Box(max(field.x0, bound.x0), max(field.y0, bound.y0), min(field.x1, bound.x1), min(field.y1, bound.y1))
    return inside if min(inside.width, inside.height) >= MIN_SIDE_PX else bound


def _common(boxes: list[Box]) -> Box:
    """-> the smallest box that holds them all."""
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def _field_seen(image_HW: UInt8Array, rgb_HW3: UInt8Array | None) -> Box:
    """-> the field, found in the pixels alone."""
    height, width = image_HW.shape
    whole = Box(0, 0, width, height)
    if min(height, width) < MIN_SIDE_PX:
        return whole
    signal_HW = _signal(image_HW, rgb_HW3)
    solid_HW = _solid(signal_HW)
    parts = _parts(solid_HW, image_HW)
    if not parts:
        return whole
    box = _trim(signal_HW, _without_header(image_HW, signal_HW, solid_HW, _trim(signal_HW, _common(parts))))
    box = _deepen(image_HW, box)
    return box if min(box.width, box.height) >= MIN_SIDE_PX else whole


def find_panels(image_HW: UInt8Array, field: Box) -> tuple[Box, ...]:
    """Frame, its field -> the views of a split screen, left to right or top to bottom; (field,) if not split.

    Two views are separated by a gap of background, or they meet at a hard seam. Neighbouring columns of one view are
    alike, because the beam is wider than a pixel; at a seam they are not.
    """
    if field.width < 2 * MIN_SIDE_PX or field.height < 2 * MIN_SIDE_PX:
        return (field,)
    view_HW = image_HW[field.slices]
    signal_HW = _signal(image_HW, None)[field.slices]
    cut = _gap(signal_HW) or _seam(view_HW)
    if cut is not None:
        left = Box(field.x0, field.y0, field.x0 + cut[0], field.y1)
        right = Box(field.x0 + cut[1], field.y0, field.x1, field.y1)
        return _fit(image_HW, left), _fit(image_HW, right)
    cut = _row_gap(signal_HW)
    if cut is not None:
        upper = Box(field.x0, field.y0, field.x1, field.y0 + cut[0])
        lower = Box(field.x0, field.y0 + cut[1], field.x1, field.y1)
        return _fit(image_HW, upper), _fit(image_HW, lower)
    return (field,)


def _background_level(image_HW: UInt8Array) -> int:
    """-> the gray level of the screen around the field: the commonest level of the image's rim.

    Black if no level is common.

    A level counts together with its two neighbours, because black is 0 and 1 in many captures.
    """
    rim = np.concatenate(
        [image_HW[:2].ravel(), image_HW[-2:].ravel(), image_HW[:, :2].ravel(), image_HW[:, -2:].ravel()]
    )
    counts = np.bincount(rim, minlength=256)
    around = np.convolve(counts, np.ones(3, np.int64), mode="same")
    first = max(0, int(around.argmax()) - 1)
    level = first + int(counts[first : first + 3].argmax())
    return level if counts[level] >= BACKGROUND_SHARE * rim.size else 0


def _signal(image_HW: UInt8Array, rgb_HW3: UInt8Array | None) -> BoolArray:
    level = _background_level(image_HW)
    signal_HW = np.abs(image_HW.astype(np.int16) - level) > SIGNAL_LEVELS
    if rgb_HW3 is not None and level == 0:
        signal_HW |= rgb_HW3.max(axis=2) > 8 * SIGNAL_LEVELS
    return np.asarray(signal_HW)


def _solid(signal_HW: BoolArray) -> BoolArray:
    """Signal -> solid pixels: the window around each is mostly signal.

    Connected parts are two windows thick or more.
    """
    window_px = max(5, min(signal_HW.shape) // 40) | 1
    share_HW = cv2.blur(signal_HW.astype(np.float32), (window_px, window_px), borderType=cv2.BORDER_REPLICATE)
    solid_HW = (share_HW > SOLID_FRACTION).astype(np.uint8)
    kernel = np.ones((2 * window_px + 1, 2 * window_px + 1), np.uint8)
    return np.asarray(cv2.morphologyEx(solid_HW, cv2.MORPH_OPEN, kernel) > 0)


def _parts(solid_HW: BoolArray, image_HW: UInt8Array) -> list[Box]:
    """Solid regions -> boxes of the ultrasound among them: large, and rough along rows and along columns."""
    num_labels, labels_HW, stats, _ = cv2.connectedComponentsWithStats(solid_HW.astype(np.uint8), connectivity=4)
    parts: list[tuple[int, Box]] = []
    for label in range(1, num_labels):
        x0, y0, width, height, area_px = (int(value) for value in stats[label])
        box = Box(x0, y0, x0 + width, y0 + height)
        if area_px >= MIN_FIELD_SHARE * solid_HW.size and _is_textured(
            image_HW[box.slices], labels_HW[box.slices] == label
        ):
            parts.append((area_px, box))
    largest_px, largest = max(parts, default=(0, Box(0, 0, 0, 0)))
    return [
        box
        for area_px, box in parts
        if area_px >= MIN_PART_SHARE * largest_px and box.height >= MIN_PART_HEIGHT_SHARE * largest.height
    ]


def _is_textured(image_HW: UInt8Array, part_HW: BoolArray) -> bool:
    values_HW = image_HW.astype(np.float32)
    along_rows = np.abs(np.diff(values_HW, axis=1))[part_HW[:, 1:] & part_HW[:, :-1]]
    along_columns = np.abs(np.diff(values_HW, axis=0))[part_HW[1:] & part_HW[:-1]]
    is_rough = min((along_rows > 0).mean(), (along_columns > 0).mean()) >= MIN_ROUGH_SHARE
    return bool(is_rough and min(along_rows.mean(), along_columns.mean()) >= MIN_TEXTURE_LEVELS)


def _trim(signal_HW: BoolArray, box: Box) -> Box:
    """Box -> the same box without outer rows and columns that hold hardly any signal."""
    columns = np.flatnonzero(signal_HW[box.slices].mean(axis=0) >= MIN_LINE_SHARE)
    rows = np.flatnonzero(signal_HW[box.slices].mean(axis=1) >= MIN_LINE_SHARE)
    if not len(columns) or not len(rows):
        return box
    return Box(
        box.x0 + int(columns[0]), box.y0 + int(rows[0]), box.x0 + int(columns[-1]) + 1, box.y0 + int(rows[-1]) + 1
    )


def _without_header(image_HW: UInt8Array, signal_HW: BoolArray, solid_HW: BoolArray, box: Box) -> Box:
    """Box -> the same box without lines of text at its top; rows of background separate them from the ultrasound.

    In a small capture such lines are so close together that they seem solid. But text is sharp from pixel to pixel,
    which echoes are not, and there is background between words.
    """
    is_empty = signal_HW[box.slices].mean(axis=1) < GAP_SHARE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_empty, [False]]).astype(np.int8)))
    y0 = box.y0
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        band = Box(box.x0, y0, box.x1, box.y0 + start)
        if band.height > 0 and not _is_lines_of_text(
            image_HW[band.slices], signal_HW[band.slices], solid_HW[band.slices]
        ):
            break
        y0 = box.y0 + end
    return box._replace(y0=y0) if y0 < box.y1 else box


def _is_lines_of_text(image_HW: UInt8Array, signal_HW: BoolArray, solid_HW: BoolArray) -> bool:
    if solid_HW.mean() > MAX_TEXT_SOLID_SHARE or not signal_HW[:, 1:].any():
        return False
    level_HW = image_HW.astype(np.float32)
    change = np.abs(np.diff(level_HW, axis=1))[signal_HW[:, 1:]].mean()
    return bool(change >= MIN_TEXT_SHARPNESS * level_HW[signal_HW].mean())


def _deepen(image_HW: UInt8Array, box: Box) -> Box:
    """Box -> the same box with more rows at its bottom: depths with few echoes, which still differ from the background.

    Where there are at most 8 such rows, the height of a JPEG block, none is added: an edge leaves traces over one
    block.
    """
    below_HW = image_HW[box.y1 :, box.x0 : box.x1].astype(np.int16)
    off_HW = np.abs(below_HW - _background_level(image_HW))
    is_faint = (off_HW > 1).mean(axis=1) >= MIN_FAINT_SHARE
    is_faint &= (off_HW > SIGNAL_LEVELS).mean(axis=1) < BAR_SHARE
    num_rows = len(is_faint) if is_faint.all() else int(is_faint.argmin())
    return box._replace(y1=box.y1 + num_rows) if num_rows > 8 else box


def _fit(image_HW: UInt8Array, part: Box) -> Box:
    """Part of a split screen -> the box of the view in this part."""
    view = _deepen(image_HW, _trim(_signal(image_HW, None), part))
    return view._replace(y1=min(view.y1, part.y1))


def _gap(signal_HW: BoolArray) -> tuple[int, int] | None:
    """Signal in the field -> (first column, column after the last) of the gap nearest the middle, or None."""
    width = signal_HW.shape[1]
    is_empty = signal_HW.mean(axis=0) < GAP_SHARE
    margin = int(MIN_VIEW_SHARE * width)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_empty.astype(np.int8), [0]])))
    gaps = [
        (int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if a >= margin and b <= width - margin
    ]
    return min(gaps, key=lambda gap: abs(gap[0] + gap[1] - width), default=None)


def _row_gap(signal_HW: BoolArray) -> tuple[int, int] | None:
    """Signal in the field -> (first row, row after the last) of the gap nearest the middle, or None.

    After a gap between two views, signal begins at once. Below an echo-free depth, signal returns slowly; this is no
    gap.
    """
    gap = _gap(np.ascontiguousarray(signal_HW.T))
    if gap is None or signal_HW[gap[1] : gap[1] + 3].mean() < ROW_GAP_EDGE_SHARE:
        return None
    return gap


def _seam(view_HW: UInt8Array) -> tuple[int, int] | None:
    """Field -> (c, c), a gap of no width at column c, where the right view of a split screen begins.

    None where no column is a hard seam.
    """
    factor = max(1, round(view_HW.shape[1] / SEAM_WIDTH_PX))  # an enlarged capture smears a seam over some columns
    width, height = view_HW.shape[1] // factor, view_HW.shape[0] // factor
    if height < SEAM_BANDS:
        return None  # a ribbon, no split screen
    small_HW = cv2.resize(view_HW, (width, height), interpolation=cv2.INTER_AREA) if factor > 1 else view_HW
    place = np.arange(width) / width
    needed = np.where(np.abs(place - 0.5) <= SEAM_MIDDLE_SHARE, SEAM_RATIO, SEAM_RATIO_ELSEWHERE)
    needed[(place < MIN_VIEW_SHARE) | (place > 1 - MIN_VIEW_SHARE)] = np.inf
    excess = seam_strength(np.ascontiguousarray(small_HW, dtype=np.uint8)) / needed
    column = int(excess.argmax())
    return (column * factor, column * factor) if excess[column] >= 1 else None


def seam_strength(view_HW: UInt8Array) -> FloatArray:
    """Field -> per column, the change from the column before, divided by the usual change of the columns around.

    "Around" means up to SEAM_REACH_PX columns away. A morphological opening along rows removes lines and text and keeps
    steps. The square root of the gray level gives dark depths more weight. The change is averaged in bands of rows. A
    seam must be strong in most bands, and over two columns as well as over one. The change over three columns and the
    whole height is used too, because JPEG blocks disturb it least.
    """
    plain_HW = cv2.morphologyEx(view_HW, cv2.MORPH_OPEN, np.ones((1, SEAM_LINE_PX), np.uint8))
    root_HW = cv2.blur(np.sqrt(plain_HW.astype(np.float32)), (1, max(3, view_HW.shape[0] // 40) | 1))
    padded_HW = np.pad(root_HW, ((0, 0), (2, 1)), mode="edge")
    two_before_HW, before_HW, after_HW = padded_HW[:, :-3], padded_HW[:, 1:-2], padded_HW[:, 3:]
    one = np.percentile(_over_usual(np.abs(root_HW - before_HW), SEAM_BANDS), SEAM_PERCENTILE, axis=0)
    two = np.percentile(_over_usual(np.abs(after_HW - before_HW), SEAM_BANDS), SEAM_PERCENTILE, axis=0)
    three = _over_usual(np.abs(after_HW - two_before_HW), 1)[0]
    return np.asarray(np.minimum(one, two) ** 0.75 * three**0.25, dtype=np.float32)


def _over_usual(change_HW: FloatArray, num_bands: int) -> FloatArray:
    """Change per pixel -> its mean per column in each band of rows, divided by the median of the columns around."""
    bands_NW = np.stack([band_HW.mean(axis=0) for band_HW in np.array_split(change_HW, num_bands)])
    padded_NW = np.pad(bands_NW, ((0, 0), (SEAM_REACH_PX, SEAM_REACH_PX)), mode="reflect")
    around_NWR = np.lib.stride_tricks.sliding_window_view(padded_NW, 2 * SEAM_REACH_PX + 1, axis=1)
    usual_NW = np.partition(around_NWR, SEAM_REACH_PX, axis=-1)[..., SEAM_REACH_PX]  # the median of an odd number
    return np.asarray(bands_NW / np.maximum(usual_NW, MIN_SEAM_CHANGE), dtype=np.float32)
