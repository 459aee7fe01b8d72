"""Evaluation, pictures of some cases -> report.html: one page without other files, for screen and paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from thyrosight.evaluation import charts
from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import Estimate
from thyrosight.evaluation.scores import Subgroup, diameter_pairs
from thyrosight.evaluation.selective_scores import CoverageCurve, Selective
from thyrosight.evaluation.summary import Evaluation
from thyrosight.files import write_atomic
from thyrosight.measurement.outlines import outlines
from thyrosight.results.pages import page_template
from thyrosight.types import BoolArray, Box, UInt8Array

NUM_IN_GALLERY = 6
MAX_PICTURE_WIDTH = 480
NUM_BARS = 20


@dataclass(frozen=True)
class Picture:
    """The ultrasound field of one image as PNG; the outlines of reference and prediction as SVG paths in it."""

    png: bytes
    width: int
    height: int
    reference_path: str
    predicted_path: str

    @property
    def data_uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Outlines:
    """Outlines of reference and prediction of one case, as SVG paths in pixels of `fov` (empty: no outline)."""

    fov: Box
    reference_path: str
    predicted_path: str


def outlines_of(fov: Box, reference_HW: BoolArray | None, prediction_HW: BoolArray | None) -> Outlines:
    """The field, masks of the whole image (None: not known) -> their outlines, small enough to keep for every case."""
    paths = [_path(mask_HW[fov.slices]) if mask_HW is not None else "" for mask_HW in (reference_HW, prediction_HW)]
    return Outlines(fov, *paths)


def picture_of(image_HW: UInt8Array, drawn: Outlines) -> Picture:
    """Whole image, its outlines -> Picture of the field, scaled down if it is wide."""
    fov = drawn.fov
    field_HW = np.ascontiguousarray(image_HW[fov.slices])
    scale = min(1.0, MAX_PICTURE_WIDTH / fov.width)
    if scale < 1.0:
        size = (max(1, round(fov.width * scale)), max(1, round(fov.height * scale)))
        field_HW = np.asarray(cv2.resize(field_HW, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    is_written, encoded = cv2.imencode(".png", field_HW)
    assert is_written
    return Picture(encoded.tobytes(), fov.width, fov.height, drawn.reference_path, drawn.predicted_path)


def _path(mask_HW: BoolArray) -> str:
    """Mask -> SVG path of its outlines, through the centres of the border pixels."""
    parts = []
    for outline_xy in outlines(mask_HW):
        points = " L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in outline_xy)
        parts.append(f"M{points} Z")
    return " ".join(parts)


def galleries(rows: Sequence[CaseScore], num: int = NUM_IN_GALLERY) -> dict[str, list[CaseScore]]:
    """Rows -> the worst, middle and best outlined images by Dice; no image is in two galleries."""
    ordered = sorted((row for row in rows if row.is_outlined), key=lambda row: (row.dice or 0.0, row.case_id))
    num = min(num, len(ordered) // 3)
    if num == 0:
        return {"All": ordered} if ordered else {}
    start = (len(ordered) - num) // 2
    return {"Worst": ordered[:num], "Median": ordered[start : start + num], "Best": ordered[::-1][:num]}


def chosen_for_galleries(rows: Sequence[CaseScore]) -> list[str]:
    """Rows -> case_id of every image that a gallery shows."""
    return [row.case_id for part in galleries(rows).values() for row in part]


def write_report(evaluation: Evaluation, pictures: Mapping[str, Picture], path: Path) -> None:
    """Evaluation, Picture by case_id (may be empty) -> the page, written whole or not at all."""
    write_atomic(path, report_html(evaluation, pictures))


def report_html(evaluation: Evaluation, pictures: Mapping[str, Picture]) -> str:
    """Evaluation, Picture by case_id -> HTML of the page; every text in it is escaped."""
    from markupsafe import Markup

    shown = {
        title: [(row, pictures[row.case_id]) for row in rows if row.case_id in pictures]
        for title, rows in galleries(evaluation.cases).items()
    }
    return page_template("evaluation.html").render(
        evaluation=evaluation,
        evaluated=evaluation.evaluated,
        headline=_headline(evaluation),
        tables=_tables(evaluation),
        charts=[(title, caption, Markup(svg)) for title, caption, svg in _charts(evaluation)],
        galleries={title: items for title, items in shown.items() if items},
        subgroups=_subgroups_by_kind(evaluation.subgroups),
        strip=lambda estimate: Markup(_strip(estimate)),
        number=number_text,
        interval=interval_text,
    )


def _headline(evaluation: Evaluation) -> list[tuple[str, Estimate]]:
    names = {
        "dice": "Dice",
        "nodule_sensitivity": "nodules found",
        "auroc": "AUROC",
        "longest_percent_bias": "diameter, bias",
    }
    chosen = [(text, evaluation.score(name)) for name, text in names.items()]
    chosen += [("boxes found", part) for part in evaluation.scores if part.name == "box_recall_50"]
    return [(text, estimate) for text, estimate in chosen if estimate.value is not None]


def _tables(evaluation: Evaluation) -> list[tuple[str, list[Estimate]]]:
    """Evaluation -> (title, its scores) in the order of the page; scores without a case are left out."""
    names = [estimate.name for estimate in evaluation.scores]
    titles = {
        "dice": "Outlines",
        "nodule_sensitivity": "Nodules found",
        "longest_px_bias": "Longest diameter",
        "auroc": "Risk",
        "box_recall_50": "Boxes found",
    }
    first = {names.index(name): title for name, title in titles.items() if name in names}
    starts = sorted(first)
    tables = [
        (first[start], list(evaluation.scores[start:end]))
        for start, end in zip(starts, [*starts[1:], len(names)], strict=True)
    ]
    points = [estimate for point in evaluation.operating_points for estimate in (point.sensitivity, point.specificity)]
    tables += [
        ("Risk at the model's own thresholds", points),
        ("Every group once", list(evaluation.group_scores)),
        ("The least sure images declined", [part.aurc for part in evaluation.selective]),
    ]
    kept = [(title, [estimate for estimate in part if estimate.value is not None]) for title, part in tables]
    return [(title, part) for title, part in kept if part]


def _subgroups_by_kind(subgroups: Sequence[Subgroup]) -> list[tuple[str, list[tuple[Subgroup, dict[str, Estimate]]]]]:
    kinds: dict[str, list[tuple[Subgroup, dict[str, Estimate]]]] = {}
    for subgroup in subgroups:
        scores = {estimate.name: estimate for estimate in subgroup.scores}
        kinds.setdefault(subgroup.by, []).append((subgroup, scores))
    return list(kinds.items())


def _strip(estimate: Estimate) -> str:
    """Estimate of a score in 0..1 -> a small line with its value and interval."""
    if estimate.value is None:
        return ""
    whisker = ""
    if estimate.low is not None and estimate.high is not None:
        whisker = f'<line class="whisker" x1="{100 * estimate.low:.1f}" x2="{100 * estimate.high:.1f}" y1="8" y2="8"/>'
    return (
        '<svg class="strip" viewBox="-3 0 106 16" aria-hidden="true"><line class="grid" x1="0" x2="100" y1="8" y2="8"/>'
        f'<line class="grid" x1="50" x2="50" y1="4" y2="12"/>{whisker}'
        f'<circle class="dot" cx="{100 * estimate.value:.1f}" cy="8" r="3"/></svg>'
    )


# Charts


def _charts(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Evaluation -> (title, caption, SVG) of every chart that has something to show."""
    made = (
        _dice_chart(evaluation),
        _roc_chart(evaluation),
        _reliability_chart(evaluation),
        _diameter_chart(evaluation),
        *(_coverage_chart(part) for part in evaluation.selective),
    )
    return [chart for chart in made if chart is not None]


