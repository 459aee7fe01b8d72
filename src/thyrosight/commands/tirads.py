"""The command `tirads`: a nodule's descriptors -> its TI-RADS level and advice in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from thyrosight.commands.options import Json
from thyrosight.commands.terminal import in_line, print_facts, print_json, remark
from thyrosight.errors import ConfigError, InputError

if TYPE_CHECKING:
    from thyrosight.tirads.assessment import Assessment, SystemName


def tirads(
    composition: Annotated[str | None, typer.Option("--composition", help="cystic, spongiform, mixed, solid.")] = None,
    echogenicity: Annotated[
        str | None, typer.Option("--echogenicity", help="anechoic, isoechoic (or hyper-), hypoechoic, very hypoechoic.")
    ] = None,
    shape: Annotated[str | None, typer.Option("--shape", help="wider-than-tall, taller-than-wide.")] = None,
    margin: Annotated[
        str | None, typer.Option("--margin", help="smooth, ill-defined, irregular (or lobulated), extra-thyroidal.")
    ] = None,
    foci: Annotated[
        list[str] | None, typer.Option("--foci", help="none, macrocalcifications, rim, punctate; repeat for more.")
    ] = None,
    longest_mm: Annotated[
        float | None, typer.Option("--longest-mm", help="The longest diameter in mm, for the advice.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="acr (2017), eu (2017) or k (2021).")] = "acr",
    as_json: Json = False,
) -> None:
    """A nodule's descriptors -> TI-RADS level, advice.

    Takes the words of the ACR lexicon; the first letters are enough. A descriptor that is not given leaves the level
    open, and the range of levels is printed. Composition, echogenicity and margin may be `cannot be determined`.
    """
    from thyrosight.tirads.assessment import assess
    from thyrosight.tirads.descriptors import Descriptors, term_of

    _ask_about_size(longest_mm)
    given = {"composition": composition, "echogenicity": echogenicity, "shape": shape, "margin": margin}
    try:
        words: dict[str, Any] = {name: term_of(name, text) for name, text in given.items() if text is not None}
        words["foci"] = tuple(term_of("foci", text) for text in foci or ())
        assessment = assess(Descriptors(**words), longest_mm, cast("SystemName", system))
    except InputError as error:
        raise ConfigError(str(error)) from None
    if as_json:
        print_json(assessment)
    else:
        _print_assessment(assessment)


def _ask_about_size(longest_mm: float | None) -> None:
    """ConfigError for a size that no nodule has: perhaps it was given in centimetres, or mistyped."""
    from thyrosight.types import MAX_NODULE_MM, MIN_NODULE_MM

    if longest_mm is None or not longest_mm > 0 or MIN_NODULE_MM <= longest_mm <= MAX_NODULE_MM:
        return
    is_cm, limits = longest_mm < MIN_NODULE_MM, f"{MIN_NODULE_MM:g} to {MAX_NODULE_MM:g} mm"
    fix = f"--longest-mm {longest_mm * 10:g}, if you mean {longest_mm:g} cm" if is_cm else "millimetres"
    raise ConfigError(f"--longest-mm {longest_mm:g}: nodules have {limits}; write {fix}")


def _print_assessment(assessment: Assessment) -> None:
    level = f"{assessment.level}, {assessment.level_words}"
    if assessment.level is None:
        level = f"{assessment.lowest_level} to {assessment.highest_level}"
    facts = {"level": level}
    if assessment.points_by:
        points = assessment.points
        total = f"{assessment.lowest_points} to {assessment.highest_points}" if points is None else str(points)
        facts["points"] = f"{total} ({in_line(assessment.points_by)})"
    facts |= {"advice": assessment.advice.words, "by size": assessment.advice.thresholds}
    facts |= {"missing": in_line(assessment.missing)} if assessment.missing else {}
    print_facts(facts | {"system": assessment.system_name, "source": assessment.source})
    for warning in assessment.warnings:
        remark(f"note: {warning}")
