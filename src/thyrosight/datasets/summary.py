"""Cases, ImageFacts -> the content of dataset.json: counts, class balance, sizes, hashes that identify the set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from thyrosight.datasets.scan import ImageFacts, list_sha256
from thyrosight.datasets.sets.layout import DataSet
from thyrosight.files import sha256_of
from thyrosight.types import Case, Json

FORMAT_VERSION = 1


def dataset_record(cases: Sequence[Case], facts: Mapping[Path, ImageFacts], data_set: DataSet, seed: int) -> Json:
    """Cases, {path: ImageFacts}, DataSet -> the content of dataset.json.

    The sha256 of a list is that of its sorted lines "FILE_SHA256  case_id"; it does not depend on the set's folder.
    """
    areas = {case.case_id: facts[case.image].num_mask_px for case in cases if case.mask}
    sizes = Counter(facts[case.image].size_hw for case in cases)
    return {
        "format_version": FORMAT_VERSION,
        "source": data_set.source,
        "risk_meaning": data_set.label_meaning,
        "counts": {
            "images": len(cases),
            "outlined": sum(area is None or area > 0 for area in areas.values()),
            "empty_masks": sum(area == 0 for area in areas.values()),
            "without_mask": sum(case.mask is None for case in cases),
            "groups": len({case.group for case in cases}),
            "split_screens": sum(len(case.panels) > 1 for case in cases),
            "targets": _tally(case.target for case in cases),
            "splits": _tally(case.split or "none" for case in cases),
            "folds": _tally("none" if case.fold is None else str(case.fold) for case in cases),
        },
        "class_balance": _classes(cases),
        "class_balance_by_fold": {
            fold: _classes([case for case in cases if str(case.fold) == fold])
            for fold in sorted({str(case.fold) for case in cases if case.fold is not None})
        },
        "sizes": {
            "most_common_width_x_height": {
                f"{width} x {height}": number for (height, width), number in sizes.most_common(5)
            },
            "smallest_height": min(height for height, _ in sizes),
            "smallest_width": min(width for _, width in sizes),
            "largest_height": max(height for height, _ in sizes),
            "largest_width": max(width for _, width in sizes),
        },
        "left_out": dict(data_set.left_out),
        "notes": list(data_set.notes),
        "seed": seed,
        "files": {
            "image": _listed([(facts[case.image].sha256, case.case_id) for case in cases]),
            "mask": _listed(
                [(sha256_of(case.mask), case.case_id) for case in cases if case.mask and case.mask.is_file()]
            ),
        },
    }


def _classes(cases: Sequence[Case]) -> dict[str, int]:
    return {
        "1": sum(case.malignancy == 1 for case in cases),
        "0": sum(case.malignancy == 0 for case in cases),
        "none": sum(case.malignancy is None for case in cases),
    }


def _tally(values: object) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))  # type: ignore[call-overload]


def _listed(lines: list[tuple[str, str]]) -> Json:
    return {"number": len(lines), "sha256": list_sha256(f"{sha256}  {case_id}" for sha256, case_id in lines)}