def _dice_chart(evaluation: Evaluation) -> tuple[str, str, str] | None:
    dices = [row.dice for row in evaluation.cases if row.is_outlined and row.dice is not None]
    if not dices:
        return None
    counts, edges = np.histogram(dices, bins=NUM_BARS, range=(0.0, 1.0))
    axes = charts.Axes(0.0, 1.0, 0.0, float(counts.max()) * 1.18 + 0.5)
    mean, median = evaluation.score("dice").value or 0.0, evaluation.score("dice_median").value or 0.0
    parts = [
        charts.bars(axes, edges.tolist(), counts.tolist()),
        charts.upright(axes, mean),
        charts.upright(axes, median, "level dashed"),
    ]
    title = "Dice of every outlined image"
    caption = f"{len(dices)} images; mean {mean:.3f} (solid line), median {median:.3f} (dashed)."
    return title, caption, charts.drawing(axes, parts, "Dice", "images", title)


def _roc_chart(evaluation: Evaluation) -> tuple[str, str, str] | None:
    roc = evaluation.roc
    if roc is None:
        return None
    axes = charts.Axes(0.0, 1.0, 0.0, 1.0)
    parts = [
        charts.band(axes, roc.grid, roc.band_low, roc.band_high),
        charts.line(axes, [(0, 0), (1, 1)], "chance"),
        charts.line(axes, list(zip(roc.false_positive_rate, roc.sensitivity, strict=True))),
    ]
    auroc = evaluation.score("auroc")
    title = "ROC of the risk"
    caption = (
        f"AUROC {number_text(auroc.value)} ({interval_text(auroc)}); {evaluation.num_high} high, "
        f"{evaluation.num_labelled - evaluation.num_high} low. Band: pointwise 95 %."
    )
    return title, caption, charts.drawing(axes, parts, "1 - specificity", "sensitivity", title)


