"""cases.csv -> how well a classifier that sees no nodule guesses the label, from margin, border or drawn marks alone.

Logistic regression on each kind of evidence, over the folds of cases.csv. The fit that rates a case has not seen its
fold; the penalty's weight is chosen within the other folds. AUROC 0.5 is chance. Evidence:
    margin          the raw capture with the ultrasound field blanked: what a network without the crop could see
    margin's text   its longest line of text, which names the diagnosis on some captures
    border shown    the outer ring of each view after the field's text is filled in, a part of the network's input
    fill-in shown   the same, only where text was filled in
    calipers, text  how many marks are drawn into the field, and where, before anything is filled in
    layout          nothing but place and size of the field, number of views, shape of the first view
    image size      nothing but the sizes of the file and of the field in it
    box             place, size and shape of the nodules' boxes alone; also each of the three by itself
Where evidence in the network's input is far above chance, a network can score well without any knowledge of nodules.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.datasets.table import read_cases
from thyrosight.evaluation.metrics.bootstrap import grouped_bootstrap
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.frames.load import load_frame
from thyrosight.types import Box, Case, UInt8Array
from thyrosight.views.field import field_of_view, find_panels
from thyrosight.views.screen_text import find_text, without_text

Rows = NDArray[np.float64]
PENALTIES = tuple(10.0**power for power in range(-1, 4))
MARGIN_HW = (45, 70)
LINE_HW = (12, 140)
VIEW_HW = (48, 48)
RING_SHARE = 0.06  # of a view's side
CROSS_ARMS_PX = ((2, 3), (3, 4, 5))  # from the centre, where small and large crosses must be drawn
CROSS_LEVELS = 45.0  # by which the weakest arm of a cross must stand out over the brightest corner between arms
UPRIGHT, DIAGONAL = ((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1))
GRID = 3


@dataclass(frozen=True)
class Shown:
    """One labelled case: its capture, field, views, and the image as the network gets it."""

    case: Case
    image_HW: UInt8Array
    fov: Box
    panels: tuple[Box, ...]
    filled_HW: UInt8Array
    text: tuple[Box, ...]


def shown(case: Case) -> Shown:
    """Case -> its screen; field and views come from the table where it has them."""
    frame = load_frame(case.image)
    fov = case.fov or field_of_view(frame.image_HW, frame.rgb_HW3)
    panels = case.panels or find_panels(frame.image_HW, fov)
    return Shown(case, frame.image_HW, fov, panels, *without_text(frame.image_HW, fov))


# Evidence: Shown -> rows of features, one per view or one in all


def margin(screen: Shown) -> Rows:
    """The capture around the field, small."""
    small_HW = cv2.resize(_blanked(screen), MARGIN_HW[::-1], interpolation=cv2.INTER_AREA)
    return small_HW.reshape(1, -1).astype(np.float64)


def margin_text(screen: Shown) -> Rows:
    """The longest line of text around the field, scaled to one height."""
    blanked_HW = _blanked(screen)
    line_HW = np.zeros(LINE_HW, np.uint8)
    longest = max(find_text(blanked_HW), key=lambda box: box.width, default=None)
    if longest is not None:
        width = min(LINE_HW[1], max(1, round(longest.width * LINE_HW[0] / longest.height)))
        line_HW[:, :width] = cv2.resize(blanked_HW[longest.slices], (width, LINE_HW[0]), interpolation=cv2.INTER_AREA)
    return line_HW.reshape(1, -1).astype(np.float64)


def _blanked(screen: Shown) -> UInt8Array:
    blanked_HW = screen.image_HW.copy()
    blanked_HW[screen.fov.slices] = 0
    return blanked_HW


def border(screen: Shown) -> Rows:
    """The outer ring of every view, as the network gets it, on a grid of VIEW_HW."""
    rows = []
    for panel in screen.panels:
        view_HW = cv2.resize(screen.filled_HW[panel.slices], VIEW_HW[::-1], interpolation=cv2.INTER_AREA)
        rows.append(view_HW[ring(VIEW_HW)].astype(np.float64))
    return np.stack(rows)


def ring(size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """-> True along the edges."""
    width = max(1, round(RING_SHARE * size_hw[0]))
    is_ring_HW = np.ones(size_hw, np.bool_)
    is_ring_HW[width:-width, width:-width] = False
    return is_ring_HW


def fill_in(screen: Shown) -> Rows:
    """Where every view was filled in, and with what gray."""
    changed_HW = screen.filled_HW != screen.image_HW
    gray_HW = np.where(changed_HW, screen.filled_HW, 0)
    rows = []
    for panel in screen.panels:
        parts = (changed_HW[panel.slices].astype(np.float32) * 255, gray_HW[panel.slices].astype(np.float32))
        small = [
            cv2.resize(part_HW, (VIEW_HW[1] // 2, VIEW_HW[0] // 2), interpolation=cv2.INTER_AREA) for part_HW in parts
        ]
        rows.append(np.concatenate([part_HW.ravel() for part_HW in small]).astype(np.float64))
    return np.stack(rows)


def marks(screen: Shown) -> Rows:
    """Text and calipers in the field: how many, where in a grid of 3 x 3, and how far the calipers spread."""
    field_HW = screen.image_HW[screen.fov.slices]
    text_xy = [((box.x0 + box.x1) / 2 - screen.fov.x0, (box.y0 + box.y1) / 2 - screen.fov.y0) for box in screen.text]
    crosses_xy = find_crosses(field_HW)
    spread = np.ptp(np.asarray(crosses_xy), axis=0) / field_HW.shape[::-1] if crosses_xy else np.zeros(2)
    area = sum(box.width * box.height for box in screen.text) / field_HW.size
    parts = [grid_counts(points, field_HW.shape) for points in (text_xy, crosses_xy)]
    numbers = [len(text_xy), len(crosses_xy), bool(text_xy), bool(crosses_xy), 100 * area, *spread]
    return np.concatenate([*parts, np.asarray(numbers, np.float64)])[None]


def layout(screen: Shown) -> Rows:
    """Place and size of the field, number of views, shape of the first view; nothing of their content."""
    height, width = screen.image_HW.shape
    fov, first = screen.fov, screen.panels[0]
    numbers = [fov.x0 / width, fov.y0 / height, fov.width / width, fov.height / height, len(screen.panels)]
    return np.asarray([[*numbers, first.width / first.height]], np.float64)


def image_size(screen: Shown) -> Rows:
    """Sizes of the file and of the field, in pixels, which depend on the scanner's export setting."""
    height, width = screen.image_HW.shape
    return np.asarray([[height, width, screen.fov.height, screen.fov.width, height * width]], np.float64)


