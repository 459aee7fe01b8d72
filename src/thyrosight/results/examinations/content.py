"""Examination, an earlier one -> ReportContent: every sentence and cell of the report, once, for all its formats.

The network's proposals and the reader's words are different fields, so that no format can mix them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from thyrosight.environment import software_version
from thyrosight.examination.advice import nodule_assessment, strictest_advice
from thyrosight.examination.growth import ExamComparison, Growth, compare_examinations
from thyrosight.examination.records import ExaminedNodule, Lobe, ThyroidExam, place_in_words
from thyrosight.examination.sizes import (
    DIRECTIONS,
    ERRORS,
    NoduleDimensions,
    gland_volume_ml,
    lobe_volume_ml,
    nodule_dimensions,
)
from thyrosight.inference.prevalence import share_in_words
from thyrosight.tirads.assessment import Assessment
from thyrosight.tirads.descriptors import LEXICON

TITLE = "Ultrasound of the thyroid"
DRAFT = "DRAFT: nobody has signed this report"
LIMITS = "Research use only; not a medical device. A nodule that is not outlined here may still be there."
ACTIONS = {"fna": "fine-needle aspiration (FNA)", "follow-up": "follow-up", "none": "neither FNA nor follow-up"}
ORIGINS = {
    "AUTOMATIC": "outline by the network, unchanged",
    "SEMIAUTOMATIC": "outline by the network, corrected by the reader",
    "MANUAL": "outline by the reader",
}
DESCRIPTOR_NAMES = {**{name: name for name in LEXICON}, "foci": "echogenic foci"}


@dataclass(frozen=True)
class NoduleRow:
    """One nodule of the report.

    read: descriptors that the reader chose. proposed: descriptors that the measures propose. measured: for each length,
    who measured it and on which image.
    """

    number: int
    place: str
    diameters: str
    intervals: str
    volume: str
    read: tuple[tuple[str, str], ...]
    proposed: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    level: str
    points: str
    is_proposed: bool
    growth: str
    growth_in_short: str
    is_grown: bool
    advice: str
    measured: tuple[str, ...]
    network: tuple[str, ...]
    warnings: tuple[str, ...]
    note: str

    @property
    def level_and_points(self) -> str:
        """-> `TR4, 5 points`."""
        return f"{self.level}, {self.points}" if self.points else self.level


@dataclass(frozen=True)
class ReportContent:
    """The texts of the report in their order.

    Every format leaves out a text that is empty, unless its absence must be stated.
    """

    title: str
    status: str
    header: tuple[tuple[str, str], ...]
    gland: tuple[tuple[str, str], ...]
    nodules: tuple[NoduleRow, ...]
    lymph_nodes: str
    remarks: str
    comparison: tuple[str, ...]
    impression: tuple[str, ...]
    strictest: str
    risk_sentences: tuple[str, ...]
    system: str
    signature: str
    footer: tuple[str, ...]


def report_content(examination: ThyroidExam, earlier: ThyroidExam | None = None) -> ReportContent:
    """Examination, the earlier one to compare with (None: no comparison) -> ReportContent."""
    found = {one.number: nodule_dimensions(one, examination) for one in examination.nodules}
    rated = [(one.number, nodule_assessment(one, examination, found[one.number])) for one in examination.nodules]
    compared = compare_examinations(examination, earlier) if earlier is not None else None
    rows = tuple(
        _row(one, examination, found[one.number], assessment, compared)
        for one, (_, assessment) in zip(examination.nodules, rated, strict=True)
    )
    strictest = _strictest(rated)
    return ReportContent(
        title=TITLE,
        status="" if examination.signed else DRAFT,
        header=tuple(_header(examination, earlier)),
        gland=tuple(_gland(examination)),
        nodules=rows,
        lymph_nodes=examination.lymph_nodes or "not described",
        remarks=examination.remarks,
        comparison=tuple(_comparison(compared, earlier)),
        impression=tuple(_impression(examination, rows, dict(rated))),
        strictest=strictest,
        risk_sentences=tuple(_risk_sentences(examination)),
        system=rated[0][1].source if rated else "",
        signature=f"{examination.reader}, {examination.signed}" if examination.signed else "",
        footer=(LIMITS, *_measures_footer(examination), f"{software_version()}; {_models(examination)}".strip("; ")),
    )


def _header(examination: ThyroidExam, earlier: ThyroidExam | None) -> Iterable[tuple[str, str]]:
    yield "Patient", examination.patient or "not stated"
    yield "Date of the ultrasound", examination.date or "not stated"
    yield "Indication", examination.indication or "not stated"
    yield "Technique", examination.technique or "not stated"
    parts = [examination.comparison.rstrip(" .;")] if examination.comparison else []
    if earlier is not None:
        parts.append(f"compared with the ultrasound of {earlier.date or 'unknown date'}")
    yield "Prior examination", "; ".join(parts) or "none for comparison"
    if examination.reader and not examination.signed:  # a signature names the reader
        yield "Reader", f"{examination.reader} (not signed)"


def _gland(examination: ThyroidExam) -> Iterable[tuple[str, str]]:
    gland = examination.gland
    for name, lobe in (("Right lobe", gland.right), ("Left lobe", gland.left)):
        yield name, _lobe(lobe)
    thickness = gland.isthmus_mm
    yield "Isthmus", "not measured" if thickness is None else f"{thickness:.1f} mm thick"
    total_ml = gland_volume_ml(gland)
    if total_ml is not None:
        yield "Gland", f"{total_ml:.1f} ml (both lobes, without the isthmus)"


def _lobe(lobe: Lobe) -> str:
    sizes = [lobe.length_mm, lobe.width_mm, lobe.depth_mm]
    if all(mm is None for mm in sizes):
        text = "not measured"
    else:
        text = " × ".join("?" if mm is None else f"{mm:.0f}" for mm in sizes) + " mm (length × width × depth)"
    volume_ml = lobe_volume_ml(lobe)
    text += "" if volume_ml is None else f", {volume_ml:.1f} ml"
    return text + (f"; {lobe.echotexture}" if lobe.echotexture else "")


def _row(
    nodule: ExaminedNodule,
    examination: ThyroidExam,
    found: NoduleDimensions,
    assessment: Assessment,
    compared: ExamComparison | None,
) -> NoduleRow:
    words = {name: _word(getattr(assessment.descriptors, name)) for name in LEXICON if name not in assessment.missing}
    level = assessment.level or f"{assessment.lowest_level} to {assessment.highest_level}"
    return NoduleRow(
        number=nodule.number,
        place=place_in_words(nodule.side, nodule.pole, nodule.place_note),
        diameters=diameters_in_words(found),
        intervals="; ".join(f"{one.direction} {one.low_mm:.1f} to {one.high_mm:.1f} mm" for one in found.diameters),
        volume=_volume(found),
        read=tuple((DESCRIPTOR_NAMES[name], words[name]) for name in words if name not in assessment.proposed),
        proposed=tuple((DESCRIPTOR_NAMES[name], words[name]) for name in words if name in assessment.proposed),
        missing=tuple(DESCRIPTOR_NAMES[name] for name in assessment.missing),
        level=f"{assessment.system_name} {level}",
        points=_points(assessment),
        is_proposed=bool(assessment.proposed),
        growth=_growth(nodule.number, compared),
        growth_in_short=_growth_in_short(nodule.number, compared),
        is_grown=compared is not None
        and nodule.number in compared.growth
        and compared.growth[nodule.number].verdict == "grown",
        advice=assessment.advice.words,
        measured=tuple(_measured(nodule, found, examination)),
        network=tuple(_network(nodule, examination)),
        warnings=assessment.warnings,
        note=nodule.note,
    )


def diameters_in_words(found: NoduleDimensions) -> str:
    """Dimensions -> `20.1 × 12.0 × 8.1 mm (length × width × depth)`; if some are unknown, the others and the reason."""
    if len(found.diameters) == len(DIRECTIONS):
        return " × ".join(f"{one.mm:.1f}" for one in found.diameters) + " mm (length × width × depth)"
    if found.diameters:
        known = " × ".join(f"{one.mm:.1f} ({one.direction})" for one in found.diameters)
        return f"{known} mm; {found.reason}"
    if found.longest_mm is not None:
        return f"longest {found.longest_mm:.1f} mm; {found.reason}"
    return f"not known; {found.reason}"


def _volume(found: NoduleDimensions) -> str:
    if found.volume_ml is None or found.volume_low_ml is None or found.volume_high_ml is None:
        return "not known"
    return f"{found.volume_ml:.2f} ml (95 % interval {found.volume_low_ml:.2f} to {found.volume_high_ml:.2f})"


def _word(value: object) -> str:
    return value if isinstance(value, str) else ", ".join(value)  # type: ignore[arg-type]


def _points(assessment: Assessment) -> str:
    if assessment.points is not None:
        return f"{assessment.points} point{'' if assessment.points == 1 else 's'}"
    if assessment.lowest_points is not None:
        return f"{assessment.lowest_points} to {assessment.highest_points} points"
    return ""


def _growth(number: int, compared: ExamComparison | None) -> str:
    if compared is None:
        return "no earlier examination"
    growth = compared.growth.get(number)
    if growth is None:
        return "new, or not matched with an earlier nodule"
    return f"{growth.words}; {_match(growth)}"


def _growth_in_short(number: int, compared: ExamComparison | None) -> str:
    if compared is None:
        return "none to compare"
    growth = compared.growth.get(number)
    return "new or not matched" if growth is None else growth.in_short


def _match(growth: Growth) -> str:
    by = "the same nodule by its identity" if growth.matched_by == "uid" else "matched by the program, to be confirmed"
    return f"earlier nodule {growth.earlier_number} of {growth.earlier_date or 'unknown date'} ({by})"


def _measured(nodule: ExaminedNodule, found: NoduleDimensions, examination: ThyroidExam) -> Iterable[str]:
    """-> for each length, who measured it on which image; and who stated that the views show one nodule."""
    for one in found.diameters:
        where = "calipers by the reader" if one.image is None else f"outline in {one.image}"
        yield f"{one.direction}: {where}"
    for section in nodule.sections:
        view = examination.image(section.image).view or "view not stated"
        yield f"{section.image} ({view}): {ORIGINS[section.outlined_by]}"
    if nodule.paired_by == "program":
        yield f"views paired by the program, to be confirmed ({nodule.pairing_reason})"


def _network(nodule: ExaminedNodule, examination: ThyroidExam) -> Iterable[str]:
    """-> the network's result for this nodule, image by image; without a risk where only a person has outlined it."""
    for section in nodule.sections:
        if section.outlined_by == "MANUAL":
            yield f"{section.image}: outlined by the reader alone, so the network gives no risk for it"
            continue
        risk, interval = section.nodule.risk, section.nodule.risk_interval
        if risk is None:
            yield f"{section.image}: no risk"
            continue
        spread = f" (95 % interval {interval[0]:.0%} to {interval[1]:.0%})" if interval else ""
        yield f"{section.image}: risk of malignancy {risk:.0%}{spread}"