def _reliability_chart(evaluation: Evaluation) -> tuple[str, str, str] | None:
    bins = evaluation.reliability
    if not bins:
        return None
    axes = charts.Axes(0.0, 1.0, 0.0, 1.0)
    risks = [row.risk for row in evaluation.cases if row.risk is not None and row.malignancy is not None]
    counts, edges = np.histogram(risks, bins=NUM_BARS, range=(0.0, 1.0))
    parts = [
        charts.bars(axes, edges.tolist(), (0.15 * counts / counts.max()).tolist(), "bar faint"),
        charts.line(axes, [(0, 0), (1, 1)], "chance"),
        charts.whiskers(axes, [(one.mean_risk, one.low, one.high) for one in bins]),
        charts.line(axes, [(one.mean_risk, one.share_positive) for one in bins], "line thin"),
        charts.dots(axes, [(one.mean_risk, one.share_positive) for one in bins]),
    ]
    ece, perfect = evaluation.score("ece"), evaluation.score("ece_of_perfect_model")
    title = "Reliability of the risk"
    caption = (
        f"ECE {number_text(ece.value)}; a perfect model would have {number_text(perfect.value)} "
        f"({interval_text(perfect)}) on these {ece.n} images. Bars at the foot: how often each risk was given."
    )
    return title, caption, charts.drawing(axes, parts, "mean risk of the bin", "share labelled high", title)