def box_place(screen: Shown) -> Rows:
    """Centre (x, y) of each box in shares of the field, its squares and product, and its distance from the middle."""
    x, y = _relative(screen)[:, :2].T
    return np.column_stack([x, y, x * x, y * y, x * y, np.abs(x - 0.5)])


def box_size(screen: Shown) -> Rows:
    """Logarithm of each box's area in shares of the field, and its square."""
    sides = np.log(_relative(screen)[:, 2:])
    return np.column_stack([sides.sum(axis=1), sides.sum(axis=1) ** 2])


def box_shape(screen: Shown) -> Rows:
    """Height over width of each box in pixels, as a logarithm, and its square: taller than wide or not."""
    ratio = np.log([box.height / box.width for box in screen.case.boxes])
    return np.column_stack([ratio, ratio**2])


def box_alone(screen: Shown) -> Rows:
    """Place, size and shape together."""
    return np.column_stack([box_place(screen), box_size(screen), box_shape(screen)])


def _relative(screen: Shown) -> Rows:
    """-> centre x, y, width and height of each box in shares of the field."""
    fov = screen.fov
    return np.asarray(
        [
            (
                ((box.x0 + box.x1) / 2 - fov.x0) / fov.width,
                ((box.y0 + box.y1) / 2 - fov.y0) / fov.height,
                box.width / fov.width,
                box.height / fov.height,
            )
            for box in screen.case.boxes
        ]
    )