def _comparison(compared: ExamComparison | None, earlier: ThyroidExam | None) -> Iterable[str]:
    if compared is None or earlier is None:
        return
    for number in compared.not_seen_again:
        before = next(one for one in earlier.nodules if one.number == number)
        yield f"Earlier nodule {number} ({place_in_words(before.side, before.pole)}): not matched in this examination"
    yield f"Growth: 20 % and 2 mm in two diameters, or 50 % of volume. Errors: {ERRORS[0].source}; {ERRORS[1].source}."


def _impression(examination: ThyroidExam, rows: tuple[NoduleRow, ...], rated: dict[int, Assessment]) -> Iterable[str]:
    """-> the reader's words, then a line per nodule, the strictest advice first."""
    yield from (line for line in examination.impression.splitlines() if line.strip())
    if not rows:
        yield "No nodule is outlined."
    order = {"fna": 0, None: 1, "follow-up": 2, "none": 3}
    for row in sorted(rows, key=lambda row: (order[rated[row.number].advice.action], row.number)):
        proposed = ", proposed by measures and not read by a reader" if row.is_proposed else ""
        grown = f" {row.growth_in_short.capitalize()}." if row.is_grown else ""
        yield f"Nodule {row.number}, {row.place}: {row.level_and_points}{proposed}. Advice: {row.advice}.{grown}"