def _diameter_chart(evaluation: Evaluation) -> tuple[str, str, str] | None:
    unit, agreement = ("mm", evaluation.longest_mm) if evaluation.longest_mm else ("px", evaluation.longest_px)
    if agreement is None:
        return None
    reference, predicted, _ = diameter_pairs(evaluation.cases, unit)
    means = ((np.array(reference) + predicted) / 2).tolist()
    differences = np.subtract(predicted, reference).tolist()
    marked = [agreement.bias, agreement.lower_limit, agreement.upper_limit]
    axes = charts.Axes(*charts.rounded_range(means), *charts.rounded_range([*differences, *marked, 0.0]))
    parts = [
        charts.line(axes, [(axes.x_low, 0.0), (axes.x_high, 0.0)], "chance"),
        charts.dots(axes, list(zip(means, differences, strict=True)), 2.6),
        charts.level(axes, agreement.bias, f"bias {agreement.bias:+.1f}"),
        charts.level(axes, agreement.upper_limit, f"{agreement.upper_limit:+.1f}", "level dashed"),
        charts.level(axes, agreement.lower_limit, f"{agreement.lower_limit:+.1f}", "level dashed"),
    ]
    title = "Longest diameter, predicted against reference (Bland-Altman)"
    percent = evaluation.longest_percent
    caption = f"{agreement.n} nodules that were found. Dashed: 95 % limits of agreement."
    if percent is not None:
        limits = f"{percent.lower_limit:+.1f} to {percent.upper_limit:+.1f} %"
        caption += f" In percent: bias {percent.bias:+.1f} %, limits {limits}."
    return (
        title,
        caption,
        charts.drawing(axes, parts, f"mean of both [{unit}]", f"predicted - reference [{unit}]", title),
    )


def _coverage_chart(selective: Selective) -> tuple[str, str, str] | None:
    """Selective -> (title, caption, SVG) of the chart of its scores against coverage; None where no score has a value.

    The Brier score is left out; it is in the JSON.
    """
    shown = [curve for curve in selective.curves if curve.name != "brier"]
    values = [value for curve in shown for part in (curve.values, curve.low, curve.high) for value in part]
    known = [value for value in values if value is not None]
    if not known:
        return None
    first = shown[0]
    axes = charts.Axes(0.15, 1.05, *charts.rounded_range(known))
    whole = first.values[0]
    parts = [charts.band(axes, *_known(selective.coverage, first.low, first.high))]
    if whole is not None:
        parts.append(charts.line(axes, [(0.2, whole), (1.0, whole)], "chance"))
    parts += [
        charts.line(axes, _points(selective.coverage, curve), "line" if curve is first else "level dashed")
        for curve in shown
    ]
    parts.append(charts.dots(axes, _points(selective.coverage, first), 2.6))
    title = f"{selective.title}: the least sure images declined"
    words = " and ".join(curve.title for curve in shown)
    lines = ", ".join(
        f"{curve.title} ({style})" for curve, style in zip(shown, ("solid, band 95 %", "dashed"), strict=False)
    )
    caption = (
        f"{lines}; dotted: declined at random. Sureness: {selective.confidence}. "
        f"AURC {number_text(selective.aurc.value)} ({interval_text(selective.aurc)}); without order "
        f"{selective.aurc_without_order:.3f}, at best {selective.aurc_of_best_order:.3f}."
    )
    return title, caption, charts.drawing(axes, parts, "coverage: share of the images answered", words, title)


def _points(coverage: Sequence[float], curve: CoverageCurve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(coverage, curve.values, strict=True) if y is not None]


def _known(
    coverage: Sequence[float], lows: Sequence[float | None], highs: Sequence[float | None]
) -> tuple[list[float], list[float], list[float]]:
    """-> (coverages that have a band, the band's lower values, its upper values)."""
    kept = [
        (x, low, high)
        for x, low, high in zip(coverage, lows, highs, strict=True)
        if low is not None and high is not None
    ]
    return [x for x, _, _ in kept], [low for _, low, _ in kept], [high for _, _, high in kept]


def number_text(value: float | None, unit: str = "") -> str:
    """Value and unit -> text: a share has three decimals, px, mm and percent have one; None is a dash."""
    if value is None:
        return "-"
    return f"{value:z.1f} {unit}" if unit else f"{value:z.3f}"


def interval_text(estimate: Estimate) -> str:
    """Estimate -> `low to high`, or the reason why there is no interval."""
    if estimate.low is None or estimate.high is None:
        return estimate.reason or "-"
    digits = 1 if estimate.unit else 3
    return f"{estimate.low:z.{digits}f} to {estimate.high:z.{digits}f}"