def grid_counts(points_xy: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Points in a field -> how many are in each cell of the grid."""
    counts = np.zeros((GRID, GRID))
    for x, y in points_xy:
        counts[min(GRID - 1, int(GRID * y / shape[0])), min(GRID - 1, int(GRID * x / shape[1]))] += 1
    return counts.ravel()


def find_crosses(field_HW: UInt8Array) -> list[tuple[float, float]]:
    """Field -> centres (x, y) of drawn measurement crosses: four thin arms, upright or diagonal, none between them."""
    ground_HW = cv2.morphologyEx(field_HW, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    above_HW = field_HW.astype(np.float32) - ground_HW
    best_HW = np.full(field_HW.shape, -np.inf, np.float32)
    for steps in CROSS_ARMS_PX:
        for arms, gaps in ((UPRIGHT, DIAGONAL), (DIAGONAL, UPRIGHT)):
            weakest_HW = np.min([_along(above_HW, steps, way, np.min) for way in arms], axis=0)
            between_HW = np.max([_along(above_HW, (2, 3), way, np.max) for way in gaps], axis=0)
            best_HW = np.maximum(best_HW, weakest_HW - between_HW)
    is_cross_HW = (best_HW >= CROSS_LEVELS) & (best_HW == cv2.dilate(best_HW, np.ones((9, 9), np.uint8)))
    return [(float(x), float(y)) for y, x in np.argwhere(is_cross_HW)]


def _along(
    values_HW: NDArray[np.float32], steps: Sequence[int], way_yx: tuple[int, int], over: Callable[..., Rows]
) -> Rows:
    """-> at each pixel the least (or most) of the values at these steps one way; 0 beyond the edge."""
    reach = max(steps)
    padded_HW = np.pad(values_HW, reach)
    height, width = values_HW.shape
    starts_yx = [(reach + step * way_yx[0], reach + step * way_yx[1]) for step in steps]
    return over(np.stack([padded_HW[y : y + height, x : x + width] for y, x in starts_yx]), axis=0)


EVIDENCE: dict[str, Callable[[Shown], Rows]] = {
    "margin": margin,
    "margin's text": margin_text,
    "border shown": border,
    "fill-in shown": fill_in,
    "calipers, text": marks,
    "layout": layout,
    "image size": image_size,
}
OF_BOXES: dict[str, Callable[[Shown], Rows]] = {
    "box": box_alone,
    "box's place": box_place,
    "box's size": box_size,
    "box's shape": box_shape,
}
"""Only where every labelled case has boxes."""


# Logistic regression


def held_out_scores(rows: Rows, labels: NDArray[np.int64], case_of: NDArray[np.intp], folds: NDArray[np.int64]) -> Rows:
    """Rows of features, labels and the case of each row, folds of the cases -> one score per case, the mean over rows.

    A fit's intercept is left out of the score: it depends on the share of high labels in the training folds. That share
    is lower where the scored fold has more of them, so the intercept would push the pooled AUROC below chance.
    """
    scores = np.zeros(len(folds))
    for fold in np.unique(folds):
        learn = folds[case_of] != fold
        inner = folds[case_of[learn]]
        losses = [inner_loss(rows[learn], labels[learn], inner, penalty) for penalty in PENALTIES]
        score = fit(rows[learn], labels[learn], PENALTIES[int(np.argmin(losses))])[0](rows[~learn])
        total = np.bincount(case_of[~learn], score, len(folds)) / np.maximum(
            1, np.bincount(case_of[~learn], None, len(folds))
        )
        scores += total
    return scores


def inner_loss(rows: Rows, labels: NDArray[np.int64], folds: NDArray[np.int64], penalty: float) -> float:
    """-> sum over the folds of the cross entropy of each fold by a fit of the others."""
    total = 0.0
    for fold in np.unique(folds):
        score, intercept = fit(rows[folds != fold], labels[folds != fold], penalty)
        logits = score(rows[folds == fold]) + intercept
        total += float(np.sum(np.logaddexp(0, logits) - labels[folds == fold] * logits))
    return total


def fit(rows: Rows, labels: NDArray[np.int64], penalty: float) -> tuple[Callable[[Rows], NDArray[np.float64]], float]:
    """Rows, labels, weight of the squared coefficients -> (score without intercept, intercept), by Newton's method.

    Features are centred, scaled by their own deviation and rotated onto the rows' principal axes. So the cost of a step
    depends on the number of rows, even where there are more features than rows.
    """
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf) * np.sqrt(max(1, np.count_nonzero(scale > 1e-9)))
    _, sizes, axes = np.linalg.svd((rows - mean) / scale, full_matrices=False)
    axes = axes[sizes > 1e-9 * max(sizes.max(initial=0.0), 1e-9)]
    design = np.column_stack([(rows - mean) / scale @ axes.T, np.ones(len(rows))])
    weight = np.full(design.shape[1], penalty * 0.01)
    weight[-1] = 1e-9
    solution = np.zeros(design.shape[1])
    for _ in range(30):
        logits = design @ solution
        probability = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        slope = design.T @ (probability - labels) + weight * solution
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(weight)
        step = np.linalg.solve(curvature, slope)
        solution -= step
        if np.abs(step).max() < 1e-8:
            break
    coefficients = axes.T @ solution[:-1]
    return (lambda new: (new - mean) / scale @ coefficients), float(solution[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=Path, required=True, help="cases.csv with risk labels and folds")
    parser.add_argument("--only", action="append", choices=[*EVIDENCE, *OF_BOXES], help="a kind of evidence; repeat")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    cases = [case for case in read_cases(arguments.cases) if case.malignancy is not None and case.fold is not None]
    screens = [shown(case) for case in cases]
    labels = np.array([case.malignancy for case in cases], np.int64)
    folds = np.array([case.fold for case in cases], np.int64)
    groups = [case.group for case in cases]
    print(f"{len(cases)} labelled cases of {len(set(groups))} groups, {labels.sum()} high, {len(set(folds))} folds")
    counts = np.array([(len(screen.text), len(find_crosses(screen.image_HW[screen.fov.slices]))) for screen in screens])
    print(f"text in the field: {np.mean(counts[:, 0] > 0):.0%} of the cases; calipers: {np.mean(counts[:, 1] > 1):.0%}")
    has_boxes = all(case.boxes for case in cases)
    for name, evidence in (EVIDENCE | (OF_BOXES if has_boxes else {})).items():
        if arguments.only and name not in arguments.only:
            continue
        parts = [evidence(screen) for screen in screens]
        case_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        scores = held_out_scores(np.concatenate(parts), labels[case_of], case_of, folds)
        interval = grouped_bootstrap(auroc_of(labels, scores), groups, np.random.default_rng(arguments.seed))
        told = "-" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"
        print(f"{name:15s} AUROC {interval.value:.3f}, 95 % {told}")


if __name__ == "__main__":
    main()
