"""Frame, the network's maps, nodules -> the flags: what to know before you rely on the result."""

from __future__ import annotations

import numpy as np

from thyrosight.bundle.records import BundleInfo
from thyrosight.inference.familiarity import distance
from thyrosight.inference.records import RawPrediction
from thyrosight.prediction import Flag, Nodule
from thyrosight.types import Box, Frame

COLOUR_DIFFERENCE = 64
"""A pixel is coloured if the largest of R, G, B (0-255) exceeds the smallest by more than this; JPEG's colour noise is
less."""
COLOUR_SHARE = 0.01
DECLARED_COLOUR_SHARE = 0.001
"""Share of coloured pixels that suffices where the header states colour. The header alone does not suffice, because
many headers state colour for every RGB picture."""
SMALL_FIELD_SHARE = 0.15
SMALL_IMAGE_PX = 96
LOW_CONTRAST_SD = 6.0
LOW_PROBABILITY_SHARE = 0.4
"""An outline is uncertain if the nodule's mean probability is below this share of the way from the mask threshold to
1."""
BORDER_PX = 1


def flags_of(frame: Frame, raw: RawPrediction, nodules: tuple[Nodule, ...], info: BundleInfo) -> tuple[Flag, ...]:
    """Frame, its maps and nodules, the bundle's info -> flags of the image, then flags of the nodules."""
    unlike = other_part_flags(frame) or unlike_flags(frame, raw, info)
    flags = unlike + header_flags(frame) + image_flags(frame, raw.fov, raw.panels)
    if raw.text:
        message = "text is burned into the ultrasound field; it was filled in before the model saw the image"
        flags.append(Flag(code="text_in_field", message=message))
    if not info.has_malignancy:
        flags.append(Flag(code="no_risk", message=f"the model {info.name} does not rate malignancy"))
    if not info.has_mask:
        flags.append(Flag(code="no_outline", message=f"the model {info.name} does not outline nodules"))
    elif not nodules:
        flags.append(Flag(code="no_nodule", message="no nodule found; that does not exclude one"))
    return tuple(flags + nodule_flags(raw.panels, nodules, info.mask_threshold))


def other_part_flags(frame: Frame) -> list[Flag]:
    """-> a flag where a DICOM header states another part of the body than the neck; the pixels are not used."""
    if frame.other_body_part is None:
        return []
    message = (
        f"the file's header states {frame.other_body_part}, not the thyroid that the model learned from: outline and "
        "risk may mean nothing"
    )
    return [Flag(code="unlike_training", message=message)]


def unlike_flags(frame: Frame, raw: RawPrediction, info: BundleInfo) -> list[Flag]:
    """-> a flag where the frame's statistics are unlike the training frames'; none without a `familiarity` record."""
    if info.familiarity is None:
        return []
    sees_views = info.preprocessing.crop == "field" and info.preprocessing.views == "panels"
    found = distance(frame, info.familiarity, *((raw.fov, raw.panels) if sees_views else ()))
    if found <= info.familiarity.threshold:
        return []
    message = (
        f"this does not look like the ultrasound that the model learned from (distance {found:.1f}, usual up to "
        f"{info.familiarity.threshold:.1f}): is it B-mode, upright and not inverted? Outline and risk may mean nothing"
    )
    return [Flag(code="unlike_training", message=message)]


def header_flags(frame: Frame) -> list[Flag]:
    """-> flags where a DICOM header states another modality, or that the image is not 2-D; none for other files."""
    flags = []
    if frame.modality not in (None, "US"):
        message = f"the file does not say that it is ultrasound (modality {frame.modality}); check that it is B-mode"
        flags.append(Flag(code="not_declared_ultrasound", message=message))
    kinds = sorted({region.kind for region in frame.regions})
    if kinds and not any(region.is_two_d for region in frame.regions):
        message = f"the file's ultrasound regions are not 2-D images ({', '.join(kinds)}); the model reads B-mode only"
        flags.append(Flag(code="not_b_mode", message=message))
    return flags


