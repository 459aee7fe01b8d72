"""Training sets that a bundle names -> which rows it may have seen: the one guard of every score and every start.

A set that the network was trained on has `held_out_fold`, the fold that it has not seen. A set behind the weights that
a run began with has `inherited_from` too, the name of the bundle that they came from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from thyrosight.bundle.records import BundleInfo, TrainingSet
from thyrosight.bundle.store import Bundle
from thyrosight.errors import ConfigError
from thyrosight.types import Case

_OLD_FOLD = re.compile(r"(?:^|: )folds other than (\d+), but validation$")
_OLD_ORIGIN = re.compile(r"before, by (.+?): ")
"""How a bundle that was written before the two fields existed states them in `split`."""


def held_out_fold(entry: TrainingSet) -> int | None:
    """The fold of this set that the bundle has not seen; None: no fold is known to be unseen."""
    if entry.held_out_fold is not None:
        return entry.held_out_fold
    stated = _OLD_FOLD.search(entry.split)
    return int(stated[1]) if stated else None


def inherited_from(entry: TrainingSet) -> str:
    """The name of the bundle whose weights have seen this set before the run began; empty: the run itself saw it."""
    if entry.inherited_from:
        return entry.inherited_from
    stated = _OLD_ORIGIN.match(entry.split)
    return stated[1] if stated else ""


def seen_sets(info: BundleInfo, sources: Collection[str], fold: int | None) -> list[TrainingSet]:
    """The bundle's sets of these sources that may hold rows of `fold` (None: of any part of the source)."""
    return [
        entry
        for entry in info.training_sets
        if entry.source in sources and (fold is None or held_out_fold(entry) != fold)
    ]


def has_left_out(info: BundleInfo, folds: Collection[int]) -> bool:
    """Whether the bundle's own run kept one of these folds aside."""
    return any(not inherited_from(entry) and held_out_fold(entry) in folds for entry in info.training_sets)


def has_seen_the_same(one: BundleInfo, other: BundleInfo) -> bool:
    """Whether each bundle has kept aside what the other has, of the sets that the other's own run was trained on."""
    return _keeps_aside(one, other) and _keeps_aside(other, one)


def _keeps_aside(one: BundleInfo, other: BundleInfo) -> bool:
    own = {entry.source for entry in other.training_sets if not inherited_from(entry)}
    known = {(entry.source, held_out_fold(entry)) for entry in other.training_sets}
    return all((entry.source, held_out_fold(entry)) in known for entry in one.training_sets if entry.source in own)


def refuse_seen(bundle: Bundle, kept_out: Sequence[Case], fold: int | None) -> None:
    """ConfigError where a run can't begin with this bundle, because it may have seen rows that are kept out now."""
    seen = seen_sets(bundle.info, {case.source for case in kept_out}, fold)
    if seen:
        source, part = seen[0].source, seen[0].split
        raise ConfigError(
            f"network.start_from: {bundle.info.name} has learnt from {source} ({part}), so the rows of {source} that "
            "are kept out now would not be unseen; start from another bundle, or from ImageNet by "
            'network.start_from=""'
        )


# What a bundle and a run record


def own_set(source: str, rows: Sequence[Case], sha256: str, fold: int | None) -> TrainingSet:
    """Fitted rows of one source, the hash of their list, the fold that the run keeps aside -> their record."""
    part = "all rows but test and validation" if fold is None else f"folds other than {fold}, but validation"
    return TrainingSet(source=source, num_images=len(rows), sha256=sha256, split=part, held_out_fold=fold)


def start_record(bundle: Bundle) -> dict[str, Any]:
    """What a run records of the bundle that it starts from: name, hash and training sets."""
    return bundle.info.model_dump(mode="json", include={"name", "sha256", "training_sets"})


def inherited_sets(start: Mapping[str, Any] | None) -> Iterator[TrainingSet]:
    """start_record (None: the run began with fresh weights) -> the sets that those weights have seen."""
    if start is None:
        return
    for record in start["training_sets"]:
        entry = TrainingSet.model_validate(record)
        yield entry.model_copy(
            update={
                "split": f"before, by {start['name']}: {entry.split}",
                "held_out_fold": held_out_fold(entry),
                "inherited_from": start["name"],
            }
        )


def without_repeats(entries: Sequence[TrainingSet]) -> tuple[TrainingSet, ...]:
    """Sets of several bundles -> each once, the first record of it."""
    known: dict[tuple[str, int | None, str], TrainingSet] = {}
    for entry in entries:
        known.setdefault((entry.source, held_out_fold(entry), inherited_from(entry)), entry)
    return tuple(known.values())
