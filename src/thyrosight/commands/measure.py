"""The command `measure`: a mask, and optionally its image -> sizes and signs in the terminal. It loads no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.options import Json, MmPerPixel, spacing_given
from thyrosight.commands.terminal import print_json, print_table, remark
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.measurement.mask_file import MeasuredNodule


def measure(
    mask: Annotated[Path, typer.Argument(help="A mask: 0 and 255, 0 and 1, or labels 1, 2, 3 ...", exists=True)],
    image: Annotated[
        Path | None,
        typer.Option("--image", help="The image of the mask, to measure the inside of nodules.", exists=True),
    ] = None,
    frame: Annotated[
        int | None, typer.Option("--frame", min=0, help="Read this frame of several; the first is 0.")
    ] = None,
    mm_per_pixel: MmPerPixel = None,
    second_view_mm: Annotated[
        float | None, typer.Option("--second-view-mm", help="The nodule's extent across this view, for the volume.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Any mask -> diameters, area, margin, inside.

    Measures an outline that a person drew, in the same way as `predict` measures the network's outlines. A mask of one
    value is split into its connected nodules; a label image has one nodule per label. Lengths are in pixels where no
    millimetres are known.
    """
    from thyrosight.measurement.mask_file import measure_file

    if frame is not None and image is None:
        raise ConfigError("--frame says which frame of --image; give the image too")
    spacing = None if mm_per_pixel is None else spacing_given(mm_per_pixel)
    found = measure_file(mask, image, spacing, second_view_mm, frame_index=frame)
    if as_json:
        print_json({"mask": mask.name, "image": image.name if image else None, "nodules": found})
        return
    columns = [_lines(nodule) for nodule in found]
    print_table(
        ("", *(f"nodule {nodule.number}" for nodule in found)),
        [(name, *(column[name] for column in columns)) for name in columns[0]],
    )
    for reason in dict.fromkeys(reason for nodule in found for reason in nodule.reasons):
        remark(f"-  {reason}")


def _lines(nodule: MeasuredNodule) -> dict[str, Any]:
    """-> {what: value with its unit} of one nodule."""
    size, signs = nodule.size, nodule.signs
    is_mm = size.longest_mm is not None
    unit = "mm" if is_mm else "px"

    def length(name: str) -> str | None:
        value = getattr(size, f"{name}_{unit}")
        return None if value is None else f"{value:.2f} mm" if is_mm else f"{value:.1f} px"

    perimeter = signs.perimeter_mm if is_mm else signs.perimeter_px
    return {
        "longest": length("longest"),
        "perpendicular": length("perpendicular"),
        "anteroposterior": length("anteroposterior"),
        "transverse": length("transverse"),
        "taller than wide": "yes" if size.taller_than_wide else "no",
        "area": f"{size.area_mm2:.2f} mm2" if size.area_mm2 is not None else f"{size.area_px} px",
        "volume": None if nodule.volume_ml is None else f"{nodule.volume_ml:.3f} ml",
        "perimeter": None if perimeter is None else f"{perimeter:.2f} {unit}",
        "compactness": signs.compactness,
        "solidity": signs.solidity,
        "bending energy": signs.bending_energy,
        "irregularity": signs.irregularity,
        "echogenicity ratio": signs.echogenicity_ratio,
        "echogenicity difference": signs.echogenicity_difference,
        "cystic share": signs.cystic_share,
        "foci candidates": signs.num_foci,
    }
