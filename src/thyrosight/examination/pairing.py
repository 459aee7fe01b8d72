"""Outlines in the images of one examination -> proposals which of them show the same nodule; the reader confirms them.

The transverse and the longitudinal view both show the depth of a nodule (anteroposterior extent), its echogenicity and
its cystic share: outlines are compared by these. Two outlines may show the same nodule unless their images contradict
this (side, pole, view). The likeliest pairs are chosen. Outlines of one image are never paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thyrosight.examination.records import ExaminedNodule, OutlinedBy, PairedBy, Section, ViewImage
from thyrosight.measurement.cine import best_pairs
from thyrosight.prediction import Nodule

DEPTH_SD_LOG = 0.17
"""Standard deviation of the difference in log depth of one nodule in two views: both outlines have errors, and the
views may cut the nodule at different places."""
ECHO_SD_LOG = 0.25
CYSTIC_SD = 0.25
POLE_GAIN = {0: 1.0, 1: 0.3}
"""Gain of a pair whose images name the same pole, and of a pair with neighbouring poles; other poles are not paired."""
MIN_GAIN = 0.1


@dataclass(frozen=True)
class Seen:
    """One outline of one image, before it is known which nodule it is."""

    image: ViewImage
    nodule: Nodule
    outlined_by: OutlinedBy = "AUTOMATIC"


def seen_by_network(images: Sequence[ViewImage]) -> list[Seen]:
    """Images -> the network's outlines of all of them."""
    return [Seen(image, nodule) for image in images for nodule in image.prediction.nodules]


def propose_nodules(seen: Sequence[Seen], uids: Sequence[str]) -> tuple[ExaminedNodule, ...]:
    """Outlines of all images, a uid for each -> nodules numbered from the largest; pairs are proposals.

    A pair takes the uid of its transverse outline.
    """
    partner = dict(_pairs(seen))
    taken = set(partner.values())
    groups = [[k] + ([partner[k]] if k in partner else []) for k in range(len(seen)) if k not in taken]
    groups.sort(key=lambda group: max(_size_for_order(seen[k]) for k in group), reverse=True)
    return tuple(_nodule(number, [seen[k] for k in group], uids[group[0]]) for number, group in enumerate(groups, 1))


def pair_gain(one: Seen, other: Seen) -> float:
    """Two outlines -> how well they fit as two views of one nodule, 0 (impossible) to 1."""
    first, second = one.image, other.image
    if first.key == second.key or (first.view is not None and first.view == second.view):
        return 0.0
    if first.side is not None and second.side is not None and first.side != second.side:
        return 0.0
    gain = 1.0
    if first.pole is not None and second.pole is not None:
        poles = ("upper", "middle", "lower")
        gain *= POLE_GAIN.get(abs(poles.index(first.pole) - poles.index(second.pole)), 0.0)
    depths = [_depth(one.nodule), _depth(other.nodule)]
    if None not in depths:
        gain *= _fit(math.log(depths[0] / depths[1]), DEPTH_SD_LOG)  # type: ignore[operator]
    return gain * _signs_fit(one.nodule, other.nodule)


def _pairs(seen: Sequence[Seen]) -> list[tuple[int, int]]:
    """-> pairs (index of the transverse outline in `seen`, index of the other outline).

    Pairs with an outline of unknown view come last; among them the likeliest pair is first.
    """
    rows = [k for k, one in enumerate(seen) if one.image.view == "transverse"]
    columns = [k for k, one in enumerate(seen) if one.image.view == "longitudinal"]
    gain_RC = np.array([[pair_gain(seen[r], seen[c]) for c in columns] for r in rows]).reshape(len(rows), len(columns))
    gain_RC[gain_RC < MIN_GAIN] = 0
    pairs = [(rows[r], columns[c]) for r, c in best_pairs(gain_RC)]
    free = set(range(len(seen))) - {k for pair in pairs for k in pair}
    others = [
        (pair_gain(seen[a], seen[b]), a, b)
        for a in sorted(free)
        for b in sorted(free)
        if a < b and None in (seen[a].image.view, seen[b].image.view)
    ]
    for gain, a, b in sorted(others, key=lambda other: (-other[0], other[1:])):
        if gain >= MIN_GAIN and {a, b} <= free:
            first, second = (b, a) if seen[b].image.view == "transverse" else (a, b)
            pairs.append((first, second))
            free -= {a, b}
    return pairs


def _nodule(number: int, group: Sequence[Seen], uid: str) -> ExaminedNodule:
    sides = {one.image.side for one in group} - {None}
    poles = {one.image.pole for one in group} - {None}
    paired_by: PairedBy | None = "program" if len(group) > 1 else None
    return ExaminedNodule(
        uid=uid,
        number=number,
        side=sides.pop() if len(sides) == 1 else None,
        pole=poles.pop() if len(poles) == 1 else None,
        sections=tuple(Section(image=one.image.key, nodule=one.nodule, outlined_by=one.outlined_by) for one in group),
        paired_by=paired_by,
        pairing_reason=_reason(group) if paired_by else "",
    )


def _reason(group: Sequence[Seen]) -> str:
    depths = [_depth(one.nodule) for one in group]
    parts = [] if None in depths else [f"depths {' and '.join(f'{mm:.1f} mm' for mm in depths)}"]
    for name in ("side", "pole"):
        values = {getattr(one.image, name) for one in group}
        if len(values) == 1 and None not in values:
            parts.append(f"both images say {values.pop()}")
    return "; ".join(parts)


def _depth(nodule: Nodule) -> float | None:
    return nodule.size.anteroposterior_mm


def _size_for_order(one: Seen) -> tuple[float, int]:
    return one.nodule.size.longest_mm or 0.0, one.nodule.size.area_px


def _signs_fit(one: Nodule, other: Nodule) -> float:
    if one.signs is None or other.signs is None:
        return 1.0
    gain = 1.0
    ratios = [one.signs.echogenicity_ratio, other.signs.echogenicity_ratio]
    if all(ratios):
        gain *= _fit(math.log(ratios[0] / ratios[1]), ECHO_SD_LOG)  # type: ignore[operator]
    shares = [one.signs.cystic_share, other.signs.cystic_share]
    if None not in shares:
        gain *= _fit(shares[0] - shares[1], CYSTIC_SD)  # type: ignore[operator]
    return gain


def _fit(difference: float, sd: float) -> float:
    return math.exp(-0.5 * (difference / sd) ** 2)
