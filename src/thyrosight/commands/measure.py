"""Mask, and its image where there is one -> sizes and signs in the terminal: measure. It loads no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thyrosight.commands.options import spacing_given
from thyrosight.commands.terminal import print_json, print_table, remark
from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.measurement.mask_file import MeasuredNodule


def measure(
    mask: Annotated[Path, typer.Argument(help="A mask: 0 and 255, 0 and 1, or labels 1, 2, 3 ...", exists=True)],
    image: Annotated[
        Path | None, typer.Option("--image", help="Its image, to look inside as well.", exists=True)
    ] = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Which frame of an image with several.")] = None,
    mm_per_pixel: Annotated[
        str | None, typer.Option("--mm-per-pixel", metavar="ROW[,COLUMN]", help="Millimetres, whatever the image says.")
    ] = None,
    second_view_mm: Annotated[
        float | None, typer.Option("--second-view-mm", help="The nodule's extent across this view, for its volume.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")] = False,
) -> None:
    """Any mask -> diameters, area, margin, inside.

    The same measures as of a network's outline, for one that a person drew. A mask of one value is taken apart into
    its nodules; a label image has one a label. Without millimetres lengths are in pixels.
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