def image_flags(frame: Frame, fov: Box, panels: tuple[Box, ...]) -> list[Flag]:
    """-> flags of the picture: size, field, panels, colour, contrast."""
    flags = []
    height, width = frame.size_hw
    field_HW = frame.image_HW[fov.slices]
    if min(fov.height, fov.width) < SMALL_IMAGE_PX:
        message = f"the ultrasound field is {fov.width} x {fov.height} pixels, fewer than {SMALL_IMAGE_PX} on a side"
        flags.append(Flag(code="small_image", message=message))
    share = fov.width * fov.height / (height * width)
    if share < SMALL_FIELD_SHARE:
        message = f"the ultrasound field found covers {share:.0%} of the image; check that it is the right part"
        flags.append(Flag(code="small_field", message=message))
    if len(panels) > 1:
        message = f"split screen: {len(panels)} views, each outlined by itself; one nodule may appear in several"
        flags.append(Flag(code="several_panels", message=message))
    elif num_views(frame) > 1:
        message = f"the file states {num_views(frame)} views, but they could not be separated; they are read as one"
        flags.append(Flag(code="several_panels", message=message))
    colour = colour_flag(frame, fov)
    if colour is not None:
        flags.append(colour)
    if float(np.std(field_HW)) < LOW_CONTRAST_SD:
        flags.append(Flag(code="low_contrast", message="the field is nearly uniform; is this an ultrasound image?"))
    return flags


def nodule_flags(panels: tuple[Box, ...], nodules: tuple[Nodule, ...], mask_threshold: float) -> list[Flag]:
    """-> flags of the nodules, each code once: several in a view, one at its view's border, an uncertain outline."""
    flags = []
    counts = [sum(nodule.panel_index == index for nodule in nodules) for index in range(len(panels))]
    if max(counts) > 1:
        message = f"{' and '.join(map(str, counts))} regions outlined; the image's risk speaks of the whole view"
        flags.append(Flag(code="several_nodules", message=message))
    cut_off = [nodule for nodule in nodules if _touches(nodule, panels[nodule.panel_index])]
    if cut_off:
        message = f"{_numbers(cut_off)} at the border of the view; the true size may be larger"
        flags.append(Flag(code="touches_border", message=message))
    limit = mask_threshold + LOW_PROBABILITY_SHARE * (1 - mask_threshold)
    doubtful = [nodule for nodule in nodules if nodule.mean_probability < limit]
    if doubtful:
        values = ", ".join(f"{nodule.mean_probability:.2f}" for nodule in doubtful)
        message = f"{_numbers(doubtful)}: uncertain outline, mean probability {values}"
        flags.append(Flag(code="low_probability", message=message))
    return flags


def num_views(frame: Frame) -> int:
    """-> the number of 2-D tissue regions in the file's header; a region inside another one is not counted."""
    boxes = {region.box for region in frame.regions if region.is_two_d and region.kind == "tissue"}
    return sum(not any(_is_inside(box, other) for other in boxes if other != box) for box in boxes)


def _is_inside(box: Box, other: Box) -> bool:
    return other.x0 <= box.x0 and other.y0 <= box.y0 and box.x1 <= other.x1 and box.y1 <= other.y1


def colour_flag(frame: Frame, fov: Box) -> Flag | None:
    """-> the flag of colour in the field, where enough pixels are coloured.

    Fewer suffice if a DICOM header states colour.
    """
    coloured = coloured_share(frame, fov)
    if any(region.kind == "colour flow" for region in frame.regions):
        message = (
            f"the file has a colour flow region ({coloured:.0%} of the field is coloured); the model reads gray only"
        )
    elif coloured > COLOUR_SHARE:
        message = (
            f"{coloured:.0%} of the field is coloured (Doppler, elastography or drawings); the model reads gray only"
        )
    elif frame.has_colour_data and coloured > DECLARED_COLOUR_SHARE:
        message = f"the file says that it holds colour data, and {coloured:.1%} of the field is coloured"
    else:
        return None
    return Flag(code="colour_overlay", message=message)


def _numbers(nodules: list[Nodule]) -> str:
    return f"nodule{'s' if len(nodules) > 1 else ''} {', '.join(str(nodule.number) for nodule in nodules)}"


def coloured_share(frame: Frame, fov: Box) -> float:
    """-> the share of the field's pixels whose colour channels differ by more than COLOUR_DIFFERENCE; 0 for gray."""
    if frame.rgb_HW3 is None:
        return 0.0
    rgb_HW3 = frame.rgb_HW3[fov.slices]
    difference_HW = rgb_HW3.max(axis=2) - rgb_HW3.min(axis=2)
    return float(np.mean(difference_HW > COLOUR_DIFFERENCE))


def _touches(nodule: Nodule, panel: Box) -> bool:
    xs, ys = zip(*nodule.outline_xy, strict=True)
    near = (min(xs) - panel.x0, min(ys) - panel.y0, panel.x1 - 1 - max(xs), panel.y1 - 1 - max(ys))
    return bool(min(near) < BORDER_PX)
