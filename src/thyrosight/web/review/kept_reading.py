"""Findings, their measures, the network's result -> the reading of a frame as it is stored, and the item's numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from thyrosight.files import raise_disk_fault
from thyrosight.prediction import Nodule, Prediction
from thyrosight.results.layout import CLIP_NAME
from thyrosight.tirads.assessment import Assessment, SystemName
from thyrosight.tirads.reading import assess_nodule, level_words
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import Store
from thyrosight.web.review.nodule_identity import numbered, origin_of, uid_of
from thyrosight.web.review.outlines import measure_of
from thyrosight.web.review.reading_files import etag_of, read_numbers
from thyrosight.web.schemas import Correction, CorrectionIn, FindingIn, KeptFinding


def server_time() -> str:
    """-> ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def kept_reading(
    store: Store,
    prediction: Prediction,
    item: ItemRow,
    given: CorrectionIn,
    findings: Sequence[FindingIn],
    nodules: Sequence[Nodule],
    earlier: Correction | None = None,
) -> tuple[Correction, dict[str, int]]:
    """Findings, their measures -> (the reading without its version, {UID: number} of the item).

    earlier: the reader's reading before this one. An outline that did not change since then keeps its origin, even if
    the network has another outline now.
    """
    uids: list[str] = []
    taken = {finding.uid for finding in findings if finding.uid is not None}
    for finding, nodule in zip(findings, nodules, strict=True):
        uids.append(uid_of(finding, nodule, prediction.nodules, taken | set(uids)))
    numbers = numbered(uids, item_numbers(store, item, prediction))
    made, origins = [], []
    origin_before = {(one.uid, one.nodule.outline_xy): one.origin for one in earlier.findings} if earlier else {}
    for finding, measured, uid in zip(findings, nodules, uids, strict=True):
        nodule = measured.model_copy(update={"uid": uid, "number": numbers[uid]})
        assessment = assess_nodule(nodule, finding.descriptors, given.system)
        origins.append(origin_of(finding, uid, measured, prediction.nodules))
        values = finding.model_dump() | {
            "uid": uid,
            "number": numbers[uid],
            "origin": origin_before.get((uid, nodule.outline_xy), origins[-1]),
            "nodule": nodule,
            "level": level_words(assessment),
            "is_level_proposed": assessment.is_level_proposed,
        }
        made.append(KeptFinding(**values))
    made.sort(key=lambda finding: finding.number)
    is_networks = len(made) == len(prediction.nodules) and all(origin == "network" for origin in origins)
    return (
        Correction(
            item_id=item.id,
            frame_index=prediction.image.frame_index,
            version=1,
            etag=etag_of(1),
            who=given.who,
            when=given.when,
            saved_at=server_time(),
            findings=made,
            changes_network=not is_networks,
            next_number=max(numbers.values(), default=0) + 1,
            system=given.system,
            calipers_xy=given.calipers_xy,
            note=given.note,
            model=prediction.model,
            outlines_xy=[finding.outline_xy for finding in made],
            descriptors=[finding.descriptors for finding in made],
            measures=[measure_of(finding.nodule) for finding in made],
        ),
        numbers,
    )


def item_numbers(store: Store, item: ItemRow, prediction: Prediction) -> dict[str, int]:
    """-> {UID: number} of every nodule that the item ever had, by the network (over all frames) and by readers."""
    numbers = read_numbers(store.readings_folder(item))
    for uid, number in _networks_numbers(store, item, prediction):
        if uid not in numbers:
            is_free = number not in numbers.values()
            numbers[uid] = number if is_free else max(numbers.values()) + 1
    return numbers


def finding_assessment(finding: KeptFinding, system: SystemName) -> Assessment:
    """Finding -> its TI-RADS assessment; where the reader left out a descriptor, measures propose one."""
    return assess_nodule(finding.nodule, finding.descriptors, system)


def has_words(finding: FindingIn) -> bool:
    """-> whether the reader chose a descriptor."""
    return any(value not in (None, []) for value in (finding.descriptors or {}).values())


def _networks_numbers(store: Store, item: ItemRow, prediction: Prediction) -> list[tuple[str, int]]:
    """-> (UID, number) of the network's nodules; of a clip, of all its frames."""
    found = {nodule.uid: nodule.number for nodule in prediction.nodules if nodule.uid is not None}
    try:
        clip = json.loads((store.item_folder(item) / CLIP_NAME).read_bytes())
        found |= {track["uid"]: track["number"] for track in clip["tracks"] if track.get("uid")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error)  # else it is a still
    return sorted(found.items(), key=lambda pair: pair[1])