def _strictest(rated: list[tuple[int, Assessment]]) -> str:
    if not rated:
        return "No nodule, so no advice."
    one = strictest_advice(rated)
    parts = []
    if one.action is not None:
        parts.append(f"{ACTIONS[one.action]} ({_numbers(one.numbers)})")
    if one.open_numbers:
        parts.append(f"open for {_numbers(one.open_numbers)}: size or descriptors are missing")
    if one.unread_numbers:
        parts.append(f"{_numbers(one.unread_numbers)}: by proposed descriptors, which a reader has to confirm")
    return "; ".join([*parts, one.note] if one.note else parts) + "."


def _numbers(numbers: tuple[int, ...]) -> str:
    return f"nodule{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _risk_sentences(examination: ThyroidExam) -> Iterable[str]:
    """-> sentences on what a risk means and which share of malignant nodules it assumes; each sentence once."""
    rated = {
        section.image
        for nodule in examination.nodules
        for section in nodule.sections
        if section.outlined_by != "MANUAL" and section.nodule.risk is not None
    }
    sentences: dict[str, None] = {}
    for image in examination.images:
        prediction = image.prediction
        if image.key in rated:
            share = prediction.risk_share.sentence if prediction.risk_share else share_in_words(None)
            sentences.setdefault(f"Risk: {prediction.risk_meaning.rstrip('.')}. {share}")
    return sentences


def _measures_footer(examination: ThyroidExam) -> Iterable[str]:
    if examination.nodules:
        yield (
            "Volumes are ellipsoids (π/6 · length · width · depth). Intervals cover what a measurement by a reader, or "
            "by the network where it drew the outline, differs from the true length."
        )


def _models(examination: ThyroidExam) -> str:
    models = {f"{one.prediction.model.name} ({one.prediction.model.id})": None for one in examination.images}
    return f"network: {', '.join(models)}" if models else ""
